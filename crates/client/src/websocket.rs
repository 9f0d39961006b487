//! A session over a WebSocket, from its first byte on or taken over from polling.

use protocol::frame::Frame;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf, split};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::endpoint::{DIAL_MAX, Stream};
use crate::link::{Ends, Opened};
use crate::wire::{self, Told};
use crate::{Endpoint, Fault};

/// The server's answer to an upgrade is shorter.
const HEAD_BYTES_MAX: usize = 16 * 1024;
const READ_BYTES: usize = 16 * 1024;
const PATH: &str = "/socket.io/?EIO=4&transport=websocket";

type In = ReadHalf<Box<dyn Stream>>;
type Out = WriteHalf<Box<dyn Stream>>;

/// A WebSocket that is open, and what was read beyond its handshake.
pub(crate) struct Wire {
    input: In,
    out: Out,
    rest: Vec<u8>,
}

/// Opens a session; the tasks end when it does.
pub(crate) async fn open(
    endpoint: &Endpoint,
    ends: Ends,
    to_write: mpsc::Receiver<Frame>,
    tasks: &mut JoinSet<()>,
) -> Result<(), Fault> {
    let opening = timeout(DIAL_MAX, async {
        let mut wire = handshake(endpoint, PATH).await?;
        let opened = Opened::read(&wire.text(endpoint).await?)?;
        Ok::<_, Fault>((wire, opened))
    });
    let (wire, opened) = opening
        .await
        .map_err(|_| Fault::of(endpoint, "no handshake in time"))??;
    tasks.spawn(carry(wire, opened, ends, to_write));
    Ok(())
}

/// Opens a WebSocket beside a session of polling, and asks whether it would carry the session.
pub(crate) async fn probe(endpoint: &Endpoint, sid: &str) -> Result<Wire, Fault> {
    let mut wire = handshake(endpoint, &format!("{PATH}&sid={sid}")).await?;
    wire.say(endpoint, "2probe").await?;
    match wire.text(endpoint).await?.as_str() {
        "3probe" => Ok(wire),
        other => Err(Fault::of(endpoint, format!("{other:?} to a probe"))),
    }
}

/// Carries a session until it ends, one direction or the other.
pub(crate) async fn carry(wire: Wire, opened: Opened, ends: Ends, to_write: mpsc::Receiver<Frame>) {
    tokio::select! {
        () = write(wire.out, to_write) => {}
        () = read(wire.input, wire.rest, opened, ends) => {}
    }
}

async fn handshake(endpoint: &Endpoint, path: &str) -> Result<Wire, Fault> {
    let (mut input, mut out) = split(endpoint.dial().await?);
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        endpoint.authority()
    );
    out.write_all(request.as_bytes())
        .await
        .map_err(|error| Fault::of(endpoint, error))?;
    let rest = head(endpoint, &mut input).await?;
    Ok(Wire { input, out, rest })
}

impl Wire {
    /// Says one packet.
    pub(crate) async fn say(&mut self, endpoint: &Endpoint, packet: &str) -> Result<(), Fault> {
        let mut bytes = Vec::new();
        wire::push(&Frame::packet(packet), &mut bytes);
        let written = self.out.write_all(&bytes).await;
        written.map_err(|error| Fault::of(endpoint, error))
    }

    /// The next packet, as long as nothing but text is expected.
    async fn text(&mut self, endpoint: &Endpoint) -> Result<String, Fault> {
        loop {
            let mut rest = &self.rest[..];
            match wire::take(&mut rest) {
                Ok(Some(Told::Text(body))) => {
                    let text = std::str::from_utf8(body).map_err(|_| broken(endpoint))?;
                    let text = text.to_owned();
                    let taken = self.rest.len() - rest.len();
                    self.rest.drain(..taken);
                    return Ok(text);
                }
                Ok(None) => fill(endpoint, &mut self.input, &mut self.rest).await?,
                _ => return Err(broken(endpoint)),
            }
        }
    }
}

fn broken(endpoint: &Endpoint) -> Fault {
    Fault::of(endpoint, "the WebSocket's framing is broken")
}

async fn fill(endpoint: &Endpoint, input: &mut In, bytes: &mut Vec<u8>) -> Result<(), Fault> {
    match input.read_buf(bytes).await {
        Ok(0) => Err(Fault::of(endpoint, "closed during the handshake")),
        Ok(_) => Ok(()),
        Err(error) => Err(Fault::of(endpoint, error)),
    }
}

/// Reads the answer to the upgrade; gives what came behind it.
async fn head(endpoint: &Endpoint, input: &mut In) -> Result<Vec<u8>, Fault> {
    let mut head = Vec::with_capacity(READ_BYTES);
    loop {
        fill(endpoint, input, &mut head).await?;
        let end = head.windows(4).position(|four| four == b"\r\n\r\n");
        if let Some(end) = end {
            let rest = head.split_off(end + 4);
            if head.starts_with(b"HTTP/1.1 101") {
                return Ok(rest);
            }
            let line = String::from_utf8_lossy(&head);
            let line = line.lines().next().unwrap_or_default().to_owned();
            return Err(Fault::of(endpoint, line));
        }
        if head.len() > HEAD_BYTES_MAX {
            return Err(Fault::of(endpoint, "no answer to an upgrade"));
        }
    }
}

/// A control frame's body is at most 125 bytes, so that its length is one byte.
fn pong(body: &[u8]) -> Frame {
    let body = &body[..body.len().min(125)];
    let mut wire = vec![0x8a, body.len() as u8];
    wire.extend_from_slice(body);
    Frame::control(wire)
}

async fn write(mut out: Out, mut to_write: mpsc::Receiver<Frame>) {
    let mut bytes = Vec::new();
    while let Some(frame) = to_write.recv().await {
        bytes.clear();
        wire::push(&frame, &mut bytes);
        while let Ok(frame) = to_write.try_recv() {
            wire::push(&frame, &mut bytes);
        }
        if out.write_all(&bytes).await.is_err() {
            return;
        }
    }
}

async fn read(mut input: In, mut bytes: Vec<u8>, opened: Opened, ends: Ends) {
    loop {
        let mut rest = &bytes[..];
        while let Ok(Some(told)) = wire::take(&mut rest) {
            let goes_on = match told {
                Told::Text(body) => match std::str::from_utf8(body) {
                    Ok(text) => ends.take(text).await,
                    Err(_) => false,
                },
                // Not ours, whose heartbeats are Engine.IO's: a proxy in between.
                Told::Ping(body) => ends.pongs.send(pong(body)).await.is_ok(),
                Told::Close(_) => false,
                Told::Other => true,
            };
            if !goes_on {
                return;
            }
        }
        let taken = bytes.len() - rest.len();
        bytes.drain(..taken);
        bytes.reserve(READ_BYTES);
        match timeout(opened.silence_max(), input.read_buf(&mut bytes)).await {
            Ok(Ok(count)) if count > 0 => {}
            _ => return,
        }
    }
}
