//! A man in the middle of WebSockets that breaks one delivery, as a server with a bug would.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use client::wire;

/// Which message is broken, counted over all connections: late enough that everybody is there, with more to follow.
const VICTIM: usize = 20;

/// What is done to the one delivery.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bug {
    Nothing,
    Drops,
    Doubles,
    Swaps,
}

/// Listens for good; gives its address.
pub(crate) fn start(server: SocketAddr, bug: Bug) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address");
    let count = Arc::new(AtomicUsize::new(0));
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let Ok(upstream) = TcpStream::connect(server) else {
                continue;
            };
            let (from, to) = (client.try_clone(), upstream.try_clone());
            let (Ok(mut from), Ok(mut to)) = (from, to) else {
                continue;
            };
            std::thread::spawn(move || {
                drop(std::io::copy(&mut from, &mut to));
                drop(to.shutdown(Shutdown::Both));
            });
            let count = Arc::clone(&count);
            std::thread::spawn(move || {
                let mut leg = Leg {
                    bug,
                    count,
                    held: None,
                };
                drop(leg.carry(upstream, &client));
                drop(client.shutdown(Shutdown::Both));
            });
        }
    });
    address
}

/// One connection, from the server to the client.
struct Leg {
    bug: Bug,
    count: Arc<AtomicUsize>,
    held: Option<Vec<u8>>,
}

impl Leg {
    fn carry(&mut self, mut from: TcpStream, mut to: &TcpStream) -> std::io::Result<()> {
        let (mut bytes, mut chunk) = (Vec::new(), [0; 16 * 1024]);
        let mut is_websocket = None;
        loop {
            let count = from.read(&mut chunk)?;
            if count == 0 {
                return Ok(());
            }
            bytes.extend_from_slice(&chunk[..count]);
            if is_websocket.is_none() {
                let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
                    continue;
                };
                let upgraded = bytes.starts_with(b"HTTP/1.1 101");
                is_websocket = Some(upgraded);
                to.write_all(&bytes[..end + 4])?;
                bytes.drain(..end + 4);
            }
            if is_websocket == Some(false) {
                to.write_all(&bytes)?;
                bytes.clear();
                continue;
            }
            let mut rest = &bytes[..];
            loop {
                let before = rest;
                if !matches!(wire::take(&mut rest), Ok(Some(_))) {
                    break;
                }
                self.pass(&before[..before.len() - rest.len()], to)?;
            }
            let taken = bytes.len() - rest.len();
            bytes.drain(..taken);
        }
    }

    fn pass(&mut self, frame: &[u8], mut to: &TcpStream) -> std::io::Result<()> {
        let needle = b"\"message:new\"";
        if !frame.windows(needle.len()).any(|word| word == needle) {
            return to.write_all(frame);
        }
        let is_victim = self.count.fetch_add(1, Relaxed) + 1 == VICTIM;
        match self.bug {
            Bug::Drops if is_victim => Ok(()),
            Bug::Doubles if is_victim => to.write_all(&[frame, frame].concat()),
            Bug::Swaps if is_victim => {
                self.held = Some(frame.to_vec());
                Ok(())
            }
            _ => {
                let held = self.held.take().unwrap_or_default();
                to.write_all(&[frame, &held].concat())
            }
        }
    }
}
