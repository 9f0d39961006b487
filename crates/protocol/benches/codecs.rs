//! What one packet costs: reading a client's event off the wire, writing an event for a room.
#![allow(
    missing_docs,
    reason = "criterion's macros write public items without docs"
)]

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use protocol::{
    engineio,
    frame::Frame,
    socketio,
    websocket::{Bounds, Message, Reader},
};
use serde_json::json;
use std::hint::black_box;

const EVENT: &str = r#"42["message:send",{"roomId":"room_0198c0de-0000-7000-8000-000000000001","clientId":"0198c0de-0000-7000-8000-000000000002","text":"shall we meet at eight? the usual place, I bring the tickets","replyTo":null}]"#;
const BOUNDS: Bounds = Bounds {
    message_bytes: 65_536,
    fragments: 64,
};

fn masked(text: &str) -> Vec<u8> {
    let mask = [7, 99, 1, 200];
    let mut frame = vec![0x81, 0x80 | 126];
    frame.extend((text.len() as u16).to_be_bytes());
    frame.extend(mask);
    frame.extend(text.bytes().enumerate().map(|(i, byte)| byte ^ mask[i % 4]));
    frame
}

fn decode(c: &mut Criterion) {
    let mut group = c.benchmark_group("decode");
    let wire = masked(EVENT);
    group.bench_function("websocket frame, engine packet, socket packet", |b| {
        b.iter_batched_ref(
            || wire.clone(),
            |wire| {
                let mut reader = Reader::default();
                let Ok(Some(Message::Text(text))) = reader.next(&mut wire.as_mut_slice(), &BOUNDS)
                else {
                    panic!("one whole message");
                };
                let Ok(engineio::Packet::Message(message)) = engineio::decode(&text) else {
                    panic!("a message");
                };
                black_box(socketio::decode(message).expect("an event"));
            },
            BatchSize::SmallInput,
        );
    });
    group.bench_function("socket packet alone", |b| {
        b.iter(|| socketio::decode(black_box(&EVENT[1..])));
    });
    group.finish();
}

fn encode(c: &mut Criterion) {
    let payload = json!({"roomId": "room_0198c0de-0000-7000-8000-000000000001", "seq": 812, "text": "shall we meet at eight?"});
    let mut group = c.benchmark_group("encode");
    group.bench_function("event, once for all receivers", |b| {
        b.iter(|| Frame::event("message:new", black_box(&payload)));
    });
    let frame = Frame::event("message:new", &payload);
    group.bench_function("share with one more receiver", |b| {
        b.iter(|| black_box(&frame).clone());
    });
    group.finish();
}

criterion_group!(benches, decode, encode);
criterion_main!(benches);
