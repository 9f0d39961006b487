//! What a store says, as one digest a room and one of all: the same on every backend, whatever the epochs are.

use aws_lc_rs::digest::{Context, SHA256};
use protocol::ids::RoomId;
use protocol::room::Epoch;
use store::Store;

use crate::line::{Bytes, Line, RoomLine, hex};
use crate::walk::walk;
use crate::{ArchiveError, Progress, Summary};

/// Counts and digests of the lines that it sees.
pub(crate) struct Content {
    room: Option<(RoomId, Context)>,
    all: Context,
    pub(crate) rooms: Vec<(RoomId, Vec<u8>)>,
    counts: Summary,
}

impl Content {
    pub(crate) fn new() -> Self {
        Self {
            room: None,
            all: Context::new(&SHA256),
            rooms: Vec::new(),
            counts: Summary::default(),
        }
    }

    /// Sees the next line, with its JSON. At a room's end the room's digest is the answer.
    pub(crate) fn see(&mut self, line: &Line, json: &[u8]) -> Result<Option<Bytes>, ArchiveError> {
        match line {
            Line::Room(room) => {
                let mut context = Context::new(&SHA256);
                context.update(&to_json(&Line::Room(RoomLine {
                    epoch: Epoch(0),
                    ..room.clone()
                }))?);
                self.room = Some((room.id, context));
                self.counts.rooms += 1;
            }
            Line::Entry(_) | Line::Member(_) | Line::Ban(_) => {
                self.counts.entries += u64::from(matches!(line, Line::Entry(_)));
                if let Some((_, context)) = &mut self.room {
                    context.update(json);
                }
            }
            Line::RoomEnd(_) => {
                if let Some((id, context)) = self.room.take() {
                    let digest = context.finish();
                    self.all.update(digest.as_ref());
                    self.rooms.push((id, digest.as_ref().to_vec()));
                    return Ok(Some(Bytes::of(&digest)));
                }
            }
            Line::User(_) => {
                self.counts.users += 1;
                self.all.update(json);
            }
            Line::Session(_) => self.counts.sessions += 1,
            _ => {}
        }
        Ok(None)
    }

    /// Everything that was seen.
    pub(crate) fn summary(&self) -> Summary {
        Summary {
            content: hex(self.all.clone().finish().as_ref()),
            ..self.counts.clone()
        }
    }
}

/// A line as it stands in the file, without its end.
pub(crate) fn to_json(line: &Line) -> Result<Vec<u8>, ArchiveError> {
    serde_json::to_vec(line)
        .map_err(|error| ArchiveError::Broken(format!("a line cannot be written: {error}")))
}

/// What a store holds. Reads all of it.
///
/// # Errors
/// Those of the store.
pub async fn content(store: &dyn Store, progress: Progress<'_>) -> Result<Summary, ArchiveError> {
    Ok(seen(store, progress).await?.summary())
}

pub(crate) async fn seen(
    store: &dyn Store,
    progress: Progress<'_>,
) -> Result<Content, ArchiveError> {
    let mut content = Content::new();
    walk(store, progress, &mut |line| {
        let json = to_json(&line)?;
        content.see(&line, &json).map(drop)
    })
    .await?;
    Ok(content)
}
