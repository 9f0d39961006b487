//! The audit log.

use protocol::time::Timestamp;
use store::{AuditRow, StoreError};
use uuid::Uuid;

use crate::fixtures::Handle;

fn note(n: u128) -> AuditRow {
    AuditRow {
        id: Uuid::from_u128(n),
        at: Timestamp(n as i64),
        who: format!("admin {n}"),
        address: "2001:db8::7".to_owned(),
        action: "POST /v1/admin/nodes/{id}/drain".to_owned(),
        target: "/v1/admin/nodes/0000000a/drain?a='b'".to_owned(),
    }
}

pub(crate) async fn notes_are_kept_and_read_newest_first(store: Handle) {
    assert_eq!(store.notes(None, 10).await, Ok(vec![]));
    for n in [2, 1, 4, 3] {
        assert_eq!(store.note(note(n)).await, Ok(()));
    }
    let all: Vec<_> = [4, 3, 2, 1].map(note).into();
    assert_eq!(store.notes(None, 10).await, Ok(all.clone()));
    assert_eq!(store.notes(None, 2).await, Ok(all[..2].to_vec()));
    assert_eq!(store.notes(None, 0).await, Ok(vec![]));
    let before = Some(Uuid::from_u128(3));
    assert_eq!(store.notes(before, 10).await, Ok(all[2..].to_vec()));
}

pub(crate) async fn a_note_is_never_replaced(store: Handle) {
    store.note(note(1)).await.unwrap();
    let mut other = note(1);
    other.who = "somebody else".to_owned();
    assert_eq!(store.note(other).await, Err(StoreError::Conflict));
    assert_eq!(store.notes(None, 10).await, Ok(vec![note(1)]));
}

pub(crate) async fn a_note_goes_after_396_days_and_no_sooner(store: Handle) {
    const KEPT: i64 = 396 * 24 * 3_600 * 1_000;
    let made = |millis: u64| AuditRow {
        id: Uuid::from_u128(u128::from(millis) << 80 | 0x7000_8000_0000_0000_0001),
        at: Timestamp(millis as i64),
        ..note(1)
    };
    let (old, young) = (made(1_800_000_000_000), made(1_800_000_000_001));
    for row in [&old, &young] {
        store.note(row.clone()).await.unwrap();
    }
    let both = vec![young.clone(), old.clone()];
    assert_eq!(store.sweep(Timestamp(old.at.0 + KEPT)).await, Ok(0));
    assert_eq!(store.notes(None, 10).await, Ok(both));
    assert_eq!(store.sweep(Timestamp(young.at.0 + KEPT)).await, Ok(1));
    assert_eq!(store.notes(None, 10).await, Ok(vec![young]));
}
