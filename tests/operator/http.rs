//! HTTP by hand, one connection a call: what is sent is what a test wrote, and an answer is all that came back.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// How long an answer may take on a machine that is busy.
const ANSWER_MAX: Duration = Duration::from_secs(30);

/// An answer.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    /// A text in the answer, by its JSON pointer.
    pub(crate) fn text(&self, pointer: &str) -> String {
        let text = self
            .json()
            .pointer(pointer)
            .and_then(|one| one.as_str().map(str::to_owned));
        text.unwrap_or_else(|| panic!("no {pointer}: {self:?}"))
    }
}

/// Sends these bytes, says that no more follow, and reads until the other side has nothing more to say.
pub(crate) fn raw(to: SocketAddr, bytes: &[u8]) -> String {
    exchange(to, bytes, true)
}

fn exchange(to: SocketAddr, bytes: &[u8], ends: bool) -> String {
    let mut stream = TcpStream::connect(to).expect("somebody listens");
    stream.set_read_timeout(Some(ANSWER_MAX)).expect("a socket");
    // Refused while it is written: what was answered counts.
    drop(stream.write_all(bytes));
    if ends {
        drop(stream.shutdown(Shutdown::Write));
    }
    let mut answer = Vec::new();
    drop(stream.read_to_end(&mut answer));
    String::from_utf8_lossy(&answer).into_owned()
}

/// One call; the connection ends with it.
pub(crate) fn call(
    to: SocketAddr,
    (method, path): (&str, &str),
    headers: &[(&str, &str)],
    body: &str,
) -> Reply {
    let mut request = format!("{method} {path} HTTP/1.1\r\nHost: {to}\r\nConnection: close\r\n");
    for (name, value) in headers {
        request += &format!("{name}: {value}\r\n");
    }
    request += &format!("Content-Length: {}\r\n\r\n{body}", body.len());
    // Half a connection would be a client that has gone: a long poll ends without an answer then.
    let answer = exchange(to, request.as_bytes(), false);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    Reply {
        status: status.unwrap_or_else(|| panic!("no answer: {answer}")),
        head: head.to_owned(),
        body: body.to_owned(),
    }
}
