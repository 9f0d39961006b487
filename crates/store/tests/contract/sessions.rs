//! Devices and their refresh tokens.

use protocol::ids::SessionId;
use store::{Refresh, Revoke, StoreError};

use crate::fixtures::*;

fn refresh(session: SessionId, generation: u64, hash: u8) -> Refresh {
    Refresh {
        session,
        generation,
        hash: [hash; 32],
        expires: at(2_000_000),
        at: at(100),
    }
}

async fn device(store: &Handle, user: protocol::ids::UserId, millis: i64) -> SessionId {
    let new = session(user, millis);
    store.create_session(new.clone()).await.unwrap();
    new.id
}

pub(crate) async fn of_a_hundred_rotations_one_succeeds(store: Handle) {
    let id = device(&store, user(), 0).await;
    for generation in 1..4 {
        let answers = at_once(100, &store, |store, caller| async move {
            store.rotate(refresh(id, generation, caller as u8)).await
        })
        .await;
        assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
        assert!(
            answers
                .iter()
                .all(|answer| matches!(answer, Ok(()) | Err(StoreError::Conflict)))
        );
        let winner = answers.iter().position(Result::is_ok).unwrap() as u8;
        let row = store.session(id).await.unwrap();
        assert_eq!(
            (row.generation, row.refresh_hash),
            (generation + 1, [winner; 32])
        );
    }
}

pub(crate) async fn a_rotation_remembers_the_token_before(store: Handle) {
    let ada = user();
    let id = device(&store, ada, 0).await;
    let row = store.session(id).await.unwrap();
    assert_eq!(
        (row.user, row.generation, row.previous_hash, row.revoked_at),
        (ada, 1, None, None)
    );
    assert_eq!(
        (row.created_at, row.last_used_at, row.rotated_at),
        (at(0), at(0), at(0))
    );
    assert_eq!(store.rotate(refresh(id, 1, 2)).await, Ok(()));
    assert_eq!(
        store.rotate(refresh(id, 1, 3)).await,
        Err(StoreError::Conflict)
    );
    let row = store.session(id).await.unwrap();
    assert_eq!(
        (row.refresh_hash, row.previous_hash),
        ([2; 32], Some([1; 32]))
    );
    assert_eq!(
        (row.created_at, row.last_used_at, row.rotated_at),
        (at(0), at(100), at(100))
    );
    assert_eq!(row.refresh_expires, at(2_000_000));
    assert_eq!(row.device.as_deref(), Some("a phone"));
}

pub(crate) async fn a_revoked_session_is_not_renewed(store: Handle) {
    let ada = user();
    let id = device(&store, ada, 0).await;
    store.revoke(ada, Revoke::All, at(9)).await.unwrap();
    assert_eq!(
        store.rotate(refresh(id, 1, 2)).await,
        Err(StoreError::Conflict)
    );
    assert_eq!(store.session(id).await.unwrap().revoked_at, Some(at(9)));
    let unknown = SessionId(fresh());
    assert_eq!(
        store.rotate(refresh(unknown, 1, 2)).await,
        Err(StoreError::NotFound)
    );
    assert_eq!(store.session(unknown).await, Err(StoreError::NotFound));
}

pub(crate) async fn devices_are_signed_out_one_or_all_or_all_but_one(store: Handle) {
    let (ada, bob) = (user(), user());
    let mut hers = Vec::new();
    for millis in 0..5 {
        hers.push(device(&store, ada, millis).await);
    }
    let his = device(&store, bob, 0).await;
    let revoke = async |which| {
        let mut ids = store.revoke(ada, which, at(9)).await.unwrap();
        ids.sort();
        ids
    };
    assert_eq!(revoke(Revoke::One(his)).await, [], "another person's");
    assert_eq!(revoke(Revoke::One(hers[1])).await, [hers[1]]);
    assert_eq!(
        revoke(Revoke::One(hers[1])).await,
        [],
        "it was live no more"
    );
    assert_eq!(
        revoke(Revoke::AllBut(hers[3])).await,
        [hers[0], hers[2], hers[4]]
    );
    assert_eq!(revoke(Revoke::All).await, [hers[3]]);
    assert_eq!(store.sessions_of(bob).await.unwrap().len(), 1);
}

pub(crate) async fn revocations_are_told_to_who_was_away(store: Handle) {
    let ada = user();
    let (early, late) = (device(&store, ada, 0).await, device(&store, ada, 1).await);
    device(&store, ada, 2).await;
    store.revoke(ada, Revoke::One(early), at(10)).await.unwrap();
    store.revoke(ada, Revoke::One(late), at(20)).await.unwrap();
    assert_eq!(store.revoked_since(at(0)).await, Ok(vec![early, late]));
    assert_eq!(
        store.revoked_since(at(20)).await,
        Ok(vec![late]),
        "the moment itself counts"
    );
    assert_eq!(store.revoked_since(at(21)).await, Ok(vec![]));
}

pub(crate) async fn the_last_used_device_comes_first(store: Handle) {
    let ada = user();
    let (first, second, third) = (
        device(&store, ada, 1).await,
        device(&store, ada, 2).await,
        device(&store, ada, 3).await,
    );
    store.rotate(refresh(first, 1, 2)).await.unwrap();
    store
        .revoke(ada, Revoke::One(second), at(101))
        .await
        .unwrap();
    let ids: Vec<_> = store
        .sessions_of(ada)
        .await
        .unwrap()
        .iter()
        .map(|row| row.id)
        .collect();
    assert_eq!(ids, [first, third]);
    let taken = session(ada, 0);
    store.create_session(taken.clone()).await.unwrap();
    assert_eq!(store.create_session(taken).await, Err(StoreError::Conflict));
}
