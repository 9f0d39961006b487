//! No payload panics, and what is read comes back the same when it is written.
#![no_main]

use libfuzzer_sys::fuzz_target;
use protocol::engineio;

fuzz_target!(|text: &str| {
    let packets: Result<Vec<_>, _> = engineio::decode_payload(text, 64).collect();
    let Ok(packets) = packets else { return };
    let mut written = String::new();
    for (index, packet) in packets.iter().enumerate() {
        if index > 0 {
            written.push(engineio::SEPARATOR);
        }
        engineio::encode(packet, &mut written);
    }
    let again: Result<Vec<_>, _> = engineio::decode_payload(&written, 64).collect();
    assert_eq!(again, Ok(packets));
});
