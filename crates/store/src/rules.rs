//! What every backend decides in the same way: pure functions and the numbers that are the product's and not a database's.

use std::cmp::Reverse;

use protocol::event::client::History;
use protocol::ids::UserId;
use protocol::message::{Reaction, Seq};
use protocol::room::RoomSummary;
use protocol::time::Timestamp;
use uuid::Uuid;

pub(crate) const DAY_MILLIS: i64 = 24 * 60 * 60 * 1_000;

/// How long a note of the audit log is kept: a year, and a month for whoever looks back at it.
pub(crate) const AUDIT_MILLIS: i64 = 396 * DAY_MILLIS;

/// The lowest id (UUID of version 7) that a note of this time may have.
pub(crate) fn audit_id_at(at: Timestamp) -> Uuid {
    let millis = u128::try_from(at.0).unwrap_or(0);
    Uuid::from_u128(millis << 80)
}

/// A request that has not been answered by then has died with its process; its key may be claimed again.
/// No request of ours may run half as long.
pub(crate) const CLAIM_MILLIS: i64 = 60 * 1_000;

/// Text in one page of entries; with the rest of a row a page stays far below what a socket may have waiting.
pub(crate) const PAGE_BYTES: usize = 1 << 20;

/// Text in all pages that are read together.
pub(crate) const PAGES_BYTES: usize = 4 << 20;

/// Rows that one call may ask for, whatever it says.
pub(crate) const LIMIT_MAX: usize = 10_000;

/// Messages in one window of history, whatever is asked for.
const WINDOW_MAX: u64 = 1_000;

/// The name that stands over the messages of who is gone.
pub(crate) const DELETED_NAME: &str = "Deleted user";

/// The place that a window of history is about: how many messages there are up to it decides the window.
pub(crate) fn asked_place(query: &History) -> Seq {
    match (query.before, query.after, query.around) {
        (Some(before), _, _) => before.saturating_sub(1),
        (_, Some(place), _) | (_, _, Some(place)) => place,
        _ => Seq::MAX,
    }
}

/// The messages of a window, first to last by `n`; it is empty when the last is below the first. `n_asked` messages
/// stand up to [`asked_place`], and `n_head` in the whole log.
pub(crate) fn window_of(query: &History, n_asked: u64, n_head: u64) -> (u64, u64) {
    let limit = u64::from(query.limit).min(WINDOW_MAX);
    match (query.before, query.after, query.around) {
        (Some(_), _, _) => (n_asked.saturating_sub(limit) + 1, n_asked),
        (_, Some(_), _) => (n_asked + 1, n_asked.saturating_add(limit).min(n_head)),
        (_, _, Some(_)) => {
            // Half above the place; what one side does not have, the other fills.
            let last = n_asked.saturating_add(limit / 2).max(limit).min(n_head);
            (last.saturating_sub(limit) + 1, last)
        }
        _ => (n_head.saturating_sub(limit) + 1, n_head),
    }
}

/// Sorts a list of rooms by their latest message, or their making when nothing was said yet.
pub(crate) fn newest_first(rooms: &mut [RoomSummary]) {
    let latest = |room: &RoomSummary| {
        let said = room.last_message.as_ref();
        said.map_or(room.room.created_at, |message| message.created_at)
    };
    rooms.sort_by_cached_key(|room| (Reverse(latest(room)), room.room.id));
}

/// What somebody did to one emoji under a message.
pub(crate) struct Chosen<'a> {
    pub(crate) emoji: &'a str,
    pub(crate) by: UserId,
    pub(crate) added: bool,
    pub(crate) count: u32,
}

pub(crate) fn react(reactions: &mut Vec<Reaction>, chosen: Chosen<'_>) {
    let place = reactions
        .iter()
        .position(|reaction| reaction.emoji == chosen.emoji)
        .unwrap_or_else(|| {
            reactions.push(Reaction {
                emoji: chosen.emoji.to_owned(),
                count: 0,
                user_ids: Vec::new(),
            });
            reactions.len() - 1
        });
    let reaction = &mut reactions[place];
    reaction.user_ids.retain(|user| *user != chosen.by);
    if chosen.added {
        reaction.user_ids.push(chosen.by);
    }
    reaction.count = chosen.count;
    if reaction.user_ids.is_empty() {
        reactions.remove(place);
    }
}

/// A name from its start, and from the start of each of its words, to its end.
pub(crate) fn tails(name: &str) -> Vec<&str> {
    let mut tails = vec![name];
    let mut within = name.chars().next().is_some_and(char::is_alphanumeric);
    for (place, letter) in name.char_indices().skip(1) {
        let letter = letter.is_alphanumeric();
        if letter && !within {
            tails.push(&name[place..]);
        }
        within = letter;
    }
    tails
}

#[cfg(test)]
mod tests {
    use super::tails;

    #[test]
    fn a_name_is_found_from_each_of_its_words() {
        assert_eq!(
            tails("ada king-noel"),
            ["ada king-noel", "king-noel", "noel"]
        );
        assert_eq!(tails("élise"), ["élise"]);
        assert_eq!(tails("(bob) 🦊 x"), ["(bob) 🦊 x", "bob) 🦊 x", "x"]);
        assert_eq!(tails(""), [""]);
    }
}
