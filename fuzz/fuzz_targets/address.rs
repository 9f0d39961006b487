//! No address panics; what is accepted cannot end a header line and stays the same when it is read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use protocol::mail_job::EmailAddress;

fuzz_target!(|text: &str| {
    let Ok(address) = text.parse::<EmailAddress>() else {
        return;
    };
    let once = address.as_str();
    assert!(once.len() <= 254 && once.is_ascii());
    assert!(
        !once
            .bytes()
            .any(|byte| byte.is_ascii_control() || byte == b' ')
    );
    assert_eq!(once.parse::<EmailAddress>().as_ref(), Ok(&address));
    // What budgets count by is no address, but never another domain's.
    assert!(address.mailbox().ends_with(address.domain()));
});
