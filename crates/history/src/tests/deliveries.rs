//! What readers saw, against the log and against each other.

use super::*;

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
