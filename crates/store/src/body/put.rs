//! Writing what bodies are made of.

use protocol::ids::UserId;
use protocol::room::Member;
use protocol::time::Timestamp;
use uuid::Uuid;

use super::role;

/// Seven bits a byte, lowest first; the high bit says that more follow.
pub(super) fn put_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

pub(super) fn put_uuid(out: &mut Vec<u8>, id: Uuid) {
    out.extend_from_slice(id.as_bytes());
}

pub(super) fn put_text(out: &mut Vec<u8>, text: &str) {
    put_number(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

pub(super) fn put_time(out: &mut Vec<u8>, time: Timestamp) {
    out.extend_from_slice(&time.0.to_le_bytes());
}

pub(super) fn put_maybe_time(out: &mut Vec<u8>, time: Option<Timestamp>) {
    out.push(u8::from(time.is_some()));
    if let Some(time) = time {
        put_time(out, time);
    }
}

pub(super) fn put_maybe_text(out: &mut Vec<u8>, text: Option<&str>) {
    out.push(u8::from(text.is_some()));
    if let Some(text) = text {
        put_text(out, text);
    }
}

pub(super) fn put_users(out: &mut Vec<u8>, users: &[UserId]) {
    put_number(out, users.len() as u64);
    for user in users {
        put_uuid(out, user.0);
    }
}

pub(super) fn put_member(out: &mut Vec<u8>, member: &Member) {
    put_uuid(out, member.user_id.0);
    out.push(role(member.role));
    put_time(out, member.joined_at);
    put_maybe_time(out, member.muted_until);
}
