//! People, seeds, and the end of a store.

use protocol::ids::UserId;
use protocol::room::RoomType;
use protocol::user::{Me, User};
use store::{AppendError, KeptAnswer, SeedBatch, StoreError, UserPatch};

use crate::fixtures::*;

async fn enter(store: &Handle, name: &str) -> Me {
    let (me, made) = store
        .user_by_email(format!("{}@example.org", fresh()), person(name))
        .await
        .unwrap();
    assert!(made);
    me
}

pub(crate) async fn an_address_has_one_person_whoever_asks_first(store: Handle) {
    let answers = at_once(100, &store, |store, caller| async move {
        store
            .user_by_email("ada@example.org".into(), person(&format!("{caller}")))
            .await
            .unwrap()
    })
    .await;
    assert_eq!(answers.iter().filter(|(_, made)| *made).count(), 1);
    assert!(answers.iter().all(|(me, _)| *me == answers[0].0));
    assert_eq!(
        store.me(answers[0].0.user.id).await,
        Ok(answers[0].0.clone())
    );
}

pub(crate) async fn people_are_found_by_address_and_id(store: Handle) {
    let (ada, bob) = (enter(&store, "Ada").await, enter(&store, "Bob").await);
    assert_eq!(
        store.find_email(ada.email.clone()).await,
        Ok(Some(ada.clone()))
    );
    assert_eq!(
        store.find_email("nobody@example.org".into()).await,
        Ok(None)
    );
    let mut found = store
        .users(vec![bob.user.id, user(), ada.user.id])
        .await
        .unwrap();
    found.sort_by_key(|user| user.id);
    assert_eq!(found, [ada.user, bob.user]);
    assert_eq!(store.me(user()).await, Err(StoreError::NotFound));
}

async fn found(store: &Handle, text: &str, limit: usize) -> Vec<String> {
    let people = store.search_users(text.into(), limit).await.unwrap();
    people.into_iter().map(|user| user.display_name).collect()
}

pub(crate) async fn a_search_finds_the_starts_of_words(store: Handle) {
    for name in [
        "Zoe Adams",
        "ada lovelace",
        "Ada",
        "Barbara",
        "Élise (Ada) King-Noel",
    ] {
        enter(&store, name).await;
    }
    assert_eq!(
        found(&store, "ada", 9).await,
        ["Ada", "ada lovelace", "Zoe Adams", "Élise (Ada) King-Noel"]
    );
    assert_eq!(found(&store, "ADA", 2).await, ["Ada", "ada lovelace"]);
    assert_eq!(found(&store, "ada l", 9).await, ["ada lovelace"]);
    assert_eq!(found(&store, "éL", 9).await, ["Élise (Ada) King-Noel"]);
    assert_eq!(found(&store, "noel", 9).await, ["Élise (Ada) King-Noel"]);
    assert_eq!(
        found(&store, "bar", 9).await,
        ["Barbara"],
        "bara stands in it, but starts no word"
    );
    assert_eq!(found(&store, "arb", 9).await, [""; 0]);
}

pub(crate) async fn a_search_takes_a_text_as_a_text(store: Handle) {
    enter(&store, "100%_*[x]").await;
    enter(&store, "1000 plain").await;
    assert_eq!(found(&store, "100%", 9).await, ["100%_*[x]"]);
    for text in ["%", "_", "*", "1%", "' OR 1=1 --"] {
        assert_eq!(found(&store, text, 9).await, [""; 0], "{text}");
    }
}

pub(crate) async fn a_profile_changes_only_where_it_is_asked_to(store: Handle) {
    let ada = enter(&store, "Ada").await;
    let patch = UserPatch {
        display_name: None,
        avatar_url: Some(Some("https://example.org/a.png".into())),
    };
    let changed = store.update_user(ada.user.id, patch).await.unwrap();
    assert_eq!(changed.user.display_name, "Ada");
    assert_eq!(
        changed.user.avatar_url.as_deref(),
        Some("https://example.org/a.png")
    );
    let patch = UserPatch {
        display_name: Some("Augusta".into()),
        avatar_url: None,
    };
    let changed = store.update_user(ada.user.id, patch).await.unwrap();
    assert!(changed.user.avatar_url.is_some());
    assert_eq!(store.me(ada.user.id).await, Ok(changed));
    assert_eq!(
        found(&store, "ada", 9).await,
        [""; 0],
        "the old name is forgotten"
    );
    assert_eq!(found(&store, "aug", 9).await, ["Augusta"]);
    let bare = store
        .update_user(
            ada.user.id,
            UserPatch {
                avatar_url: Some(None),
                ..UserPatch::default()
            },
        )
        .await;
    assert_eq!(bare.unwrap().user.avatar_url, None);
    assert_eq!(
        store.update_user(user(), UserPatch::default()).await,
        Err(StoreError::NotFound)
    );
}

pub(crate) async fn an_erased_person_is_gone_but_for_their_id(store: Handle) {
    let ada = enter(&store, "Ada").await;
    let id = ada.user.id;
    let device = session(id, 0);
    store.create_session(device.clone()).await.unwrap();
    let kept = KeptAnswer {
        digest: [1; 32],
        status: 200,
        body: "Ada was shown this".into(),
    };
    let (scope, digest) = (id.to_string(), kept.digest);
    let claim = store.claim_key(scope.clone(), "key".into(), digest, at(0));
    assert_eq!(claim.await, Ok(None));
    let keep = store.keep_answer(scope.clone(), "key".into(), kept);
    assert_eq!(keep.await, Ok(()));
    assert_eq!(store.erase_user(id, at(5)).await, Ok(()));
    assert_eq!(
        store.erase_user(id, at(6)).await,
        Ok(()),
        "the same wish again changes nothing"
    );
    assert_eq!(store.me(id).await, Err(StoreError::NotFound));
    assert_eq!(store.find_email(ada.email.clone()).await, Ok(None));
    assert_eq!(
        store.update_user(id, UserPatch::default()).await,
        Err(StoreError::NotFound)
    );
    let claim = store.claim_key(scope, "key".into(), digest, at(6));
    assert_eq!(claim.await, Ok(None), "what she was shown is forgotten");
    let left = store.users(vec![id]).await.unwrap().remove(0);
    assert_eq!(
        (left.display_name.as_str(), left.avatar_url),
        ("Deleted user", None)
    );
    assert_eq!(found(&store, "", 9).await, [""; 0]);
    assert_eq!(found(&store, "deleted", 9).await, [""; 0]);
    assert_eq!(store.sessions_of(id).await, Ok(vec![]));
    assert_eq!(store.session(device.id).await.unwrap().device, None);
    assert_eq!(
        store.revoked_since(at(5)).await,
        Ok(vec![device.id]),
        "nodes hear of it"
    );
    assert_eq!(
        store.erase_user(user(), at(5)).await,
        Err(StoreError::NotFound)
    );
}

pub(crate) async fn the_address_of_an_erased_person_is_free(store: Handle) {
    let ada = enter(&store, "Ada").await;
    let id = ada.user.id;
    assert_eq!(store.erase_user(id, at(5)).await, Ok(()));
    let (again, made) = store
        .user_by_email(ada.email, person("Ada again"))
        .await
        .unwrap();
    assert!(made, "the address is free");
    assert_ne!(again.user.id, id);
}

pub(crate) async fn a_seed_is_made_whole_or_not_at_all(store: Handle) {
    let people: Vec<(User, String)> = (0..50)
        .map(|i| (person(&format!("P{i}")), format!("p{i}@example.org")))
        .collect();
    let ids: Vec<UserId> = people.iter().map(|(user, _)| user.id).collect();
    let sessions: Vec<_> = ids.iter().map(|id| session(*id, 0)).collect();
    let rooms = ids
        .chunks(10)
        .map(|members| Writer::new().new_room(RoomType::Public, Some("seeded"), members))
        .collect();
    let batch = SeedBatch {
        users: people,
        sessions,
        rooms,
    };
    assert_eq!(store.seed(batch.clone()).await, Ok(()));
    assert_eq!(store.users(ids.clone()).await.unwrap().len(), 50);
    assert_eq!(store.sessions_of(ids[7]).await.unwrap().len(), 1);
    assert_eq!(
        store.directory(String::new(), 0, 99).await.unwrap().len(),
        5
    );
    assert_eq!(
        store.rooms_of(ids[7]).await.unwrap()[0].room.member_count,
        10
    );

    let mut twice = batch;
    let newcomer = person("Newcomer");
    twice
        .users
        .insert(0, (newcomer.clone(), "newcomer@example.org".into()));
    assert_eq!(store.seed(twice).await, Err(StoreError::Conflict));
    assert_eq!(store.users(vec![newcomer.id]).await, Ok(vec![]));
}

pub(crate) async fn a_closed_store_refuses_everything(store: Handle) {
    let ada = user();
    let mut room = room_of(&store, &[ada]).await;
    assert!(store.healthy());
    store.close().await;
    store.close().await;
    assert!(!store.healthy());
    let entry = room.said(ada, "too late");
    assert!(matches!(
        store.append(room.batch(&[entry])).await,
        Err(AppendError::Unavailable(_))
    ));
    assert!(matches!(
        store.open_room(room.id).await,
        Err(StoreError::Unavailable(_))
    ));
    assert!(matches!(
        store.me(ada).await,
        Err(StoreError::Unavailable(_))
    ));
}
