//! The store: whether it is there, and whether it can keep the promise.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use tokio::time::timeout;

use super::LOOK_MAX;
use super::finding::Finding;
use super::view::View;

/// Below this a busy evening fills the disk.
const FREE_WARN: u64 = 5 << 30;
const FREE_MIN: u64 = 512 << 20;

pub(crate) async fn checks(view: &View) -> Vec<Finding> {
    if !view.is_embedded() {
        return vec![remote(&view.store).await];
    }
    let file = match view.store.strip_prefix("sqlite:") {
        Some(path) => PathBuf::from(path),
        None => view.data.join("chatify.db"),
    };
    let folder = existing(file.parent().unwrap_or(Path::new(".")));
    vec![database(&file), disk(&folder), owner(&file, &folder)]
}

/// The folder, or the nearest one above it that is there.
fn existing(folder: &Path) -> PathBuf {
    let there = folder
        .ancestors()
        .find(|folder| !folder.as_os_str().is_empty() && folder.exists());
    there.unwrap_or(Path::new(".")).to_owned()
}

/// Reads the file's head and no more: opening it would take the lock of the process that serves it.
fn database(file: &Path) -> Finding {
    const CHECK: &str = "store";
    let mut head = [0; 20];
    let read = File::open(file).and_then(|mut file| file.read_exact(&mut head));
    match read {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Finding::ok(
            CHECK,
            format!("{} is made at the first start", file.display()),
        ),
        Err(error) => Finding::wrong(
            CHECK,
            format!("{}: {error}", file.display()),
            "let the server's user read and write it",
        ),
        Ok(()) if !head.starts_with(b"SQLite format 3\0") => Finding::wrong(
            CHECK,
            format!("{} is no SQLite database", file.display()),
            "restore it from a backup, or name another `data`",
        ),
        // The versions that may write and read it: 2 is WAL. FULL is set and read back at each start.
        Ok(()) if head[18..20] != [2, 2] => Finding::wrong(
            CHECK,
            format!("{} is not in WAL mode", file.display()),
            "let only chatify write to it",
        ),
        Ok(()) => Finding::ok(CHECK, format!("SQLite, WAL, {}", file.display())),
    }
}

fn disk(folder: &Path) -> Finding {
    const CHECK: &str = "disk space";
    const MEND: &str = "make room, or move `data` to a larger disk: a full one refuses every send";
    let Ok(disk) = rustix::fs::statvfs(folder) else {
        return Finding::warn(
            CHECK,
            format!("{} cannot be asked", folder.display()),
            "let the server's user enter it",
        );
    };
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    let told = format!("{} MiB free for {}", free >> 20, folder.display());
    match free {
        free if free < FREE_MIN => Finding::wrong(CHECK, told, MEND),
        free if free < FREE_WARN => Finding::warn(CHECK, told, MEND),
        _ => Finding::ok(CHECK, told),
    }
}

fn owner(file: &Path, folder: &Path) -> Finding {
    const CHECK: &str = "data owner";
    // A process owns what it has made itself; asking for the user's number needs no more than that.
    let Ok(ours) = std::fs::metadata("/proc/self").map(|own| own.uid()) else {
        return Finding::ok(CHECK, "this system does not tell");
    };
    let path = if file.exists() { file } else { folder };
    match std::fs::metadata(path) {
        Ok(its) if its.uid() != ours && ours != 0 => Finding::wrong(
            CHECK,
            format!(
                "{} belongs to user {}, and we are {ours}",
                path.display(),
                its.uid()
            ),
            "chown it to the user that runs chatify, or run this as that user",
        ),
        Ok(its) if file.exists() && its.mode() & 0o077 != 0 && its.mode() & 0o007 != 0 => {
            Finding::warn(
                CHECK,
                format!("everybody on this machine can read {}", path.display()),
                "chmod o-rwx the data folder",
            )
        }
        Ok(_) => Finding::ok(CHECK, format!("{} is ours", path.display())),
        Err(error) => Finding::wrong(
            CHECK,
            format!("{}: {error}", path.display()),
            "let the server's user enter the data folder",
        ),
    }
}

/// Opens it as a server would: the backend refuses a topology, a write concern or an index that breaks the promise.
async fn remote(url: &str) -> Finding {
    const CHECK: &str = "store";
    const MEND: &str =
        "start it, or correct the URL; MongoDB: a replica set, journaled, without arbiters";
    match timeout(LOOK_MAX * 3, store::open(url)).await {
        Err(_) => Finding::wrong(CHECK, "no answer in time", MEND),
        Ok(Err(error)) => Finding::wrong(CHECK, error.to_string(), MEND),
        Ok(Ok(store)) => {
            let healthy = store.healthy();
            store.close().await;
            if healthy {
                Finding::ok(CHECK, "reachable, and it keeps the guarantee")
            } else {
                Finding::wrong(CHECK, "reachable, and takes no writes", MEND)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Level;
    use super::*;

    #[test]
    fn a_database_is_known_by_its_head() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("chatify.db");
        assert_eq!(database(&file).level, Level::Ok, "made later");
        let mut head = *b"SQLite format 3\0\x10\x00\x02\x02";
        std::fs::write(&file, head).expect("a file");
        assert_eq!(database(&file).level, Level::Ok);
        head[18] = 1;
        std::fs::write(&file, head).expect("a file");
        assert!(database(&file).told.contains("WAL"));
        std::fs::write(&file, [7; 64]).expect("a file");
        assert_eq!(database(&file).level, Level::Wrong);
    }
}
