//! What the disk's fsync leaves of the throughput: sends/s into one room and into many, and the reads on the way of a
//! connecting client. On the file system of the temporary directory; name a real disk with `TMPDIR`.

#![allow(
    clippy::unwrap_used,
    reason = "a test or bench ends at the first thing that should not be"
)]

#[path = "../tests/contract/fixtures.rs"]
#[allow(
    dead_code,
    reason = "shared with the contract suite, which uses all of it"
)]
mod fixtures;

use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use fixtures::*;
use protocol::ids::UserId;
use protocol::room::RoomType;
use store::SeedBatch;
use tokio::runtime::Runtime;

/// 128 bytes, as in the comparisons with other servers.
const TEXT: &str = "The quick brown fox jumps over the lazy dog, and the dog, being lazy, lets it; \
                    nobody in the room minds, and the fox goes home.";
const MEMBERS: usize = 10;

struct World {
    runtime: Runtime,
    store: Handle,
    rooms: Vec<(Writer, UserId)>,
    _directory: tempfile::TempDir,
}

impl World {
    fn new(rooms: usize) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", directory.path().join("bench.db").display());
        let store = runtime.block_on(store::open(&url)).unwrap();
        let mut made = Vec::new();
        let mut left = rooms;
        while left > 0 {
            let mut batch = SeedBatch::default();
            for _ in 0..left.min(500) {
                let members: Vec<_> = (0..MEMBERS).map(|_| user()).collect();
                let mut writer = Writer::new();
                batch
                    .rooms
                    .push(writer.new_room(RoomType::Public, None, &members));
                made.push((writer, members[0]));
            }
            left -= batch.rooms.len();
            runtime.block_on(store.seed(batch)).unwrap();
        }
        Self {
            runtime,
            store,
            rooms: made,
            _directory: directory,
        }
    }

    /// So many messages, spread over the rooms; each room has one batch in flight at a time, as its home does.
    fn send(&mut self, messages: u64, batch: u64) -> Duration {
        let share = messages.div_ceil(self.rooms.len() as u64);
        let begun = Instant::now();
        self.rooms = self.runtime.block_on(async {
            let mut homes = tokio::task::JoinSet::new();
            for (mut room, sender) in self.rooms.drain(..) {
                let store = Arc::clone(&self.store);
                homes.spawn(async move {
                    let mut left = share;
                    while left > 0 {
                        let entries: Vec<_> = (0..left.min(batch))
                            .map(|_| room.said(sender, TEXT))
                            .collect();
                        left -= entries.len() as u64;
                        room.append(&store, &entries).await;
                    }
                    (room, sender)
                });
            }
            homes.join_all().await
        });
        // Each room sends a whole number of messages: the time is scaled to those that were asked for.
        begun
            .elapsed()
            .mul_f64(messages as f64 / (share * self.rooms.len() as u64) as f64)
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.runtime.block_on(self.store.close());
    }
}

fn one_room(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("sends_into_one_room");
    group
        .throughput(Throughput::Elements(1))
        .sample_size(10)
        .measurement_time(Duration::from_secs(4));
    for batch in [1, 16, 64, 256] {
        let mut world = World::new(1);
        group.bench_function(BenchmarkId::new("batch", batch), |bencher| {
            bencher.iter_custom(|messages| world.send(messages, batch));
        });
    }
    group.finish();
}

fn many_rooms(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("sends_into_many_rooms");
    group
        .throughput(Throughput::Elements(1))
        .sample_size(10)
        .measurement_time(Duration::from_secs(6));
    for (rooms, batch) in [(100, 1), (1_000, 1), (1_000, 8), (10_000, 1)] {
        let mut world = World::new(rooms);
        group.bench_function(
            BenchmarkId::new(format!("rooms_{rooms}"), batch),
            |bencher| {
                bencher.iter_custom(|messages| world.send(messages, batch));
            },
        );
    }
    group.finish();
}

/// 100 people in the same rooms, with 30 messages in each room.
fn connect_path(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("rooms_of_a_person");
    for rooms in [1, 20, 1_000] {
        let people: Vec<_> = (0..100).map(|_| user()).collect();
        let mut world = World::new(0);
        let batches: Vec<SeedBatch> = (0..rooms)
            .map(|_| {
                let mut writer = Writer::new();
                let mut new = writer.new_room(RoomType::Public, None, &people);
                new.entries
                    .extend((0..30).map(|_| writer.said(people[0], TEXT)));
                SeedBatch {
                    rooms: vec![new],
                    ..SeedBatch::default()
                }
            })
            .collect();
        for batch in batches {
            world.runtime.block_on(world.store.seed(batch)).unwrap();
        }
        let store = Arc::clone(&world.store);
        let mut next = people.iter().cycle();
        group
            .throughput(Throughput::Elements(1))
            .sample_size(20)
            .measurement_time(Duration::from_secs(3));
        group.bench_function(BenchmarkId::new("rooms", rooms), |bencher| {
            bencher.iter(|| {
                let person = *next.next().unwrap();
                world.runtime.block_on(store.rooms_of(person)).unwrap()
            });
        });
        world.rooms.clear();
    }
    group.finish();
}

criterion_group!(benches, one_room, many_rooms, connect_path);
criterion_main!(benches);
