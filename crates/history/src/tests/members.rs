//! Who may hear what: those who were removed, and those who came back.

use super::*;

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
