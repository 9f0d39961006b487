//! The proxy against an echo on a real socket. Waits for conditions; a bound only ends a wait that would be in vain.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use super::{Lane, Origins, Proxy, Weather};

const PATIENCE: Duration = Duration::from_secs(20);
/// Long enough to say that nothing came; never a reason to fail.
const A_WHILE: Duration = Duration::from_millis(150);

/// Says back what it hears, and ends when the other side has ended.
async fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let tasks = TaskTracker::new();
    tasks.clone().spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            tasks.spawn(async move {
                let (mut from, mut to) = socket.split();
                drop(tokio::io::copy(&mut from, &mut to).await);
                drop(to.shutdown().await);
            });
        }
    });
    address
}

async fn through(proxy: &Proxy) -> TcpStream {
    TcpStream::connect(proxy.address()).await.unwrap()
}

/// Says something and hears it back.
async fn echoed(line: &mut TcpStream, text: &[u8]) -> io::Result<()> {
    line.write_all(text).await?;
    let mut heard = vec![0; text.len()];
    timeout(PATIENCE, line.read_exact(&mut heard))
        .await
        .expect("an echo")?;
    assert_eq!(heard, text);
    Ok(())
}

async fn silent(line: &mut TcpStream) -> bool {
    timeout(A_WHILE, line.read_u8()).await.is_err()
}

/// Waits for the connection's end and says which.
async fn ends(line: &mut TcpStream) -> io::Result<usize> {
    let mut rest = Vec::new();
    timeout(PATIENCE, line.read_to_end(&mut rest))
        .await
        .expect("an end")
}

#[tokio::test]
async fn in_fair_weather_every_byte_passes_and_the_end_of_speech_too() {
    let proxy = Proxy::start(echo().await, None).unwrap();
    let (mut from, mut to) = through(&proxy).await.into_split();
    let said: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
    let speech = said.clone();
    let speaking = TaskTracker::new().spawn(async move {
        to.write_all(&speech).await.unwrap();
        to.shutdown().await.unwrap();
    });
    let mut heard = Vec::new();
    timeout(PATIENCE, from.read_to_end(&mut heard))
        .await
        .expect("all of it")
        .unwrap();
    speaking.await.unwrap();
    assert_eq!(heard, said);
}

#[tokio::test]
async fn a_delay_is_kept_and_does_not_narrow_the_line() {
    let proxy = Proxy::start(echo().await, None).unwrap();
    let delay = Duration::from_millis(60);
    proxy.set(Weather::delayed(delay, Duration::from_millis(20)));
    let mut line = through(&proxy).await;
    let began = Instant::now();
    echoed(&mut line, b"there and back").await.unwrap();
    assert!(began.elapsed() >= 2 * delay, "{:?}", began.elapsed());
    // Many pieces travel at the same time, and in their order.
    echoed(&mut line, &[7; 400_000]).await.unwrap();
}

#[tokio::test]
async fn a_frozen_line_says_nothing_and_goes_on_where_it_stopped() {
    let proxy = Proxy::start(echo().await, None).unwrap();
    let mut line = through(&proxy).await;
    echoed(&mut line, b"before").await.unwrap();
    proxy.set(Weather::frozen());
    line.write_all(b"during").await.unwrap();
    assert!(silent(&mut line).await);
    proxy.heal();
    let mut heard = [0; 6];
    timeout(PATIENCE, line.read_exact(&mut heard))
        .await
        .expect("what waited")
        .unwrap();
    assert_eq!(&heard, b"during");
}

#[tokio::test]
async fn a_blackhole_swallows_in_silence_and_its_line_is_reset_when_it_opens() {
    for (up, down) in [(true, false), (false, true), (true, true)] {
        let proxy = Proxy::start(echo().await, None).unwrap();
        let mut line = through(&proxy).await;
        echoed(&mut line, b"before").await.unwrap();
        proxy.set(Weather::blackhole(up, down));
        line.write_all(b"gone").await.unwrap();
        assert!(silent(&mut line).await);
        proxy.heal();
        ends(&mut line)
            .await
            .expect_err("a reset, no end of speech");
        echoed(&mut through(&proxy).await, b"after").await.unwrap();
    }
}

#[tokio::test]
async fn an_untouched_line_survives_a_blackhole() {
    let proxy = Proxy::start(echo().await, None).unwrap();
    let mut line = through(&proxy).await;
    echoed(&mut line, b"before").await.unwrap();
    proxy.set(Weather::blackhole(true, true));
    proxy.heal();
    echoed(&mut line, b"after").await.unwrap();
}

#[tokio::test]
async fn a_cut_comes_after_exactly_so_many_bytes() {
    let proxy = Proxy::start(echo().await, None).unwrap();
    let mut line = through(&proxy).await;
    echoed(&mut line, &[1; 100]).await.unwrap();
    // Only what passes from here on counts: 30 bytes up, of which 20 come down.
    let down = Weather {
        cut_after: Some(50),
        ..Weather::default()
    };
    proxy.set(down);
    line.write_all(&[2; 30]).await.unwrap();
    let mut heard = [0; 20];
    timeout(PATIENCE, line.read_exact(&mut heard))
        .await
        .expect("twenty bytes")
        .unwrap();
    ends(&mut line).await.expect_err("a reset in the middle");
}

#[tokio::test]
async fn a_throttled_line_takes_its_time() {
    let proxy = Proxy::start(echo().await, None).unwrap();
    proxy.set(Weather {
        up: Lane {
            bytes_per_second: Some(100_000),
            ..Lane::default()
        },
        ..Weather::default()
    });
    let mut line = through(&proxy).await;
    let began = Instant::now();
    // The last piece is followed by nothing that would wait for it.
    echoed(&mut line, &[3; 50_000]).await.unwrap();
    assert!(
        began.elapsed() >= Duration::from_millis(250),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test]
async fn a_cut_and_a_refusal_are_resets() {
    let proxy = Proxy::start(echo().await, None).unwrap();
    let mut line = through(&proxy).await;
    echoed(&mut line, b"before").await.unwrap();
    proxy.cut();
    ends(&mut line).await.expect_err("a reset");
    proxy.set(Weather::refused());
    let mut refused = through(&proxy).await;
    ends(&mut refused).await.expect_err("a reset");
    proxy.heal();
    echoed(&mut through(&proxy).await, b"after").await.unwrap();
}

#[tokio::test]
async fn a_server_that_is_not_there_is_a_reset_and_none_is_left_hanging() {
    let gone = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let proxy = Proxy::start(gone, None).unwrap();
    let mut line = through(&proxy).await;
    ends(&mut line).await.expect_err("a reset");
    assert_eq!(
        timeout(PATIENCE, until_only_the_listener(&proxy)).await,
        Ok(())
    );
}

async fn until_only_the_listener(proxy: &Proxy) {
    while proxy.tasks() > 1 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn one_process_may_be_parted_while_the_others_talk_on() {
    let origins = Origins::default();
    origins.enter("node-a", std::process::id());
    let proxy = Proxy::start(echo().await, Some(origins.clone())).unwrap();
    let mut ours = through(&proxy).await;
    echoed(&mut ours, b"before").await.unwrap();
    proxy.set_for("node-b", Weather::blackhole(true, true));
    echoed(&mut ours, b"another is parted").await.unwrap();
    proxy.set_for("node-a", Weather::blackhole(true, true));
    let parted = async {
        loop {
            ours.write_all(b"?").await.unwrap();
            if silent(&mut ours).await {
                return;
            }
        }
    };
    timeout(PATIENCE, parted).await.expect("to be parted");
}

/// Found as: one node was to be parted from Redis, and all were, for as long as it took to look who calls.
#[tokio::test]
async fn a_line_that_stands_carries_on_while_somebody_looks_who_calls() {
    let origins = Origins::default();
    let proxy = Proxy::start(echo().await, Some(origins.clone())).unwrap();
    let mut line = through(&proxy).await;
    echoed(&mut line, b"before").await.unwrap();
    let held = origins.hold();
    proxy.set_for("somebody else", Weather::blackhole(true, true));
    // Long enough for the line to have begun to look.
    assert!(silent(&mut line).await);
    echoed(&mut line, b"meanwhile").await.unwrap();
    drop(held);
    echoed(&mut line, b"after").await.unwrap();
}
