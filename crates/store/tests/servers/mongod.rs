//! The server that the tests of the MongoDB backend talk to: the shared one, and private ones that a test may kill.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use uuid::Uuid;

/// The URL of a database of its own on the server that `make test` has started.
pub(crate) fn database() -> String {
    let url = std::env::var("CHATIFY_TEST_MONGODB").expect(
        "CHATIFY_TEST_MONGODB is not set: run `make test`, or `eval \"$(ops/dev/servers.sh start)\"`",
    );
    named(&url)
}

/// The same server, another database each time.
fn named(url: &str) -> String {
    let (hosts, query) = url.split_once('?').unwrap_or((url, ""));
    let hosts = hosts.trim_end_matches('/');
    format!("{hosts}/t{}?{query}", Uuid::new_v4().simple())
}

/// A server of one test, which it may freeze, kill and start again on the same data and port.
pub(crate) struct Private {
    arguments: Vec<String>,
    port: u16,
    data: tempfile::TempDir,
    process: Child,
}

impl Private {
    /// Started so that what it acknowledges survives `kill -9`.
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    /// As [`Private::start`], with more arguments.
    pub(crate) fn start_with(arguments: &[&str]) -> Self {
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let data = tempfile::tempdir().unwrap();
        let arguments: Vec<String> = arguments.iter().map(|one| (*one).into()).collect();
        let process = spawn(port, data.path(), &arguments);
        Self {
            arguments,
            port,
            data,
            process,
        }
    }

    /// A database of its own on this server.
    pub(crate) fn database(&self) -> String {
        self.database_at("127.0.0.1", "")
    }

    /// The same, with the server called so, and more behind the URL's `?`.
    pub(crate) fn database_at(&self, host: &str, query: &str) -> String {
        named(&format!(
            "mongodb://{host}:{}/?replicaSet=secantus{query}",
            self.port
        ))
    }

    /// `kill -9`, and a new process on the same data.
    pub(crate) fn kill_and_restart(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        self.process = spawn(self.port, self.data.path(), &self.arguments);
    }

    /// Stops the process in the middle of whatever it does; its sockets stay open and silent.
    pub(crate) fn freeze(&self) {
        self.signal("STOP");
    }

    /// Lets it go on.
    pub(crate) fn thaw(&self) {
        self.signal("CONT");
    }

    fn signal(&self, name: &str) {
        let pid = self.process.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status();
        assert!(sent.unwrap().success());
    }
}

impl Drop for Private {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

fn spawn(port: u16, data: &std::path::Path, arguments: &[String]) -> Child {
    let process = Command::new("secantusd-rs")
        .args(["--port", &port.to_string(), "--sync-on-commit"])
        .args(["--cache-size", "64M", "--storage-path"])
        .arg(data)
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("secantusd-rs is not on PATH: run `make test`, or `eval \"$(ops/dev/servers.sh start)\"`");
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let patience = Instant::now() + Duration::from_secs(60);
    while TcpStream::connect_timeout(&address, Duration::from_millis(200)).is_err() {
        assert!(Instant::now() < patience, "secantusd-rs does not listen");
        std::thread::sleep(Duration::from_millis(20));
    }
    process
}
