//! So many broadcasts to 200 sockets and nothing else, for tools that count system calls (`make count`). Without
//! arguments, as `cargo bench` runs it, it does nothing.
//! usage: counted FRAMES TIMES

#[path = "outbox_flush/crowd.rs"]
#[allow(dead_code, reason = "the benches use more of it")]
mod crowd;

fn main() {
    let mut numbers = std::env::args().skip(1).map(|text| text.parse::<usize>());
    let (Some(Ok(frames)), Some(Ok(times))) = (numbers.next(), numbers.next()) else {
        return;
    };
    let (mut crowd, mut buffer) = (crowd::Crowd::new(), Vec::new());
    (0..times).for_each(|_| crowd.hear(frames, &mut buffer));
}
