//! No news from another node panics, and what is read comes back the same when it is written.
#![no_main]

use libfuzzer_sys::fuzz_target;
use protocol::envelope::Envelope;

fuzz_target!(|text: &[u8]| {
    let Ok(envelope) = serde_json::from_slice::<Envelope>(text) else {
        return;
    };
    let once = serde_json::to_vec(&envelope).expect("what was read can be written");
    let again: Envelope = serde_json::from_slice(&once).expect("what we write can be read");
    assert_eq!(again, envelope);
});
