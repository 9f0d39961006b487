//! Names on MongoDB: crashes between a claim and its owner, races for a name that was given up, and databases of schema 1.

#![allow(
    clippy::unwrap_used,
    reason = "a test or bench ends at the first thing that should not be"
)]

#[path = "contract/fixtures.rs"]
#[allow(
    dead_code,
    reason = "shared with the contract suite, which uses all of it"
)]
mod fixtures;
#[path = "servers/mongod.rs"]
#[allow(dead_code, reason = "shared with the other suites")]
mod mongod;

use fixtures::*;
use mongodb::bson::{Document, doc};
use mongodb::options::IndexOptions;
use mongodb::{Database, IndexModel};
use protocol::entry::Change;
use protocol::ids::UserId;
use protocol::room::RoomType;
use store::StoreError;

async fn open(url: &str) -> Handle {
    store::open(url).await.unwrap()
}

async fn raw(url: &str) -> Database {
    let client = mongodb::Client::with_uri_str(url).await.unwrap();
    client.default_database().unwrap()
}

async fn enter(store: &Handle, email: &str, name: &str) -> (UserId, bool) {
    let entered = store.user_by_email(email.into(), person(name)).await;
    let (me, made) = entered.unwrap();
    (me.user.id, made)
}

async fn only(raw: &Database, collection: &str) -> Document {
    let collection = raw.collection::<Document>(collection);
    assert_eq!(collection.count_documents(doc! {}).await.unwrap(), 1);
    collection.find_one(doc! {}).await.unwrap().unwrap()
}

/// What a process leaves that dies between a claim and its owner's document.
async fn die_after_claiming(raw: &Database, claims: &str, owners: &str) {
    let owner = only(raw, owners).await;
    let making = doc! { "$set": { "making": owner } };
    let claims = raw.collection::<Document>(claims);
    claims.update_one(doc! {}, making).await.unwrap();
    let owners = raw.collection::<Document>(owners);
    owners.delete_many(doc! {}).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_who_was_claimed_and_not_made_is_made_by_whoever_asks_next() {
    let url = mongod::database();
    let (store, raw) = (open(&url).await, raw(&url).await);
    let (ada, made) = enter(&store, "ada@example.org", "Ada").await;
    assert!(made);
    assert!(
        only(&raw, "addresses").await.get("making").is_none(),
        "what is made needs no plan"
    );
    die_after_claiming(&raw, "addresses", "users").await;
    let other = open(&url).await;
    let unmade = other.find_email("ada@example.org".into()).await;
    assert_eq!(unmade, Ok(None), "who is not made yet is nobody");
    let answers = at_once(20, &other, |store, _| async move {
        enter(&store, "ada@example.org", "Another").await
    })
    .await;
    assert!(answers.iter().all(|answer| *answer == (ada, false)));
    assert_eq!(other.me(ada).await.unwrap().user.display_name, "Ada");
}

/// The entries that made the only room there is.
async fn founding(raw: &Database) -> mongodb::bson::Bson {
    only(raw, "entries").await.get("entries").unwrap().clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dm_that_was_claimed_and_not_made_is_made_by_whoever_asks_next() {
    let url = mongod::database();
    let (store, raw) = (open(&url).await, raw(&url).await);
    let people = [user(), user()];
    let mut first = Writer::new();
    let new = first.new_room(RoomType::Dm, None, &people);
    let founded = new.clone();
    assert_eq!(store.create_room(new).await, Ok(first.id));
    die_after_claiming(&raw, "pairs", "rooms").await;
    // What the claim would have held: the room before its log was written.
    let founding = doc! { "$set": { "making.seq": 0_i64, "making.member_count": 0_i64, "making.founding": founding(&raw).await } };
    let pairs = raw.collection::<Document>("pairs");
    pairs.update_one(doc! {}, founding).await.unwrap();
    for later in ["entries", "members"] {
        let later = raw.collection::<Document>(later);
        later.delete_many(doc! {}).await.unwrap();
    }

    let other = open(&url).await;
    let mut second = Writer::new();
    let wish = second.new_room(RoomType::Dm, None, &people);
    assert_eq!(other.create_room(wish).await, Ok(first.id));
    only(&raw, "rooms").await;
    assert_eq!(other.members(first.id, None, 9).await.unwrap().len(), 2);
    assert_eq!(other.create_room(founded).await, Ok(first.id));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_who_want_a_name_that_was_given_up_one_gets_it() {
    let url = mongod::database();
    let (store, raw) = (open(&url).await, raw(&url).await);
    let (ada, _) = enter(&store, "ada@example.org", "Ada").await;
    let claim = only(&raw, "addresses").await;
    assert_eq!(store.erase_user(ada, at(1)).await, Ok(()));
    let claims = raw.collection::<Document>("addresses");
    assert_eq!(claims.count_documents(doc! {}).await.unwrap(), 0);
    // The process that erased her died before it freed her name.
    claims.insert_one(claim).await.unwrap();
    let found = store.find_email("ada@example.org".into()).await;
    assert_eq!(found, Ok(None));
    let answers = at_once(20, &store, |store, _| async move {
        enter(&store, "ada@example.org", "Ada again").await
    })
    .await;
    assert_eq!(answers.iter().filter(|(_, made)| *made).count(), 1);
    assert!(answers.iter().all(|(id, _)| *id == answers[0].0));
    assert_ne!(answers[0].0, ada);
    // The erasure is finished later, by the sweep: the name is another's by then and stays theirs.
    let erasing = doc! { "$set": { "erasing": "ada@example.org" } };
    let users = raw.collection::<Document>("users");
    let of_ada = doc! { "erased_at": { "$exists": true } };
    users.update_one(of_ada, erasing).await.unwrap();
    store.sweep(at(2)).await.unwrap();
    let found = store.find_email("ada@example.org".into()).await.unwrap();
    assert_eq!(found.unwrap().user.id, answers[0].0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_who_open_a_deleted_dm_again_all_get_the_same_one() {
    let store = open(&mongod::database()).await;
    let people = [user(), user()];
    let mut gone = Writer::new();
    let new = gone.new_room(RoomType::Dm, None, &people);
    assert_eq!(store.create_room(new).await, Ok(gone.id));
    gone.record(&store, people[0], Change::RoomDeleted).await;
    let rooms = at_once(12, &store, move |store, _| async move {
        let new = Writer::new().new_room(RoomType::Dm, None, &people);
        store.create_room(new).await.unwrap()
    })
    .await;
    assert!(
        rooms
            .iter()
            .all(|room| *room == rooms[0] && *room != gone.id)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_id_that_is_taken_gets_no_second_name() {
    let url = mongod::database();
    let (store, raw) = (open(&url).await, raw(&url).await);
    let ada = person("Ada");
    let entered = store.user_by_email("ada@example.org".into(), ada.clone());
    entered.await.unwrap();
    let again = store.user_by_email("other@example.org".into(), ada);
    assert_eq!(again.await, Err(StoreError::Conflict));
    // The claim was given back.
    only(&raw, "addresses").await;
}

/// As schema 1 left it: unique indexes on documents, and no claims.
async fn back_to_schema_1(raw: &Database) {
    for claims in ["addresses", "pairs"] {
        raw.collection::<Document>(claims).drop().await.unwrap();
    }
    for (collection, name, field) in [("users", "email", "email"), ("rooms", "dm", "dm")] {
        let unique = IndexOptions::builder()
            .name(name.to_owned())
            .unique(true)
            .partial_filter_expression(doc! { field: { "$exists": true } })
            .build();
        let index = IndexModel::builder()
            .keys(doc! { field: 1 })
            .options(unique)
            .build();
        let collection = raw.collection::<Document>(collection);
        collection.create_index(index).await.unwrap();
    }
    let meta = raw.collection::<Document>("meta");
    let one = doc! { "$set": { "version": 1 } };
    meta.update_one(doc! { "_id": "schema" }, one)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_of_schema_1_has_its_names_claimed_by_many_starts_at_once() {
    let url = mongod::database();
    let (store, raw) = (open(&url).await, raw(&url).await);
    let mut people = Vec::new();
    for i in 0..30 {
        people.push(enter(&store, &format!("p{i}@example.org"), "P").await.0);
    }
    let pair = [people[0], people[1]];
    let mut dm = Writer::new();
    let new = dm.new_room(RoomType::Dm, None, &pair);
    assert_eq!(store.create_room(new).await, Ok(dm.id));
    assert_eq!(store.erase_user(people[2], at(1)).await, Ok(()));
    back_to_schema_1(&raw).await;

    let starts = (0..4).map(|_| store::open(&url));
    let started = futures_util::future::join_all(starts).await;
    let store = started.into_iter().map(Result::unwrap).last().unwrap();
    for (i, id) in people.iter().enumerate().filter(|(i, _)| *i != 2) {
        let entered = enter(&store, &format!("p{i}@example.org"), "Another").await;
        assert_eq!(entered, (*id, false));
    }
    assert!(enter(&store, "p2@example.org", "free again").await.1);
    let again = Writer::new().new_room(RoomType::Dm, None, &pair);
    assert_eq!(store.create_room(again).await, Ok(dm.id));
    for (collection, index) in [("users", "email"), ("rooms", "dm")] {
        let collection = raw.collection::<Document>(collection);
        let names = collection.list_index_names().await.unwrap();
        assert!(!names.contains(&index.to_owned()));
    }
    let meta = only(&raw, "meta").await;
    assert_eq!(meta.get_i32("version").unwrap(), 2);
}
