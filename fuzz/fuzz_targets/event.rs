//! No event of a client panics; what is accepted is within its bounds, and what is refused points at a field.
#![no_main]

use libfuzzer_sys::fuzz_target;
use protocol::event::ClientEvent;
use protocol::limits::TEXT_CHARS_MAX;
use protocol::problem::Code;

fuzz_target!(|said: (u8, &str)| {
    let (which, payload) = said;
    let name = ClientEvent::NAMES[usize::from(which) % ClientEvent::NAMES.len()];
    match ClientEvent::parse(name, payload) {
        Ok(ClientEvent::Send(send)) => {
            assert!(send.text.chars().count() <= TEXT_CHARS_MAX && !send.text.is_empty());
        }
        Ok(_) => {}
        Err(problem) if problem.code == Code::InvalidRequest => assert!(!problem.errors.is_empty()),
        Err(_) => {}
    }
});
