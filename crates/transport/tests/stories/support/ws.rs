//! A WebSocket client by hand: it masks, and otherwise sends whatever it is told.

use super::{PATIENCE, http::Http, http::Reply};
use std::{
    io::{Read, Write},
    net::SocketAddr,
};

/// What the server sent.
#[derive(Debug, PartialEq)]
pub(crate) enum Told {
    Text(String),
    Binary(Vec<u8>),
    Pong(Vec<u8>),
    Ping,
    /// The code of the close frame, if it had one.
    Close(Option<u16>),
    /// The connection ended without a close frame.
    End,
}

pub(crate) struct Ws {
    pub(crate) http: Http,
}

/// A client's frame, its first byte given in full.
pub(crate) fn frame(first: u8, body: &[u8]) -> Vec<u8> {
    let mask = [0x37, 0xfa, 0x21, 0x3d];
    let mut out = vec![first];
    match body.len() {
        length @ 0..=125 => out.push(0x80 | length as u8),
        length @ 126..=0xffff => {
            out.push(0x80 | 126);
            out.extend((length as u16).to_be_bytes());
        }
        length => {
            out.push(0x80 | 127);
            out.extend((length as u64).to_be_bytes());
        }
    }
    out.extend(mask);
    out.extend(body.iter().enumerate().map(|(i, byte)| byte ^ mask[i % 4]));
    out
}

impl Ws {
    pub(crate) fn try_open(address: SocketAddr, target: &str, headers: &str) -> (Ws, Reply) {
        let text = format!(
            "GET {target} HTTP/1.1\r\nHost: chat.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}\r\n"
        );
        let mut http = Http::open(address).send(text);
        let reply = http.reply();
        (Ws { http }, reply)
    }

    pub(crate) fn open(address: SocketAddr, target: &str) -> Ws {
        let (ws, reply) = Ws::try_open(address, target, "");
        assert_eq!(reply.status, 101, "{}", reply.body);
        assert_eq!(
            reply.header("sec-websocket-accept"),
            Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
        );
        ws
    }

    /// An Engine.IO session; its handshake is read.
    pub(crate) fn engine(address: SocketAddr, path: &str) -> Ws {
        let mut ws = Ws::open(address, &format!("{path}?EIO=4&transport=websocket"));
        assert!(ws.text().starts_with("0{"));
        ws
    }

    /// A Socket.IO session in the main namespace; its greetings are read.
    pub(crate) fn socketio(address: SocketAddr) -> Ws {
        let mut ws = Ws::engine(address, "/socket.io/");
        ws.send("40");
        assert!(ws.text().starts_with("40{\"sid\":"));
        assert_eq!(ws.text(), r#"42["auth",{}]"#);
        ws
    }

    pub(crate) fn send(&mut self, text: &str) {
        self.send_raw(&frame(0x81, text.as_bytes()));
    }

    pub(crate) fn send_binary(&mut self, bytes: &[u8]) {
        self.send_raw(&frame(0x82, bytes));
    }

    pub(crate) fn send_raw(&mut self, bytes: &[u8]) {
        // The server may have closed while a forbidden stream is still being sent.
        drop(self.http.stream.get_mut().write_all(bytes));
    }

    pub(crate) fn told(&mut self) -> Told {
        let mut head = [0; 2];
        if self.http.stream.read_exact(&mut head).is_err() {
            return Told::End;
        }
        let length = match head[1] {
            126 => u64::from(u16::from_be_bytes(self.bytes())),
            127 => u64::from_be_bytes(self.bytes()),
            short => u64::from(short),
        };
        let mut body = vec![0; length as usize];
        self.http.stream.read_exact(&mut body).unwrap();
        match head[0] {
            0x81 => Told::Text(String::from_utf8(body).unwrap()),
            0x82 => Told::Binary(body),
            0x88 => Told::Close(body.first_chunk().map(|code| u16::from_be_bytes(*code))),
            0x89 => Told::Ping,
            0x8a => Told::Pong(body),
            other => panic!("the server sent a frame that starts with {other:#x}"),
        }
    }

    pub(crate) fn text(&mut self) -> String {
        match self.told() {
            Told::Text(text) => text,
            other => panic!("wanted text, got {other:?}"),
        }
    }

    /// Reads on until the close frame and gives its code.
    pub(crate) fn close_code(&mut self) -> u16 {
        loop {
            match self.told() {
                Told::Close(code) => return code.unwrap_or(1005),
                Told::End => panic!("the connection ended without a close frame"),
                _ => {}
            }
        }
    }

    /// Reads on until the connection ends, with or without words.
    pub(crate) fn wait_for_end(&mut self) {
        self.http
            .stream
            .get_ref()
            .set_read_timeout(Some(PATIENCE))
            .unwrap();
        while !matches!(self.told(), Told::End) {}
    }

    fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut raw = [0; N];
        self.http.stream.read_exact(&mut raw).unwrap();
        raw
    }
}
