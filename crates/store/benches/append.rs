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

/// What a process has used so far: of the disk, and of the processor by its threads' names.
#[derive(Clone, Copy, Default)]
struct Used {
    writer_nanos: u64,
    all_nanos: u64,
    disk_bytes: u64,
}

impl Used {
    fn so_far() -> Self {
        let mut used = Self::default();
        for thread in std::fs::read_dir("/proc/self/task")
            .into_iter()
            .flatten()
            .flatten()
        {
            let read =
                |name: &str| std::fs::read_to_string(thread.path().join(name)).unwrap_or_default();
            let nanos = read("schedstat")
                .split(' ')
                .next()
                .and_then(|nanos| nanos.parse().ok())
                .unwrap_or(0);
            used.all_nanos += nanos;
            used.writer_nanos += if read("comm").trim() == "store-writer" {
                nanos
            } else {
                0
            };
        }
        let io = std::fs::read_to_string("/proc/self/io").unwrap_or_default();
        let bytes = io
            .lines()
            .find_map(|line| line.strip_prefix("write_bytes: "));
        used.disk_bytes = bytes.and_then(|bytes| bytes.parse().ok()).unwrap_or(0);
        used
    }
}

struct World {
    runtime: Runtime,
    before: Used,
    sent: u64,
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
            before: Used::so_far(),
            sent: 0,
        }
    }

    /// Beside the wall clock, which tells as much of the machine's other work: what a message cost.
    #[allow(clippy::print_stdout, reason = "a bench prints what it has measured")]
    fn report(&self) {
        let (now, before, sent) = (Used::so_far(), self.before, self.sent.max(1) as f64);
        println!(
            "    a message costs: writer {:.1} µs, all threads {:.1} µs of CPU, {:.0} bytes to the disk",
            (now.writer_nanos - before.writer_nanos) as f64 / sent / 1e3,
            (now.all_nanos - before.all_nanos) as f64 / sent / 1e3,
            (now.disk_bytes - before.disk_bytes) as f64 / sent,
        );
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
        self.sent += share * self.rooms.len() as u64;
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
        world.report();
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
        world.report();
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
