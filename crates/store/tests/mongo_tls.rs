//! A MongoDB that speaks TLS: what a certificate must be for a store to be opened.

#![allow(
    clippy::unwrap_used,
    reason = "a test or bench ends at the first thing that should not be"
)]

#[path = "../../../tests/certificates/mod.rs"]
mod certificates;
#[path = "contract/fixtures.rs"]
#[allow(
    dead_code,
    reason = "shared with the contract suite, which uses all of it"
)]
mod fixtures;
#[path = "servers/mongod.rs"]
#[allow(dead_code, reason = "shared with the other suites")]
mod mongod;

use fixtures::*;
use mongod::Private;
use store::StoreError;

/// A server whose certificate has these names, and the folder with its authority.
struct Guarded {
    server: Private,
    folder: tempfile::TempDir,
}

impl Guarded {
    fn start(names: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        certificates::make(folder.path(), names);
        let file = |name: &str| folder.path().join(name).display().to_string();
        let (cert, key) = (file("cert.pem"), file("key.pem"));
        let server = Private::start_with(&["--tls-cert-file", &cert, "--tls-key-file", &key]);
        Self { server, folder }
    }

    /// What a URL needs to say for its authority to be believed.
    fn known(&self) -> String {
        let authority = self.folder.path().join("ca.pem");
        format!("&tls=true&tlsCAFile={}", authority.display())
    }

    fn url(&self, query: &str) -> String {
        self.server.database_at("localhost", query)
    }
}

/// Why a store is not opened, in one line.
async fn refused(url: &str) -> StoreError {
    let error = store::open(url).await.map(|_| ()).unwrap_err();
    assert!(!error.to_string().contains('\n'), "{error}");
    error
}

/// The stand-in tells drivers that its set has one member, 127.0.0.1.
const BOTH_NAMES: &str = "DNS:localhost,IP:127.0.0.1";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_written_by_tls_is_read_by_tls_and_nobody_comes_in_clear() {
    let server = Guarded::start(BOTH_NAMES);
    let url = server.url(&server.known());
    let store = store::open(&url).await.unwrap();
    let ada = user();
    let mut room = room_of(&store, &[ada]).await;
    let first = room.say(&store, ada, "nobody listens").await;
    let second = room.say(&store, ada, "and nobody answers in between").await;
    store.close().await;

    let store = store::open(&url).await.unwrap();
    let log = whole_log(&store, room.id).await;
    assert_eq!([said(&log[1]), said(&log[2])], [&first, &second]);
    store.close().await;

    let clear = refused(&server.url("")).await;
    assert!(matches!(clear, StoreError::Unavailable(_)), "{clear:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_of_an_authority_that_is_not_known_is_refused() {
    let server = Guarded::start(BOTH_NAMES);
    let stranger = Guarded::start(BOTH_NAMES);
    // The public authorities, and one that has even the same name.
    for query in ["&tls=true", &stranger.known()] {
        let error = refused(&server.url(query)).await;
        let StoreError::Unavailable(why) = &error else {
            panic!("{error:?}");
        };
        assert!(
            why.contains("localhost:") && why.contains("tlsCAFile=PATH"),
            "{why}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_for_another_name_is_refused() {
    let server = Guarded::start("DNS:mongo.elsewhere.test");
    let error = refused(&server.url(&server.known())).await;
    let StoreError::Unavailable(why) = &error else {
        panic!("{error:?}");
    };
    assert!(
        why.contains("localhost:") && why.contains("for another name"),
        "{why}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_name_that_a_replica_set_gives_its_member_must_be_in_the_certificate_too() {
    let server = Guarded::start("DNS:localhost");
    let error = refused(&server.url(&server.known())).await;
    let StoreError::Unavailable(why) = &error else {
        panic!("{error:?}");
    };
    assert!(
        why.contains("127.0.0.1:") && why.contains("for another name"),
        "{why}"
    );
    // Who asks for one server by its name is not sent on.
    let alone = format!("{}&directConnection=true", server.known());
    let store = store::open(&server.url(&alone)).await.unwrap();
    store.close().await;
}

#[tokio::test]
async fn a_file_that_holds_no_authority_is_refused_before_anybody_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    for (what, content) in [("No such file", None), ("no certificate", Some("nothing"))] {
        if let Some(content) = content {
            std::fs::write(&file, content).unwrap();
        }
        // Nobody is there to be asked.
        let url = format!(
            "mongodb://127.0.0.1:1/?tls=true&tlsCAFile={}",
            file.display()
        );
        let error = refused(&url).await;
        let StoreError::Refused(why) = &error else {
            panic!("{error:?}");
        };
        assert!(why.contains(what) && why.contains("ca.pem"), "{why}");
    }
}
