//! No packet panics, and what is read comes back the same when it is written.
#![no_main]

use libfuzzer_sys::fuzz_target;
use protocol::socketio;

fuzz_target!(|text: &str| {
    let Ok(packet) = socketio::decode(text) else {
        return;
    };
    assert!(packet.attachments() <= socketio::ATTACHMENTS_MAX);
    let once = socketio::encode(&packet);
    let again = socketio::decode(&once).expect("what we write can be read");
    assert_eq!(socketio::encode(&again), once);
});
