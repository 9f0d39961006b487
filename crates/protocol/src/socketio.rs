//! Socket.IO v5 packets as pure codecs. Arguments stay the raw JSON text that came; no tree is built.
//! Promises: decoding never panics, is linear in the input, and refuses what is nested deeper than `JSON_DEPTH_MAX`.

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::{borrow::Cow, fmt};

/// Arrays and objects within each other, the argument list counted; a parser behind us may recurse.
pub const JSON_DEPTH_MAX: usize = 32;
/// Binary parts of one packet.
pub const ATTACHMENTS_MAX: usize = 10;
/// Bytes of an event's name.
pub const EVENT_NAME_MAX: usize = 128;
/// Bytes of a namespace, its slash included.
pub const NAMESPACE_MAX: usize = 128;
/// The largest integer that JavaScript keeps exactly: bound of an ack id.
const ACK_ID_MAX: u64 = (1 << 53) - 1;
/// Names that a client library raises by itself; one from the wire would be taken for those.
const RESERVED_EVENTS: [&str; 6] = [
    "connect",
    "connect_error",
    "disconnect",
    "disconnecting",
    "newListener",
    "removeListener",
];

/// One Socket.IO packet. `namespace` is `/` for the main one, and never holds the query a client may add.
#[derive(Debug)]
pub enum Packet<'a> {
    /// `0`: asks for (client) or confirms (server) a namespace.
    Connect {
        /// Which namespace.
        namespace: &'a str,
        /// The JSON object that came with it.
        auth: Option<&'a RawValue>,
    },
    /// `1`: leaves a namespace.
    Disconnect {
        /// Which namespace.
        namespace: &'a str,
    },
    /// `2`, or `5` with attachments.
    Event {
        /// Which namespace.
        namespace: &'a str,
        /// Set when the sender waits for an answer.
        ack: Option<u64>,
        /// Never a reserved name.
        name: Cow<'a, str>,
        /// What follows the name, each as raw JSON.
        args: Vec<&'a RawValue>,
        /// How many binary messages follow: 0 to `ATTACHMENTS_MAX`.
        attachments: usize,
    },
    /// `3`, or `6` with attachments: the answer to an event.
    Ack {
        /// Which namespace.
        namespace: &'a str,
        /// The id of the event.
        id: u64,
        /// Each as raw JSON.
        args: Vec<&'a RawValue>,
        /// How many binary messages follow: 0 to `ATTACHMENTS_MAX`.
        attachments: usize,
    },
    /// `4`: a namespace is refused; only a server sends it.
    ConnectError {
        /// Which namespace.
        namespace: &'a str,
        /// `{"message":…,"data":…}`.
        data: Option<&'a RawValue>,
    },
}

impl<'a> Packet<'a> {
    /// The namespace that the packet is for.
    pub fn namespace(&self) -> &'a str {
        match self {
            Packet::Connect { namespace, .. }
            | Packet::Disconnect { namespace }
            | Packet::Event { namespace, .. }
            | Packet::Ack { namespace, .. }
            | Packet::ConnectError { namespace, .. } => namespace,
        }
    }

    /// How many binary messages belong to this packet and come behind it.
    pub fn attachments(&self) -> usize {
        match self {
            Packet::Event { attachments, .. } | Packet::Ack { attachments, .. } => *attachments,
            _ => 0,
        }
    }
}

/// Why a packet cannot be read. The connection that sent it is to be closed: its framing cannot be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PacketError {
    /// The first character is no packet type.
    UnknownType,
    /// The namespace has no end or is too long.
    Namespace,
    /// The ack id is missing where it must stand, or is no integer below 2^53.
    AckId,
    /// The payload is not JSON, or not of the kind its type asks for.
    Payload,
    /// Nested deeper than `JSON_DEPTH_MAX`.
    TooDeep,
    /// The name is no string, empty, too long or reserved.
    EventName,
    /// Their number is missing, zero or beyond `ATTACHMENTS_MAX`, or a placeholder names one that is not there.
    Attachments,
}

impl fmt::Display for PacketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PacketError::UnknownType => "unknown packet type",
            PacketError::Namespace => "malformed namespace",
            PacketError::AckId => "malformed ack id",
            PacketError::Payload => "malformed payload",
            PacketError::TooDeep => "payload nested too deeply",
            PacketError::EventName => "malformed event name",
            PacketError::Attachments => "malformed attachments",
        })
    }
}

impl std::error::Error for PacketError {}

/// Reads one packet: the text of an Engine.IO message.
pub fn decode(text: &str) -> Result<Packet<'_>, PacketError> {
    let kind = *text.as_bytes().first().ok_or(PacketError::UnknownType)?;
    if !kind.is_ascii_digit() || kind > b'6' {
        return Err(PacketError::UnknownType);
    }
    let mut rest = &text[1..];
    let attachments = match kind {
        b'5' | b'6' => take_attachments(&mut rest)?,
        _ => 0,
    };
    let namespace = take_namespace(&mut rest)?;
    let ack = take_ack_id(&mut rest)?;
    check_depth(rest)?;
    if matches!(kind, b'2' | b'3' | b'5' | b'6') && !rest.starts_with('[') {
        return Err(PacketError::Payload);
    }
    match (kind, ack) {
        (b'0', None) => Ok(Packet::Connect {
            namespace,
            auth: object(rest)?,
        }),
        (b'1', None) if rest.is_empty() => Ok(Packet::Disconnect { namespace }),
        (b'2' | b'5', ack) => {
            let EventPayload { name, args } = serde_json::from_str(rest).map_err(|error| {
                if error.is_data() {
                    PacketError::EventName
                } else {
                    PacketError::Payload
                }
            })?;
            if name.is_empty()
                || name.len() > EVENT_NAME_MAX
                || RESERVED_EVENTS.contains(&name.as_ref())
            {
                return Err(PacketError::EventName);
            }
            check_placeholders(&args, attachments)?;
            Ok(Packet::Event {
                namespace,
                ack,
                name,
                args,
                attachments,
            })
        }
        (b'3' | b'6', Some(id)) => {
            let args: Vec<&RawValue> =
                serde_json::from_str(rest).map_err(|_| PacketError::Payload)?;
            check_placeholders(&args, attachments)?;
            Ok(Packet::Ack {
                namespace,
                id,
                args,
                attachments,
            })
        }
        (b'4', None) => Ok(Packet::ConnectError {
            namespace,
            data: object(rest)?,
        }),
        (b'3' | b'6', None) => Err(PacketError::AckId),
        _ => Err(PacketError::Payload),
    }
}

/// `51-…`: how many binary messages follow.
fn take_attachments(rest: &mut &str) -> Result<usize, PacketError> {
    let (digits, behind) = rest.split_once('-').ok_or(PacketError::Attachments)?;
    // Two digits are enough for the bound and keep parse from meeting a longer number.
    if digits.is_empty() || digits.len() > 2 || !digits.bytes().all(|c| c.is_ascii_digit()) {
        return Err(PacketError::Attachments);
    }
    let count: usize = digits.parse().map_err(|_| PacketError::Attachments)?;
    if count == 0 || count > ATTACHMENTS_MAX {
        return Err(PacketError::Attachments);
    }
    *rest = behind;
    Ok(count)
}

/// `/name?query,`: a namespace may end with the packet, as the reference reads it.
fn take_namespace<'a>(rest: &mut &'a str) -> Result<&'a str, PacketError> {
    if !rest.starts_with('/') {
        return Ok("/");
    }
    let (name, behind) = rest.split_once(',').unwrap_or((rest, ""));
    if name.len() > NAMESPACE_MAX || name.chars().any(char::is_control) {
        return Err(PacketError::Namespace);
    }
    *rest = behind;
    Ok(name.split_once('?').map_or(name, |(path, _)| path))
}

fn take_ack_id(rest: &mut &str) -> Result<Option<u64>, PacketError> {
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    if digits == 0 {
        return Ok(None);
    }
    if digits > 16 {
        return Err(PacketError::AckId);
    }
    let id = rest[..digits].parse().map_err(|_| PacketError::AckId)?;
    if id > ACK_ID_MAX {
        return Err(PacketError::AckId);
    }
    *rest = &rest[digits..];
    Ok(Some(id))
}

/// Nothing, or one JSON object.
fn object(text: &str) -> Result<Option<&RawValue>, PacketError> {
    if text.is_empty() {
        return Ok(None);
    }
    if !text.starts_with('{') {
        return Err(PacketError::Payload);
    }
    serde_json::from_str(text)
        .map(Some)
        .map_err(|_| PacketError::Payload)
}

/// One pass over the brackets outside strings; whether the rest is JSON is for the parser to say.
fn check_depth(text: &str) -> Result<(), PacketError> {
    let mut depth = 0usize;
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'[' | b'{' => {
                depth += 1;
                if depth > JSON_DEPTH_MAX {
                    return Err(PacketError::TooDeep);
                }
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            b'"' => loop {
                match bytes.next() {
                    Some(b'\\') => {
                        if bytes.next().is_none() {
                            return Err(PacketError::Payload);
                        }
                    }
                    Some(b'"') => break,
                    Some(_) => {}
                    None => return Err(PacketError::Payload),
                }
            },
            _ => {}
        }
    }
    Ok(())
}

/// `["name", …]`: the name read, the rest left as it stands.
struct EventPayload<'a> {
    name: Cow<'a, str>,
    args: Vec<&'a RawValue>,
}

impl<'de> serde::Deserialize<'de> for EventPayload<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List;
        impl<'de> Visitor<'de> for List {
            type Value = EventPayload<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array that starts with the event's name")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let Name(name) = list
                    .next_element()?
                    .ok_or_else(|| serde::de::Error::invalid_length(0, &self))?;
                let mut args = Vec::new();
                while let Some(arg) = list.next_element()? {
                    args.push(arg);
                }
                Ok(EventPayload { name, args })
            }
        }
        deserializer.deserialize_seq(List)
    }
}

/// `Cow<str>` that borrows when the JSON string has no escapes, which serde's own does not.
struct Name<'a>(Cow<'a, str>);

impl<'de> serde::Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Name<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

/// Every `{"_placeholder":true,"num":n}` must name an attachment. Without attachments they are plain data.
fn check_placeholders(args: &[&RawValue], attachments: usize) -> Result<(), PacketError> {
    if attachments == 0 {
        return Ok(());
    }
    for arg in args {
        let mut json = serde_json::Deserializer::from_str(arg.get());
        Placeholders { attachments }
            .deserialize(&mut json)
            .map_err(|_| PacketError::Attachments)?;
    }
    Ok(())
}

/// Walks a value without keeping it. The recursion is bounded by `check_depth`.
#[derive(Clone, Copy)]
struct Placeholders {
    attachments: usize,
}

/// What a value is, as far as a placeholder asks.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    True,
    Index(u64),
    Other,
}

impl<'de> DeserializeSeed<'de> for Placeholders {
    type Value = Kind;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Kind, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Placeholders {
    type Value = Kind;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }
    fn visit_bool<E>(self, value: bool) -> Result<Kind, E> {
        Ok(if value { Kind::True } else { Kind::Other })
    }
    fn visit_u64<E>(self, value: u64) -> Result<Kind, E> {
        Ok(Kind::Index(value))
    }
    fn visit_i64<E>(self, _: i64) -> Result<Kind, E> {
        Ok(Kind::Other)
    }
    fn visit_f64<E>(self, _: f64) -> Result<Kind, E> {
        Ok(Kind::Other)
    }
    fn visit_str<E>(self, _: &str) -> Result<Kind, E> {
        Ok(Kind::Other)
    }
    fn visit_unit<E>(self) -> Result<Kind, E> {
        Ok(Kind::Other)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Kind, A::Error> {
        while list.next_element_seed(self)?.is_some() {}
        Ok(Kind::Other)
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Kind, A::Error> {
        let (mut placeholder, mut num) = (false, Kind::Other);
        while let Some(Name(key)) = map.next_key()? {
            match key.as_ref() {
                "_placeholder" => placeholder = map.next_value_seed(self)? == Kind::True,
                "num" => num = map.next_value_seed(self)?,
                _ => {
                    map.next_value_seed(self)?;
                }
            }
        }
        let named = matches!(num, Kind::Index(index) if index < self.attachments as u64);
        if placeholder && !named {
            return Err(serde::de::Error::custom("no such attachment"));
        }
        Ok(Kind::Other)
    }
}

/// Writes a packet as the text of an Engine.IO message, without the `4` before it.
pub fn encode(packet: &Packet<'_>) -> String {
    let mut out = String::with_capacity(64);
    let kind = match packet {
        Packet::Connect { .. } => '0',
        Packet::Disconnect { .. } => '1',
        Packet::Event { attachments: 0, .. } => '2',
        Packet::Ack { attachments: 0, .. } => '3',
        Packet::ConnectError { .. } => '4',
        Packet::Event { .. } => '5',
        Packet::Ack { .. } => '6',
    };
    out.push(kind);
    if packet.attachments() > 0 {
        out.push_str(&packet.attachments().to_string());
        out.push('-');
    }
    if packet.namespace() != "/" {
        out.push_str(packet.namespace());
        out.push(',');
    }
    match packet {
        Packet::Connect { auth: data, .. } | Packet::ConnectError { data, .. } => {
            out.push_str(data.map_or("", RawValue::get));
        }
        Packet::Disconnect { .. } => {}
        Packet::Event {
            ack, name, args, ..
        } => {
            if let Some(id) = ack {
                out.push_str(&id.to_string());
            }
            out.push('[');
            out.push_str(&serde_json::to_string(name).expect("a string has a JSON form"));
            for arg in args {
                out.push(',');
                out.push_str(arg.get());
            }
            out.push(']');
        }
        Packet::Ack { id, args, .. } => {
            out.push_str(&id.to_string());
            out.push('[');
            for (index, arg) in args.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                out.push_str(arg.get());
            }
            out.push(']');
        }
    }
    out
}

/// Whether a text is one JSON value within the depth that packets may have.
pub fn is_json(text: &str) -> bool {
    check_depth(text).is_ok() && serde_json::from_str::<IgnoredAny>(text).is_ok()
}

#[cfg(test)]
#[path = "socketio_tests.rs"]
mod tests;
