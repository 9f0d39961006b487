//! What comes on a connection: frames, heartbeats, the sign-in's steps, answers and events.

use ::client::wire::{self, Told};
use ::client::words as packets;
use protocol::engineio::{self, Packet as EnginePacket};
use protocol::frame::Frame;
use protocol::socketio::{self, Packet};

use crate::client::{Client, Ended, sign_in};
use crate::words::{Answer, Ready};
use crate::worker::Worker;

/// Takes whole frames off the front.
pub(crate) fn take_in(
    worker: &Worker,
    client: &Client,
    rest: &mut &[u8],
    now: u64,
) -> Result<(), Ended> {
    loop {
        match wire::take(rest) {
            Ok(None) => return Ok(()),
            Ok(Some(Told::Text(body))) => text(worker, client, body, now)?,
            Ok(Some(Told::Ping(body))) => {
                let mut out = Vec::new();
                wire::push_raw(0x8a, body, &mut out);
                client.write(&out);
            }
            Ok(Some(Told::Other)) => {}
            Ok(Some(Told::Close(_))) | Err(wire::Broken) => return Err(Ended::ByServer),
        }
    }
}

fn text(worker: &Worker, client: &Client, body: &[u8], now: u64) -> Result<(), Ended> {
    let is_event = !worker.setup.kind.is_socketio() || body.starts_with(b"42") && client.is_ready();
    if is_event {
        return worker
            .hear(client, body, now)
            .then_some(())
            .ok_or(Ended::ByServer);
    }
    let text = std::str::from_utf8(body).map_err(|_| Ended::ByServer)?;
    match engineio::decode(text).map_err(|_| Ended::ByServer)? {
        EnginePacket::Ping(_) => {
            let mut out = Vec::new();
            wire::push(&Frame::packet("3"), &mut out);
            client.write(&out);
            Ok(())
        }
        EnginePacket::Message(message) => packet(worker, client, (body, message), now),
        EnginePacket::Close => Err(Ended::ByServer),
        EnginePacket::Open(_) => {
            sign_in(worker, client);
            Ok(())
        }
        _ => Ok(()),
    }
}

fn packet(
    worker: &Worker,
    client: &Client,
    (body, message): (&[u8], &str),
    now: u64,
) -> Result<(), Ended> {
    match socketio::decode(message).map_err(|_| Ended::ByServer)? {
        Packet::Ack { id, args, .. } => {
            let answer: Answer<'_> = args
                .first()
                .and_then(|raw| serde_json::from_str(raw.get()).ok())
                .ok_or(Ended::ByServer)?;
            worker.answered(id, answer.accepted(), now);
            Ok(())
        }
        // What comes before we are ready is `session:ready`; a server that replays sends nothing in front of it.
        Packet::Event { .. } => match packets::event(body) {
            Some((name, payload)) if name == "session:ready" => {
                let ready: Ready<'_> =
                    serde_json::from_str(payload.get()).map_err(|_| Ended::ByServer)?;
                let number = |room: &str| worker.numbers.get(room).copied();
                let rooms = ready
                    .rooms
                    .iter()
                    .filter_map(|room| Some((number(&room.id)?, room.head_seq)));
                client.is_in(worker.setup.kind, rooms);
                worker.is_ready();
                Ok(())
            }
            _ => Ok(()),
        },
        Packet::ConnectError { .. } => Err(Ended::Refused),
        Packet::Disconnect { .. } => Err(Ended::ByServer),
        Packet::Connect { .. } => Ok(()),
    }
}
