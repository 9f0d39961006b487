//! Keys that another process publishes, over real HTTP and on a clock that only the test moves.

use std::convert::Infallible;
use std::sync::Mutex;
use std::time::Instant;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use protocol::ids::{SessionId, UserId};
use protocol::token::{Jwk, Signer};
use service::clock::ManualClock;
use service::drain::Drain;
use service::readiness::Readiness;
use uuid::Uuid;

use super::*;

const NOW: u64 = 1_800_000_000;

/// An auth that publishes what the test says, and counts how often it is asked.
struct Auth {
    keys: Arc<Mutex<Vec<Jwk>>>,
    asked: Arc<AtomicU64>,
    url: String,
    serving: Option<tokio::task::JoinHandle<()>>,
}

impl Auth {
    /// Listens at `address`; the same again is the same auth, restarted.
    async fn at(address: &str, signers: &[&Signer]) -> Self {
        let keys = Arc::new(Mutex::new(published(signers)));
        let asked = Arc::new(AtomicU64::new(0));
        let listener = tokio::net::TcpListener::bind(address).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (shown, counted) = (keys.clone(), asked.clone());
        let serving = tokio::task::spawn_local(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let answer = service_fn(|request: Request<Incoming>| {
                    assert_eq!(request.uri().path(), "/.well-known/jwks.json");
                    counted.fetch_add(1, SeqCst);
                    let keys = shown.lock().unwrap().clone();
                    let set = serde_json::json!({ "keys": keys }).to_string();
                    let answer = Response::new(Full::new(Bytes::from(set)));
                    std::future::ready(Ok::<_, Infallible>(answer))
                });
                let served = http1::Builder::new().serve_connection(TokioIo::new(stream), answer);
                // How the other side ends it is its own affair.
                drop(served.await);
            }
        });
        Self {
            keys,
            asked,
            url,
            serving: Some(serving),
        }
    }

    fn publish(&self, signers: &[&Signer]) {
        *self.keys.lock().unwrap() = published(signers);
    }

    /// Ends, and is reached by nobody.
    async fn end(&mut self) {
        let serving = self.serving.take().unwrap();
        serving.abort();
        assert!(serving.await.unwrap_err().is_cancelled());
    }
}

fn published(signers: &[&Signer]) -> Vec<Jwk> {
    signers
        .iter()
        .map(|signer| Jwk::ed25519(signer.kid(), signer.public()))
        .collect()
}

fn signer(kid: &str) -> Signer {
    Signer::from_seed(kid, &[kid.as_bytes()[0]; 32]).unwrap()
}

fn token(signer: &Signer) -> String {
    signer.sign(&Claims {
        iss: "i".into(),
        aud: "a".into(),
        sub: UserId(Uuid::from_u128(1)),
        sid: SessionId(Uuid::from_u128(2)),
        jti: Uuid::from_u128(3),
        iat: NOW,
        exp: NOW + 600,
        nbf: None,
    })
}

/// A node's side, looking every so often.
struct Side {
    keys: Keys,
    hands: ManualClock,
    readiness: Readiness,
}

fn side(url: &str, every: Duration) -> Side {
    let (clock, hands) = Clock::manual(NOW * 1_000);
    let (keeper, keys) = KeyKeeper::new(url, ("i", "a"), clock).unwrap();
    let readiness = Readiness::new(Drain::new());
    let check = readiness.register("keys");
    tokio::task::spawn_local(keeper.looking_every(every).run(check));
    Side {
        keys,
        hands,
        readiness,
    }
}

impl Side {
    /// What a token is told: `ok`, or the problem's code.
    fn told(&self, signer: &Signer) -> &'static str {
        let told = self.keys.verify(&token(signer), NOW);
        told.map_or_else(|problem| problem.code.as_str(), |_| "ok")
    }

    /// Waits until that is what the token is told.
    async fn until(&self, signer: &Signer, told: &str) {
        let began = Instant::now();
        while self.told(signer) != told {
            assert!(began.elapsed() < Duration::from_secs(30), "never {told}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, test)
}

const NEVER: Duration = Duration::from_secs(3_600);
const OFTEN: Duration = Duration::from_millis(20);

#[test]
fn a_node_without_keys_is_not_ready_and_says_try_again_until_it_has_some() {
    run(async {
        let a = signer("a");
        let mut auth = Auth::at("127.0.0.1:0", &[&a]).await;
        let url = auth.url.clone();
        auth.end().await;
        let side = side(&url, OFTEN);
        assert_eq!(side.told(&a), "overloaded");
        let why = |side: &Side| side.readiness.report().failing[0].why.clone();
        while !why(&side).contains("no keys from") {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(side.told(&a), "overloaded");
        assert_eq!(
            side.keys.verify("no token", NOW).unwrap_err().code,
            Code::TokenInvalid
        );

        let _auth = Auth::at(url.trim_start_matches("http://"), &[&a]).await;
        side.until(&a, "ok").await;
        assert!(side.readiness.report().ready);
    });
}

#[test]
fn a_rotation_refuses_no_token_at_any_moment() {
    run(async {
        let (a, b) = (signer("a"), signer("b"));
        let auth = Auth::at("127.0.0.1:0", &[&a]).await;
        let side = side(&auth.url, OFTEN);
        side.until(&a, "ok").await;
        // Published before it signs …
        auth.publish(&[&a, &b]);
        side.until(&b, "ok").await;
        assert_eq!(side.told(&a), "ok");
        // … and the old one is taken back when its last token has ended.
        auth.publish(&[&b]);
        side.until(&a, "token_invalid").await;
        assert_eq!(side.told(&b), "ok");
    });
}

/// A node that was cut off for the whole time in which a key was published, but did not sign.
#[test]
fn a_token_of_a_key_that_was_missed_is_told_to_try_again_and_then_believed() {
    run(async {
        let (a, b) = (signer("a"), signer("b"));
        let auth = Auth::at("127.0.0.1:0", &[&a]).await;
        let side = side(&auth.url, NEVER);
        side.until(&a, "ok").await;
        auth.publish(&[&a, &b]);
        side.hands.advance(LOOK_STANDS);
        assert_eq!(side.told(&b), "overloaded");
        side.until(&b, "ok").await;
        assert_eq!(auth.asked.load(SeqCst), 2);
    });
}

#[test]
fn however_many_tokens_name_unknown_keys_there_is_one_look_in_thirty_seconds() {
    run(async {
        let (a, forged) = (signer("a"), signer("z"));
        let auth = Auth::at("127.0.0.1:0", &[&a]).await;
        let side = side(&auth.url, NEVER);
        side.until(&a, "ok").await;
        for look in 2..4 {
            side.until(&forged, "token_invalid").await;
            for _ in 0..1_000 {
                assert_eq!(side.told(&forged), "token_invalid");
            }
            tokio::task::yield_now().await;
            side.hands.advance(LOOK_STANDS);
            for _ in 0..1_000 {
                assert_eq!(side.told(&forged), "overloaded");
            }
            side.until(&forged, "token_invalid").await;
            assert_eq!(auth.asked.load(SeqCst), look);
        }
    });
}

#[test]
fn the_keys_that_are_held_stay_good_while_auth_is_away() {
    run(async {
        let (a, forged) = (signer("a"), signer("z"));
        let mut auth = Auth::at("127.0.0.1:0", &[&a]).await;
        let side = side(&auth.url, OFTEN);
        side.until(&a, "ok").await;
        auth.end().await;
        // Nothing can be said against an unknown key now.
        side.until(&forged, "overloaded").await;
        for _ in 0..3 {
            side.hands.advance(LOOK_STANDS);
            tokio::time::sleep(OFTEN).await;
            assert_eq!(side.told(&a), "ok");
        }
        assert!(side.readiness.report().ready);
    });
}
