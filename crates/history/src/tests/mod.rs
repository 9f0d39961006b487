//! Each anomaly, planted into a small history that is right otherwise, is found; and nothing else is.

mod deliveries;
mod members;
mod reading;
mod sends;

use protocol::ids::{ClientId, RoomId, SessionId, UserId};
use protocol::message::Seq;
use protocol::room::Epoch;
use uuid::Uuid;

use crate::{Anomaly, Bounds, Checker, Content, Event, Line, Passage, Verdict, check, digest};

const ROOM: RoomId = RoomId(Uuid::from_u128(0xA));
const EPOCH: Epoch = Epoch(9);

fn user(n: u128) -> UserId {
    UserId(Uuid::from_u128(n))
}

fn key(n: u64) -> ClientId {
    ClientId(Uuid::from_u128(u128::from(n)))
}

/// Message `n`: its name and its body go by its number.
fn said(n: u64) -> Content {
    Content {
        whole: Some(1000 + n),
        actor: Some(user(1)),
        key: Some(key(n)),
        body: Some(100 + n),
    }
}

fn invoke(id: u64, n: u64) -> Event {
    Event::Invoke {
        id,
        conn: 1,
        user: user(1),
        room: ROOM,
        key: key(n),
        body: 100 + n,
    }
}

fn ok(id: u64, seq: Seq) -> Event {
    Event::Ok {
        id,
        seq,
        duplicate: false,
    }
}

fn connect(conn: u64, who: u128) -> Event {
    Event::Connect {
        conn,
        user: user(who),
        session: SessionId(Uuid::from_u128(who)),
    }
}

fn start(conn: u64, after: Seq) -> Event {
    Event::Start {
        conn,
        room: ROOM,
        epoch: EPOCH,
        after,
    }
}

fn deliver(conn: u64, seq: Seq, content: Content) -> Event {
    Event::Deliver {
        conn,
        room: ROOM,
        seq,
        content,
    }
}

fn log(seq: Seq, content: Content) -> Event {
    Event::Log {
        room: ROOM,
        epoch: EPOCH,
        seq,
        content,
        passage: None,
        committed: None,
    }
}

fn passed(seq: Seq, passage: Passage) -> Event {
    let content = Content {
        whole: Some(seq),
        actor: Some(user(1)),
        ..Content::default()
    };
    Event::Log {
        room: ROOM,
        epoch: EPOCH,
        seq,
        content,
        passage: Some(passage),
        committed: Some(seq),
    }
}

/// Two members, three messages at 3 to 5, the first two sent without waiting for the acknowledgement.
fn right() -> Vec<Event> {
    vec![
        connect(1, 1),
        connect(2, 2),
        start(1, 2),
        start(2, 2),
        invoke(1, 1),
        invoke(2, 2),
        ok(1, 3),
        ok(2, 4),
        invoke(3, 3),
        deliver(1, 3, said(1)),
        deliver(1, 4, said(2)),
        deliver(2, 3, said(1)),
        deliver(2, 4, said(2)),
        ok(3, 5),
        deliver(1, 5, said(3)),
        deliver(2, 5, said(3)),
        Event::Settled,
        passed(1, Passage::Came(user(1))),
        passed(2, Passage::Came(user(2))),
        log(3, said(1)),
        log(4, said(2)),
        log(5, said(3)),
    ]
}

fn judge(events: &[Event]) -> Verdict {
    judge_within(events, Bounds::default())
}

fn judge_within(events: &[Event], bounds: Bounds) -> Verdict {
    let mut checker = Checker::new(bounds);
    for (at, event) in events.iter().enumerate() {
        checker.observe(at as u64 * 10, event);
    }
    checker.finish()
}

/// The right history with one event changed, dropped or added; it must show this anomaly and no other.
fn planted(anomaly: Anomaly, plant: impl FnOnce(&mut Vec<Event>)) {
    planted_with(&[anomaly], plant);
}

fn planted_with(expected: &[Anomaly], plant: impl FnOnce(&mut Vec<Event>)) {
    let mut events = right();
    plant(&mut events);
    let verdict = judge(&events);
    let seen: Vec<Anomaly> = verdict.seen().map(|(anomaly, _)| anomaly).collect();
    assert_eq!(seen, expected, "{verdict}");
}

fn place(events: &[Event], wanted: &Event) -> usize {
    events.iter().position(|event| event == wanted).unwrap()
}

fn replace(events: &mut [Event], old: &Event, new: Event) {
    let index = place(events, old);
    events[index] = new;
}

#[test]
fn a_right_history_passes() {
    let verdict = judge(&right());
    assert!(verdict.holds(), "{verdict}");
    assert_eq!(
        (
            verdict.totals.sends,
            verdict.totals.acked,
            verdict.totals.delivered,
            verdict.totals.entries
        ),
        (3, 3, 6, 5)
    );
}
