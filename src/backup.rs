//! `chatify backup`, `restore`, `export` and `import`: the whole store in a file, and back. docs/backup.md is for who
//! runs them.
//!
//! A file or a store is whole or not there: what is written has another name until its end. What was read back and
//! compared is told; nothing else is called a success.

use std::fs::{self, File, OpenOptions};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use archive::{Devices, Keep, Person, Summary};
use indicatif::{ProgressBar, ProgressStyle};
use protocol::ids::UserId;
use service::config::Settings;
use store::{Store, sqlite};

use crate::Failure;
use crate::arguments::{ExportPlan, ImportPlan};
use crate::config::TopConfig;

/// Where the store of the settings is.
enum Place {
    File(PathBuf),
    Servers(String),
}

fn place(settings: &Settings) -> Result<Place, Failure> {
    let top: TopConfig = settings.read()?;
    Ok(match &top.store {
        None => Place::File(top.data.join("chatify.db")),
        Some(url) => match url.expose().strip_prefix("sqlite:") {
            Some(path) => Place::File(path.into()),
            None => Place::Servers(url.expose().to_owned()),
        },
    })
}

/// A copy of the store, which may be in use.
pub(crate) fn backup(settings: &Settings, out: &Path) -> Result<String, Failure> {
    match place(settings)? {
        Place::File(path) => {
            let bar = bar();
            bar.set_message("copying");
            let bytes = sqlite::copy(&path, out).map_err(Failure::of)?;
            bar.finish_and_clear();
            Ok(format!(
                "{bytes} bytes of {} in {}; `chatify restore {}` makes a store of it\n",
                path.display(),
                out.display(),
                out.display()
            ))
        }
        Place::Servers(url) => run(async {
            let store = store::open(&url).await.map_err(Failure::of)?;
            let told = written(store.as_ref(), out).await;
            store.close().await;
            told
        }),
    }
}

/// A store from a backup, with new epochs and nobody signed in.
pub(crate) fn restore(settings: &Settings, from: &Path) -> Result<String, Failure> {
    if !sqlite::is_database(from).map_err(Failure::of)? {
        return fill(settings, from, Keep::Content);
    }
    let Place::File(path) = place(settings)? else {
        return Err(Failure::of(format!(
            "{} is an SQLite store and `store` is not. Make an archive of it first: \
             `CHATIFY_STORE=sqlite:{} chatify export FILE`, then `chatify import FILE`",
            from.display(),
            from.display()
        )));
    };
    if let Some(folder) = path.parent() {
        make_folder(folder)?;
    }
    let bytes = sqlite::restore(from, &path).map_err(Failure::of)?;
    Ok(format!(
        "{bytes} bytes in {}. Every room has a new epoch; everybody signs in again\n",
        path.display()
    ))
}

/// An archive of the store, or all about one person.
pub(crate) fn export(settings: &Settings, plan: &ExportPlan) -> Result<String, Failure> {
    let place = place(settings)?;
    run(async {
        match place {
            Place::Servers(url) => {
                let store = store::open(&url).await.map_err(Failure::of)?;
                let told = exported(store.as_ref(), plan).await;
                store.close().await;
                told
            }
            // A copy, since the file may be in use by a server.
            Place::File(path) => {
                let beside = Beside::new(&plan.out)?;
                let copy = beside.0.join("copy.db");
                sqlite::copy(&path, &copy).map_err(Failure::of)?;
                let store = sqlite::Sqlite::open(&copy.to_string_lossy()).await;
                let store = store.map_err(Failure::of)?;
                let told = exported(&store, plan).await;
                store.close().await;
                told
            }
        }
    })
}

/// An empty store filled from an archive; or the archive only checked.
pub(crate) fn import(settings: &Settings, plan: &ImportPlan) -> Result<String, Failure> {
    if plan.check {
        let bar = bar();
        let holds = archive::check(&plan.from, &ticks(&bar)).map_err(Failure::of)?;
        bar.finish_and_clear();
        return Ok(format!(
            "{} is whole: {}\n",
            plan.from.display(),
            told(&holds)
        ));
    }
    let keep = if plan.moved {
        Keep::Everything
    } else {
        Keep::Content
    };
    fill(settings, &plan.from, keep)
}

fn fill(settings: &Settings, from: &Path, keep: Keep) -> Result<String, Failure> {
    let place = place(settings)?;
    let holds = run(async {
        match place {
            Place::Servers(url) => {
                let store = store::open(&url).await.map_err(Failure::of)?;
                let filled = filled(&store, from, keep).await;
                store.close().await;
                filled
            }
            Place::File(path) => {
                if path.exists() {
                    return Err(Failure::of(format!(
                        "{} is there already: move it away, or name another with `store`",
                        path.display()
                    )));
                }
                // Under another name until it is whole: a server that starts too early finds nothing.
                let beside = Beside::new(&path)?;
                let half = beside.0.join("filling.db");
                let url = format!("sqlite:{}", half.display());
                let store = store::open(&url).await.map_err(Failure::of)?;
                let filled = filled(&store, from, keep).await;
                store.close().await;
                let holds = filled?;
                fs::rename(&half, &path).map_err(Failure::of)?;
                Ok(holds)
            }
        }
    })?;
    let after = match keep {
        Keep::Content => "Every room has a new epoch; everybody signs in again",
        Keep::Everything => "Epochs, devices and signing keys are as they were",
    };
    Ok(format!("{}; read back and equal. {after}\n", told(&holds)))
}

async fn filled(store: &Arc<dyn Store>, from: &Path, keep: Keep) -> Result<Summary, Failure> {
    let bar = bar();
    let filled = archive::fill(store.as_ref(), from, keep, &ticks(&bar)).await;
    bar.finish_and_clear();
    filled.map_err(Failure::of)
}

async fn exported(store: &dyn Store, plan: &ExportPlan) -> Result<String, Failure> {
    let Some(who) = &plan.person else {
        return written(store, &plan.out).await;
    };
    let person = match who.parse::<UserId>() {
        Ok(id) => id,
        Err(_) => {
            let found = store.find_email(who.clone()).await.map_err(Failure::of)?;
            let nobody = || Failure::of(format!("there is nobody with the id or address {who}"));
            found.ok_or_else(nobody)?.user.id
        }
    };
    let mut own = Person::new(person, Devices::Known);
    // Asked before the file is made: there is none for somebody who is not there.
    let mut piece = own.next(store).await.map_err(Failure::of)?;
    let (bar, mut out) = (bar(), BufWriter::new(private(&plan.out)?));
    let told = ticks(&bar);
    while let Some(lines) = piece {
        out.write_all(lines.as_bytes()).map_err(Failure::of)?;
        told("lines", own.lines());
        piece = own.next(store).await.map_err(Failure::of)?;
    }
    out.flush().map_err(Failure::of)?;
    bar.finish_and_clear();
    Ok(format!("{} lines in {}\n", own.lines(), plan.out.display()))
}

async fn written(store: &dyn Store, out: &Path) -> Result<String, Failure> {
    let bar = bar();
    let holds = archive::write(store, out, &ticks(&bar)).await;
    bar.finish_and_clear();
    Ok(format!(
        "{} in {}\n",
        told(&holds.map_err(Failure::of)?),
        out.display()
    ))
}

fn told(holds: &Summary) -> String {
    format!(
        "{} rooms, {} entries, {} people, {} devices, content {}",
        holds.rooms, holds.entries, holds.users, holds.sessions, holds.content
    )
}

/// A new file that nobody else may read.
fn private(path: &Path) -> Result<File, Failure> {
    let mut options = OpenOptions::new();
    options.create_new(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let made = options.open(path);
    made.map_err(|error| Failure::of(format!("cannot write {}: {error}", path.display())))
}

/// A folder beside a file, for what must not be seen under its name yet; goes with its owner.
struct Beside(PathBuf);

impl Beside {
    fn new(path: &Path) -> Result<Self, Failure> {
        let mut name = path.as_os_str().to_owned();
        name.push(".work");
        let folder = PathBuf::from(name);
        if folder.exists() {
            // Of one that was cut off.
            fs::remove_dir_all(&folder).map_err(Failure::of)?;
        }
        make_folder(&folder)?;
        Ok(Self(folder))
    }
}

/// A folder that nobody else may look into, if it is not there yet.
fn make_folder(folder: &Path) -> Result<(), Failure> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
        .create(folder)
        .map_err(|error| Failure::of(format!("cannot make {}: {error}", folder.display())))
}

impl Drop for Beside {
    fn drop(&mut self) {
        // The next run clears what could not be removed now.
        drop(fs::remove_dir_all(&self.0));
    }
}

/// Shown on a terminal only.
fn bar() -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    bar.enable_steady_tick(Duration::from_millis(200));
    match ProgressStyle::with_template("{spinner} {elapsed} {msg}") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

fn ticks(bar: &ProgressBar) -> impl Fn(&'static str, u64) + Sync + '_ {
    move |what, count| bar.set_message(format!("{count} {what}"))
}

fn run<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(Failure::of)?
        .block_on(work)
}
