//! An application with an event for each thing a socket can be asked to do.

use serde_json::{Value, json};
use std::{sync::mpsc::SyncSender, time::Duration};
use transport::{
    Answer, Application, CloseReason, ConnectRequest, Event, RawMessage, SocketId, Sockets,
};

/// What the application tells the test.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Heard {
    Connected(SocketId, String),
    Answered(String),
    Ended(CloseReason),
    Draining,
}

/// What the test tells the application.
pub(crate) enum Mail {
    /// An event for everyone, so often.
    Shout(String, usize),
    Volatile(String),
    Outbox(std::sync::mpsc::SyncSender<usize>),
    AcceptAll,
}

pub(crate) struct Echo {
    pub(crate) heard: SyncSender<Heard>,
    pub(crate) members: Vec<SocketId>,
    pub(crate) waiting: Vec<SocketId>,
}

impl Echo {
    fn tell(&self, heard: Heard) {
        // A test that has ended listens no more.
        drop(self.heard.try_send(heard));
    }
}

impl Application for Echo {
    type Mail = Mail;

    fn on_connect(&mut self, sockets: &mut Sockets, socket: SocketId, request: ConnectRequest<'_>) {
        let auth: Value = request
            .auth
            .map_or(json!({}), |auth| serde_json::from_str(auth.get()).unwrap());
        if !matches!(request.namespace, "/" | "/custom") {
            sockets.refuse(socket, "Invalid namespace", None::<&()>);
            return;
        }
        if auth["refuse"] == true {
            sockets.refuse(socket, "no", Some(&json!({"code": "token_invalid"})));
            return;
        }
        if auth["later"] == true {
            self.waiting.push(socket);
            return;
        }
        sockets.accept(socket);
        sockets.emit(socket, "auth", &auth);
        if auth["whoami"] == true {
            let headers: Vec<_> = request
                .headers
                .iter()
                .map(|(k, v)| format!("{k}={v}"))
                .collect();
            sockets.emit(socket, "you", &json!([request.peer.to_string(), headers]));
        }
        self.members.push(socket);
        self.tell(Heard::Connected(socket, request.peer.to_string()));
    }

    fn on_event(&mut self, sockets: &mut Sockets, socket: SocketId, event: Event<'_>) {
        match (event.name, event.ack) {
            ("message", _) => {
                sockets.emit_raw(socket, "message-back", event.args, event.attachments);
            }
            ("message-with-ack", Some(id)) => {
                sockets.ack_raw(socket, id, event.args, event.attachments);
            }
            ("ask", _) => {
                sockets.request(socket, "question", &json!(1)).unwrap();
            }
            ("panic", _) => panic!("asked to"),
            ("leave", _) => sockets.disconnect(socket, false),
            ("kick", _) => sockets.disconnect(socket, true),
            ("close", _) => sockets.close(socket, CloseReason::ServerLeft),
            _ => {}
        }
    }

    fn on_ack(&mut self, _: &mut Sockets, _: SocketId, answer: Answer<'_>) {
        let args: Vec<&str> = answer.args.iter().map(|arg| arg.get()).collect();
        self.tell(Heard::Answered(format!("{} {args:?}", answer.id)));
    }

    fn on_disconnect(&mut self, _: &mut Sockets, socket: SocketId, reason: CloseReason) {
        self.members.retain(|member| *member != socket);
        self.tell(Heard::Ended(reason));
    }

    fn on_mail(&mut self, sockets: &mut Sockets, mail: Mail) {
        match mail {
            Mail::Shout(text, times) => {
                let frame = protocol::frame::Frame::event("shout", &text);
                for _ in 0..times {
                    sockets.broadcast(&self.members, &frame);
                }
            }
            Mail::Volatile(text) => {
                let frame = protocol::frame::Frame::event("volatile", &text);
                for member in &self.members {
                    sockets.send_volatile(*member, frame.clone());
                }
            }
            Mail::Outbox(reply) => {
                let most = self.members.iter().map(|m| sockets.outbox_bytes(*m)).max();
                reply.try_send(most.unwrap_or_default()).unwrap();
            }
            Mail::AcceptAll => {
                for socket in self.waiting.drain(..) {
                    sockets.accept(socket);
                }
            }
        }
    }

    fn on_message(&mut self, sockets: &mut Sockets, socket: SocketId, message: RawMessage<'_>) {
        match message {
            RawMessage::Text(text) => sockets.send_text(socket, text),
            RawMessage::Binary(bytes) => sockets.send_binary(socket, bytes),
        };
    }

    fn on_tick(&mut self, _: &mut Sockets, _: Duration) {}

    fn on_drain(&mut self, _: &mut Sockets) {
        self.tell(Heard::Draining);
    }
}
