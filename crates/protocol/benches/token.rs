//! What a token costs on the connect path: target ≤ 60 µs for `verify`.

use criterion::{Criterion, criterion_group, criterion_main};
use protocol::ids::{SessionId, UserId};
use protocol::token::{Claims, KeySet, Signer, verify};
use uuid::Uuid;

fn token(c: &mut Criterion) {
    let signer = Signer::from_seed("2026-01-01-abcdef", &[7; 32]).expect("a seed");
    let keys = KeySet::new("chatify", "chatify")
        .with("2026-01-01-abcdef", signer.public())
        .expect("a key");
    let claims = Claims {
        iss: "chatify".into(),
        aud: "chatify".into(),
        sub: UserId(Uuid::from_u128(1)),
        sid: SessionId(Uuid::from_u128(2)),
        jti: Uuid::from_u128(3),
        iat: 1_800_000_000,
        exp: 1_800_000_600,
        nbf: None,
    };
    let token = signer.sign(&claims);
    c.bench_function("token/sign", |b| b.iter(|| signer.sign(&claims)));
    c.bench_function("token/verify", |b| {
        b.iter(|| verify(&token, &keys, 1_800_000_001))
    });
}

criterion_group!(benches, token);
criterion_main!(benches);
