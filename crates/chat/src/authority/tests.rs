//! Who may do what: the roles against each other, and the rules that no role lifts.

use super::*;
use protocol::ids::{ClientId, RoomId};
use protocol::room::{Epoch, RoomType};
use uuid::Uuid;

const OWNER: u128 = 1;
const ADMIN: u128 = 2;
const MODERATOR: u128 = 3;
const MEMBER: u128 = 4;
const OTHER: u128 = 5;
const STRANGER: u128 = 9;

fn user(n: u128) -> UserId {
    UserId(Uuid::from_u128(n))
}

fn room(kind: RoomType) -> RoomState {
    let member = |(n, role)| Member {
        user_id: user(n),
        role,
        joined_at: Timestamp(0),
        muted_until: None,
    };
    let members: Vec<Member> = [
        (OWNER, Role::Owner),
        (ADMIN, Role::Admin),
        (MODERATOR, Role::Moderator),
        (MEMBER, Role::Member),
        (OTHER, Role::Member),
    ]
    .map(member)
    .into();
    RoomState::new(Opened {
        room: Room {
            id: RoomId(Uuid::from_u128(7)),
            kind,
            name: None,
            topic: None,
            created_by: user(OWNER),
            created_at: Timestamp(0),
            member_count: members.len() as u32,
        },
        head: Head {
            epoch: Epoch(1),
            seq: 5,
            n: 0,
        },
        deleted: false,
        members,
        bans: Vec::new(),
    })
}

fn draft(actor: u128, intent: Intent) -> Draft {
    Draft {
        actor: user(actor),
        key: ClientId(Uuid::from_u128(100 + actor)),
        at: Timestamp(1_000),
        intent,
    }
}

fn verdict(state: &RoomState, actor: u128, intent: Intent) -> Result<Granted, Code> {
    state
        .admit(&draft(actor, intent), &Loaded::default())
        .map_err(|problem| problem.code)
}

/// Grants a wish and takes it into the picture.
fn grant(state: &mut RoomState, actor: u128, intent: Intent) {
    let wish = draft(actor, intent);
    let Ok(Granted::Change(change, _)) = state.admit(&wish, &Loaded::default()) else {
        panic!("{wish:?} is not granted");
    };
    state.apply(&Entry {
        seq: state.head.seq + 1,
        n: state.head.n,
        at: wish.at,
        actor: wish.actor,
        key: wish.key,
        digest: 0,
        change: *change,
    });
}

fn say() -> Intent {
    Intent::Say {
        id: MessageId(Uuid::from_u128(1)),
        text: "hello".into(),
        reply_to: None,
        mentions: vec![user(MEMBER), user(STRANGER), user(MEMBER)],
        meta: None,
    }
}

fn remove(n: u128) -> Intent {
    Intent::Remove {
        user: user(n),
        ban: None,
    }
}

fn role(n: u128, role: Role) -> Intent {
    Intent::ChangeMember {
        user: user(n),
        role: Some(role),
        mute: None,
    }
}

fn mute(n: u128, until: Option<Timestamp>) -> Intent {
    Intent::ChangeMember {
        user: user(n),
        role: None,
        mute: Some(until),
    }
}

#[test]
fn a_stranger_is_told_that_there_is_no_such_room() {
    let state = room(RoomType::Private);
    for intent in [
        say(),
        Intent::Join,
        remove(MEMBER),
        Intent::DeleteRoom,
        role(MEMBER, Role::Admin),
    ] {
        assert_eq!(verdict(&state, STRANGER, intent), Err(Code::RoomNotFound));
    }
}

#[test]
fn only_members_are_mentioned_and_each_once() {
    let Ok(Granted::Change(change, _)) = verdict(&room(RoomType::Public), OWNER, say()) else {
        panic!()
    };
    let Change::Said { message } = *change else {
        panic!()
    };
    assert_eq!(message.mentions, [user(MEMBER)]);
    assert_eq!((message.seq, message.n), (6, 1));
}

#[test]
fn nobody_removes_their_equal_or_better() {
    let state = room(RoomType::Public);
    let ranks = [OWNER, ADMIN, MODERATOR, MEMBER];
    for (rank, actor) in ranks.into_iter().enumerate() {
        for (other, target) in ranks.into_iter().enumerate() {
            let may = rank < other && actor != MEMBER;
            assert_eq!(
                verdict(&state, actor, remove(target)).is_ok(),
                may,
                "{actor} removes {target}"
            );
        }
    }
}

#[test]
fn nobody_grants_more_than_they_have() {
    let state = room(RoomType::Public);
    let allowed = |actor, target, new| verdict(&state, actor, role(target, new)).is_ok();
    assert!(allowed(OWNER, MEMBER, Role::Owner));
    assert!(allowed(ADMIN, MEMBER, Role::Moderator));
    assert!(!allowed(ADMIN, MEMBER, Role::Admin));
    assert!(!allowed(ADMIN, OWNER, Role::Member));
    assert!(!allowed(MODERATOR, MEMBER, Role::Moderator));
    assert!(!allowed(MEMBER, MEMBER, Role::Admin));
    // Anyone may step down.
    assert!(allowed(ADMIN, ADMIN, Role::Member));
    assert!(allowed(MODERATOR, MODERATOR, Role::Member));
}

#[test]
fn a_room_keeps_an_owner() {
    let mut state = room(RoomType::Public);
    assert_eq!(
        verdict(&state, OWNER, role(OWNER, Role::Member)),
        Err(Code::LastOwner)
    );
    assert_eq!(verdict(&state, OWNER, Intent::Leave), Err(Code::LastOwner));
    grant(&mut state, OWNER, role(MEMBER, Role::Owner));
    grant(&mut state, OWNER, Intent::Leave);
    assert_eq!(verdict(&state, MEMBER, Intent::Leave), Err(Code::LastOwner));
}

#[test]
fn whoever_enters_an_empty_room_owns_it() {
    let mut state = room(RoomType::Public);
    for n in [ADMIN, MODERATOR, MEMBER, OTHER, OWNER] {
        grant(&mut state, n, Intent::Leave);
    }
    let Ok(Granted::Change(_, Made::Member(member))) = verdict(&state, STRANGER, Intent::Join)
    else {
        panic!()
    };
    assert_eq!(member.role, Role::Owner);
}

#[test]
fn a_ban_keeps_out_until_it_ends_or_is_lifted() {
    let mut state = room(RoomType::Public);
    let ban = |until| Intent::Remove {
        user: user(MEMBER),
        ban: Some(until),
    };
    grant(&mut state, MODERATOR, ban(Some(Timestamp(2_000))));
    assert_eq!(verdict(&state, MEMBER, Intent::Join), Err(Code::Banned));
    assert_eq!(verdict(&state, MEMBER, say()), Err(Code::RoomNotFound));
    let later = Draft {
        at: Timestamp(2_000),
        ..draft(MEMBER, Intent::Join)
    };
    assert!(state.admit(&later, &Loaded::default()).is_ok());
    grant(&mut state, MODERATOR, ban(None));
    assert!(state.admit(&later, &Loaded::default()).is_err());
    grant(&mut state, MODERATOR, Intent::Unban { user: user(MEMBER) });
    grant(&mut state, MEMBER, Intent::Join);
}

#[test]
fn a_muted_member_reads_and_does_not_write() {
    let mut state = room(RoomType::Public);
    assert_eq!(
        verdict(&state, MODERATOR, mute(ADMIN, Some(Timestamp(5_000)))),
        Err(Code::Forbidden)
    );
    grant(&mut state, MODERATOR, mute(MEMBER, Some(Timestamp(5_000))));
    assert_eq!(verdict(&state, MEMBER, say()), Err(Code::Muted));
    let later = Draft {
        at: Timestamp(5_000),
        ..draft(MEMBER, say())
    };
    assert!(state.admit(&later, &Loaded::default()).is_ok());
    grant(&mut state, MODERATOR, mute(MEMBER, None));
    assert!(verdict(&state, MEMBER, say()).is_ok());
}

#[test]
fn a_direct_conversation_keeps_its_two_people() {
    let state = room(RoomType::Dm);
    for intent in [
        Intent::Leave,
        remove(MEMBER),
        Intent::Add {
            user: user(STRANGER),
        },
    ] {
        assert_eq!(verdict(&state, OWNER, intent), Err(Code::Forbidden));
    }
}

#[test]
fn members_of_a_group_add_and_others_ask_a_moderator() {
    let add = || Intent::Add {
        user: user(STRANGER),
    };
    assert!(verdict(&room(RoomType::Group), MEMBER, add()).is_ok());
    for kind in [RoomType::Private, RoomType::Public] {
        assert_eq!(verdict(&room(kind), MEMBER, add()), Err(Code::Forbidden));
        assert!(verdict(&room(kind), MODERATOR, add()).is_ok());
    }
}

#[test]
fn nothing_happens_in_a_deleted_room() {
    let mut state = room(RoomType::Public);
    assert_eq!(
        verdict(&state, ADMIN, Intent::DeleteRoom),
        Err(Code::Forbidden)
    );
    grant(&mut state, OWNER, Intent::DeleteRoom);
    for intent in [say(), Intent::Join, Intent::Leave, Intent::DeleteRoom] {
        assert_eq!(verdict(&state, OWNER, intent), Err(Code::RoomNotFound));
    }
}

#[test]
fn a_message_is_changed_by_its_sender_and_deleted_by_moderators_too() {
    let mut state = room(RoomType::Public);
    let Ok(Granted::Change(change, _)) = verdict(&state, MEMBER, say()) else {
        panic!()
    };
    let Change::Said { message } = *change else {
        panic!()
    };
    let id = message.id;
    let loaded: Loaded = [(id, Some(message))].into_iter().collect();
    let code = |state: &RoomState, actor, intent, loaded: &Loaded| {
        state
            .admit(&draft(actor, intent), loaded)
            .map_err(|problem| problem.code)
            .err()
    };
    let edit = |text: &str, version| Intent::Edit {
        id,
        text: text.into(),
        version,
    };
    assert_eq!(code(&state, MEMBER, edit("new", None), &loaded), None);
    assert_eq!(
        code(&state, OWNER, edit("new", None), &loaded),
        Some(Code::Forbidden)
    );
    assert_eq!(
        code(&state, MEMBER, edit("new", Some(2)), &loaded),
        Some(Code::VersionConflict)
    );
    assert_eq!(
        state
            .admit(&draft(MEMBER, edit("hello", None)), &loaded)
            .map(|granted| matches!(granted, Granted::Already(_))),
        Ok(true)
    );
    assert_eq!(
        code(&state, MODERATOR, Intent::Delete { id }, &loaded),
        None
    );
    assert_eq!(
        code(&state, OTHER, Intent::Delete { id }, &loaded),
        Some(Code::Forbidden)
    );
    assert_eq!(
        code(&state, MEMBER, edit("new", None), &Loaded::default()),
        Some(Code::MessageNotFound)
    );
    grant(&mut state, MODERATOR, mute(MEMBER, Some(Timestamp(5_000))));
    assert_eq!(
        code(&state, MEMBER, edit("new", None), &loaded),
        Some(Code::Muted)
    );
}
