//! Reading an archive, and proving that it is whole: every byte is under a digest, every count is compared.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use aws_lc_rs::digest::{Context, SHA256};
use protocol::ids::RoomId;

use crate::content::{Content, to_json};
use crate::line::{Bytes, Line};
use crate::{ArchiveError, FORMAT, Progress, Summary};

/// No line of ours is longer: an entry has at most 12 MiB.
const LINE_MAX: u64 = 32 << 20;

/// Proves that the file at `path` is a whole archive, without using it. Blocks.
///
/// # Errors
/// `File` when it cannot be read; `Broken` with the place.
pub fn check(path: &Path, progress: Progress<'_>) -> Result<Summary, ArchiveError> {
    Ok(checked(path, progress)?.0)
}

pub(crate) type Rooms = Vec<(RoomId, Vec<u8>)>;

pub(crate) fn checked(
    path: &Path,
    progress: Progress<'_>,
) -> Result<(Summary, Rooms), ArchiveError> {
    let mut lines = Lines::open(path)?;
    let mut content = Content::new();
    let (mut all, mut whole_until) = (Context::new(&SHA256), 1);
    while let Some((line, json)) = lines.next()? {
        let before = || Bytes::of(&all.clone().finish());
        match &line {
            Line::Check(sha256) => {
                if *sha256 != before() {
                    return Err(lines.damaged(whole_until));
                }
                whole_until = lines.at;
            }
            Line::End(end) => {
                if end.sha256 != before() {
                    return Err(lines.damaged(whole_until));
                }
                if end.holds != content.summary() || lines.more()? {
                    return Err(lines.damaged(lines.at));
                }
                return Ok((content.summary(), content.rooms));
            }
            _ => {
                if let (Some(digest), Line::RoomEnd(said)) = (content.see(&line, &json)?, &line)
                    && digest != *said
                {
                    return Err(lines.damaged(whole_until));
                }
            }
        }
        all.update(&json);
        all.update(b"\n");
        if lines.at.is_multiple_of(10_000) {
            progress("lines checked", lines.at);
        }
    }
    Err(ArchiveError::Broken(format!(
        "{} ends early, after line {}: it was cut off. Take another copy",
        lines.name, lines.at
    )))
}

/// The lines of a file. The first is the header, and of a format that this binary knows.
pub(crate) struct Lines {
    from: BufReader<File>,
    name: String,
    /// The number of the line that was read last, from 1.
    pub(crate) at: u64,
}

impl Lines {
    pub(crate) fn open(path: &Path) -> Result<Self, ArchiveError> {
        let file = File::open(path).map_err(|error| ArchiveError::file("read", path, &error))?;
        Ok(Self {
            from: BufReader::with_capacity(1 << 20, file),
            name: path.display().to_string(),
            at: 0,
        })
    }

    /// The next line with its bytes; `None` at the file's end.
    pub(crate) fn next(&mut self) -> Result<Option<(Line, Vec<u8>)>, ArchiveError> {
        let mut json = Vec::new();
        let read = (&mut self.from)
            .take(LINE_MAX)
            .read_until(b'\n', &mut json)
            .map_err(|error| ArchiveError::File(format!("cannot read {}: {error}", self.name)))?;
        if read == 0 {
            return Ok(None);
        }
        self.at += 1;
        let whole = json.pop_if(|last| *last == b'\n').is_some();
        let line = serde_json::from_slice::<Line>(&json).ok();
        // A line is as we write it to the byte, or it is not ours.
        let line = line.filter(|line| whole && to_json(line).is_ok_and(|ours| ours == json));
        match line {
            Some(Line::Archive(header)) if self.at == 1 => {
                if header.format > FORMAT {
                    return Err(ArchiveError::Broken(format!(
                        "{} has format {} (by {}); this binary knows up to {FORMAT}: use a newer one",
                        self.name, header.format, header.by
                    )));
                }
                Ok(Some((Line::Archive(header), json)))
            }
            Some(line) if self.at > 1 && !matches!(line, Line::Archive(_)) => {
                Ok(Some((line, json)))
            }
            _ if self.at == 1 => Err(ArchiveError::Broken(format!(
                "{} is no archive of chatify, or is compressed: its first line says nothing of the kind",
                self.name
            ))),
            _ if !whole => Err(ArchiveError::Broken(format!(
                "{} ends early, in the middle of line {}: it was cut off. Take another copy",
                self.name, self.at
            ))),
            _ => Err(ArchiveError::Broken(format!(
                "line {} of {} is damaged: take another copy",
                self.at, self.name
            ))),
        }
    }

    fn more(&mut self) -> Result<bool, ArchiveError> {
        let rest = self.from.fill_buf();
        rest.map(|rest| !rest.is_empty())
            .map_err(|error| ArchiveError::File(format!("cannot read {}: {error}", self.name)))
    }

    fn damaged(&self, from: u64) -> ArchiveError {
        ArchiveError::Broken(format!(
            "{} is damaged between line {from} and line {}: take another copy",
            self.name, self.at
        ))
    }
}
