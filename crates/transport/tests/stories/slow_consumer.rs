//! A client that does not read is cut, and its neighbours notice nothing.

use crate::support::{Heard, Mail, Setup, Ws};
use transport::CloseReason;

fn joined(server: &crate::support::TestServer) -> Ws {
    let ws = Ws::socketio(server.address());
    server.hear(|heard| matches!(heard, Heard::Connected(..)).then_some(()));
    ws
}

#[test]
fn a_slow_reader_is_cut_and_its_neighbours_hear_everything() {
    let server = Setup::new()
        .with(|config| config.limits.outbox_bytes = 64 * 1024)
        .start();
    let mut neighbour = joined(&server);
    let _slow = joined(&server);
    let text = "x".repeat(10_000);
    let mut sent = 0;
    let mut heard = 0;
    // As many as the kernel's buffers take, whatever their size here.
    while server.server.shards()[0]
        .counters()
        .closed(CloseReason::TooSlow)
        == 0
    {
        server.post(0, Mail::Shout(text.clone(), 10));
        sent += 10;
        while heard < sent {
            assert!(neighbour.text().ends_with("x\"]"));
            heard += 1;
        }
    }
    assert_eq!(server.ended(), CloseReason::TooSlow);
    server.post(0, Mail::Shout("the end".into(), 1));
    assert_eq!(neighbour.text(), r#"42["shout","the end"]"#);
}

#[test]
fn a_burst_within_one_turn_does_not_cut_who_reads() {
    let server = Setup::new()
        .with(|config| config.limits.outbox_bytes = 16 * 1024)
        .start();
    let mut ws = joined(&server);
    // 400 KB at once fit into the kernel's buffers, and not into the outbox.
    server.post(0, Mail::Shout("y".repeat(1000), 400));
    for _ in 0..400 {
        assert!(ws.text().starts_with(r#"42["shout","yyy"#));
    }
}

#[test]
fn volatile_frames_are_dropped_for_who_is_behind() {
    let server = Setup::new()
        .with(|config| {
            config.limits.outbox_bytes = 64 * 1024 * 1024;
            config.limits.outbox_frames = 1_000_000;
        })
        .start();
    let mut ws = joined(&server);
    server.post(0, Mail::Volatile("on time".into()));
    assert_eq!(ws.text(), r#"42["volatile","on time"]"#);
    let text = "z".repeat(10_000);
    let mut shouts = 0;
    while server.unwritten_bytes() == 0 {
        server.post(0, Mail::Shout(text.clone(), 100));
        shouts += 100;
    }
    server.post(0, Mail::Volatile("late".into()));
    for _ in 0..shouts {
        assert!(ws.text().starts_with(r#"42["shout","zzz"#));
    }
    server.post(0, Mail::Shout("next".into(), 1));
    assert_eq!(ws.text(), r#"42["shout","next"]"#);
    let dropped = &server.server.shards()[0].counters().volatile_dropped;
    assert_eq!(dropped.load(std::sync::atomic::Ordering::Relaxed), 1);
}

#[test]
fn a_polling_client_that_does_not_poll_is_cut_too() {
    let server = Setup::new()
        .with(|config| config.limits.outbox_bytes = 10_000)
        .start();
    let session = crate::polling::open(&server, "/socket.io/");
    crate::support::post(server.address(), &session, "40");
    server.hear(|heard| matches!(heard, Heard::Connected(..)).then_some(()));
    server.post(0, Mail::Shout("x".repeat(3000), 5));
    assert_eq!(server.ended(), CloseReason::TooSlow);
}
