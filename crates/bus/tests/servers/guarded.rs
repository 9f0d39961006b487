//! A Redis server of one test's own that speaks TLS, with a certificate for `localhost`.

use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use uuid::Uuid;

#[path = "../../../../tests/certificates/mod.rs"]
mod certificates;

/// Gone when dropped.
pub(crate) struct Guarded {
    /// For TLS.
    port: u16,
    /// In clear, for whoever sets it up.
    pub(crate) plain: u16,
    folder: PathBuf,
    process: Child,
}

impl Guarded {
    /// Starts one on ports that `free` gives, with more settings, and waits until it listens.
    pub(crate) fn start(free: impl Fn() -> u16, more: &[&str]) -> Self {
        let folder = std::env::temp_dir().join(format!("redis-tls-{}", Uuid::new_v4().simple()));
        std::fs::create_dir(&folder).expect("a folder");
        certificates::make(&folder, "DNS:localhost");
        loop {
            let (port, plain) = (free(), free());
            let (secure, clear) = (port.to_string(), plain.to_string());
            let mut process = Command::new("redis-server")
                .current_dir(&folder)
                .stdout(Stdio::null())
                .args(["--bind", "127.0.0.1", "--save", ""])
                .args(["--tls-port", &secure, "--port", &clear])
                .args(["--tls-ca-cert-file", "ca.pem", "--tls-auth-clients", "no"])
                .args(["--tls-cert-file", "cert.pem", "--tls-key-file", "key.pem"])
                .args(more)
                .spawn()
                .expect("redis-server can be started");
            let ended = loop {
                if process.try_wait().expect("a child").is_some() {
                    break true;
                }
                if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                    break false;
                }
                std::thread::sleep(Duration::from_millis(10));
            };
            // Another test may have taken a port in between.
            if !ended {
                return Self {
                    port,
                    plain,
                    folder,
                    process,
                };
            }
        }
    }

    /// Its URL, with the server called so.
    pub(crate) fn url(&self, scheme: &str, host: &str, query: &str) -> String {
        format!("{scheme}://{host}:{}{query}", self.port)
    }

    /// What a URL ends with for the server's authority to be believed.
    pub(crate) fn known(&self) -> String {
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
