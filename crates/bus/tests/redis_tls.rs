//! Servers that speak TLS: what a certificate must be for a process to use them, alone and as a cluster.

#![allow(clippy::unwrap_used, reason = "a test says what must be there")]

#[path = "../../../tests/certificates/mod.rs"]
mod certificates;
mod servers;

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use bus::hints::BusEvent;
use protocol::envelope::{Envelope, Topic};
use protocol::ids::{RoomId, UserId};
use servers::{PATIENCE, free_port, processes, ready};
use uuid::Uuid;

/// A server with a certificate for `localhost` from an authority of its own.
struct Guarded {
    port: u16,
    folder: PathBuf,
    process: Child,
}

impl Guarded {
    async fn start(cluster: bool) -> Self {
        let folder = std::env::temp_dir().join(format!("bus-tls-{}", Uuid::new_v4().simple()));
        std::fs::create_dir(&folder).unwrap();
        certificates::make(&folder, "DNS:localhost");
        loop {
            let (port, plain) = (free_port(cluster), free_port(cluster));
            let mut command = Command::new("redis-server");
            command.current_dir(&folder).stdout(Stdio::null());
            command.args([
                "--bind",
                "127.0.0.1",
                "--save",
                "",
                "--tls-auth-clients",
                "no",
            ]);
            command.args([
                "--tls-port",
                &port.to_string(),
                "--port",
                &plain.to_string(),
            ]);
            command.args([
                "--tls-ca-cert-file",
                "ca.pem",
                "--tls-cert-file",
                "cert.pem",
            ]);
            command.args(["--tls-key-file", "key.pem"]);
            if cluster {
                // Clients are told a name that the certificate has.
                command.args(["--cluster-enabled", "yes", "--tls-cluster", "yes"]);
                command.args(["--cluster-announce-hostname", "localhost"]);
                command.args(["--cluster-preferred-endpoint-type", "hostname"]);
            }
            let mut process = command.spawn().unwrap();
            while std::net::TcpStream::connect(("127.0.0.1", port)).is_err()
                && process.try_wait().unwrap().is_none()
            {
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
            // Another test may have taken a port in between.
            if process.try_wait().unwrap().is_some() {
                continue;
            }
            if cluster {
                let client = redis::Client::open(format!("redis://127.0.0.1:{plain}")).unwrap();
                let mut connection = client.get_multiplexed_async_connection().await.unwrap();
                let mut slots = redis::cmd("CLUSTER");
                slots.arg(&["ADDSLOTSRANGE", "0", "16383"]);
                let () = slots.query_async(&mut connection).await.unwrap();
            }
            return Self {
                port,
                folder,
                process,
            };
        }
    }

    fn url(&self, scheme: &str, host: &str, query: &str) -> String {
        format!("{scheme}://{host}:{}{query}", self.port)
    }

    fn known(&self) -> String {
        format!("?ca-file={}", self.folder.join("ca.pem").display())
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        if self.process.kill().is_ok() {
            drop(self.process.wait());
        }
        drop(std::fs::remove_dir_all(&self.folder));
    }
}

/// Two processes at this URL: news goes from one to the other.
async fn talk(url: &str) {
    let both = processes(url, 2);
    ready(&both).await;
    let room = RoomId(Uuid::from_u128(1));
    let mut events = both[1].bus.events();
    both[1].bus.watch(Topic::Room(room));
    let heard = async {
        while events.recv().await != Some(BusEvent::Watched(Topic::Room(room))) {}
        let said = Envelope::Typing {
            room,
            user: UserId(Uuid::from_u128(2)),
            active: true,
        };
        both[0].bus.publish(said.clone());
        while events.recv().await != Some(BusEvent::Said(said.clone())) {}
    };
    tokio::time::timeout(PATIENCE, heard).await.expect("news");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_with_the_right_certificate_is_used_and_no_other() {
    let server = Guarded::start(false).await;
    let known = server.known();
    talk(&server.url("rediss", "localhost", &known)).await;
    for (what, host, query, advice) in [
        ("an unknown authority", "localhost", "", "?ca-file=PATH"),
        (
            "another name",
            "127.0.0.1",
            known.as_str(),
            "for another name",
        ),
    ] {
        let process = processes(&server.url("rediss", host, query), 1).remove(0);
        let nobody = vec![UserId(Uuid::nil())];
        let away = process.roster.standings(nobody).await.unwrap_err();
        let said = away.to_string();
        assert!(
            said.contains(advice) && !said.contains('\n'),
            "{what}: {said}"
        );
        println!("{what}: {said}");
        assert_eq!(process.counters.connections.get(), 0, "{what}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_that_names_its_servers_as_their_certificate_does_is_used() {
    let server = Guarded::start(true).await;
    talk(&server.url("rediss+cluster", "localhost", &server.known())).await;
}
