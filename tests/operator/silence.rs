//! I7: a whole server at its most talkative, and a story over it in which every secret has a shape of its own. None of them
//! may be found in what it logs, counts, exports or answers to those who must not know it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::house::{House, LOOK, chatify};
use crate::http::{Reply, call, raw};

const JSON: (&str, &str) = ("Content-Type", "application/json");
const KEY_SECRET: &str = "canary-key-secret-0123456789abcdef0123456789";
const PEPPER: &str = "canary-pepper-0123456789abcdef";
const ADMIN_KEY: &str = "canary-admin-key-0123456789abcdef0123456789";
const EMAIL: &str = "canary.mailbox@planted.example";
const TEXT: &str = "canary-text: nobody but the room may read this";
const EDITED: &str = "canary-edited: nor this";
const META: &str = "canary-meta-value";
const LINE: &str = "canary-presence-line";
const PLANTED_CODE: &str = "31415926";
const PLANTED_TOKEN: &str = "canary.access.token-that-is-none";
const PLANTED_REFRESH: &str = "canary-refresh-token-that-is-none";
const COOKIE: &str = "canary-cookie-value";

/// A collector of traces that keeps whatever it is sent.
fn collector() -> (SocketAddr, Arc<Mutex<Vec<u8>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address");
    let kept = Arc::new(Mutex::new(Vec::new()));
    let all = Arc::clone(&kept);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let all = Arc::clone(&all);
            std::thread::spawn(move || {
                let mut chunk = [0; 16 * 1024];
                while let Ok(count @ 1..) = stream.read(&mut chunk) {
                    all.lock()
                        .expect("whole")
                        .extend_from_slice(&chunk[..count]);
                    if chunk[..count].ends_with(b"}") {
                        let fine = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
                        drop(stream.write_all(fine));
                    }
                }
            });
        }
    });
    (address, kept)
}

/// Waits until it is so.
fn wait(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(
            began.elapsed() < Duration::from_secs(30),
            "{what} never came"
        );
        std::thread::sleep(LOOK);
    }
}

/// The story: each secret by its name, and answers that were refusals.
struct Story {
    to: SocketAddr,
    secrets: Vec<(&'static str, String)>,
    refusals: Vec<Reply>,
}

impl Story {
    fn plant(&mut self, name: &'static str, secret: &str) {
        assert!(
            secret.len() >= 8,
            "{name} is too short to be found: {secret}"
        );
        self.secrets.push((name, secret.to_owned()));
    }

    fn post(&self, path: &str, headers: &[(&str, &str)], body: serde_json::Value) -> Reply {
        let headers: Vec<_> = [JSON].iter().chain(headers).copied().collect();
        call(self.to, ("POST", path), &headers, &body.to_string())
    }

    /// A call that must be refused; its answer is looked through like a log.
    fn refused(&mut self, reply: Reply) {
        assert!(reply.status >= 400, "{reply:?}");
        self.refusals.push(reply);
    }

    /// A code that was mailed.
    fn code(&self, to: &str) -> String {
        let mut code = None;
        wait("a mail", || {
            let mails = call(
                self.to,
                ("GET", &format!("/dev/mail.json?to={to}")),
                &[],
                "",
            );
            let text = mails
                .json()
                .pointer("/0/text")
                .and_then(|text| text.as_str().map(str::to_owned));
            let digits: String = text
                .unwrap_or_default()
                .lines()
                .find_map(|line| {
                    let digits: String = line.chars().filter(char::is_ascii_digit).collect();
                    (digits.len() == 8 && line.trim().len() <= 9).then_some(digits)
                })
                .unwrap_or_default();
            code = (!digits.is_empty()).then_some(digits);
            code.is_some()
        });
        code.expect("it came")
    }

    /// Signs up, guesses wrong, signs in, renews: the tokens.
    fn sign_in(&mut self) -> (String, String) {
        let asked = self.post(
            "/v1/auth/otp",
            &[],
            json!({"email": EMAIL, "intent": "signup"}),
        );
        let (id, secret) = (asked.text("/challengeId"), asked.text("/challengeSecret"));
        self.plant("the secret of a challenge", &secret);
        let watched = format!("/v1/auth/otp/{id}");
        call(
            self.to,
            ("GET", &watched),
            &[("X-Challenge-Secret", &secret)],
            "",
        );
        let verify = format!("{watched}/verify");
        let wrong = self.post(
            &verify,
            &[("Cookie", &format!("chatify_challenge={COOKIE}"))],
            json!({"code": PLANTED_CODE}),
        );
        self.refused(wrong);
        let code = self.code(EMAIL);
        self.plant("a code", &code);
        let device = json!({"code": code, "displayName": "Ada", "device": "a bench"});
        let entered = self.post(&verify, &[], device);
        assert_eq!(entered.status, 200, "{entered:?}");
        let again = self.post(&verify, &[], json!({"code": code}));
        self.refused(again);
        let (first, refresh) = (entered.text("/accessToken"), entered.text("/refreshToken"));
        let body = json!({"grantType": "refresh_token", "refreshToken": refresh});
        let renewed = self.post("/v1/auth/token", &[], body);
        let (access, next) = (renewed.text("/accessToken"), renewed.text("/refreshToken"));
        for (name, secret) in [
            ("an access token", &first),
            ("the next access token", &access),
            ("a refresh token", &refresh),
            ("the next refresh token", &next),
        ] {
            self.plant(name, secret);
        }
        (access, entered.text("/user/id"))
    }

    /// Says, edits and reads in a room, by REST and by a socket.
    fn talk(&mut self, token: &str) {
        let bearer = format!("Bearer {token}");
        let mine = [("Authorization", bearer.as_str())];
        let room = self
            .post(
                "/v1/rooms",
                &mine,
                json!({"type": "group", "name": "a room"}),
            )
            .text("/id");
        let path = format!("/v1/rooms/{room}/messages");
        let body = json!({"text": TEXT, "meta": {"note": META}});
        let said = self.post(&path, &mine, body).text("/message/id");
        let one = format!("{path}/{said}");
        let headers = [mine[0], JSON];
        let edit = json!({"text": EDITED}).to_string();
        assert_eq!(call(self.to, ("PATCH", &one), &headers, &edit).status, 200);
        // Refused with the text in hand: too long, of a wrong type, no JSON, nobody's room.
        let long = format!("{TEXT} {}", "x".repeat(4_000));
        let nobodys = "/v1/rooms/room_00000000-0000-4000-8000-000000000000/messages";
        for (path, body) in [
            (path.as_str(), json!({"text": long})),
            (path.as_str(), json!({"text": {"$ne": TEXT}})),
            (nobodys, json!({"text": TEXT})),
        ] {
            let refused = self.post(path, &mine, body);
            self.refused(refused);
        }
        let broken = call(
            self.to,
            ("POST", &path),
            &headers,
            &format!("{{\"text\": \"{TEXT}\", "),
        );
        self.refused(broken);
        self.socket(token, &room);
    }

    /// A socket by long-polling: a refused token, then one that is taken, and what is said on it.
    fn socket(&mut self, token: &str, room: &str) {
        let base = "/socket.io/?EIO=4&transport=polling";
        for (token, taken) in [(PLANTED_TOKEN, false), (token, true)] {
            let opened = call(self.to, ("GET", base), &[], "");
            let open: serde_json::Value =
                serde_json::from_str(&opened.body[1..]).expect("a handshake");
            let here = format!("{base}&sid={}", open["sid"].as_str().expect("an id"));
            let send = |packet: String| {
                call(
                    self.to,
                    ("POST", &here),
                    &[("Content-Type", "text/plain")],
                    &packet,
                )
            };
            send(format!("40{}", json!({"token": token})));
            let mut heard = String::new();
            let mut until = |what: &str| {
                wait(what, || {
                    if !heard.contains(what) {
                        heard += &call(self.to, ("GET", &here), &[], "").body;
                    }
                    heard.contains(what)
                });
            };
            if !taken {
                until("token_invalid");
                continue;
            }
            until("session:ready");
            let id = "0190a5c4-7b1e-7c3a-9a51-3f0c2f6c1a2b";
            let said = json!(["message:send", {"roomId": room, "clientId": id, "text": TEXT}]);
            send(format!("421{said}"));
            until("431[");
            send(format!(
                "422{}",
                json!(["presence:set", {"status": "away", "text": LINE}])
            ));
            until("432[");
            send(format!(
                "423{}",
                json!(["message:send", {"roomId": room, "text": [TEXT]}])
            ));
            until("433[");
            send(format!(
                "424{}",
                json!(["auth:refresh", {"token": PLANTED_TOKEN}])
            ));
            until("434[");
        }
    }

    /// What strangers and administrators send along.
    fn knock(&mut self, admin_token: &str) {
        let in_query = call(
            self.to,
            ("GET", &format!("/v1/rooms?token={PLANTED_TOKEN}")),
            &[],
            "",
        );
        self.refused(in_query);
        let socket = format!("/socket.io/?EIO=4&transport=polling&token={PLANTED_TOKEN}");
        let in_query = call(self.to, ("GET", &socket), &[], "");
        self.refused(in_query);
        let bearer = format!("Bearer {PLANTED_TOKEN}");
        for path in ["/v1/users/me", "/v1/admin/nodes"] {
            let refused = call(self.to, ("GET", path), &[("Authorization", &bearer)], "");
            self.refused(refused);
        }
        let body = json!({"grantType": "refresh_token", "refreshToken": PLANTED_REFRESH});
        let refused = self.post("/v1/auth/token", &[], body);
        self.refused(refused);
        let bearer = format!("Bearer {admin_token}");
        let looked = call(
            self.to,
            ("GET", "/v1/admin/nodes"),
            &[("Authorization", &bearer)],
            "",
        );
        assert_eq!(looked.status, 200, "{looked:?}");
        self.refused(Reply {
            status: 400,
            ..looked
        });
        // Not even HTTP, with a token in it.
        raw(
            self.to,
            format!("\x16\x03\x01 {PLANTED_TOKEN}\r\n\r\n").as_bytes(),
        );
    }
}

#[test]
fn no_secret_and_nothing_that_people_write_is_in_any_log_metric_trace_or_refusal() {
    let keys = tempfile::tempdir().expect("a folder");
    let file = |name: &str, content: &str| {
        let path = keys.path().join(name);
        std::fs::write(&path, content).expect("written");
        path.display().to_string()
    };
    let (collected, traces) = collector();
    let admin_key = file("admin", ADMIN_KEY);
    let mut house = House::start(&[
        "--log=trace",
        &format!("--auth-key-secret-file={}", file("key", KEY_SECRET)),
        &format!("--auth-otp-pepper-file={}", file("pepper", PEPPER)),
        &format!("--admin-key-file={admin_key}"),
        &format!("--otlp-url=http://{collected}"),
    ]);
    let mut command = chatify();
    command.args([
        "admin",
        "token",
        "--name",
        "ada",
        "--admin-key-file",
        &admin_key,
    ]);
    let made = command.output().expect("it runs");
    let admin_token = String::from_utf8(made.stdout)
        .expect("text")
        .trim()
        .to_owned();

    let mut story = Story {
        to: house.public,
        secrets: Vec::new(),
        refusals: Vec::new(),
    };
    for (name, secret) in [
        ("the key secret", KEY_SECRET),
        ("the pepper", PEPPER),
        ("the admin key", ADMIN_KEY),
        ("an administrator's token", &admin_token),
        ("an address", EMAIL),
        ("an address's local part", "canary.mailbox"),
        ("a text", TEXT),
        ("an edited text", EDITED),
        ("what goes with a text", META),
        ("a line of presence", LINE),
        ("a guess", PLANTED_CODE),
        ("a token that is none", PLANTED_TOKEN),
        ("a refresh token that is none", PLANTED_REFRESH),
        ("a cookie", COOKIE),
    ] {
        story.plant(name, secret);
    }
    let (token, user) = story.sign_in();
    story.talk(&token);
    story.knock(&admin_token);
    wait("a trace", || !traces.lock().expect("whole").is_empty());

    let mut outputs = vec![("an answer to a refused call", String::new())];
    for reply in &story.refusals {
        outputs[0].1 += &format!("{}\n{}\n", reply.head, reply.body);
    }
    for path in ["/metrics", "/readyz", "/healthz"] {
        let told = call(house.admin, ("GET", path), &[], "");
        outputs.push((path, told.body));
    }
    house.stop();
    outputs.push(("the log", house.log()));
    let traces = traces.lock().expect("whole").clone();
    outputs.push(("a trace", String::from_utf8_lossy(&traces).into_owned()));

    let text_of = |what| {
        outputs
            .iter()
            .find(|(name, _)| *name == what)
            .map(|(_, text)| text.as_str())
    };
    // It did talk: an empty log hides everything.
    assert!(
        text_of("the log")
            .is_some_and(|log| log.contains("TRACE") && log.contains("a code was asked for"))
    );
    assert!(text_of("a trace").is_some_and(|trace| trace.contains("deliver")));
    assert!(
        text_of("/metrics").is_some_and(|page| page.contains("chatify_auth_codes_asked_total 1"))
    );
    assert!(!user.is_empty());
    assert!(story.secrets.len() >= 14);
    for (name, secret) in &story.secrets {
        for (place, text) in &outputs {
            let line = text.lines().find(|line| line.contains(secret.as_str()));
            assert!(
                line.is_none(),
                "{name} is in {place}: {}",
                line.unwrap_or_default()
            );
        }
    }
}
