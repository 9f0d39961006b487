//! From messages to the application: Engine.IO packets of either transport, Socket.IO packets and their
//! attachments, and who may say what when.

use super::{
    Core,
    connection::{Standing, Unfinished},
};
use crate::{
    application::{Answer, Application, ConnectRequest, Event, RawMessage, SocketId},
    close::CloseReason,
    config::Mode,
};
use bytes::Bytes;
use protocol::{
    engineio,
    frame::Frame,
    socketio::{self, Packet},
};
use serde_json::value::RawValue;

impl<A: Application> Core<A> {
    /// One Engine.IO packet, from either transport.
    pub(crate) fn on_packet(&mut self, index: u32, packet: engineio::Packet<'_>) {
        let bytes = match &packet {
            engineio::Packet::Message(text) => text.len() + 1,
            engineio::Packet::Binary(bytes) => bytes.len(),
            _ => 1,
        };
        if !self.may_speak(index, bytes) {
            return;
        }
        match packet {
            engineio::Packet::Message(text) => self.on_text(index, text),
            engineio::Packet::Binary(bytes) => self.on_binary(index, &bytes),
            engineio::Packet::Pong(_) => self.on_pong(index),
            engineio::Packet::Noop => {}
            engineio::Packet::Close => self.sockets.begin_close(index, CloseReason::ClientClosed),
            // A client neither opens, pings nor upgrades here: the probe has its own door.
            engineio::Packet::Open(_) | engineio::Packet::Ping(_) | engineio::Packet::Upgrade => {
                self.sockets.begin_close(index, CloseReason::BadPacket);
            }
        }
    }

    fn on_text(&mut self, index: u32, text: &str) {
        let Some(connection) = self.sockets.table.get(index) else {
            return;
        };
        if self.sockets.mode(connection.endpoint) != Mode::SocketIo {
            return self.on_raw(index, RawMessage::Text(text));
        }
        if connection.unfinished.is_some() {
            // Its attachments must come first: text between them belongs to nothing.
            return self.sockets.begin_close(index, CloseReason::BadPacket);
        }
        let packet = match socketio::decode(text) {
            Ok(packet) => packet,
            Err(error) => {
                tracing::debug!(slot = index, %error, "closing: unreadable packet");
                return self.sockets.begin_close(index, CloseReason::BadPacket);
            }
        };
        if packet.attachments() == 0 {
            return self.on_socket_packet(index, packet, &[]);
        }
        let unfinished = Unfinished {
            wanted: packet.attachments(),
            packet: text.to_owned(),
            attachments: Vec::new(),
            bytes: 0,
        };
        if let Some(connection) = self.sockets.table.get_mut(index) {
            connection.unfinished = Some(Box::new(unfinished));
        }
    }

    pub(crate) fn on_binary(&mut self, index: u32, bytes: &[u8]) {
        let bound = self.sockets.config.limits.attachment_bytes;
        let Some(connection) = self.sockets.table.get_mut(index) else {
            return;
        };
        let mode = self.sockets.config.endpoints[connection.endpoint as usize].mode;
        if mode != Mode::SocketIo {
            return self.on_raw(index, RawMessage::Binary(bytes));
        }
        let Some(unfinished) = &mut connection.unfinished else {
            return self.sockets.begin_close(index, CloseReason::BadPacket);
        };
        unfinished.bytes += bytes.len();
        if unfinished.bytes > bound {
            return self.sockets.begin_close(index, CloseReason::TooBig);
        }
        unfinished.attachments.push(Bytes::copy_from_slice(bytes));
        if unfinished.attachments.len() < unfinished.wanted {
            return;
        }
        let Some(whole) = connection.unfinished.take() else {
            return;
        };
        // Read twice, once to check it and once to use it: binary packets are rare, and this borrows nothing.
        if let Ok(packet) = socketio::decode(&whole.packet) {
            self.on_socket_packet(index, packet, &whole.attachments);
        }
    }

    fn on_socket_packet(&mut self, index: u32, packet: Packet<'_>, attachments: &[Bytes]) {
        let namespace = packet.namespace();
        if let Packet::Connect { auth, .. } = packet {
            return self.on_connect(index, namespace, auth);
        }
        let Some(connection) = self.sockets.table.get(index) else {
            return;
        };
        let number = connection.namespace_number(namespace).unwrap_or(0);
        let standing = match connection.namespace_number(namespace) {
            Some(number) => connection.standing(number),
            None => Standing::Absent,
        };
        let socket = SocketId::new(index, self.sockets.table.generation(index), number);
        match (standing, packet) {
            // Under way while we ended the socket.
            (Standing::Left, _) => {}
            (Standing::Absent | Standing::Pending, Packet::Disconnect { .. }) => {
                self.sockets.leave(socket, CloseReason::ClientLeft);
            }
            // Nothing is heard before the application has accepted.
            (Standing::Absent | Standing::Pending, _) => {
                self.sockets.begin_close(index, CloseReason::BadPacket);
            }
            (Standing::Connected, Packet::Disconnect { .. }) => {
                self.sockets.leave(socket, CloseReason::ClientLeft);
            }
            (
                Standing::Connected,
                Packet::Event {
                    ack, name, args, ..
                },
            ) => {
                let event = Event {
                    name: &name,
                    args: &args,
                    ack,
                    attachments,
                };
                self.call(index, |app, sockets| app.on_event(sockets, socket, event));
            }
            (Standing::Connected, Packet::Ack { id, args, .. }) => {
                self.on_answer(socket, id, &args, attachments);
            }
            (Standing::Connected, Packet::Connect { .. } | Packet::ConnectError { .. }) => {
                self.sockets.begin_close(index, CloseReason::BadPacket);
            }
        }
    }

    fn on_connect(&mut self, index: u32, namespace: &str, auth: Option<&RawValue>) {
        let max = self.sockets.config.limits.namespaces;
        let Some(connection) = self.sockets.table.get_mut(index) else {
            return;
        };
        let Some(number) = connection.namespace_number_or_new(namespace, max) else {
            let refused = Frame::message(&format!(
                "4{namespace},{{\"message\":\"Too many namespaces\"}}"
            ));
            self.sockets.push(index, &refused);
            return;
        };
        let standing = connection.standing(number);
        if matches!(standing, Standing::Pending | Standing::Connected) {
            return self.sockets.begin_close(index, CloseReason::BadPacket);
        }
        connection.set_standing(number, Standing::Pending);
        let headers = connection.headers.clone();
        let peer = connection.peer;
        let socket = SocketId::new(index, self.sockets.table.generation(index), number);
        let request = ConnectRequest {
            namespace,
            auth,
            peer,
            headers: headers.as_deref().map_or(&[], |headers| headers),
        };
        self.call(index, |app, sockets| {
            app.on_connect(sockets, socket, request);
        });
    }

    fn on_answer(&mut self, socket: SocketId, id: u64, args: &[&RawValue], attachments: &[Bytes]) {
        let Ok(id) = u32::try_from(id) else {
            return;
        };
        let was_owed = self
            .sockets
            .table
            .of_mut(socket)
            .and_then(|connection| connection.acks.as_mut())
            .is_some_and(|acks| acks.owed.remove(&(socket.namespace(), id)));
        if was_owed {
            let answer = Answer {
                id,
                args,
                attachments,
            };
            self.call(socket.index, |app, sockets| {
                app.on_ack(sockets, socket, answer);
            });
        }
    }
}
