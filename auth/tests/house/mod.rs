//! A whole auth in one test: real store in memory, real queue, a clock that the test moves, a mailbox it can read.

#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "each test file uses a part of it"
)]

use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use auth::{Auth, AuthConfig, Cut, Ports};
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use bus::limits_local::LocalLimiter;
use bus::mail::{MailFate, MailQueue, MailReport, Settlement};
use bus::mail_local::LocalMailQueue;
use http_body_util::BodyExt as _;
use protocol::ids::SessionId;
use protocol::mail_job::{Mail, MailJob};
use serde_json::{Value, json};
use service::clock::{Clock, ManualClock};
use service::config::{Catalogue, Flags};
use service::drain::Drain;
use service::http::ClientAddress;
use service::secret::Secret;
use store::Store;
use tokio::sync::mpsc;
use tower::ServiceExt as _;

/// Some day in 2027.
pub(crate) const NOW_MS: u64 = 1_800_000_000_000;
pub(crate) const ADA: &str = "ada@example.com";

pub(crate) type Cuts = Arc<Mutex<Vec<(SessionId, &'static str)>>>;

pub(crate) struct House {
    pub(crate) auth: Auth,
    pub(crate) router: Router,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) queue: Arc<dyn MailQueue>,
    pub(crate) hands: ManualClock,
    pub(crate) cuts: Cuts,
    pub(crate) drain: Drain,
    mails: mpsc::Receiver<MailJob>,
}

/// How a house differs from the usual one.
pub(crate) struct Plan {
    pub(crate) limits: bool,
    pub(crate) settings: Vec<(&'static str, &'static str)>,
    pub(crate) takes_mail: bool,
    pub(crate) store: Option<Arc<dyn Store>>,
    pub(crate) queue: Option<Arc<dyn MailQueue>>,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            limits: true,
            settings: Vec::new(),
            takes_mail: true,
            store: None,
            queue: None,
        }
    }
}

pub(crate) fn config(settings: &[(&'static str, &'static str)]) -> AuthConfig {
    let secret = "a key secret of a test, long enough to be one";
    let mut variables = vec![("CHATIFY_AUTH_KEY_SECRET".to_owned(), secret.to_owned())];
    variables.extend(
        settings
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
    );
    let catalogue = Catalogue::new().with::<AuthConfig>();
    catalogue
        .load(Flags::default(), variables)
        .unwrap()
        .read()
        .unwrap()
}

impl House {
    pub(crate) async fn open() -> Self {
        Self::build(Plan::default()).await
    }

    pub(crate) async fn without_limits() -> Self {
        Self::build(Plan {
            limits: false,
            ..Plan::default()
        })
        .await
    }

    pub(crate) async fn build(plan: Plan) -> Self {
        let store = match plan.store {
            Some(store) => store,
            None => store::open("sqlite::memory:").await.unwrap(),
        };
        let queue = plan
            .queue
            .unwrap_or_else(|| Arc::new(LocalMailQueue::new()));
        let (clock, hands) = Clock::manual(NOW_MS);
        let cuts = Cuts::default();
        let cut: Cut = {
            let cuts = Arc::clone(&cuts);
            Arc::new(move |sessions, reason| {
                cuts.lock()
                    .unwrap()
                    .extend(sessions.iter().map(|session| (*session, reason)));
            })
        };
        let ports = Ports {
            store: Arc::clone(&store),
            mail: Arc::clone(&queue),
            limiter: Arc::new(LocalLimiter::new()),
            cut,
            clock,
            data: None,
            limits: plan.limits,
        };
        let auth = Auth::open(config(&plan.settings), ports).await.unwrap();
        let drain = Drain::new();
        auth::run(&auth, &drain);
        let (sender, mails) = mpsc::channel(1_024);
        if plan.takes_mail {
            let queue = Arc::clone(&queue);
            let mut consumer = queue.consume(16);
            drain.spawn_background("mailbox", async move {
                while let Some(delivery) = consumer.next().await {
                    let job = delivery.job.clone();
                    let id = job.id.clone();
                    delivery.settle(Settlement::Ack).await.unwrap();
                    queue
                        .report(MailReport {
                            id,
                            fate: MailFate::Sent,
                        })
                        .await
                        .unwrap();
                    if sender.send(job).await.is_err() {
                        return;
                    }
                }
            });
        }
        let router = auth::router(auth.clone());
        Self {
            auth,
            router,
            store,
            queue,
            hands,
            cuts,
            drain,
            mails,
        }
    }

    pub(crate) fn advance(&self, seconds: u64) {
        self.hands.advance(Duration::from_secs(seconds));
    }

    /// The next mail that arrives. Waits by the wall clock: where a test has stopped the runtime's, that one runs on by
    /// itself while the store's thread works, and would call the mail late at once.
    pub(crate) async fn mail(&mut self) -> MailJob {
        let until = Instant::now() + Duration::from_secs(20);
        while Instant::now() < until {
            match self.mails.try_recv() {
                Ok(job) => return job,
                Err(mpsc::error::TryRecvError::Empty) => wait_a_little().await,
                Err(mpsc::error::TryRecvError::Disconnected) => panic!("the mailbox is closed"),
            }
        }
        panic!("no mail within 20 s");
    }

    /// A mail that is there without waiting.
    pub(crate) fn mail_now(&mut self) -> Option<MailJob> {
        self.mails.try_recv().ok()
    }

    /// Waits until every mail that was written down has been taken up.
    pub(crate) async fn until_nothing_is_pending(&self) {
        for _ in 0..4_000 {
            if self.store.pending_mails(1).await.unwrap().is_empty() {
                return;
            }
            wait_a_little().await;
        }
        panic!("a mail is still pending");
    }

    pub(crate) async fn code(&mut self) -> String {
        code_of(&self.mail().await)
    }

    pub(crate) async fn call(&self, call: Call) -> Reply {
        reply(&self.router, call).await
    }

    pub(crate) async fn ask(&self, email: &str) -> Reply {
        self.call(post(
            "/v1/auth/otp",
            json!({"email": email, "intent": "login"}),
        ))
        .await
    }

    pub(crate) async fn challenge(&self, email: &str) -> String {
        let reply = self.ask(email).await;
        assert_eq!(reply.status, 202, "{}", reply.json);
        reply.json["challengeId"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn redeem(&self, challenge: &str, code: &str) -> Reply {
        self.call(post(
            &format!("/v1/auth/otp/{challenge}/verify"),
            json!({"code": code}),
        ))
        .await
    }

    pub(crate) async fn sign_in(&mut self, email: &str) -> Device {
        let challenge = self.challenge(email).await;
        let code = self.code().await;
        let reply = self.redeem(&challenge, &code).await;
        assert_eq!(reply.status, 200, "{}", reply.json);
        Device::of(&reply)
    }

    pub(crate) async fn renew(&self, refresh: &str) -> Reply {
        self.call(post(
            "/v1/auth/token",
            json!({"grantType": "refresh_token", "refreshToken": refresh}),
        ))
        .await
    }

    pub(crate) fn cuts(&self) -> Vec<(SessionId, &'static str)> {
        self.cuts.lock().unwrap().clone()
    }
}

/// A signed-in device's tokens.
#[derive(Clone, Debug)]
pub(crate) struct Device {
    pub(crate) access: String,
    pub(crate) refresh: String,
    pub(crate) session: SessionId,
    pub(crate) user: String,
}

impl Device {
    pub(crate) fn of(reply: &Reply) -> Self {
        let text = |pointer: &str| {
            reply
                .json
                .pointer(pointer)
                .unwrap()
                .as_str()
                .unwrap()
                .to_owned()
        };
        Self {
            access: text("/accessToken"),
            refresh: text("/refreshToken"),
            session: text("/session/id").parse().unwrap(),
            user: text("/user/id"),
        }
    }
}

pub(crate) fn code_of(job: &MailJob) -> String {
    match &job.mail {
        Mail::Code { code, .. } => code.clone(),
        Mail::Test | Mail::WrongCodes { .. } => panic!("no code in this mail"),
    }
}

/// Another code than this one.
pub(crate) fn wrong(code: &str) -> String {
    let number: u64 = code.parse().unwrap();
    format!("{:08}", (number + 1) % 100_000_000)
}

pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Option<String>,
    pub(crate) client: IpAddr,
}

pub(crate) fn get(path: &str) -> Call {
    Call {
        method: Method::GET,
        path: path.into(),
        headers: vec![],
        body: None,
        client: [192, 0, 2, 1].into(),
    }
}

pub(crate) fn post(path: &str, body: Value) -> Call {
    let headers = vec![("content-type", "application/json".to_owned())];
    Call {
        method: Method::POST,
        headers,
        body: Some(body.to_string()),
        ..get(path)
    }
}

impl Call {
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(crate) fn bearer(self, token: &str) -> Self {
        self.with("authorization", format!("Bearer {token}"))
    }

    pub(crate) fn web(self) -> Self {
        self.with("x-chatify-client", "web")
    }

    pub(crate) fn from(mut self, client: &str) -> Self {
        self.client = client.parse().unwrap();
        self
    }

    pub(crate) fn delete(mut self) -> Self {
        self.method = Method::DELETE;
        self
    }
}

#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) json: Value,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn code(&self) -> &str {
        self.json["code"].as_str().unwrap_or_default()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn refused(&self, status: u16, code: &str) {
        assert_eq!((self.status, self.code()), (status, code), "{}", self.json);
        assert_eq!(self.header("content-type"), "application/problem+json");
        assert_eq!(self.json["status"], status);
        assert_eq!(self.json["traceId"].as_str().unwrap().len(), 32);
    }
}

pub(crate) async fn reply(router: &Router, call: Call) -> Reply {
    let mut request = Request::builder().method(call.method).uri(&call.path);
    for (name, value) in &call.headers {
        request = request.header(*name, value);
    }
    let body = call.body.map_or_else(Body::empty, Body::from);
    let mut request = request.body(body).unwrap();
    request.extensions_mut().insert(ClientAddress(call.client));
    let response = router.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes().to_vec();
    let json = serde_json::from_slice(&body).unwrap_or(Value::Null);
    assert_ne!(parts.status, StatusCode::INTERNAL_SERVER_ERROR, "{json}");
    Reply {
        status: parts.status.as_u16(),
        headers: parts.headers,
        json,
        body,
    }
}

/// Two milliseconds of the wall clock, in which others go on.
pub(crate) async fn wait_a_little() {
    tokio::task::spawn_blocking(|| std::thread::sleep(Duration::from_millis(2)))
        .await
        .unwrap();
}

pub(crate) fn secret(text: &str) -> Secret {
    Secret::new(text.to_owned())
}
