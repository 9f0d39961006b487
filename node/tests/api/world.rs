//! A running API: a store in memory, one hub, signed-in people, and calls through the router.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::body::{Body, to_bytes};
use bus::limits::{Limiter, Unlimited};
use http::{HeaderMap, Method, Request, Response};
use node::contract::Documents;
use node::ports::{Ports, Settings};
use node::revoked::RevokedSessions;
use protocol::ids::{MessageId, RoomId, SessionId, UserId};
use protocol::token::{Claims, KeySet, Signer};
use protocol::user::User;
use serde_json::{Value, json};
use service::clock::{Clock, ManualClock};
use store::{NewSession, Store};
use tokio::sync::watch;
use tower::ServiceExt as _;
use uuid::Uuid;

use crate::shell::{OneHub, TODAY};

const ISSUER: &str = "https://chat.test";
const AUDIENCE: &str = "chatify";

pub(crate) struct World {
    pub(crate) router: Router,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) hub: Arc<OneHub>,
    pub(crate) revoked: Arc<RevokedSessions>,
    pub(crate) hands: ManualClock,
    signer: Signer,
    people: AtomicU64,
    ports: Box<dyn Fn() -> Ports + Send + Sync>,
}

/// Somebody who is signed in.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    pub(crate) id: UserId,
    pub(crate) session: SessionId,
    pub(crate) token: String,
}

/// What a call answered.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    pub(crate) fn code(&self) -> String {
        self.json()["code"]
            .as_str()
            .unwrap_or_else(|| panic!("no problem: {self:?}"))
            .to_owned()
    }

    pub(crate) fn pointer(&self) -> String {
        self.json()["errors"][0]["pointer"]
            .as_str()
            .unwrap_or_else(|| panic!("no field: {self:?}"))
            .to_owned()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self:?}");
        self
    }
}

/// One call, to be sent by [`World::send`].
pub(crate) struct Call(http::request::Builder, Body);

pub(crate) fn call(method: &str, path: &str) -> Call {
    Call(
        Request::builder()
            .method(Method::from_bytes(method.as_bytes()).unwrap())
            .uri(path),
        Body::empty(),
    )
}

impl Call {
    pub(crate) fn by(self, who: &Person) -> Self {
        self.header("authorization", &format!("Bearer {}", who.token))
    }

    pub(crate) fn header(self, name: &str, value: &str) -> Self {
        Self(self.0.header(name, value), self.1)
    }

    pub(crate) fn body(self, body: &Value) -> Self {
        self.text("application/json", body.to_string())
    }

    pub(crate) fn text(self, kind: &str, text: impl Into<Body>) -> Self {
        Self(self.0.header("content-type", kind), text.into())
    }
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(Settings::default(), Arc::new(Unlimited), false).await
    }

    pub(crate) async fn with(settings: Settings, limiter: Arc<dyn Limiter>, pace: bool) -> Self {
        let store = store::open("sqlite::memory:").await.unwrap();
        Self::on(store, settings, limiter, pace).await
    }

    pub(crate) async fn on(
        store: Arc<dyn Store>,
        settings: Settings,
        limiter: Arc<dyn Limiter>,
        pace: bool,
    ) -> Self {
        let hub = OneHub::start(store.clone(), pace);
        let signer = Signer::from_seed("k1", &[7; 32]).unwrap();
        let keys = KeySet::new(ISSUER, AUDIENCE)
            .with("k1", signer.public())
            .unwrap();
        let (_, keys) = watch::channel(Arc::new(keys));
        let (clock, hands) = Clock::manual(TODAY.0 as u64);
        let revoked = Arc::new(RevokedSessions::default());
        let (kept, at_hub, of_revoked) = (store.clone(), hub.clone(), revoked.clone());
        let exports = node::api::Exports::default();
        let ports = move || Ports {
            exports: exports.clone(),
            store: kept.clone(),
            hubs: at_hub.clone(),
            keys: keys.clone().into(),
            revoked: of_revoked.clone(),
            limiter: limiter.clone(),
            clock: clock.clone(),
            settings: settings.clone(),
            documents: Documents::with([]),
        };
        let router = node::api::router(Arc::new(ports()));
        Self {
            router,
            store,
            hub,
            revoked,
            hands,
            signer,
            people: AtomicU64::new(0),
            ports: Box::new(ports),
        }
    }

    /// What the API is given, once more.
    pub(crate) fn ports(&self) -> Ports {
        (self.ports)()
    }

    pub(crate) async fn person(&self, name: &str) -> Person {
        let nth = self.people.fetch_add(1, Ordering::SeqCst) + 1;
        let id = UserId(Uuid::from_u128(
            0x0190_0000_0000_7000_8000_0000_0000_0000 + u128::from(nth),
        ));
        let user = User {
            id,
            display_name: name.to_owned(),
            avatar_url: None,
            created_at: TODAY,
        };
        self.store
            .user_by_email(format!("p{nth}@chat.test"), user)
            .await
            .unwrap();
        let session = SessionId(Uuid::from_u128(
            0x0290_0000_0000_7000_8000_0000_0000_0000 + u128::from(nth),
        ));
        let new = NewSession {
            id: session,
            user: id,
            device: None,
            at: TODAY,
            refresh_hash: [1; 32],
            refresh_expires: TODAY.plus_millis(1_000_000),
        };
        self.store.create_session(new).await.unwrap();
        Person {
            id,
            session,
            token: self.token(id, session, 600),
        }
    }

    /// A token that ends in so many seconds.
    pub(crate) fn token(&self, user: UserId, session: SessionId, seconds: i64) -> String {
        let now = TODAY.0 / 1_000;
        self.signer.sign(&Claims {
            iss: ISSUER.into(),
            aud: AUDIENCE.into(),
            sub: user,
            sid: session,
            jti: Uuid::new_v4(),
            iat: (now - 1_000) as u64,
            exp: (now + seconds) as u64,
            nbf: None,
        })
    }

    /// The head of an answer, and its body as it is made.
    pub(crate) async fn begin(&self, call: Call) -> Response<Body> {
        let request = call.0.body(call.1).unwrap();
        self.router.clone().oneshot(request).await.unwrap()
    }

    pub(crate) async fn send(&self, call: Call) -> Reply {
        let response = self.begin(call).await;
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, usize::MAX).await.unwrap();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        Reply {
            status: parts.status.as_u16(),
            headers: parts.headers,
            text,
        }
    }

    pub(crate) async fn get(&self, who: &Person, path: &str) -> Reply {
        self.send(call("GET", path).by(who)).await
    }

    pub(crate) async fn ask(&self, who: &Person, method: &str, path: &str, body: Value) -> Reply {
        self.send(call(method, path).by(who).body(&body)).await
    }

    pub(crate) async fn do_(&self, who: &Person, method: &str, path: &str) -> Reply {
        self.send(call(method, path).by(who)).await
    }

    /// A room of this kind with these members besides its owner.
    pub(crate) async fn room(&self, kind: &str, owner: &Person, members: &[&Person]) -> RoomId {
        let ids: Vec<_> = members.iter().map(|member| member.id).collect();
        let body = json!({"type": kind, "name": "a room", "memberIds": ids});
        let made = self
            .ask(owner, "POST", "/v1/rooms", body)
            .await
            .expect(201)
            .json();
        made["id"].as_str().unwrap().parse().unwrap()
    }

    /// Something said.
    pub(crate) async fn say(&self, who: &Person, room: RoomId, text: &str) -> Value {
        let body = json!({"text": text});
        let reply = self
            .ask(who, "POST", &format!("/v1/rooms/{room}/messages"), body)
            .await;
        reply.expect(201).json()["message"].clone()
    }

    pub(crate) async fn said(&self, who: &Person, room: RoomId, text: &str) -> MessageId {
        self.say(who, room, text).await["id"]
            .as_str()
            .unwrap()
            .parse()
            .unwrap()
    }
}
