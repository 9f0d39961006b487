//! So many sends or connects through one hub and nothing else, for tools that count instructions and allocations
//! (`make count`). Without arguments, as `cargo bench` runs it, it does nothing.
//! usage: counted send SOCKETS TIMES | counted connect ROOMS TIMES

#[path = "hub/world.rs"]
#[allow(dead_code, reason = "the benches use more of it")]
mod world;

use chat::Input;
use world::{Bench, conn};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize| arguments.get(at).and_then(|text| text.parse::<u32>().ok());
    let (Some(of), Some(times)) = (number(1), number(2)) else {
        return;
    };
    match arguments[0].as_str() {
        "send" => {
            let mut bench = Bench::new(1, of);
            (0..times).for_each(|_| bench.send(3));
            assert_eq!(bench.delivered, u64::from(times) * u64::from(of));
        }
        "connect" => {
            let mut bench = Bench::new(u128::from(of), 10);
            for _ in 0..times {
                bench.connect(10);
                bench.feed(Input::Disconnected { conn: conn(10) });
            }
        }
        other => panic!("`{other}` is not `send` or `connect`"),
    }
}
