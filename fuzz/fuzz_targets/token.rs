//! No token panics, and none but ours is accepted: the signing key is not known to the fuzzer.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use protocol::token::{KeySet, Signer, verify};

static KEYS: LazyLock<KeySet> = LazyLock::new(|| {
    let key = Signer::from_seed("k1", &[7; 32]).expect("32 bytes are a seed");
    let keys = KeySet::new("chatify", "chatify");
    keys.with("k1", key.public()).expect("a public key")
});

fuzz_target!(|token: &str| {
    assert!(verify(token, &KEYS, 1_800_000_000).is_err());
});
