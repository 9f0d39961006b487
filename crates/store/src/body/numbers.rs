//! The numbers that kinds, roles and reasons have in bytes, for ever.

use protocol::room::{LeaveReason, Role, RoomType};

use super::Broken;

pub(crate) fn room_type(kind: RoomType) -> u8 {
    match kind {
        RoomType::Public => 0,
        RoomType::Private => 1,
        RoomType::Group => 2,
        RoomType::Dm => 3,
    }
}

pub(crate) fn room_type_of(byte: u8) -> Result<RoomType, Broken> {
    [
        RoomType::Public,
        RoomType::Private,
        RoomType::Group,
        RoomType::Dm,
    ]
    .get(usize::from(byte))
    .copied()
    .ok_or(Broken("unknown kind of room"))
}

pub(crate) fn role(role: Role) -> u8 {
    match role {
        Role::Member => 0,
        Role::Moderator => 1,
        Role::Admin => 2,
        Role::Owner => 3,
    }
}

pub(crate) fn role_of(byte: u8) -> Result<Role, Broken> {
    [Role::Member, Role::Moderator, Role::Admin, Role::Owner]
        .get(usize::from(byte))
        .copied()
        .ok_or(Broken("unknown role"))
}

pub(super) fn leave_reason(reason: LeaveReason) -> u8 {
    match reason {
        LeaveReason::Left => 0,
        LeaveReason::Removed => 1,
        LeaveReason::Banned => 2,
        LeaveReason::Deleted => 3,
    }
}

pub(super) fn leave_reason_of(byte: u8) -> Result<LeaveReason, Broken> {
    [
        LeaveReason::Left,
        LeaveReason::Removed,
        LeaveReason::Banned,
        LeaveReason::Deleted,
    ]
    .get(usize::from(byte))
    .copied()
    .ok_or(Broken("unknown reason of leaving"))
}
