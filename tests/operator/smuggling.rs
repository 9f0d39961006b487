//! W7: requests that two readers may read differently, through a real HAProxy with our configuration to a real node. A tap
//! between the two keeps what HAProxy passed on and what the node answered: nothing may pass that can be read in two ways,
//! every request that the node sees must bear HAProxy's own mark, and nobody may be given another's answer.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::house::{House, LOOK, free_address};
use crate::http::{call, raw};

/// How long HAProxy may take to find the node.
const START_MAX: Duration = Duration::from_secs(60);
/// What is smuggled: a path that nobody asks for otherwise.
const PLANTED: &str = "GET /v1/planted HTTP/1.1\r\nHost: inner\r\nX-Planted: yes\r\n\r\n";

/// Both ways of one connection between HAProxy and the node.
#[derive(Clone, Default)]
struct Leg {
    asked: Arc<Mutex<Vec<u8>>>,
    answered: Arc<Mutex<Vec<u8>>>,
}

/// Stands between HAProxy and the node, and changes nothing.
struct Tap {
    address: SocketAddr,
    legs: Arc<Mutex<Vec<Leg>>>,
}

impl Tap {
    fn start(node: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("its address");
        let legs = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&legs);
        std::thread::spawn(move || {
            for front in listener.incoming().flatten() {
                let Ok(back) = TcpStream::connect(node) else {
                    continue;
                };
                let leg = Leg::default();
                kept.lock().expect("whole").push(leg.clone());
                let (front_too, back_too) = (front.try_clone(), back.try_clone());
                let (Ok(front_too), Ok(back_too)) = (front_too, back_too) else {
                    continue;
                };
                std::thread::spawn(move || carry(front, back, &leg.asked));
                std::thread::spawn(move || carry(back_too, front_too, &leg.answered));
            }
        });
        Self { address, legs }
    }

    /// Every request that the node was sent, strictly read, and how many answers it gave on the same connection.
    fn seen(&self) -> Vec<(Vec<String>, usize)> {
        let legs = self.legs.lock().expect("whole").clone();
        let read = |leg: &Leg| {
            let asked = leg.asked.lock().expect("whole").clone();
            let answered = leg.answered.lock().expect("whole").clone();
            let answers = String::from_utf8_lossy(&answered)
                .matches("HTTP/1.1 ")
                .count();
            (requests(&asked), answers)
        };
        legs.iter().map(read).collect()
    }
}

fn carry(mut from: TcpStream, mut to: TcpStream, kept: &Mutex<Vec<u8>>) {
    let mut chunk = [0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut chunk) {
        kept.lock()
            .expect("whole")
            .extend_from_slice(&chunk[..count]);
        if to.write_all(&chunk[..count]).is_err() {
            break;
        }
    }
    drop(to.shutdown(Shutdown::Write));
}

/// Reads requests as the standard says and in no other way; panics at what could be read otherwise. Gives their heads.
fn requests(mut bytes: &[u8]) -> Vec<String> {
    let mut heads = Vec::new();
    while !bytes.is_empty() {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
        let end = end.unwrap_or_else(|| panic!("half a head: {}", String::from_utf8_lossy(bytes)));
        let head = std::str::from_utf8(&bytes[..end])
            .expect("a head is text")
            .to_owned();
        bytes = &bytes[end + 4..];
        // A null is passed on: it ends no line, and the node refuses it.
        let bare = head.replace("\r\n", "");
        assert!(!bare.contains(['\r', '\n']), "a bare line end: {head:?}");
        let lines: Vec<&str> = head.split("\r\n").skip(1).collect();
        let folded = lines.iter().any(|line| line.starts_with([' ', '\t']));
        assert!(!folded, "a folded line: {head:?}");
        let all = |name: &str| -> Vec<String> {
            let pairs = lines.iter().filter_map(|line| line.split_once(':'));
            let fits = pairs.filter(|(its, _)| its.trim().eq_ignore_ascii_case(name));
            fits.map(|(_, value)| value.trim().to_owned()).collect()
        };
        let (lengths, codings) = (all("content-length"), all("transfer-encoding"));
        assert!(lengths.len() + codings.len() <= 1, "two framings: {head:?}");
        if let Some(length) = lengths.first() {
            assert!(length.bytes().all(|byte| byte.is_ascii_digit()), "{head:?}");
            let length: usize = length.parse().expect("a length");
            bytes = bytes.get(length..).unwrap_or_default();
        } else if let Some(coding) = codings.first() {
            assert_eq!(coding, "chunked", "{head:?}");
            bytes = chunks(bytes);
        }
        heads.push(head);
    }
    heads
}

/// What follows a chunked body.
fn chunks(mut bytes: &[u8]) -> &[u8] {
    while let Some(end) = bytes.windows(2).position(|two| two == b"\r\n") {
        let size = std::str::from_utf8(&bytes[..end]).unwrap_or_default();
        let size = size.split(';').next().unwrap_or_default().trim();
        let size =
            usize::from_str_radix(size, 16).unwrap_or_else(|_| panic!("a chunk of {size:?}"));
        bytes = bytes.get(end + 2 + size + 2..).unwrap_or_default();
        if size == 0 {
            break;
        }
    }
    bytes
}

/// A real HAProxy before one node.
struct Front {
    address: SocketAddr,
    child: Child,
    _folder: tempfile::TempDir,
}

impl Front {
    fn start(house: &House, tap: &Tap) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (address, admin) = (free_address(), free_address());
        let mut command = Command::new("haproxy");
        command.args(["-db", "-f", "ops/haproxy.cfg"]);
        command.env("HAPROXY_SOCKET", folder.path().join("socket"));
        command.env("HAPROXY_LISTEN", address.to_string());
        command.env("HAPROXY_ADMIN", admin.to_string());
        for place in ["NODE_A", "NODE_B", "NODE_C", "AUTH"] {
            command.env(place, tap.address.to_string());
            command.env(format!("{place}_ADMIN"), house.admin.port().to_string());
        }
        command.stderr(Stdio::null()).stdout(Stdio::null());
        let child = command
            .spawn()
            .expect("haproxy is installed, as for `make cluster`");
        let front = Self {
            address,
            child,
            _folder: folder,
        };
        let started = Instant::now();
        while started.elapsed() < START_MAX {
            let there = TcpStream::connect(address).is_ok();
            if there && call(address, ("GET", "/v1/limits"), &[], "").status == 200 {
                return front;
            }
            std::thread::sleep(LOOK);
        }
        panic!("HAProxy does not reach the node");
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Requests with a second one in them, which one of two readers would find.
fn corpus() -> Vec<(&'static str, String)> {
    let length = PLANTED.len();
    let post =
        "POST /v1/auth/otp HTTP/1.1\r\nHost: chat.test\r\nContent-Type: application/json\r\n";
    let inner = |headers: &str| format!("{post}{headers}\r\n0\r\n\r\n{PLANTED}");
    let whole = 5 + length;
    let chunk = format!("{length:x}\r\n{PLANTED}\r\n0\r\n\r\n");
    let te = "Transfer-Encoding: chunked\r\n";
    vec![
        (
            "a forged address",
            "GET /v1/limits HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n".to_owned(),
        ),
        ("CL.TE", inner(&format!("Content-Length: {whole}\r\n{te}"))),
        (
            "TE, then CL",
            inner(&format!("{te}Content-Length: {whole}\r\n")),
        ),
        (
            "TE.CL",
            format!("{post}{te}Content-Length: 4\r\n\r\n{chunk}"),
        ),
        (
            "a coding nobody knows",
            inner(&format!(
                "Content-Length: {whole}\r\nTransfer-Encoding: xchunked\r\n"
            )),
        ),
        (
            "a space before the colon",
            inner(&format!(
                "Content-Length: {whole}\r\nTransfer-Encoding : chunked\r\n"
            )),
        ),
        (
            "a tab before the coding",
            inner(&format!(
                "Content-Length: {whole}\r\nTransfer-Encoding:\tchunked\r\n"
            )),
        ),
        (
            "a control before the coding",
            inner(&format!(
                "Content-Length: {whole}\r\nTransfer-Encoding: \x0bchunked\r\n"
            )),
        ),
        (
            "a coding twice",
            inner(&format!(
                "Content-Length: {whole}\r\n{te}Transfer-Encoding: identity\r\n"
            )),
        ),
        (
            "a coding in a list",
            inner(&format!(
                "Content-Length: {whole}\r\nTransfer-Encoding: identity, chunked\r\n"
            )),
        ),
        (
            "obs-fold before the coding",
            inner(&format!("Content-Length: {whole}\r\nX-A: b\r\n {te}")),
        ),
        (
            "obs-fold of the coding",
            inner(&format!(
                "Content-Length: {whole}\r\nTransfer-Encoding:\r\n chunked\r\n"
            )),
        ),
        (
            "a bare LF before the coding",
            inner(&format!("Content-Length: {whole}\r\nX-A: b\n{te}")),
        ),
        (
            "a bare CR before the coding",
            inner(&format!("Content-Length: {whole}\r\nX-A: b\r{te}")),
        ),
        (
            "a null in a header",
            inner(&format!("Content-Length: {whole}\r\nX-A: b\0\r\n{te}")),
        ),
        (
            "two lengths, none first",
            format!("{post}Content-Length: 0\r\nContent-Length: {length}\r\n\r\n{PLANTED}"),
        ),
        (
            "two lengths, none last",
            format!("{post}Content-Length: {length}\r\nContent-Length: 0\r\n\r\n{PLANTED}"),
        ),
        (
            "two lengths in one",
            format!("{post}Content-Length: 0, {length}\r\n\r\n{PLANTED}"),
        ),
        (
            "a length with a sign",
            format!("{post}Content-Length: +{length}\r\n\r\n{PLANTED}"),
        ),
        (
            "a length below nothing",
            format!("{post}Content-Length: -1\r\n\r\n{PLANTED}"),
        ),
        (
            "a length in hexadecimal",
            format!("{post}Content-Length: 0x{length:x}\r\n\r\n{PLANTED}"),
        ),
        (
            "a length beyond any number",
            format!("{post}Content-Length: 99999999999999999999\r\n\r\n{PLANTED}"),
        ),
        (
            "a body of a GET",
            format!(
                "GET /v1/limits HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{PLANTED}"
            ),
        ),
        (
            "bare LF throughout",
            inner(&format!("Content-Length: {whole}\r\n{te}")).replace("\r\n", "\n"),
        ),
        (
            "a chunk's size with a bare LF",
            format!("{post}{te}\r\n1\na\r\n0\r\n\r\n{PLANTED}"),
        ),
        (
            "a chunk's size that overflows",
            format!("{post}{te}\r\nffffffffffffffff1\r\na\r\n0\r\n\r\n{PLANTED}"),
        ),
        (
            "a chunk's size with a sign",
            format!("{post}{te}\r\n-1\r\n{PLANTED}"),
        ),
        (
            "a chunk longer than it says",
            format!("{post}{te}\r\n1\r\n{PLANTED}\r\n0\r\n\r\n"),
        ),
        (
            "a second line of request in the path",
            format!("GET /v1/limits HTTP/1.1\r\nHost: a\r\nX-A: b\r\n\r\n\r\n{PLANTED}"),
        ),
    ]
}

#[test]
fn no_request_hides_another_from_haproxy_and_shows_it_to_the_node() {
    let house = House::start(&["--trusted-proxies=127.0.0.1", "--limits=off"]);
    let tap = Tap::start(house.public);
    let front = Front::start(&house, &tap);
    for (what, bytes) in corpus() {
        // Twice, so that what is left behind on a connection meets the next request.
        for _ in 0..2 {
            let mut stream = TcpStream::connect(front.address).expect("HAProxy listens");
            drop(stream.write_all(bytes.as_bytes()));
            drop(stream.shutdown(Shutdown::Write));
            let victim = call(front.address, ("GET", "/v1/limits"), &[], "");
            assert_eq!(victim.status, 200, "{what}: another's answer: {victim:?}");
            assert!(victim.body.contains("textChars"), "{what}: {victim:?}");
            let mut answer = Vec::new();
            drop(stream.read_to_end(&mut answer));
            let answer = String::from_utf8_lossy(&answer);
            let given = answer.matches("HTTP/1.1 ").count() + answer.matches("HTTP/1.0 ").count();
            assert!(given <= 2, "{what}: {answer}");
        }
        for (heads, answers) in tap.seen() {
            assert!(
                answers <= heads.len(),
                "{what}: the node read more requests than there were"
            );
            for head in heads {
                let marks: Vec<&str> = head
                    .split("\r\n")
                    .filter(|line| line.to_ascii_lowercase().starts_with("x-forwarded-for"))
                    .collect();
                let marked = marks.len() == 1 && marks[0].ends_with(" 127.0.0.1");
                assert!(marked, "{what}: HAProxy never saw this request: {head}");
            }
        }
    }
}

/// Without HAProxy before it the node itself refuses what can be read in two ways, and answers nothing behind it.
#[test]
fn no_request_hides_another_from_the_node_itself() {
    let house = House::start(&["--limits=off"]);
    for (what, bytes) in corpus() {
        let twofold =
            what.contains("CL") || what.contains("two lengths") || what.contains("length ");
        if !twofold {
            continue;
        }
        let answer = raw(house.public, bytes.as_bytes());
        let given = answer.matches("HTTP/1.1 ").count();
        assert!(given <= 1, "{what}: {answer}");
        assert!(
            !answer.contains("HTTP/1.1 404"),
            "{what}: the planted request was answered: {answer}"
        );
    }
}
