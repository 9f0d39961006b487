//! The store on MongoDB: any number of processes on one database, each room's log the truth and all else following it.
//!
//! **The log.** One document holds one batch of entries, so that a batch is stored whole or not at all. Its `_id` is
//! `(room, epoch, first seq)`. Two rules keep the log dense, and both need nothing but single-document writes:
//! 1. *Of all batches that claim one place, one is stored*: the unique `_id`.
//! 2. *A batch is inserted at `seq` only by who has seen, by a majority, a batch that ends at `seq - 1`* (or the empty
//!    log of that room and epoch), with its `n`, and not ending in the room's deletion.
//!
//! From them: the stored batches of a room and epoch always cover `1..=head` without hole or overlap. Suppose they do,
//! and a batch is inserted at `f`. By 2 a batch that ends at `f - 1` is there for ever (a majority has it, and batches
//! are neither changed nor removed). Batches do not overlap, so whatever covers `f` begins at `f`; by 1 there is none
//! yet; and with nothing at `f` there is nothing above it. So the new batch ends the log. A writer with a stale head
//! can therefore only claim a place that is taken, and hears `Conflict`; one with a head that no majority had cannot
//! exist. An insert that arrives late, after its caller was told "unknown", is such a writer too. Nothing follows
//! `RoomDeleted`, since nobody inserts behind a batch that ends in it. An old epoch is ended in the same way: who gives
//! a room a new epoch first puts a batch with `end` at the head of the old one, by the same claim.
//! A sender's key is unique over the room by an index over the batches' `keys`; within a batch it is checked here.
//!
//! **The projections** (members, versions, mentions, read markers, the room's own document) follow the log batch by
//! batch: see `project`. What is acknowledged or shown is projected first.
//!
//! **Together.** What many rooms' people say at one time goes to the server as one: see `together`.
//!
//! **Operations** never outlive a bound and never keep a caller beyond a deadline: see `ops`.

mod append;
mod audit;
mod bulk;
mod challenges;
mod circuit;
mod claims;
mod directory;
mod docs;
mod erase;
mod facts;
mod failure;
mod forward;
mod group;
mod history;
mod lists;
mod log;
mod members;
mod migrate;
mod ops;
mod options;
mod pages;
mod project;
mod read;
mod rooms;
mod schema;
mod seed;
mod together;
mod topology;
mod unreached;
mod updates;
mod users;
mod versions;
mod whole;

use std::sync::Arc;

use mongodb::Client;

use self::append::Heads;
use self::bulk::Bulk;
use self::ops::{Call, Ops};
pub use self::options::Options;
use self::schema::Collections;
use self::together::Together;
use crate::{Answer, Future, SeedBatch, Stats, Store, StoreError};

/// One database, shared with other processes. Cheap to clone.
#[derive(Clone)]
pub struct Mongo {
    client: Client,
    ops: Ops,
    db: Collections,
    heads: Arc<Heads>,
    together: Arc<Together>,
    bulk: Arc<Bulk>,
    degraded: bool,
}

impl Mongo {
    /// Connects, refuses a weak topology, and makes what is missing of collections and indexes.
    ///
    /// # Errors
    /// `Refused` with what to change; `Unavailable` when the server cannot be reached in time: that may be tried again.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        Self::open_with(url, Options::default()).await
    }

    /// As [`Mongo::open`], with other bounds.
    ///
    /// # Errors
    /// As [`Mongo::open`].
    pub async fn open_with(url: &str, mut options: Options) -> Result<Self, StoreError> {
        let (url, own) = options::own(url)?;
        options.degraded |= own.degraded;
        let (settings, name) = options::client(&url, &options).await?;
        let client = Client::with_options(settings)
            .map_err(|error| StoreError::Refused(format!("mongodb: {}", error.kind)))?;
        let database = client.database_with_options(&name, options::database(&options));
        let ops = Ops::new(client.clone(), options.operations_max, options.deadline);
        let found = topology::check(&client, &ops.call(), &name, options.degraded).await?;
        whole::whole(&database, &ops.call()).await?;
        // Indexes of a large database take their time; without an answer the start is tried again and finds them.
        schema::prepare(&database, &ops).await?;
        Ok(Self {
            client,
            ops,
            db: Collections::of(&database),
            heads: Arc::default(),
            together: Arc::default(),
            bulk: Arc::new(Bulk::new(found.bulk && own.bulk)),
            degraded: found.degraded,
        })
    }

    fn call(&self) -> Call {
        self.ops.call()
    }
}

impl Store for Mongo {
    fn healthy(&self) -> bool {
        self.ops.healthy()
    }

    fn stats(&self) -> Stats {
        let (running, orphans) = self.ops.counts();
        Stats {
            running,
            orphans,
            begun: self.ops.begun(),
            degraded: self.degraded,
        }
    }

    fn close(&self) -> Future<'_, ()> {
        Box::pin(self.ops.close())
    }

    fn seed(&self, batch: SeedBatch) -> Answer<'_, ()> {
        Box::pin(self.seed_all(batch))
    }
}
