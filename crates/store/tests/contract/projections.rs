//! What follows from the log: messages, members, bans, settings, mentions and senders' read markers.

use protocol::entry::{Ban, Change};
use protocol::ids::{MessageId, UserId};
use protocol::message::{Message, Reaction};
use protocol::room::{LeaveReason, Role, RoomType};

use crate::fixtures::*;

async fn latest(store: &Handle, room: &Writer, id: MessageId) -> Message {
    store
        .messages(room.id, vec![id])
        .await
        .unwrap()
        .remove(0)
        .unwrap()
}

pub(crate) async fn an_edit_shows_in_every_reading_but_the_log(store: Handle) {
    let ada = user();
    let mut room = room_of(&store, &[ada]).await;
    let first = room.say(&store, ada, "first").await;
    let mut edited = first.clone();
    edited.text = "better".into();
    edited.version = 2;
    edited.edited_at = Some(at(9));
    room.record(
        &store,
        ada,
        Change::Edited {
            message: edited.clone(),
        },
    )
    .await;
    assert_eq!(latest(&store, &room, first.id).await, edited);
    assert_eq!(
        store.history(newest(room.id, 9)).await.unwrap().messages,
        std::slice::from_ref(&edited)
    );
    assert_eq!(
        store.room_for(ada, room.id).await.unwrap().last_message,
        Some(edited)
    );
    assert_eq!(said(&whole_log(&store, room.id).await[1]), &first);
}

pub(crate) async fn a_deleted_message_leaves_a_tombstone(store: Handle) {
    let ada = user();
    let mut room = room_of(&store, &[ada]).await;
    let first = room.say(&store, ada, "first").await;
    let second = room.say(&store, ada, "second").await;
    let tombstone = first.clone().deleted(at(9));
    room.record(
        &store,
        ada,
        Change::Deleted {
            message: tombstone.clone(),
        },
    )
    .await;
    assert_eq!(
        store.history(newest(room.id, 9)).await.unwrap().messages,
        [tombstone.clone(), second.clone()]
    );
    let asked = vec![second.id, MessageId(fresh()), first.id];
    assert_eq!(
        store.messages(room.id, asked).await,
        Ok(vec![Some(second), None, Some(tombstone)])
    );
}

pub(crate) async fn reactions_are_kept_in_their_order(store: Handle) {
    let (ada, bob) = (user(), user());
    let mut room = room_of(&store, &[ada, bob]).await;
    let message = room.say(&store, ada, "hello").await;
    let steps: [(UserId, &str, bool, u32); 6] = [
        (bob, "🦊", true, 1),
        (ada, "👍", true, 1),
        (ada, "🦊", true, 2),
        (bob, "🎉", true, 1),
        (ada, "👍", false, 0),
        (bob, "🦊", false, 1),
    ];
    for (actor, emoji, added, count) in steps {
        room.record(
            &store,
            actor,
            Change::Reacted {
                message: message.id,
                emoji: emoji.into(),
                added,
                count,
            },
        )
        .await;
    }
    let shown = latest(&store, &room, message.id).await;
    let reaction = |emoji: &str, user| Reaction {
        emoji: emoji.into(),
        count: 1,
        user_ids: vec![user],
    };
    assert_eq!(shown.reactions, [reaction("🦊", ada), reaction("🎉", bob)]);
    assert_eq!(
        Message {
            reactions: vec![],
            ..shown.clone()
        },
        message,
        "nothing else changed"
    );
    assert_eq!(
        store.history(newest(room.id, 1)).await.unwrap().messages,
        [shown]
    );
}

pub(crate) async fn a_room_is_opened_with_its_members_and_bans_at_its_head(store: Handle) {
    let (ada, bob, eve, mallory) = (user(), user(), user(), user());
    let mut room = room_of(&store, &[ada, bob, eve]).await;
    let mut moderator = member(bob);
    moderator.role = Role::Moderator;
    moderator.muted_until = Some(at(50));
    room.record(
        &store,
        ada,
        Change::MemberChanged {
            member: moderator.clone(),
        },
    )
    .await;
    let banned = |user, until| Change::Left {
        user,
        reason: LeaveReason::Banned,
        until,
    };
    room.record(&store, bob, banned(eve, Some(at(60)))).await;
    room.record(&store, bob, banned(mallory, None)).await;
    let opened = store.open_room(room.id).await.unwrap();
    assert_eq!(opened.head, room.head);
    assert!(!opened.deleted);
    assert_eq!(
        opened.room.member_count, 2,
        "banning a stranger takes nobody away"
    );
    assert_eq!(opened.members, [member(ada), moderator]);
    assert_eq!(
        opened.bans,
        [
            Ban {
                user: eve,
                until: Some(at(60))
            },
            Ban {
                user: mallory,
                until: None
            }
        ]
    );
}

pub(crate) async fn a_ban_ends_when_it_is_lifted_or_its_owner_comes_back(store: Handle) {
    let (ada, bob, eve) = (user(), user(), user());
    let mut room = room_of(&store, &[ada, bob, eve]).await;
    for gone in [bob, eve] {
        room.record(
            &store,
            ada,
            Change::Left {
                user: gone,
                reason: LeaveReason::Banned,
                until: Some(at(9)),
            },
        )
        .await;
    }
    room.record(&store, ada, Change::Unbanned { user: bob })
        .await;
    room.record(
        &store,
        eve,
        Change::Joined {
            member: member(eve),
        },
    )
    .await;
    room.record(
        &store,
        eve,
        Change::Left {
            user: ada,
            reason: LeaveReason::Left,
            until: None,
        },
    )
    .await;
    let opened = store.open_room(room.id).await.unwrap();
    assert_eq!(opened.bans, []);
    assert_eq!(opened.members, [member(eve)]);
    assert_eq!(opened.room.member_count, 1);
}

pub(crate) async fn settings_follow_the_log(store: Handle) {
    let ada = user();
    let mut room = room_of(&store, &[ada, user()]).await;
    let mut changed = room.settings(RoomType::Public, Some("Ein Ort"), ada);
    changed.topic = Some("what for".into());
    room.record(
        &store,
        ada,
        Change::RoomChanged {
            room: changed.clone(),
        },
    )
    .await;
    changed.member_count = 2;
    assert_eq!(store.room(room.id).await, Ok(changed.clone()));
    assert_eq!(store.open_room(room.id).await.unwrap().room, changed);
    assert_eq!(
        store.directory("ein ort".into(), 0, 9).await,
        Ok(vec![changed])
    );
    assert_eq!(store.directory("a room".into(), 0, 9).await, Ok(vec![]));
}

pub(crate) async fn a_change_of_an_unknown_message_is_logged_and_shows_nowhere(store: Handle) {
    let ada = user();
    let (mut room, mut other) = (room_of(&store, &[ada]).await, room_of(&store, &[ada]).await);
    let elsewhere = other.say(&store, ada, "elsewhere").await;
    let mut edited = elsewhere.clone();
    edited.text = "changed from another room".into();
    room.record(&store, ada, Change::Edited { message: edited })
        .await;
    assert_eq!(
        store.history(newest(room.id, 9)).await.unwrap().messages,
        []
    );
    assert_eq!(
        store.messages(room.id, vec![elsewhere.id]).await,
        Ok(vec![None])
    );
    assert_eq!(latest(&store, &other, elsewhere.id).await, elsewhere);
    assert_eq!(whole_log(&store, room.id).await.len(), 2);
}

pub(crate) async fn who_has_read_everything_has_read_their_own_message_too(store: Handle) {
    let (ada, bob) = (user(), user());
    let mut room = room_of(&store, &[ada, bob]).await;
    let batch = [room.said(ada, "one"), room.said(ada, "two")];
    room.append(&store, &batch).await;
    let hers = store.room_for(ada, room.id).await.unwrap();
    assert_eq!((hers.read_seq, hers.read_n, hers.unread), (4, 2, 0));
    room.say(&store, bob, "he has not read the two").await;
    let his = store.room_for(bob, room.id).await.unwrap();
    assert_eq!((his.read_seq, his.read_n, his.unread), (2, 0, 3));
    assert_eq!(store.room_for(ada, room.id).await.unwrap().unread, 1);
}

pub(crate) async fn mentions_follow_edits_and_deletions(store: Handle) {
    let (ada, bob, eve) = (user(), user(), user());
    let mut room = room_of(&store, &[ada, bob, eve]).await;
    let (one, two) = (
        room.said_to(ada, "you", &[bob]),
        room.said_to(ada, "both", &[bob, eve]),
    );
    room.append(&store, &[one.clone(), two.clone()]).await;
    let count = async |user| store.room_for(user, room.id).await.unwrap().mentions;
    assert_eq!((count(bob).await, count(eve).await), (2, 1));
    let mut edited = said(&one).clone();
    edited.mentions = vec![eve];
    let change = room.clone().entry(ada, Change::Edited { message: edited });
    room.append(&store, &[change]).await;
    assert_eq!((count(bob).await, count(eve).await), (1, 2));
    room.head.seq += 1;
    let gone = room.clone().entry(
        ada,
        Change::Deleted {
            message: said(&two).clone().deleted(at(9)),
        },
    );
    room.append(&store, &[gone]).await;
    let count = async |user| store.room_for(user, room.id).await.unwrap().mentions;
    assert_eq!((count(bob).await, count(eve).await), (0, 1));
}

pub(crate) async fn a_newcomer_has_nothing_unread(store: Handle) {
    let (ada, bob) = (user(), user());
    let mut room = room_of(&store, &[ada]).await;
    for text in ["one", "two"] {
        room.say(&store, ada, text).await;
    }
    room.record(
        &store,
        bob,
        Change::Joined {
            member: member(bob),
        },
    )
    .await;
    let his = store.room_for(bob, room.id).await.unwrap();
    assert_eq!(
        (his.read_seq, his.read_n, his.unread, his.room.member_count),
        (4, 2, 0, 2)
    );
    room.say(&store, ada, "three").await;
    assert_eq!(store.room_for(bob, room.id).await.unwrap().unread, 1);
    let again = Change::Joined {
        member: member(bob),
    };
    room.record(&store, bob, again).await;
    let his = store.room_for(bob, room.id).await.unwrap();
    assert_eq!(
        (his.unread, his.room.member_count),
        (1, 2),
        "who is there already stays as they are"
    );
}
