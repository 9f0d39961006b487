//! HTTP by hand: one request, one answer, one connection.

use super::PATIENCE;
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
};

#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// A connection on which a request has been sent and no answer been read.
pub(crate) struct Http {
    pub(crate) stream: BufReader<TcpStream>,
}

impl Http {
    pub(crate) fn open(address: SocketAddr) -> Http {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Http {
            stream: BufReader::new(stream),
        }
    }

    pub(crate) fn send(mut self, bytes: impl AsRef<[u8]>) -> Http {
        // The server may have closed in the middle of a request that it refuses.
        drop(self.stream.get_mut().write_all(bytes.as_ref()));
        self
    }

    /// As [`Http::reply`]; `None` when the connection was closed without one.
    pub(crate) fn reply_if_any(&mut self) -> Option<Reply> {
        let is_there = self.stream.fill_buf().is_ok_and(|bytes| !bytes.is_empty());
        is_there.then(|| self.reply())
    }

    pub(crate) fn reply(&mut self) -> Reply {
        let mut line = String::new();
        self.stream.read_line(&mut line).unwrap();
        let status = line
            .split(' ')
            .nth(1)
            .expect("a status line")
            .parse()
            .unwrap();
        let mut headers = Vec::new();
        loop {
            let mut line = String::new();
            self.stream.read_line(&mut line).unwrap();
            let Some((name, value)) = line.trim_end().split_once(": ") else {
                break;
            };
            headers.push((name.to_lowercase(), value.to_owned()));
        }
        let mut reply = Reply {
            status,
            headers,
            body: String::new(),
        };
        let length = reply
            .header("content-length")
            .map_or(0, |l| l.parse().unwrap());
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).unwrap();
        reply.body = String::from_utf8(body).unwrap();
        reply
    }

    /// Whether the server has ended the connection.
    pub(crate) fn is_at_end(&mut self) -> bool {
        let mut byte = [0];
        matches!(self.stream.read(&mut byte), Ok(0) | Err(_))
    }
}

pub(crate) fn request(
    address: SocketAddr,
    method: &str,
    target: &str,
    headers: &str,
    body: &str,
) -> Reply {
    let length = body.len();
    let text = format!(
        "{method} {target} HTTP/1.1\r\nHost: chat.test\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
    );
    Http::open(address).send(text).reply()
}

pub(crate) fn get(address: SocketAddr, target: &str) -> Reply {
    request(address, "GET", target, "", "")
}

pub(crate) fn post(address: SocketAddr, target: &str, body: &str) -> Reply {
    request(
        address,
        "POST",
        target,
        "Content-Type: text/plain;charset=UTF-8\r\n",
        body,
    )
}
