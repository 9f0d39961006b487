//! Each anomaly, planted into a small history that is right otherwise, is found; and nothing else is.

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

#[test]
fn a_lost_acknowledgement_is_found() {
    planted(Anomaly::Lost, |events| {
        events.retain(|event| {
            !matches!(
                event,
                Event::Deliver { seq: 5, .. } | Event::Log { seq: 5, .. }
            )
        });
    });
}

#[test]
fn an_acknowledged_message_whose_place_holds_another_is_lost() {
    planted_with(&[Anomaly::Lost, Anomaly::Diverged], |events| {
        replace(events, &log(5, said(3)), log(5, said(7)))
    });
}

#[test]
fn a_doubled_message_is_found() {
    planted_with(&[Anomaly::Doubled, Anomaly::Incomplete], |events| {
        events.push(log(
            6,
            Content {
                whole: Some(6),
                ..said(3)
            },
        ));
    });
}

#[test]
fn a_swallowed_body_is_found() {
    planted(Anomaly::Swallowed, |events| {
        // The same name with another body is sent again and acknowledged as a repeat.
        let again = Event::Invoke {
            id: 9,
            conn: 1,
            user: user(1),
            room: ROOM,
            key: key(3),
            body: 999,
        };
        events.insert(16, again);
        events.insert(
            17,
            Event::Ok {
                id: 9,
                seq: 5,
                duplicate: true,
            },
        );
    });
}

#[test]
fn a_hole_in_the_log_is_found() {
    planted_with(&[Anomaly::Hole, Anomaly::Incomplete], |events| {
        events.push(log(7, said(7)))
    });
}

#[test]
fn two_readers_who_saw_different_things_are_found() {
    planted(Anomaly::Diverged, |events| {
        replace(
            events,
            &deliver(2, 4, said(2)),
            deliver(
                2,
                4,
                Content {
                    whole: Some(1),
                    ..said(2)
                },
            ),
        );
    });
}

#[test]
fn a_delivery_that_the_log_does_not_have_is_found() {
    planted(Anomaly::Phantom, |events| {
        events.insert(16, deliver(2, 6, said(6)))
    });
}

#[test]
fn pipelined_sends_in_another_order_are_found() {
    planted_with(&[Anomaly::Reordered], |events| {
        replace(events, &ok(1, 3), ok(1, 4));
        replace(events, &ok(2, 4), ok(2, 3));
        for event in events.iter_mut() {
            if let Event::Deliver { seq, content, .. } | Event::Log { seq, content, .. } = event {
                match *seq {
                    3 => *content = said(2),
                    4 => *content = said(1),
                    _ => {}
                }
            }
        }
    });
}

#[test]
fn a_message_below_one_that_was_acknowledged_before_is_found() {
    planted(Anomaly::Inverted, |events| {
        // The third message was sent by another connection, after the second one's acknowledgement.
        let first = Event::Invoke {
            id: 1,
            conn: 2,
            user: user(1),
            room: ROOM,
            key: key(1),
            body: 101,
        };
        events.retain(|event| *event != invoke(1, 1) && *event != ok(1, 3));
        let after = place(events, &ok(2, 4));
        events.insert(after + 1, first);
        events.insert(after + 2, ok(1, 3));
    });
}

#[test]
fn a_skipped_entry_is_found() {
    planted(Anomaly::Skipped, |events| {
        events.retain(|event| *event != deliver(2, 4, said(2)))
    });
}

#[test]
fn a_repeated_entry_is_found() {
    planted(Anomaly::Repeated, |events| {
        events.insert(13, deliver(2, 4, said(2)))
    });
}

#[test]
fn a_delivery_before_the_start_is_found() {
    planted_with(&[Anomaly::Unstarted], |events| {
        let begin = place(events, &start(2, 2));
        events.remove(begin);
        let first = place(events, &deliver(2, 3, said(1)));
        events.insert(first + 1, start(2, 3));
    });
}

#[test]
fn a_late_delivery_is_found_against_a_bound() {
    let bound = |millis| Bounds {
        delivery_millis: Some(millis),
    };
    assert!(judge_within(&right(), bound(60)).holds());
    assert_eq!(judge_within(&right(), bound(49)).count(Anomaly::Late), 2);
    // Never delivered, on a connection that ended long after.
    let mut events = right();
    events.retain(|event| *event != deliver(2, 5, said(3)) && *event != Event::Settled);
    events.extend(std::iter::repeat_n(Event::Disconnect { conn: 77 }, 20));
    assert_eq!(judge_within(&events, bound(60)).count(Anomaly::Late), 1);
}

#[test]
fn a_connection_that_lacks_the_tail_is_found() {
    planted(Anomaly::Incomplete, |events| {
        events.retain(|event| *event != deliver(2, 5, said(3)))
    });
}

#[test]
fn a_member_who_hears_nothing_at_all_is_found() {
    planted(Anomaly::Incomplete, |events| {
        events.retain(|event| {
            !matches!(
                event,
                Event::Deliver { conn: 2, .. } | Event::Start { conn: 2, .. }
            )
        });
    });
}

#[test]
fn a_message_of_a_removed_member_is_found() {
    planted(Anomaly::WroteOutside, |events| {
        let Some(Event::Log { content, .. }) = events.last_mut() else {
            panic!()
        };
        *content = Content {
            actor: Some(user(3)),
            ..Content::default()
        };
        events.retain(|event| !matches!(event, Event::Ok { id: 3, .. }));
        for event in events.iter_mut() {
            if let Event::Deliver {
                seq: 5, content, ..
            } = event
            {
                *content = Content::default();
            }
        }
    });
}

#[test]
fn a_removed_member_who_still_hears_is_found() {
    planted(Anomaly::HeardOutside, |events| {
        events.extend([
            passed(6, Passage::Went(user(2))),
            log(
                7,
                Content {
                    whole: Some(7),
                    ..Content::default()
                },
            ),
        ]);
        let settled = place(events, &Event::Settled);
        let heard = |conn, seq, whole| {
            deliver(
                conn,
                seq,
                Content {
                    whole: Some(whole),
                    ..Content::default()
                },
            )
        };
        events.splice(
            settled..settled,
            [
                heard(1, 6, 6),
                heard(1, 7, 7),
                heard(2, 6, 6),
                heard(2, 7, 7),
            ],
        );
    });
}

#[test]
fn a_member_who_came_back_may_read_what_lies_between() {
    let mut events = right();
    events.retain(|event| !matches!(event, Event::Log { .. } | Event::Settled));
    events.extend([
        Event::Stop {
            conn: 2,
            room: ROOM,
        },
        Event::Disconnect { conn: 1 },
        Event::Disconnect { conn: 2 },
    ]);
    events.extend([connect(3, 2), start(3, 5)]);
    events.extend((6..=8).map(|seq| deliver(3, seq, Content::default())));
    events.extend([
        passed(1, Passage::Came(user(1))),
        passed(2, Passage::Came(user(2))),
    ]);
    events.extend([log(3, said(1)), log(4, said(2)), log(5, said(3))]);
    events.extend([
        passed(6, Passage::Went(user(2))),
        log(7, said(7)),
        passed(8, Passage::Came(user(2))),
    ]);
    let verdict = judge(&events);
    assert!(verdict.holds(), "{verdict}");
    // The same stream, begun before the return was committed.
    let Some(Event::Log { committed, .. }) = events.last_mut() else {
        panic!()
    };
    *committed = Some(1_000_000);
    assert_eq!(judge(&events).count(Anomaly::HeardOutside), 1);
}

/// Seed 27815: the return that gave them the right was cut off by a backup that was put back.
#[test]
fn what_a_returned_member_heard_stays_right_when_the_return_is_cut_off() {
    let mut events = right();
    events.retain(|event| !matches!(event, Event::Log { .. } | Event::Settled));
    events.extend([
        passed(1, Passage::Came(user(1))),
        passed(2, Passage::Came(user(2))),
    ]);
    events.extend([log(3, said(1)), log(4, said(2)), log(5, said(3))]);
    events.extend([
        passed(6, Passage::Went(user(2))),
        log(7, said(7)),
        passed(8, Passage::Came(user(2))),
    ]);
    events.extend([
        Event::Disconnect { conn: 1 },
        Event::Disconnect { conn: 2 },
        connect(3, 2),
        start(3, 5),
    ]);
    events.extend((6..=7).map(|seq| deliver(3, seq, Content::default())));
    events.push(Event::Disconnect { conn: 3 });
    assert_eq!(judge(&events).count(Anomaly::HeardOutside), 0);
    events.push(Event::Restored {
        room: ROOM,
        epoch: Epoch(10),
        seq: 7,
    });
    assert_eq!(judge(&events).count(Anomaly::HeardOutside), 0);
}

#[test]
fn a_refusal_that_was_stored_is_found() {
    planted(Anomaly::Denied, |events| {
        replace(
            events,
            &ok(3, 5),
            Event::Fail {
                id: 3,
                retry: false,
            },
        )
    });
}

#[test]
fn a_refusal_beside_an_unknown_outcome_is_no_lie() {
    let mut events = right();
    replace(&mut events, &ok(3, 5), Event::Info { id: 3 });
    events.insert(16, invoke(4, 3));
    events.insert(17, Event::Fail { id: 4, retry: true });
    assert!(judge(&events).holds());
}

#[test]
fn a_refusal_for_good_of_what_was_seen_before_is_found() {
    let mut events = right();
    let settled = place(&events, &Event::Settled);
    events.splice(
        settled..settled,
        [invoke(4, 3), Event::Fail { id: 4, retry: true }],
    );
    assert!(judge(&events).holds());
    replace(
        &mut events,
        &Event::Fail { id: 4, retry: true },
        Event::Fail {
            id: 4,
            retry: false,
        },
    );
    assert_eq!(judge(&events).count(Anomaly::Denied), 1);
}

#[test]
fn what_a_restore_took_away_is_owed_to_nobody() {
    let mut events = right();
    events.retain(|event| !matches!(event, Event::Log { .. } | Event::Settled));
    let restored = Epoch(10);
    events.extend([Event::Disconnect { conn: 1 }, Event::Disconnect { conn: 2 }]);
    events.push(Event::Restored {
        room: ROOM,
        epoch: restored,
        seq: 3,
    });
    events.extend([
        connect(3, 2),
        Event::Start {
            conn: 3,
            room: ROOM,
            epoch: restored,
            after: 3,
        },
    ]);
    events.extend([
        invoke(9, 9),
        ok(9, 4),
        deliver(3, 4, said(9)),
        Event::Settled,
    ]);
    for (seq, n) in [(3, 1), (4, 9)] {
        events.push(Event::Log {
            room: ROOM,
            epoch: restored,
            seq,
            content: said(n),
            passage: None,
            committed: None,
        });
    }
    events.extend(
        [
            passed(1, Passage::Came(user(1))),
            passed(2, Passage::Came(user(2))),
        ]
        .map(|event| match event {
            Event::Log {
                room,
                seq,
                content,
                passage,
                committed,
                ..
            } => Event::Log {
                room,
                epoch: restored,
                seq,
                content,
                passage,
                committed,
            },
            other => other,
        }),
    );
    let verdict = judge(&events);
    assert!(verdict.holds(), "{verdict}");
    // A connection that goes on in the old incarnation.
    let begin = place(
        &events,
        &Event::Start {
            conn: 3,
            room: ROOM,
            epoch: restored,
            after: 3,
        },
    );
    events[begin] = start(3, 3);
    assert_eq!(judge(&events).count(Anomaly::Phantom), 1);
}

#[test]
fn a_file_reads_as_the_events_do() {
    let lines: Vec<String> = right()
        .into_iter()
        .enumerate()
        .map(|(at, event)| {
            serde_json::to_string(&Line {
                at: at as u64 * 10,
                event,
            })
            .unwrap()
        })
        .collect();
    let verdict = check(lines.join("\n").as_bytes(), Bounds::default()).unwrap();
    assert_eq!(verdict, judge(&right()));
    let refused = check(
        format!("{}\n{{\"at\":1,\"op\":\"what\"}}\n", lines[0]).as_bytes(),
        Bounds::default(),
    )
    .unwrap_err();
    assert_eq!(refused.line, 2);
}

#[test]
fn a_line_stays_as_it_is_documented() {
    let line = Line {
        at: 12,
        event: ok(7, 3),
    };
    assert_eq!(
        serde_json::to_string(&line).unwrap(),
        r#"{"at":12,"op":"ok","id":7,"seq":3,"duplicate":false}"#
    );
    assert!(digest(b"anything") < 1 << 53);
}

#[test]
fn a_verdict_is_readable() {
    let mut events = right();
    events.retain(|event| *event != deliver(2, 4, said(2)));
    let shown = judge(&events).to_string();
    assert!(
        shown.starts_with("THE GUARANTEE BROKE: 3 sends (3 acknowledged"),
        "{shown}"
    );
    assert!(
        shown.contains("G5 skipped: 1\n     connection 2: "),
        "{shown}"
    );
}
