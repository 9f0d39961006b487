//! Carries the bytes of an upgraded session between its client and the node that owns it. What they say is not looked
//! at: the owner's limits, heartbeats and close frames hold end to end.
//!
//! An idle relay has two sockets, one timer and no buffer. It holds at most one read of each side that the other has
//! not taken, so a slow side slows the other down and costs no memory. When one side ends, what it said is written out
//! and the other is ended too.

use super::{Front, elsewhere::Line};
use bytes::Bytes;
use socket2::SockRef;
use std::{
    cell::{Cell, RefCell},
    io,
    net::Shutdown,
    time::Duration,
};
use tokio::{
    net::TcpStream,
    time::{Instant, sleep, sleep_until, timeout},
};

/// What one read takes at most.
const READ_BYTES: usize = 16 * 1024;
/// What a heartbeat may be late beyond its own bounds, before a line on which nothing passes counts as dead.
const IDLE_SLACK: Duration = Duration::from_secs(5);
/// Between two batches of a drain.
const DRAIN_STEP: Duration = Duration::from_millis(100);

thread_local! {
    /// Shared by all relays of a shard: used between two awaits, never across one.
    static SCRATCH: RefCell<Box<[u8; READ_BYTES]>> = RefCell::new(Box::new([0; READ_BYTES]));
}

/// Why a relay ended.
#[derive(Debug, PartialEq, Eq)]
enum End {
    Client,
    Owner,
    Idle,
    Leaving,
}

/// Carries until one side ends, nothing passes for longer than heartbeats allow, or this node leaves.
pub(super) async fn carry(front: &Front, (client, from_client): (TcpStream, Bytes), line: Line) {
    let config = &front.config;
    let owner = line.owner;
    // The client's socket has these from the listener.
    let ready = SockRef::from(&owner);
    if let Err(error) = ready
        .set_tcp_nodelay(true)
        .and_then(|()| ready.set_tcp_user_timeout(Some(config.tcp_user_timeout)))
    {
        tracing::debug!(%error, "the line to a session's node could not be set up");
        return;
    }
    let idle = config.ping_interval + config.ping_timeout + IDLE_SLACK;
    let moved = Cell::new(Instant::now());
    let end = tokio::select! {
        () = one_way(&client, &owner, from_client, &moved) => End::Client,
        () = one_way(&owner, &client, line.leftover, &moved) => End::Owner,
        () = idle_for(idle, &moved) => End::Idle,
        () = turn_to_leave(front) => End::Leaving,
    };
    tracing::debug!(?end, "a relay ends");
    let survivor = match end {
        End::Client => &owner,
        End::Owner => &client,
        // Cut: whoever is still there comes back and resumes.
        End::Idle | End::Leaving => return,
    };
    // Its last words must not be overtaken by a reset, which closing with something unread would send.
    if SockRef::from(survivor).shutdown(Shutdown::Write).is_ok() {
        drop(timeout(config.linger, read_to_end(survivor)).await);
    }
}

/// Resolves when `from` has ended and all that it said is written, or when either socket fails.
async fn one_way(from: &TcpStream, to: &TcpStream, first: Bytes, moved: &Cell<Instant>) {
    let carried = async {
        write_rest(to, &first).await?;
        drop(first);
        loop {
            from.readable().await?;
            // One busy relay must not keep the others of its shard waiting.
            tokio::task::coop::consume_budget().await;
            match pump(from, to) {
                Ok(Pumped::All) => {}
                Ok(Pumped::Rest(rest)) => write_rest(to, &rest).await?,
                Ok(Pumped::End) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                Err(error) => return Err(error),
            }
            moved.set(Instant::now());
        }
    };
    let result: io::Result<()> = carried.await;
    if let Err(error) = result {
        tracing::debug!(%error, "one side of a relay failed");
    }
}

/// What one read came to.
enum Pumped {
    /// It was written.
    All,
    /// This much the other side has not taken.
    Rest(Vec<u8>),
    /// The side has ended.
    End,
}

/// One read, written as far as the other side takes it at once, which is mostly all of it.
fn pump(from: &TcpStream, to: &TcpStream) -> io::Result<Pumped> {
    SCRATCH.with_borrow_mut(|scratch| {
        let count = from.try_read(&mut scratch[..])?;
        if count == 0 {
            return Ok(Pumped::End);
        }
        let taken = match to.try_write(&scratch[..count]) {
            Ok(taken) => taken,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            Err(error) => return Err(error),
        };
        Ok(if taken == count {
            Pumped::All
        } else {
            Pumped::Rest(scratch[taken..count].to_vec())
        })
    })
}

async fn write_rest(to: &TcpStream, mut rest: &[u8]) -> io::Result<()> {
    while !rest.is_empty() {
        to.writable().await?;
        match to.try_write(rest) {
            Ok(count) => rest = &rest[count..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

async fn read_to_end(stream: &TcpStream) {
    while stream.readable().await.is_ok() {
        let read = SCRATCH.with_borrow_mut(|scratch| stream.try_read(&mut scratch[..]));
        match read {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => return,
        }
    }
}

async fn idle_for(bound: Duration, moved: &Cell<Instant>) {
    while moved.get().elapsed() < bound {
        sleep_until(moved.get() + bound).await;
    }
}

/// Resolves when this node leaves and it is this relay's turn, at the pace at which sessions are closed: their clients
/// come back spread over time.
async fn turn_to_leave(front: &Front) {
    let mut leaving = front.leaving.clone();
    // An error means that the shard is gone, which is as good a reason to leave.
    drop(leaving.wait_for(|leaving| *leaving).await);
    let number = front.relays_leaving.get();
    front.relays_leaving.set(number + 1);
    let batches = number / front.desk.closes_per_step().max(1);
    sleep(DRAIN_STEP * u32::try_from(batches).unwrap_or(u32::MAX)).await;
}
