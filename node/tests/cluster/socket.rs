//! A Socket.IO client by hand on a real WebSocket: what it is told is kept until somebody asks for it.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long a test waits for what must come: longer than any bound of ours on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(40);

pub(crate) struct Socket {
    stream: BufReader<TcpStream>,
    events: VecDeque<(String, Value)>,
    acks: Vec<(u64, Value)>,
    next_ack: u64,
}

impl Socket {
    /// Connects with a token; answers once `session:ready` is there.
    pub(crate) async fn connect(address: SocketAddr, token: &str) -> Self {
        let mut socket = Self::upgraded(address, "/socket.io/?EIO=4&transport=websocket").await;
        let auth = json!({"token": token});
        socket.write(&format!("40{auth}")).await;
        socket.event("session:ready").await;
        socket
    }

    /// A WebSocket on which nothing was said yet.
    pub(crate) async fn upgraded(address: SocketAddr, target: &str) -> Self {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let request = format!(
            "GET {target} HTTP/1.1\r\nHost: chat.test\r\n\
            Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
            Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut stream = BufReader::new(stream);
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        assert!(head.starts_with(b"HTTP/1.1 101"), "no upgrade");
        Self {
            stream,
            events: VecDeque::new(),
            acks: Vec::new(),
            next_ack: 0,
        }
    }

    /// Says something and waits for the answer.
    pub(crate) async fn ask(&mut self, event: &str, payload: Value) -> Value {
        let ack = self.say(event, payload).await;
        timeout(PATIENCE, async {
            loop {
                if let Some(at) = self.acks.iter().position(|(its, _)| *its == ack) {
                    return self.acks.swap_remove(at).1;
                }
                assert!(self.read().await, "ended without an answer to {event}");
            }
        })
        .await
        .unwrap_or_else(|_| panic!("no answer to {event}"))
    }

    /// Says something; returns under which number the answer comes.
    pub(crate) async fn say(&mut self, event: &str, payload: Value) -> u64 {
        self.next_ack += 1;
        let ack = self.next_ack;
        self.write(&format!("42{ack}{}", json!([event, payload])))
            .await;
        ack
    }

    /// The next event of this name that fits; what came before it is dropped.
    pub(crate) async fn event_where(&mut self, name: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let found = timeout(PATIENCE, async {
            loop {
                while let Some((its, payload)) = self.events.pop_front() {
                    if its == name && fits(&payload) {
                        return payload;
                    }
                }
                assert!(self.read().await, "ended without {name}");
            }
        });
        found.await.unwrap_or_else(|_| panic!("{name} never came"))
    }

    pub(crate) async fn event(&mut self, name: &str) -> Value {
        self.event_where(name, |_| true).await
    }

    /// A message with this text.
    pub(crate) async fn hear(&mut self, text: &str) -> Value {
        self.event_where("message:new", |event| event["message"]["text"] == text)
            .await
    }

    /// Waits until somebody is seen in one of these ways.
    pub(crate) async fn sees(&mut self, user: &str, statuses: &[&str]) -> String {
        let as_wanted = |one: &Value| {
            one["userId"] == user && statuses.iter().any(|status| one["status"] == *status)
        };
        let changed = self.event_where("presence:changed", |event| {
            event["users"].as_array().unwrap().iter().any(as_wanted)
        });
        let changed = changed.await;
        let users = changed["users"].as_array().unwrap();
        let status = &users.iter().find(|one| as_wanted(one)).unwrap()["status"];
        status.as_str().unwrap().to_owned()
    }

    /// Whether an event that nobody has asked for yet speaks of this; all of them when no name is given.
    pub(crate) fn was_told(&self, name: &str, of: &str) -> bool {
        self.events.iter().any(|(its, payload)| {
            (name.is_empty() || its == name) && payload.to_string().contains(of)
        })
    }

    /// Waits until the server has ended the connection.
    pub(crate) async fn end(&mut self) {
        let ended = timeout(PATIENCE, async { while self.read().await {} });
        ended.await.expect("the server never ended it");
    }

    /// Reads one message; `false` at the end of the connection.
    async fn read(&mut self) -> bool {
        let Some(text) = self.frame().await else {
            return false;
        };
        if text == "2" {
            self.write("3").await;
        } else if let Some(rest) = text.strip_prefix("42") {
            let mut event: Vec<Value> = serde_json::from_str(rest).unwrap();
            let payload = event.pop().unwrap();
            let name = event.pop().unwrap().as_str().unwrap().to_owned();
            self.events.push_back((name, payload));
        } else if let Some(rest) = text.strip_prefix("43") {
            let (ack, answer) = rest.split_once('[').unwrap();
            let answer = serde_json::from_str(&answer[..answer.len() - 1]).unwrap();
            self.acks.push((ack.parse().unwrap(), answer));
        } else if text.starts_with("41") {
            return false;
        } else {
            assert!(!text.starts_with("44"), "refused: {text}");
        }
        true
    }

    pub(crate) async fn frame(&mut self) -> Option<String> {
        let mut head = [0; 2];
        self.stream.read_exact(&mut head).await.ok()?;
        let length = match head[1] {
            126 => u64::from(self.stream.read_u16().await.ok()?),
            127 => self.stream.read_u64().await.ok()?,
            short => u64::from(short),
        };
        let mut body = vec![0; length as usize];
        self.stream.read_exact(&mut body).await.ok()?;
        (head[0] == 0x81).then(|| String::from_utf8(body).unwrap())
    }

    pub(crate) async fn write(&mut self, text: &str) {
        let mask = [0x37, 0xfa, 0x21, 0x3d];
        let mut frame = vec![0x81];
        match u8::try_from(text.len()) {
            Ok(length @ 0..126) => frame.push(0x80 | length),
            _ => {
                frame.push(0x80 | 126);
                frame.extend(u16::try_from(text.len()).unwrap().to_be_bytes());
            }
        }
        frame.extend(mask);
        frame.extend(text.bytes().enumerate().map(|(i, byte)| byte ^ mask[i % 4]));
        // It may have been closed by the server; whoever reads next sees that.
        drop(self.stream.get_mut().write_all(&frame).await);
    }
}
