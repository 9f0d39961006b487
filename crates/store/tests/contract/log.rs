//! Appending and reading back.

use protocol::entry::{Change, Entry};
use protocol::ids::{MessageId, RoomId};
use protocol::message::{Meta, Reaction};
use protocol::room::{Epoch, LeaveReason, Role, RoomType};
use serde_json::value::RawValue;
use store::{AppendError, StoreError};

use crate::fixtures::*;

pub(crate) async fn an_entry_reads_back_as_it_was_written(store: Handle) {
    let (ada, bob) = (user(), user());
    let mut room = room_of(&store, &[ada, bob]).await;
    let mut rich = room.said_to(ada, "ein Gruß 🦊\n\u{0}", &[bob, ada]);
    let message = said_mut(&mut rich);
    message.reply_to = Some(MessageId(fresh()));
    message.meta = Some(Meta(
        RawValue::from_string("{ \"b\": 1,\"a\":[1.50, null] }".into()).unwrap(),
    ));
    let plain = room.said(bob, "");
    let mut edited = said(&rich).clone();
    edited.text = "ein anderer".into();
    edited.version = 2;
    edited.edited_at = Some(at(77));
    edited.reactions = vec![Reaction {
        emoji: "👍🏽".into(),
        count: 2,
        user_ids: vec![bob, ada],
    }];
    let tombstone = edited.clone().deleted(at(78));
    let mut muted = member(bob);
    muted.role = Role::Moderator;
    muted.muted_until = Some(at(-5));
    let mut renamed = room.settings(RoomType::Private, Some("ein Name"), ada);
    renamed.topic = Some(String::new());
    renamed.member_count = u32::MAX;
    let changes = [
        Change::Edited { message: edited },
        Change::Reacted {
            message: said(&rich).id,
            emoji: "👍🏽".into(),
            added: false,
            count: u32::MAX,
        },
        Change::Deleted { message: tombstone },
        Change::MemberChanged { member: muted },
        Change::Left {
            user: bob,
            reason: LeaveReason::Banned,
            until: Some(at(1)),
        },
        Change::Unbanned { user: bob },
        Change::Joined {
            member: member(bob),
        },
        Change::Left {
            user: bob,
            reason: LeaveReason::Deleted,
            until: None,
        },
        Change::RoomChanged { room: renamed },
        Change::RoomDeleted,
    ];
    let mut written = vec![rich, plain];
    written.extend(changes.map(|change| room.entry(ada, change)));
    room.append(&store, &written).await;
    assert_eq!(whole_log(&store, room.id).await[2..], written);
}

pub(crate) async fn of_many_claims_of_one_place_one_succeeds(store: Handle) {
    let ada = user();
    let room = room_of(&store, &[ada]).await;
    let answers = at_once(50, &store, |store, _| {
        let mut room = room.clone();
        let entry = room.said(ada, "mine");
        async move {
            (
                store.append(room.batch(std::slice::from_ref(&entry))).await,
                entry,
            )
        }
    })
    .await;
    let won: Vec<Entry> = answers
        .iter()
        .filter(|(answer, _)| answer.is_ok())
        .map(|(_, entry)| entry.clone())
        .collect();
    assert_eq!(won.len(), 1);
    assert!(
        answers
            .iter()
            .all(|(answer, _)| answer.is_ok() || *answer == conflict())
    );
    assert_eq!(whole_log(&store, room.id).await[1..], won);
}

pub(crate) async fn a_batch_that_skips_or_repeats_a_place_is_refused_whole(store: Handle) {
    let ada = user();
    let mut room = room_of(&store, &[ada]).await;
    room.say(&store, ada, "one").await;
    let before = whole_log(&store, room.id).await;
    let mut next = room.clone();
    let (a, b, c) = (
        next.said(ada, "a"),
        next.said(ada, "b"),
        next.said(ada, "c"),
    );
    for batch in [
        vec![b.clone()],
        vec![a.clone(), c],
        vec![a.clone(), b.clone(), a.clone()],
        vec![before[1].clone()],
    ] {
        assert_eq!(store.append(room.batch(&batch)).await, conflict());
        assert_eq!(whole_log(&store, room.id).await, before);
    }
    room.append(&store, &[a, b]).await;
    assert_eq!(whole_log(&store, room.id).await.len(), 4);
}

pub(crate) async fn a_batch_with_a_used_key_is_refused_whole(store: Handle) {
    let ada = user();
    let mut room = room_of(&store, &[ada]).await;
    let first = room.said(ada, "first");
    room.append(&store, std::slice::from_ref(&first)).await;
    let mut next = room.clone();
    let (a, mut b) = (next.said(ada, "a"), next.said(ada, "b"));
    b.key = first.key;
    assert_eq!(store.append(room.batch(&[a.clone(), b])).await, conflict());
    let mut twin = next.said(ada, "twin");
    twin.seq = a.seq + 1;
    twin.n = a.n + 1;
    twin.key = a.key;
    assert_eq!(
        store.append(room.batch(&[a.clone(), twin])).await,
        conflict(),
        "a key twice in one batch"
    );
    assert_eq!(whole_log(&store, room.id).await.len(), 2);
    assert_eq!(
        store
            .history(newest(room.id, 9))
            .await
            .unwrap()
            .messages
            .len(),
        1
    );
    assert_eq!(
        store.messages(room.id, vec![said(&a).id]).await,
        Ok(vec![None])
    );
    room.append(&store, &[a]).await;
}

pub(crate) async fn a_key_is_one_persons_own_in_one_room(store: Handle) {
    let (ada, bob) = (user(), user());
    let mut one = room_of(&store, &[ada, bob]).await;
    let mut two = room_of(&store, &[ada, bob]).await;
    let key = key();
    for (room, actor) in [(&mut one, ada), (&mut two, ada)] {
        let mut entry = room.said(actor, "hers");
        entry.key = key;
        room.append(&store, &[entry]).await;
    }
    let mut his = one.said(bob, "his");
    his.key = key;
    one.append(&store, &[his]).await;
    assert_eq!(whole_log(&store, one.id).await.len(), 4);
}

pub(crate) async fn another_epoch_or_room_is_a_conflict(store: Handle) {
    let ada = user();
    let mut room = room_of(&store, &[ada]).await;
    let right = room.head.epoch;
    let entry = room.said(ada, "hello");
    room.head.epoch = Epoch(right.0 ^ 1);
    assert_eq!(
        store.append(room.batch(std::slice::from_ref(&entry))).await,
        conflict()
    );
    let mut nowhere = Writer::new();
    let lost = nowhere.said(ada, "nowhere");
    assert_eq!(store.append(nowhere.batch(&[lost])).await, conflict());
    room.head.epoch = right;
    room.append(&store, &[entry]).await;
}

pub(crate) async fn a_wrong_count_of_messages_is_a_conflict(store: Handle) {
    let ada = user();
    let mut room = room_of(&store, &[ada]).await;
    let entry = room.said(ada, "one");
    for wrong in [entry.n - 1, entry.n + 1] {
        let mut entry = entry.clone();
        entry.n = wrong;
        assert_eq!(store.append(room.batch(&[entry])).await, conflict());
    }
    let mut silent = room.clone();
    silent.head.seq -= 1;
    let counted = silent.entry(ada, Change::Unbanned { user: ada });
    assert_eq!(
        store.append(room.batch(&[counted])).await,
        conflict(),
        "only messages count"
    );
    room.append(&store, &[entry]).await;
}

pub(crate) async fn an_empty_batch_is_refused(store: Handle) {
    let room = room_of(&store, &[user()]).await;
    assert!(matches!(
        store.append(room.batch(&[])).await,
        Err(AppendError::Unavailable(_))
    ));
}

pub(crate) async fn lookup_tells_what_became_of_keys(store: Handle) {
    let (ada, bob) = (user(), user());
    let mut room = room_of(&store, &[ada, bob]).await;
    let mut other = room_of(&store, &[ada]).await;
    let (first, second) = (room.said(ada, "first"), room.said(bob, "second"));
    room.append(&store, &[first.clone(), second.clone()]).await;
    let elsewhere = other.said(ada, "elsewhere");
    other.append(&store, std::slice::from_ref(&elsewhere)).await;
    let asked = vec![
        (bob, second.key),
        (ada, elsewhere.key),
        (bob, first.key),
        (ada, first.key),
        (ada, key()),
    ];
    let (head, found) = store.lookup(room.id, asked).await.unwrap();
    assert_eq!(head, room.head);
    let found: Vec<_> = found
        .into_iter()
        .map(|found| found.map(|found| found.entry))
        .collect();
    assert_eq!(found, [Some(second), None, None, Some(first), None]);
    assert_eq!(
        store.lookup(RoomId(fresh()), vec![]).await,
        Err(StoreError::NotFound)
    );
}

pub(crate) async fn a_batch_whose_answer_was_lost_is_found_when_it_is_sent_again(store: Handle) {
    let ada = user();
    let mut room = room_of(&store, &[ada]).await;
    let batch = [room.said(ada, "one"), room.said(ada, "two")];
    room.append(&store, &batch).await;
    assert_eq!(store.append(room.batch(&batch)).await, conflict());
    let asked = batch.iter().map(|entry| (entry.actor, entry.key)).collect();
    let (head, found) = store.lookup(room.id, asked).await.unwrap();
    assert_eq!(head, room.head);
    assert_eq!(
        found
            .into_iter()
            .map(|found| found.unwrap().entry)
            .collect::<Vec<_>>(),
        batch
    );
}

pub(crate) async fn a_page_of_entries_is_dense_and_bounded(store: Handle) {
    let ada = user();
    let mut room = room_of(&store, &[ada]).await;
    let entries: Vec<_> = (0..30).map(|i| room.said(ada, &format!("{i}"))).collect();
    room.append(&store, &entries).await;
    let page = store.entries(room.id, 5, 7).await.unwrap();
    assert_eq!(page.head, room.head);
    assert_eq!(
        page.entries
            .iter()
            .map(|entry| entry.seq)
            .collect::<Vec<_>>(),
        (6..13).collect::<Vec<_>>()
    );
    for (after, limit) in [(31, 9), (u64::MAX, 9), (0, 0)] {
        assert_eq!(
            store.entries(room.id, after, limit).await.unwrap().entries,
            []
        );
    }
    assert_eq!(
        store.entries(RoomId(fresh()), 0, 1).await,
        Err(StoreError::NotFound)
    );
}

pub(crate) async fn a_page_of_long_texts_is_cut_by_bytes(store: Handle) {
    let ada = user();
    let mut room = room_of(&store, &[ada]).await;
    let long = "x".repeat(400 << 10);
    for _ in 0..4 {
        room.say(&store, ada, &long).await;
    }
    assert_eq!(
        store.entries(room.id, 1, 100).await.unwrap().entries.len(),
        2
    );
    room.say(&store, ada, &"y".repeat(3 << 20)).await;
    assert_eq!(
        store.entries(room.id, 5, 100).await.unwrap().entries.len(),
        1,
        "at least one, whatever it weighs"
    );
    assert_eq!(whole_log(&store, room.id).await.len(), 6);
}

pub(crate) async fn pages_of_many_rooms_are_read_as_each_alone(store: Handle) {
    let ada = user();
    let mut rooms = Vec::new();
    for place in 0..300 {
        let mut room = Writer::new();
        let mut new = room.new_room(RoomType::Group, None, &[ada]);
        for text in 0..place % 5 {
            new.entries.push(room.said(ada, &format!("{text}")));
        }
        store.create_room(new).await.unwrap();
        rooms.push(room);
    }
    // Many batches in one, a batch that is cut within in another.
    for _ in 0..20 {
        rooms[7].say(&store, ada, "again").await;
    }
    let many: Vec<_> = (0..50).map(|_| rooms[8].said(ada, "at once")).collect();
    rooms[8].append(&store, &many).await;
    let mut asked: Vec<_> = rooms.iter().rev().map(|room| (room.id, 1)).collect();
    asked.push((RoomId(fresh()), 0));
    let pages = store.pages(asked.clone(), 10).await.unwrap();
    assert_eq!(pages.len(), asked.len());
    assert_eq!(pages.last(), Some(&None), "there is no such room");
    for ((room, after), page) in asked.into_iter().zip(&pages).take(300) {
        let alone = store.entries(room, after, 10).await.unwrap();
        assert_eq!(page.as_ref(), Some(&alone));
    }
    assert_eq!(store.pages(Vec::new(), 10).await, Ok(Vec::new()));
}

pub(crate) async fn pages_that_are_too_large_together_are_left_for_later(store: Handle) {
    let ada = user();
    let mut asked = Vec::new();
    for _ in 0..8 {
        let mut room = room_of(&store, &[ada]).await;
        let long = "x".repeat(30_000);
        let said: Vec<_> = (0..25).map(|_| room.said(ada, &long)).collect();
        room.append(&store, &said).await;
        asked.push((room.id, room.head.seq));
    }
    let end = asked.iter().map(|(_, seq)| *seq).max().unwrap();
    let from = |after| {
        asked
            .iter()
            .map(|(room, _)| (*room, after))
            .collect::<Vec<_>>()
    };
    let pages = store.pages(from(1), 100).await.unwrap();
    let read = pages.iter().flatten().count();
    assert!((1..8).contains(&read), "{read} pages of 750 kB");
    for ((room, _), page) in asked.iter().zip(&pages) {
        if let Some(page) = page {
            let whole = store.entries(*room, 1, 100).await.unwrap();
            assert_eq!(page.head, whole.head);
            assert!(!page.entries.is_empty() && whole.entries.starts_with(&page.entries));
        }
    }
    let pages = store.pages(from(end), 100).await.unwrap();
    assert!(pages.iter().flatten().all(|page| page.entries.is_empty()));
    assert_eq!(pages.iter().flatten().count(), 8, "who has all is told so");
}

pub(crate) async fn heads_leave_out_rooms_that_do_not_exist(store: Handle) {
    let ada = user();
    let (mut one, two) = (room_of(&store, &[ada]).await, room_of(&store, &[ada]).await);
    one.say(&store, ada, "hello").await;
    let mut heads = store
        .heads(vec![two.id, RoomId(fresh()), one.id])
        .await
        .unwrap();
    heads.sort();
    assert_eq!(heads, [(one.id, one.head), (two.id, two.head)]);
}

pub(crate) async fn a_deleted_room_takes_nothing_more(store: Handle) {
    let ada = user();
    let mut room = room_of(&store, &[ada]).await;
    let mut both = room.clone();
    let (end, after) = (
        both.entry(ada, Change::RoomDeleted),
        both.said(ada, "after"),
    );
    assert_eq!(
        store
            .append(room.batch(&[end.clone(), after.clone()]))
            .await,
        conflict()
    );
    room.record(&store, ada, Change::RoomDeleted).await;
    assert_eq!(store.append(room.batch(&[after])).await, conflict());
    let opened = store.open_room(room.id).await.unwrap();
    assert!(opened.deleted);
    assert_eq!(opened.head, room.head);
    assert_eq!(store.room(room.id).await, Err(StoreError::NotFound));
}

pub(crate) async fn many_rooms_written_at_once_stay_dense(store: Handle) {
    let ada = user();
    let mut rooms = Vec::new();
    for _ in 0..40 {
        rooms.push(room_of(&store, &[ada]).await);
    }
    at_once(rooms.len(), &store, |store, caller| {
        let mut room = rooms[caller].clone();
        async move {
            for batch in 1..20 {
                let entries: Vec<_> = (0..batch % 4 + 1)
                    .map(|i| room.said(ada, &format!("{i}")))
                    .collect();
                room.append(&store, &entries).await;
            }
            let log = whole_log(&store, room.id).await;
            assert!(log.iter().zip(1..).all(|(entry, seq)| entry.seq == seq));
            assert_eq!(store.open_room(room.id).await.unwrap().head, room.head);
        }
    })
    .await;
}

pub(crate) async fn what_fails_harms_none_of_its_neighbours(store: Handle) {
    let ada = user();
    let mut rooms = Vec::new();
    for _ in 0..60 {
        let mut room = room_of(&store, &[ada]).await;
        room.say(&store, ada, "the first").await;
        rooms.push(room);
    }
    at_once(rooms.len(), &store, |store, caller| {
        let mut room = rooms[caller].clone();
        async move {
            for _ in 0..5 {
                let before = whole_log(&store, room.id).await;
                let mut next = room.clone();
                let good = next.said(ada, "good");
                let mut twin = next.said(ada, "its key was used by the first");
                twin.key = before[1].key;
                if caller % 2 == 0 {
                    assert_eq!(store.append(room.batch(&[good, twin])).await, conflict());
                    assert_eq!(whole_log(&store, room.id).await, before);
                } else {
                    room.append(&store, std::slice::from_ref(&good)).await;
                    room.head = store.open_room(room.id).await.unwrap().head;
                    assert_eq!(whole_log(&store, room.id).await.last(), Some(&good));
                }
            }
        }
    })
    .await;
}
