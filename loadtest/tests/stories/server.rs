//! The smallest right server of the kinds `socketio` and `raw`, and the same with one broken delivery. A thread a
//! connection, one lock for all rooms: every room has one order.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use protocol::frame::Frame;
use protocol::websocket::{Bounds, Message, Reader};
use serde_json::{Value, json};

use crate::proxy::Bug;

/// Which delivery is broken: late enough that everybody is there, with more to follow.
const VICTIM: usize = 45;

struct Member {
    id: usize,
    out: TcpStream,
    held: Vec<u8>,
}

struct House {
    bug: Bug,
    rooms: HashMap<String, Vec<Member>>,
    next_id: usize,
    deliveries: usize,
}

/// Listens for good; gives its address.
pub(crate) fn start(bug: Bug) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address");
    let house = Arc::new(Mutex::new(House {
        bug,
        rooms: HashMap::new(),
        next_id: 0,
        deliveries: 0,
    }));
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let house = Arc::clone(&house);
            std::thread::spawn(move || {
                let id = {
                    let mut house = house.lock().expect("no panic");
                    house.next_id += 1;
                    house.next_id
                };
                drop(serve(&house, id, stream));
                let mut house = house.lock().expect("no panic");
                house
                    .rooms
                    .values_mut()
                    .for_each(|members| members.retain(|member| member.id != id));
            });
        }
    });
    address
}

fn serve(house: &Mutex<House>, id: usize, mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let (mut bytes, mut chunk) = (Vec::new(), [0; 16 * 1024]);
    let end = loop {
        let count = stream.read(&mut chunk)?;
        bytes.extend_from_slice(&chunk[..count]);
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
        if count == 0 {
            return Ok(());
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    bytes.drain(..end);
    let raw = head
        .strip_prefix("GET /room/")
        .and_then(|rest| Some(rest.split(' ').next()?.to_owned()));
    let hello: &[u8] =
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
    match &raw {
        Some(room) => {
            house.lock().expect("no panic").join(id, room, &stream)?;
            stream.write_all(hello)?;
        }
        None => {
            let open = Frame::packet(
                r#"0{"sid":"s","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":100000}"#,
            );
            stream.write_all(&[hello, open.wire()].concat())?;
        }
    }
    let bounds = Bounds {
        message_bytes: 100_000,
        fragments: 1,
    };
    let mut reader = Reader::default();
    loop {
        let mut input = &mut bytes[..];
        while let Ok(Some(message)) = reader.next(&mut input, &bounds) {
            let Message::Text(text) = message else {
                continue;
            };
            let mut house = house.lock().expect("no panic");
            match &raw {
                Some(room) => house.say(room, &Frame::packet(&text))?,
                None => house.hear(id, &text, &stream)?,
            }
        }
        let left = input.len();
        bytes.drain(..bytes.len() - left);
        let count = stream.read(&mut chunk)?;
        if count == 0 {
            return Ok(());
        }
        bytes.extend_from_slice(&chunk[..count]);
    }
}

impl House {
    fn join(&mut self, id: usize, room: &str, stream: &TcpStream) -> std::io::Result<()> {
        let member = Member {
            id,
            out: stream.try_clone()?,
            held: Vec::new(),
        };
        self.rooms.entry(room.to_owned()).or_default().push(member);
        Ok(())
    }

    fn hear(&mut self, id: usize, text: &str, mut stream: &TcpStream) -> std::io::Result<()> {
        if let Some(auth) = text.strip_prefix("40") {
            let auth: Value = serde_json::from_str(auth)?;
            let rooms: Vec<&str> = auth["rooms"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .collect();
            for room in &rooms {
                self.join(id, room, stream)?;
            }
            let rooms: Vec<Value> = rooms
                .iter()
                .map(|room| json!({ "id": room, "headSeq": 0 }))
                .collect();
            let ready = Frame::event(
                "session:ready",
                &json!({ "userId": auth["userId"], "rooms": rooms }),
            );
            let connected = Frame::packet(r#"40{"sid":"n"}"#);
            return stream.write_all(&[&connected.wire()[..], ready.wire()].concat());
        }
        let Some((ack, rest)) = text
            .strip_prefix("42")
            .and_then(|text| text.split_once('['))
        else {
            return Ok(());
        };
        let event: Value = serde_json::from_str(&format!("[{rest}"))?;
        let said = &event[1];
        let answer = Frame::packet(&format!(r#"43{ack}[{{"ok":true,"data":{{}}}}]"#));
        stream.write_all(answer.wire())?;
        let new = json!({ "roomId": said["roomId"], "clientId": said["clientId"], "senderId": id.to_string(), "text": said["text"] });
        self.say(
            said["roomId"].as_str().unwrap_or_default(),
            &Frame::event("message:new", &new),
        )
    }

    fn say(&mut self, room: &str, frame: &Frame) -> std::io::Result<()> {
        for member in self.rooms.get_mut(room).into_iter().flatten() {
            self.deliveries += 1;
            let is_victim = self.deliveries == VICTIM;
            let mut out = frame.wire().to_vec();
            match self.bug {
                Bug::Drops if is_victim => out.clear(),
                Bug::Doubles if is_victim => out.extend_from_slice(frame.wire()),
                Bug::Swaps if is_victim => member.held = std::mem::take(&mut out),
                _ => out.append(&mut member.held),
            }
            // Whoever was cut off is taken out by their own thread.
            drop(member.out.write_all(&out));
        }
        Ok(())
    }
}
