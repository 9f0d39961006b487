//! A strict RFC 6455 reader for the server's side, fed with whatever bytes came, from any offset.
//! Promises: what RFC 6455 forbids a client is a named violation; memory grows only with bytes that did arrive,
//! up to the bounds; nothing is held between messages. Time is linear in the bytes. Never does I/O.

use std::borrow::Cow;

const FINAL: u8 = 0x80;
const RESERVED: u8 = 0x70;
const MASKED: u8 = 0x80;
const CONTROL_MAX: usize = 125;
/// Two bytes, a 64-bit length and the mask.
const HEAD_MAX: usize = 14;

/// What a client may send at once. Beyond it the reader reports [`Violation::TooBig`].
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Bytes of one message, all its fragments together.
    pub message_bytes: usize,
    /// Fragments of one message: empty ones cost us time and never end it.
    pub fragments: u32,
}

/// What the client said. Borrowed from the input when it came in one piece.
#[derive(Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// A text message, UTF-8 checked.
    Text(Cow<'a, str>),
    /// A binary message.
    Binary(Cow<'a, [u8]>),
    /// To be answered by a pong with the same body.
    Ping(Vec<u8>),
    /// Answers a ping, or comes unasked.
    Pong,
    /// The client ends the connection; the code when it gave one.
    Close(Option<u16>),
}

/// How the client broke the protocol. The connection cannot go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Violation {
    /// RSV bits without an extension, an opcode that is not defined, a frame without a mask, a length that is not
    /// the shortest, a control frame that is fragmented or too long, a fragment out of order, a malformed close.
    Protocol(&'static str),
    /// Text that is no UTF-8.
    Utf8,
    /// Over [`Bounds`].
    TooBig,
}

impl Violation {
    /// The close code that RFC 6455 §7.4.1 gives it.
    pub fn close_code(self) -> u16 {
        match self {
            Violation::Protocol(_) => 1002,
            Violation::Utf8 => 1007,
            Violation::TooBig => 1009,
        }
    }
}

/// Reads messages out of a byte stream. One word when nothing is half read.
#[derive(Debug, Default)]
pub struct Reader {
    partial: Option<Box<Partial>>,
}

/// What is known of a message that has not come whole.
#[derive(Debug, Default)]
struct Partial {
    head: [u8; HEAD_MAX],
    head_length: u8,
    frame: Option<OpenFrame>,
    control: Vec<u8>,
    message: Option<OpenMessage>,
}

/// A frame whose head is read and whose body is not.
#[derive(Debug, Clone, Copy)]
struct OpenFrame {
    head: Head,
    /// Body bytes taken so far: fixes the place in the mask.
    taken: usize,
}

/// A data message whose end has not come.
#[derive(Debug)]
struct OpenMessage {
    text: bool,
    fragments: u32,
    body: Vec<u8>,
    /// Up to here `body` is checked UTF-8; the rest is a character that has begun.
    checked: usize,
}

#[derive(Debug, Clone, Copy)]
struct Head {
    last: bool,
    opcode: u8,
    mask: [u8; 4],
    length: usize,
}

impl Reader {
    /// Whether a message is half read, and therefore a buffer held.
    pub fn is_idle(&self) -> bool {
        self.partial.is_none()
    }

    /// Bytes held for what is half read.
    pub fn held_bytes(&self) -> usize {
        self.partial.as_ref().map_or(0, |partial| {
            size_of::<Partial>()
                + partial.control.capacity()
                + partial.message.as_ref().map_or(0, |m| m.body.capacity())
        })
    }

    /// Takes bytes off the front of `input` until a message is whole. `None`: all of it is taken, feed more.
    /// The input is unmasked in place. After a violation the reader must not be used again.
    pub fn next<'a>(
        &mut self,
        input: &mut &'a mut [u8],
        bounds: &Bounds,
    ) -> Result<Option<Message<'a>>, Violation> {
        loop {
            if self.partial.is_none() {
                if input.is_empty() {
                    return Ok(None);
                }
                if let Some(message) = whole_message(input, bounds)? {
                    return Ok(Some(message));
                }
            }
            let partial = self.partial.get_or_insert_default();
            let Some(message) = partial.step(input, bounds)? else {
                if input.is_empty() && !partial.has_whole_frame() {
                    self.drop_if_empty();
                    return Ok(None);
                }
                continue;
            };
            self.drop_if_empty();
            return Ok(Some(message));
        }
    }

    fn drop_if_empty(&mut self) {
        if self
            .partial
            .as_ref()
            .is_some_and(|partial| partial.is_empty())
        {
            self.partial = None;
        }
    }
}

/// The usual case: one final data frame lies whole at the front of the input and is lent from there.
fn whole_message<'a>(
    input: &mut &'a mut [u8],
    bounds: &Bounds,
) -> Result<Option<Message<'a>>, Violation> {
    let Some((head, head_length)) = parse_head(input)? else {
        return Ok(None);
    };
    let is_data = head.opcode == 1 || head.opcode == 2;
    if !is_data || !head.last {
        return Ok(None);
    }
    if head.length > bounds.message_bytes {
        return Err(Violation::TooBig);
    }
    if input.len() - head_length < head.length {
        return Ok(None);
    }
    let body = &mut take(input, head_length + head.length)[head_length..];
    unmask(body, head.mask, 0);
    let body: &'a [u8] = body;
    if head.opcode == 2 {
        return Ok(Some(Message::Binary(Cow::Borrowed(body))));
    }
    let text = std::str::from_utf8(body).map_err(|_| Violation::Utf8)?;
    Ok(Some(Message::Text(Cow::Borrowed(text))))
}

impl Partial {
    fn is_empty(&self) -> bool {
        self.head_length == 0 && self.frame.is_none() && self.message.is_none()
    }

    /// A body of no bytes is whole without further input.
    fn has_whole_frame(&self) -> bool {
        self.frame
            .is_some_and(|frame| frame.taken == frame.head.length)
    }

    /// Takes one head, or what there is of one body.
    fn step<'a>(
        &mut self,
        input: &mut &'a mut [u8],
        bounds: &Bounds,
    ) -> Result<Option<Message<'a>>, Violation> {
        let Some(mut frame) = self.frame else {
            return self.take_head(input, bounds).map(|()| None);
        };
        let count = input.len().min(frame.head.length - frame.taken);
        let bytes = take(input, count);
        unmask(bytes, frame.head.mask, frame.taken);
        frame.taken += count;
        let whole = frame.taken == frame.head.length;
        self.frame = (!whole).then_some(frame);
        if frame.head.opcode >= 8 {
            self.control.extend_from_slice(bytes);
            return if whole {
                control_message(frame.head.opcode, std::mem::take(&mut self.control)).map(Some)
            } else {
                Ok(None)
            };
        }
        let message = self
            .message
            .as_mut()
            .ok_or(Violation::Protocol("a continuation of nothing"))?;
        message.extend(bytes)?;
        if !(whole && frame.head.last) {
            return Ok(None);
        }
        self.message.take().map(OpenMessage::finish).transpose()
    }

    fn take_head(&mut self, input: &mut &mut [u8], bounds: &Bounds) -> Result<(), Violation> {
        // Byte by byte: a head that comes in pieces is rare, and one that lies whole is at most 14 bytes.
        let held = self.head_length as usize;
        let count = (HEAD_MAX - held).min(input.len());
        self.head[held..held + count].copy_from_slice(&input[..count]);
        let Some((head, length)) = parse_head(&self.head[..held + count])? else {
            self.head_length = (held + count) as u8;
            take(input, count);
            return Ok(());
        };
        take(input, length - held);
        self.head_length = 0;
        if head.opcode < 8 {
            self.open_data_frame(&head, bounds)?;
        }
        self.frame = Some(OpenFrame { head, taken: 0 });
        Ok(())
    }

    fn open_data_frame(&mut self, head: &Head, bounds: &Bounds) -> Result<(), Violation> {
        match (&mut self.message, head.opcode) {
            (None, 0) => return Err(Violation::Protocol("a continuation of nothing")),
            (Some(_), 1 | 2) => return Err(Violation::Protocol("a message within another")),
            (Some(message), _) => message.fragments += 1,
            (none, opcode) => {
                *none = Some(OpenMessage {
                    text: opcode == 1,
                    fragments: 1,
                    body: Vec::new(),
                    checked: 0,
                })
            }
        }
        let message = self.message.as_ref().map(|m| (m.fragments, m.body.len()));
        let (fragments, held) = message.unwrap_or_default();
        if fragments > bounds.fragments || head.length > bounds.message_bytes - held {
            return Err(Violation::TooBig);
        }
        Ok(())
    }
}

impl OpenMessage {
    /// Grows by what has come, never by what a head announces.
    fn extend(&mut self, bytes: &[u8]) -> Result<(), Violation> {
        self.body.extend_from_slice(bytes);
        if self.text {
            match std::str::from_utf8(&self.body[self.checked..]) {
                Ok(_) => self.checked = self.body.len(),
                Err(error) if error.error_len().is_none() => self.checked += error.valid_up_to(),
                Err(_) => return Err(Violation::Utf8),
            }
        }
        Ok(())
    }

    fn finish<'a>(self) -> Result<Message<'a>, Violation> {
        if !self.text {
            return Ok(Message::Binary(Cow::Owned(self.body)));
        }
        let text = String::from_utf8(self.body).map_err(|_| Violation::Utf8)?;
        Ok(Message::Text(Cow::Owned(text)))
    }
}

/// Reads and checks the head at the front of `bytes`; `None` when it is not whole. Gives its length too.
fn parse_head(bytes: &[u8]) -> Result<Option<(Head, usize)>, Violation> {
    let Some(&first) = bytes.first() else {
        return Ok(None);
    };
    let opcode = first & 0x0f;
    if first & RESERVED != 0 {
        return Err(Violation::Protocol("a reserved bit without an extension"));
    }
    if !matches!(opcode, 0..=2 | 8..=10) {
        return Err(Violation::Protocol("an opcode that is not defined"));
    }
    let last = first & FINAL != 0;
    if opcode >= 8 && !last {
        return Err(Violation::Protocol("a fragmented control frame"));
    }
    let Some(&second) = bytes.get(1) else {
        return Ok(None);
    };
    if second & MASKED == 0 {
        return Err(Violation::Protocol("a frame without a mask"));
    }
    let short = (second & 0x7f) as usize;
    if opcode >= 8 && short > CONTROL_MAX {
        return Err(Violation::Protocol("a control frame over 125 bytes"));
    }
    let (length, mask_at) = match short {
        126 => match bytes.get(2..4) {
            Some(raw) => (u64::from(u16::from_be_bytes([raw[0], raw[1]])), 4),
            None => return Ok(None),
        },
        127 => match bytes.get(2..10).and_then(|raw| raw.try_into().ok()) {
            Some(raw) => (u64::from_be_bytes(raw), 10),
            None => return Ok(None),
        },
        short => (short as u64, 2),
    };
    let shortest = match mask_at {
        4 => length > 125,
        10 => length > 0xffff && length >> 63 == 0,
        _ => true,
    };
    if !shortest {
        return Err(Violation::Protocol("a length that is not the shortest"));
    }
    let Some(mask) = bytes.get(mask_at..mask_at + 4) else {
        return Ok(None);
    };
    let head = Head {
        last,
        opcode,
        mask: [mask[0], mask[1], mask[2], mask[3]],
        length: usize::try_from(length).map_err(|_| Violation::TooBig)?,
    };
    Ok(Some((head, mask_at + 4)))
}

fn control_message<'a>(opcode: u8, body: Vec<u8>) -> Result<Message<'a>, Violation> {
    match (opcode, body.as_slice()) {
        (9, _) => Ok(Message::Ping(body)),
        (10, _) => Ok(Message::Pong),
        (_, []) => Ok(Message::Close(None)),
        (_, [_]) => Err(Violation::Protocol("a close code of one byte")),
        (_, [high, low, reason @ ..]) => {
            let code = u16::from_be_bytes([*high, *low]);
            if !is_close_code(code) {
                return Err(Violation::Protocol("a close code that must not be sent"));
            }
            if std::str::from_utf8(reason).is_err() {
                return Err(Violation::Utf8);
            }
            Ok(Message::Close(Some(code)))
        }
    }
}

/// RFC 6455 §7.4 and the registry: 1004 to 1006 and 1015 never stand in a frame.
fn is_close_code(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

fn take<'a>(input: &mut &'a mut [u8], count: usize) -> &'a mut [u8] {
    let (front, back) = std::mem::take(input).split_at_mut(count);
    *input = back;
    front
}

/// XORs with the mask, which is `offset` bytes under way. Whole words, which the compiler turns into vectors.
fn unmask(bytes: &mut [u8], mask: [u8; 4], offset: usize) {
    let turned: [u8; 8] = std::array::from_fn(|i| mask[(i + offset) % 4]);
    let word = u64::from_ne_bytes(turned);
    let mut words = bytes.chunks_exact_mut(8);
    for chunk in &mut words {
        if let Ok(raw) = <[u8; 8]>::try_from(&*chunk) {
            chunk.copy_from_slice(&(u64::from_ne_bytes(raw) ^ word).to_ne_bytes());
        }
    }
    for (byte, mask) in words.into_remainder().iter_mut().zip(turned) {
        *byte ^= mask;
    }
}

/// A control frame as a server sends it: a pong, or a close with its code. The body is cut at 125 bytes.
pub fn control_frame(opcode: u8, body: &[u8]) -> Vec<u8> {
    let body = &body[..body.len().min(CONTROL_MAX)];
    let mut frame = Vec::with_capacity(2 + body.len());
    frame.extend_from_slice(&[FINAL | opcode, body.len() as u8]);
    frame.extend_from_slice(body);
    frame
}

#[cfg(test)]
#[path = "websocket_tests.rs"]
mod tests;
