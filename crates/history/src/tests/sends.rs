//! What senders were told, against the log.

use super::*;

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
