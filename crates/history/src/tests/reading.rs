//! The file of a history, and how a verdict reads.

use super::*;

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
