//! Rooms beyond their logs: making, listing, reading marks.

use protocol::entry::Change;
use protocol::ids::{RoomId, UserId};
use protocol::room::{Epoch, LeaveReason, ReadMarker, Role, RoomSummary, RoomType};
use store::StoreError;

use crate::fixtures::*;

pub(crate) async fn a_room_is_made_once_with_one_id(store: Handle) {
    let ada = user();
    let mut room = Writer::new();
    let new = room.new_room(RoomType::Group, None, &[ada, user()]);
    assert_eq!(store.create_room(new.clone()).await, Ok(room.id));
    assert_eq!(
        store.create_room(new.clone()).await,
        Ok(room.id),
        "the same wish again is the same room"
    );
    assert_eq!(whole_log(&store, room.id).await, new.entries);
    assert_eq!(store.room(room.id).await, Ok(new.room.clone()));
    let mut other = new;
    other.epoch = Epoch(7);
    assert_eq!(store.create_room(other).await, Err(StoreError::Conflict));
}

pub(crate) async fn two_people_have_one_dm_whoever_asks_first(store: Handle) {
    let (ada, bob) = (user(), user());
    let answers = at_once(50, &store, |store, _| async move {
        let new = Writer::new().new_room(RoomType::Dm, None, &[bob, ada]);
        store.create_room(new).await.unwrap()
    })
    .await;
    assert!(answers.iter().all(|room| *room == answers[0]));
    let hers = store.rooms_of(ada).await.unwrap();
    assert_eq!(hers.len(), 1);
    assert_eq!(hers[0].peer_id, Some(bob));
    assert_eq!(
        store.room_for(bob, answers[0]).await.unwrap().peer_id,
        Some(ada)
    );
    let other = Writer::new().new_room(RoomType::Dm, None, &[ada, user()]);
    assert_eq!(
        store.create_room(other.clone()).await,
        Ok(other.room.id),
        "another pair is another room"
    );
}

pub(crate) async fn a_deleted_dm_may_be_made_again(store: Handle) {
    let (ada, bob) = (user(), user());
    let (mut first, mut second) = (Writer::new(), Writer::new());
    let new = first.new_room(RoomType::Dm, None, &[ada, bob]);
    store.create_room(new).await.unwrap();
    first.record(&store, ada, Change::RoomDeleted).await;
    let new = second.new_room(RoomType::Dm, None, &[ada, bob]);
    assert_eq!(store.create_room(new).await, Ok(second.id));
}

pub(crate) async fn a_list_of_rooms_shows_the_newest_first_with_what_is_unread(store: Handle) {
    let (ada, bob) = (user(), user());
    let mut quiet = room_of(&store, &[ada, bob]).await;
    let mut busy = room_of(&store, &[ada, bob]).await;
    let silent = room_of(&store, &[ada]).await;
    let old = quiet.say(&store, bob, "old").await;
    let mentioning = [busy.said_to(bob, "you", &[ada]), busy.said(bob, "and more")];
    busy.append(&store, &mentioning).await;
    let last = said(&mentioning[1]);
    let react = Change::Reacted {
        message: last.id,
        emoji: "👍".into(),
        added: true,
        count: 1,
    };
    busy.record(&store, bob, react).await;

    let list = store.rooms_of(ada).await.unwrap();
    assert_eq!(
        list.iter().map(|line| line.room.id).collect::<Vec<_>>(),
        [busy.id, quiet.id, silent.id]
    );
    let line = &list[0];
    assert_eq!(
        (line.epoch, line.head_seq, line.head_n),
        (busy.head.epoch, busy.head.seq, busy.head.n)
    );
    assert_eq!(
        (line.unread, line.mentions, line.read_n, line.role),
        (2, 1, 0, Role::Member)
    );
    let shown = line.last_message.as_ref().unwrap();
    assert_eq!(
        (shown.id, shown.reactions.len()),
        (last.id, 1),
        "the latest message, as it is now"
    );
    assert_eq!(list[1].last_message, Some(old));
    assert_eq!(list[2].last_message, None);
    assert_eq!((list[2].unread, list[2].peer_id), (0, None));
    for line in list {
        assert_eq!(store.room_for(ada, line.room.id).await, Ok(line));
    }
    assert_eq!(store.rooms_of(user()).await, Ok(vec![]));
}

pub(crate) async fn many_lists_are_read_as_each_alone(store: Handle) {
    let people: Vec<UserId> = (0..6).map(|_| user()).collect();
    let [ada, bob, eve, loner, gone, _] = people[..] else {
        unreachable!()
    };
    let mut all = room_of(&store, &[ada, bob, eve, gone]).await;
    let mut two = room_of(&store, &[ada, bob]).await;
    let mut over = room_of(&store, &[ada, eve]).await;
    room_of(&store, &[eve]).await;
    // Who has read up to here is named below it and above it; one message names two of them.
    let before = [all.said_to(bob, "before", &[ada, eve])];
    all.append(&store, &before).await;
    store.mark_read(all.id, ada, all.head.seq).await.unwrap();
    let after = [
        all.said_to(bob, "both", &[ada, eve, gone]),
        all.said_to(bob, "one", &[eve]),
    ];
    all.append(&store, &after).await;
    let named = [two.said_to(bob, "here too", &[ada])];
    two.append(&store, &named).await;
    over.record(&store, eve, Change::RoomDeleted).await;
    let left = Change::Left {
        user: gone,
        reason: LeaveReason::Left,
        until: None,
    };
    all.record(&store, gone, left).await;

    // In any order, one of them twice, one whom nobody knows.
    let asked = vec![eve, user(), ada, loner, gone, bob, ada];
    let lists = store.rooms_of_each(asked.clone()).await.unwrap();
    assert_eq!(lists.len(), asked.len());
    for (user, list) in asked.into_iter().zip(&lists) {
        assert_eq!(store.rooms_of(user).await.as_ref(), Ok(list));
    }
    let shown = |list: &[RoomSummary]| {
        list.iter()
            .map(|line| (line.room.id, line.unread, line.mentions))
            .collect::<Vec<_>>()
    };
    assert_eq!(shown(&lists[2]), [(all.id, 2, 1), (two.id, 1, 1)]);
    let of_eve = shown(&lists[0]);
    assert_eq!(of_eve.len(), 2);
    assert!(of_eve.contains(&(all.id, 3, 3)));
    assert_eq!((lists[1].len(), lists[3].len(), lists[4].len()), (0, 0, 0));
    assert_eq!(store.rooms_of_each(Vec::new()).await, Ok(Vec::new()));
}

pub(crate) async fn hundreds_of_lists_are_one_read(store: Handle) {
    let people: Vec<UserId> = (0..700).map(|_| user()).collect();
    let mut rooms = Vec::new();
    for some in people.chunks(7) {
        let mut room = Writer::new();
        let mut new = room.new_room(RoomType::Group, None, some);
        new.entries.push(room.said_to(some[0], "you", &some[1..]));
        store.create_room(new).await.unwrap();
        rooms.push(room.id);
    }
    let lists = store.rooms_of_each(people).await.unwrap();
    for (at, list) in lists.iter().enumerate() {
        let [line] = &list[..] else {
            panic!("{} rooms", list.len())
        };
        let named = u64::from(at % 7 > 0);
        assert_eq!((line.room.id, line.mentions), (rooms[at / 7], named));
    }
}

pub(crate) async fn a_thousand_rooms_are_one_list(store: Handle) {
    let (ada, bob) = (user(), user());
    let mut expected = Vec::new();
    for place in 0..1_000 {
        let mut room = Writer::new();
        let mut new = room.new_room(RoomType::Group, None, &[ada, bob]);
        for text in 0..place % 3 {
            new.entries.push(room.said(bob, &format!("{text}")));
        }
        store.create_room(new).await.unwrap();
        expected.push((room.id, room.head.n));
    }
    let list = store.rooms_of(ada).await.unwrap();
    let mut read: Vec<_> = list
        .iter()
        .map(|line| (line.room.id, line.unread))
        .collect();
    read.sort();
    expected.sort();
    assert_eq!(read, expected);
    assert!(
        list.iter()
            .all(|line| line.head_n == line.last_message.as_ref().map_or(0, |message| message.n))
    );
}

pub(crate) async fn a_room_left_or_deleted_is_in_no_list(store: Handle) {
    let (ada, bob) = (user(), user());
    let (mut left, mut deleted) = (
        room_of(&store, &[ada, bob]).await,
        room_of(&store, &[ada]).await,
    );
    left.record(
        &store,
        ada,
        Change::Left {
            user: ada,
            reason: LeaveReason::Left,
            until: None,
        },
    )
    .await;
    deleted.record(&store, ada, Change::RoomDeleted).await;
    assert_eq!(store.rooms_of(ada).await, Ok(vec![]));
    assert_eq!(
        store.room_for(ada, left.id).await,
        Err(StoreError::NotFound)
    );
    assert_eq!(
        store.room_for(ada, deleted.id).await,
        Err(StoreError::NotFound)
    );
    assert_eq!(store.member(left.id, ada).await, Ok(None));
    assert_eq!(
        store.directory(String::new(), 0, 9).await.unwrap().len(),
        1,
        "the one that was left"
    );
    assert_eq!(store.acquaintances(ada, vec![bob]).await, Ok(vec![]));
}

pub(crate) async fn a_person_is_told_every_room_that_they_ever_were_in(store: Handle) {
    let (ada, bob) = (user(), user());
    let went = |reason| Change::Left {
        user: ada,
        reason,
        until: None,
    };
    let mut all = Vec::new();
    for reason in [LeaveReason::Left, LeaveReason::Removed, LeaveReason::Banned] {
        let mut room = room_of(&store, &[bob, ada]).await;
        room.record(&store, bob, went(reason)).await;
        all.push(room.id);
    }
    let mut back = room_of(&store, &[bob, ada]).await;
    back.record(&store, ada, went(LeaveReason::Left)).await;
    let joined = back.joined(ada);
    back.append(&store, &[joined]).await;
    let mut deleted = room_of(&store, &[ada]).await;
    deleted.record(&store, ada, Change::RoomDeleted).await;
    all.extend([back.id, deleted.id, room_of(&store, &[ada]).await.id]);
    all.sort_unstable();
    room_of(&store, &[bob]).await;

    assert_eq!(store.rooms_ever(ada, None, 100).await, Ok(all.clone()));
    let (mut pages, mut after) = (Vec::new(), None);
    loop {
        let page = store.rooms_ever(ada, after, 2).await.unwrap();
        assert!(page.len() <= 2);
        let Some(last) = page.last() else { break };
        after = Some(*last);
        pages.extend(page);
    }
    assert_eq!(pages, all);
    assert_eq!(store.rooms_ever(user(), None, 100).await, Ok(vec![]));
    assert_eq!(store.rooms_ever(ada, None, 0).await, Ok(vec![]));
}

pub(crate) async fn read_markers_only_grow(store: Handle) {
    let (ada, bob) = (user(), user());
    let mut room = room_of(&store, &[ada, bob]).await;
    let batch = [
        room.said_to(ada, "1", &[bob]),
        room.said_to(ada, "2", &[bob]),
        room.said(ada, "3"),
    ];
    room.append(&store, &batch).await;
    let marker = |read_seq, read_n| ReadMarker { read_seq, read_n };
    let steps = [
        (3, marker(3, 1), 1),
        (2, marker(3, 1), 1),
        (0, marker(3, 1), 1),
        (u64::MAX, marker(5, 3), 0),
    ];
    for (seq, expected, mentions) in steps {
        assert_eq!(
            store.mark_read(room.id, bob, seq).await,
            Ok((expected, mentions))
        );
    }
    room.say(&store, ada, "4").await;
    let answers = at_once(20, &store, |store, caller| async move {
        store
            .mark_read(room.id, bob, 6 - (caller % 3) as u64)
            .await
            .unwrap()
            .0
            .read_seq
    })
    .await;
    assert!(answers.iter().all(|seq| (5..=6).contains(seq)));
    assert_eq!(store.room_for(bob, room.id).await.unwrap().unread, 0);
}

pub(crate) async fn a_stranger_has_no_marker_and_sees_no_room(store: Handle) {
    let (ada, eve) = (user(), user());
    let room = room_of(&store, &[ada]).await;
    for place in [room.id, RoomId(fresh())] {
        assert_eq!(
            store.mark_read(place, eve, 1).await,
            Err(StoreError::NotFound)
        );
        assert_eq!(store.room_for(eve, place).await, Err(StoreError::NotFound));
        assert_eq!(store.member(place, eve).await, Ok(None));
    }
    assert_eq!(store.member(room.id, ada).await, Ok(Some(member(ada))));
    assert_eq!(store.room(RoomId(fresh())).await, Err(StoreError::NotFound));
    assert!(
        store.room(room.id).await.is_ok(),
        "its settings are for strangers too: they may join"
    );
    assert_eq!(
        store.open_room(RoomId(fresh())).await,
        Err(StoreError::NotFound)
    );
}

pub(crate) async fn members_are_listed_page_by_page(store: Handle) {
    let people: Vec<UserId> = (0..25).map(|_| user()).collect();
    let mut mixed = people.clone();
    mixed.rotate_left(11);
    let room = room_of(&store, &mixed).await;
    let (mut listed, mut after) = (Vec::new(), None);
    loop {
        let page = store.members(room.id, after, 10).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.user_id);
        listed.extend(page.iter().map(|member| member.user_id));
    }
    assert_eq!(listed, people);
    assert_eq!(store.members(room.id, None, 0).await, Ok(vec![]));
}

async fn named(store: &Handle, kind: RoomType, name: &str, members: usize) -> RoomId {
    let mut room = Writer::new();
    let people: Vec<_> = (0..members).map(|_| user()).collect();
    store
        .create_room(room.new_room(kind, Some(name), &people))
        .await
        .unwrap()
}

pub(crate) async fn the_directory_lists_public_rooms_by_size(store: Handle) {
    let small = named(&store, RoomType::Public, "Rust – Straße", 1).await;
    let large = named(&store, RoomType::Public, "rusty", 5).await;
    let twin = named(&store, RoomType::Public, "All about RUST", 1).await;
    named(&store, RoomType::Private, "rust, but private", 9).await;
    let mut gone = room_of(&store, &[user()]).await;
    gone.record(&store, user(), Change::RoomDeleted).await;
    let list = async |text: &str, offset, limit| {
        let rooms = store.directory(text.into(), offset, limit).await.unwrap();
        rooms.into_iter().map(|room| room.id).collect::<Vec<_>>()
    };
    assert_eq!(
        list("", 0, 9).await,
        [large, small, twin],
        "most members first, then by id"
    );
    assert_eq!(list("RuSt", 0, 9).await, [large, small, twin]);
    assert_eq!(list("STRASSE", 0, 9).await, [], "only case is ignored");
    assert_eq!(list("STRAße", 0, 9).await, [small]);
    assert_eq!(list("rust", 1, 1).await, [small]);
    assert_eq!(list("rust", 3, 9).await, []);
}

pub(crate) async fn the_directory_takes_a_text_as_a_text(store: Handle) {
    let odd = named(&store, RoomType::Public, r#"100%_[a]*?\'"$where"#, 1).await;
    named(&store, RoomType::Public, "100 plain letters, where a is", 1).await;
    for text in [
        "%", "_", "*", "?", "[a]", "\\", "'", "\"", "$where", "100%_",
    ] {
        let found = store.directory(text.into(), 0, 9).await.unwrap();
        assert_eq!(
            found.iter().map(|room| room.id).collect::<Vec<_>>(),
            [odd],
            "{text}"
        );
    }
    for text in ["%where", "1_0", "' OR 1=1 --", "\u{0}"] {
        assert_eq!(
            store.directory(text.into(), 0, 9).await,
            Ok(vec![]),
            "{text}"
        );
    }
}

pub(crate) async fn people_know_each_other_by_a_shared_room(store: Handle) {
    let (ada, bob, eve, stranger) = (user(), user(), user(), user());
    room_of(&store, &[ada, bob]).await;
    let mut gone = room_of(&store, &[ada, eve]).await;
    room_of(&store, &[bob, stranger]).await;
    let all = vec![stranger, eve, ada, bob];
    assert_eq!(
        store.acquaintances(ada, all.clone()).await,
        Ok(vec![eve, ada, bob])
    );
    gone.record(&store, eve, Change::RoomDeleted).await;
    assert_eq!(store.acquaintances(ada, all).await, Ok(vec![ada, bob]));
}
