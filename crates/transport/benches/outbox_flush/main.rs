//! What a delivery costs from the mailbox to the sockets: one mail is broadcast to all members of a room, and the
//! clients have read everything before the next. `frames` of one turn share a write.
#![allow(
    missing_docs,
    reason = "criterion's macros write public items without docs"
)]

mod crowd;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

use crowd::{Crowd, MEMBERS};

fn broadcast(c: &mut Criterion) {
    let mut crowd = Crowd::new();
    let mut group = c.benchmark_group("broadcast to 200 sockets and read by all");
    for frames in [1usize, 8, 64] {
        group.throughput(Throughput::Elements((MEMBERS * frames) as u64));
        group.bench_function(BenchmarkId::from_parameter(frames), |b| {
            let mut buffer = Vec::new();
            b.iter(|| crowd.hear(frames, &mut buffer));
        });
    }
    group.finish();
}

criterion_group!(benches, broadcast);
criterion_main!(benches);
