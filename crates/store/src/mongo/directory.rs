//! Finding public rooms by a piece of their names, without patterns and without a text index: a name is kept as all its
//! runs of one to three characters, and a question asks for those of the text. What comes back is compared once more.

use std::collections::BTreeSet;

use futures_util::TryStreamExt as _;
use mongodb::bson::doc;
use protocol::room::Room;

use super::Mongo;
use super::docs::RoomDoc;
use crate::StoreError;
use crate::rules::LIMIT_MAX;

/// The longest run that is kept: three find almost only what is wanted.
const RUN: usize = 3;

/// Every run of up to [`RUN`] characters.
pub(super) fn grams(text: &str) -> Vec<String> {
    runs(text, 1..=RUN)
}

/// What a text is asked by: its longest runs hold the shorter ones.
fn asked(text: &str) -> Vec<String> {
    let length = text.chars().count().min(RUN);
    runs(text, length..=length)
}

fn runs(text: &str, lengths: std::ops::RangeInclusive<usize>) -> Vec<String> {
    let letters: Vec<char> = text.chars().collect();
    let mut runs = BTreeSet::new();
    for length in lengths.filter(|length| *length > 0) {
        runs.extend(
            letters
                .windows(length)
                .map(|run| run.iter().collect::<String>()),
        );
    }
    runs.into_iter().collect()
}

impl Mongo {
    pub(super) async fn find_rooms(
        &self,
        text: String,
        offset: usize,
        limit: usize,
    ) -> Result<Vec<Room>, StoreError> {
        let text = text.to_lowercase();
        let limit = limit.min(LIMIT_MAX);
        let mut filter = doc! { "listed": true };
        if !text.is_empty() {
            filter.insert("grams", doc! { "$all": asked(&text) });
        }
        let rooms = self.db.rooms.clone();
        let found: Vec<RoomDoc> = self
            .call()
            .read(async move {
                let mut lines = rooms
                    .find(filter)
                    .sort(doc! { "member_count": -1, "_id": 1 })
                    .await?;
                let (mut passed, mut taken) = (0, Vec::new());
                while taken.len() < limit
                    && let Some(room) = lines.try_next().await?
                {
                    let name = room.name.as_deref().unwrap_or_default();
                    if !name.to_lowercase().contains(&text) {
                        continue;
                    }
                    if passed < offset {
                        passed += 1;
                    } else {
                        taken.push(room);
                    }
                }
                Ok(taken)
            })
            .await?;
        found.iter().map(RoomDoc::settings).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_by_any_piece_of_it() {
        let name = "rust – straße";
        let kept = grams(name);
        for piece in ["r", "us", "st – s", "straße", "ße", "–"] {
            assert!(asked(piece).iter().all(|run| kept.contains(run)), "{piece}");
        }
        assert!(!asked("strasse").iter().all(|run| kept.contains(run)));
        assert_eq!(asked("abcd"), ["abc", "bcd"]);
        assert_eq!(grams(""), [""; 0]);
    }
}
