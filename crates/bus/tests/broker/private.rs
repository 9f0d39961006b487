//! A broker of one test's own, which may be stopped, killed and short of memory.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::certificates;

pub(crate) struct Private {
    folder: PathBuf,
    port: u16,
    child: Option<Child>,
}

impl Private {
    /// Starts one and waits until it takes connections.
    pub(crate) async fn start() -> Self {
        let port = free_ports();
        let folder = std::env::temp_dir().join(format!("chatify-rabbitmq-{port}"));
        for part in ["home", "mnesia", "log"] {
            fs::create_dir_all(folder.join(part)).unwrap();
        }
        certificates::make(&folder, "DNS:localhost");
        let (tls_port, at) = (port + 3, folder.display());
        let settings = format!(
            "listeners.tcp.1 = 127.0.0.1:{port}
disk_free_limit.absolute = 50MB
listeners.ssl.1 = 127.0.0.1:{tls_port}
ssl_options.cacertfile = {at}/ca.pem
ssl_options.certfile = {at}/cert.pem
ssl_options.keyfile = {at}/key.pem
ssl_options.verify = verify_none
"
        );
        fs::write(folder.join("rabbitmq.conf"), settings).unwrap();
        fs::write(folder.join("plugins"), "[].\n").unwrap();
        let mut broker = Self {
            folder,
            port,
            child: None,
        };
        broker.start_again().await;
        broker
    }

    pub(crate) fn url(&self) -> String {
        format!("amqp://guest:guest@127.0.0.1:{}/%2f", self.port)
    }

    /// The port for TLS, with a certificate for `localhost`.
    pub(crate) fn tls_port(&self) -> u16 {
        self.port + 3
    }

    /// The authority of that certificate.
    pub(crate) fn authority(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    /// Starts it on the data that it left.
    pub(crate) async fn start_again(&mut self) {
        let log = File::create(self.folder.join("out.log")).unwrap();
        let child = self
            .tool("rabbitmq-server")
            .stderr(log.try_clone().unwrap())
            .stdout(log)
            .spawn()
            .expect("rabbitmq-server can be started");
        self.child = Some(child);
        let until = Instant::now() + Duration::from_secs(120);
        while tokio::net::TcpStream::connect(("127.0.0.1", self.port))
            .await
            .is_err()
        {
            let folder = self.folder.display();
            assert!(
                Instant::now() < until,
                "no broker within two minutes: {folder}"
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Ends it in its own time (`TERM`) or in the middle of a word (`KILL`).
    pub(crate) async fn end(&mut self, signal: &str) {
        let pid = fs::read_to_string(self.folder.join("pid")).unwrap();
        run(Command::new("kill").args(["-s", signal, pid.trim()]));
        let mut child = self.child.take().unwrap();
        tokio::task::spawn_blocking(move || child.wait().unwrap())
            .await
            .unwrap();
    }

    /// `rabbitmqctl`.
    pub(crate) async fn ctl(&self, words: &[&str]) {
        let mut tool = self.tool("rabbitmqctl");
        tool.args(words);
        tokio::task::spawn_blocking(move || run(&mut tool))
            .await
            .unwrap();
    }

    fn tool(&self, name: &str) -> Command {
        // Debian's commands on PATH change to another user; these do not.
        let plain = Path::new("/usr/lib/rabbitmq/bin").join(name);
        let mut tool = Command::new(if plain.exists() { plain } else { name.into() });
        let quiet = "+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none -kernel inet_dist_use_interface {127,0,0,1}";
        let folder = |part: &str| self.folder.join(part);
        tool.env("HOME", folder("home"))
            .env("RABBITMQ_NODENAME", format!("test{}@localhost", self.port))
            .env("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1")
            .env("RABBITMQ_NODE_PORT", self.port.to_string())
            .env("RABBITMQ_DIST_PORT", (self.port + 1).to_string())
            .env("ERL_EPMD_PORT", (self.port + 2).to_string())
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            .env("RABBITMQ_MNESIA_BASE", folder("mnesia"))
            .env("RABBITMQ_LOG_BASE", folder("log"))
            .env("RABBITMQ_PID_FILE", folder("pid"))
            .env("RABBITMQ_CONFIG_FILE", folder("rabbitmq"))
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", folder("plugins"))
            .env("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", quiet);
        tool
    }
}

impl Drop for Private {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            if let Ok(pid) = fs::read_to_string(self.folder.join("pid")) {
                run(Command::new("kill").args(["-s", "KILL", pid.trim()]));
            }
            child.wait().unwrap();
        }
        // Erlang's name server stays behind its broker.
        let epmd = (self.port + 2).to_string();
        run(Command::new("epmd").args(["-port", &epmd, "-kill"]));
        if !std::thread::panicking() {
            fs::remove_dir_all(&self.folder).unwrap();
        }
    }
}

fn run(tool: &mut Command) {
    let output = tool.output().unwrap();
    assert!(
        output.status.success() || std::thread::panicking(),
        "{tool:?}: {output:?}"
    );
}

/// The first of four in a row, below those that the system gives to clients: a client that knocks at a closed port of
/// its own range may meet itself.
fn free_ports() -> u16 {
    loop {
        let port = 22_000
            + u16::from_be_bytes([Uuid::new_v4().as_bytes()[0], Uuid::new_v4().as_bytes()[1]])
                % 10_000;
        let free = |port| TcpListener::bind(("127.0.0.1", port)).is_ok();
        if (port..port + 4).all(free) {
            return port;
        }
    }
}
