//! Writing an archive: one pass over a store that may be in use, into a file that is whole or not there.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{Context, SHA256};
use store::Store;

use crate::content::{Content, to_json};
use crate::line::{Bytes, End, Header, Line};
use crate::walk::walk;
use crate::{ArchiveError, FORMAT, Progress, Summary};

/// Lines and bytes between two checks: what a damaged place is narrowed down to.
const CHECK_LINES: u64 = 1_000;
const CHECK_BYTES: u64 = 1 << 20;

/// Writes an archive of the store to `path`, where nothing may be. Only its owner may read the file: addresses and
/// secrets of the deployment are in it. Blocks its thread while the disk works.
///
/// # Errors
/// `File` when it cannot be written (nothing is left at `path` then), `Store` when the store cannot be read.
pub async fn write(
    store: &dyn Store,
    path: &Path,
    progress: Progress<'_>,
) -> Result<Summary, ArchiveError> {
    if path.exists() {
        return Err(ArchiveError::File(format!(
            "{} is there already: name a file that is not",
            path.display()
        )));
    }
    let half = half_of(path);
    let written = write_half(store, &half, progress).await;
    let placed = written.and_then(|summary| {
        std::fs::rename(&half, path).map_err(|error| ArchiveError::file("write", path, &error))?;
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))
            .and_then(|folder| folder.sync_all())
            .map_err(|error| ArchiveError::file("write", path, &error))?;
        Ok(summary)
    });
    if placed.is_err() {
        // It may never have been made; what counts is that nothing stands at `path`.
        drop(std::fs::remove_file(&half));
    }
    placed
}

fn half_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".half");
    name.into()
}

async fn write_half(
    store: &dyn Store,
    half: &Path,
    progress: Progress<'_>,
) -> Result<Summary, ArchiveError> {
    let mut options = OpenOptions::new();
    options.create(true).truncate(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let cannot = |error: std::io::Error| ArchiveError::file("write", half, &error);
    let file = options.open(half).map_err(cannot)?;
    let mut out = Lines {
        out: BufWriter::with_capacity(1 << 20, file),
        all: Context::new(&SHA256),
        lines: 0,
        bytes: 0,
    };
    let header = Header {
        format: FORMAT,
        by: concat!("chatify ", env!("CARGO_PKG_VERSION")).into(),
    };
    out.put(&to_json(&Line::Archive(header))?).map_err(cannot)?;
    let mut content = Content::new();
    walk(store, progress, &mut |line| {
        let json = to_json(&line)?;
        match content.see(&line, &json)? {
            Some(digest) => out.put(&to_json(&Line::RoomEnd(digest))?),
            None => out.put(&json),
        }
        .map_err(cannot)?;
        if out.lines >= CHECK_LINES || out.bytes >= CHECK_BYTES {
            let check = Line::Check(out.digest());
            out.put(&to_json(&check)?).map_err(cannot)?;
            (out.lines, out.bytes) = (0, 0);
        }
        Ok(())
    })
    .await?;
    let holds = content.summary();
    let end = Line::End(End {
        holds: holds.clone(),
        sha256: out.digest(),
    });
    out.put(&to_json(&end)?).map_err(cannot)?;
    let file = out.out.into_inner().map_err(|error| cannot(error.into()))?;
    file.sync_all().map_err(cannot)?;
    Ok(holds)
}

struct Lines {
    out: BufWriter<File>,
    all: Context,
    /// Since the last check.
    lines: u64,
    bytes: u64,
}

impl Lines {
    fn put(&mut self, json: &[u8]) -> std::io::Result<()> {
        for bytes in [json, b"\n"] {
            self.out.write_all(bytes)?;
            self.all.update(bytes);
        }
        self.lines += 1;
        self.bytes += json.len() as u64;
        Ok(())
    }

    fn digest(&self) -> Bytes {
        Bytes::of(&self.all.clone().finish())
    }
}
