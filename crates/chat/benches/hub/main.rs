//! What the machine costs without any I/O: a send from its socket to all deliveries, hints of other nodes through the
//! timeline, and a connect.

mod world;

use chat::Input;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};

use world::{Bench, conn};

fn sends(c: &mut Criterion) {
    let mut group = c.benchmark_group("hub/send to all deliveries");
    for sockets in [10, 1_000] {
        let mut bench = Bench::new(1, sockets);
        group.throughput(Throughput::Elements(u64::from(sockets)));
        group.bench_function(format!("{sockets} sockets"), |b| b.iter(|| bench.send(3)));
        assert_eq!(bench.delivered, bench.sends as u64 * u64::from(sockets));
    }
    group.finish();
}

fn hints(c: &mut Criterion) {
    let mut group = c.benchmark_group("hub/hint to delivery");
    group.throughput(Throughput::Elements(2));
    for (name, order) in [("in order", [0, 1]), ("swapped", [1, 0])] {
        let mut bench = Bench::new(1, 10);
        group.bench_function(name, |b| {
            b.iter(|| {
                let hints = order.map(|ahead| Input::Hint(bench.hint(ahead)));
                hints.into_iter().for_each(|hint| bench.feed(hint));
                bench.heads[0] += 2;
            });
        });
        assert_eq!(bench.delivered, (bench.heads[0] - 1) * 10);
    }
    group.finish();
}

fn connects(c: &mut Criterion) {
    let mut group = c.benchmark_group("hub/connect and leave");
    for rooms in [1, 20] {
        let mut bench = Bench::new(rooms, 10);
        group.bench_function(format!("{rooms} rooms"), |b| {
            b.iter(|| {
                bench.connect(10);
                bench.feed(Input::Disconnected { conn: conn(10) });
            });
        });
    }
    group.finish();
}

fn opens(c: &mut Criterion) {
    c.bench_function("hub/first send to a room of 1,000 members", |b| {
        b.iter_batched_ref(
            || Bench::new(1, 1),
            |bench| bench.send(0),
            BatchSize::SmallInput,
        );
    });
}

criterion_group!(benches, sends, hints, connects, opens);
criterion_main!(benches);
