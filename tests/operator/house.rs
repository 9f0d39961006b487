//! The real binary on a folder and ports of its own.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// How long a start may take on a machine that is busy.
const START_MAX: Duration = Duration::from_secs(60);

/// An all-in-one that ends with us.
pub(crate) struct House {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) public: SocketAddr,
    child: Child,
}

/// The command without settings of whoever runs the tests.
pub(crate) fn chatify() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chatify"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("CHATIFY_")) {
        command.env_remove(name);
    }
    command
}

/// Nobody listens there now.
pub(crate) fn free_address() -> SocketAddr {
    let probe = TcpListener::bind("127.0.0.1:0").expect("a port");
    probe.local_addr().expect("its address")
}

impl House {
    /// Starts it and waits until it is ready.
    pub(crate) fn start(settings: &[&str]) -> House {
        // Ports are drawn, not reserved: another test may have been faster.
        for _ in 0..3 {
            if let Some(house) = House::try_start(settings) {
                return house;
            }
        }
        panic!("the server does not start");
    }

    fn try_start(settings: &[&str]) -> Option<House> {
        let folder = tempfile::tempdir().expect("a folder");
        let (public, admin) = (free_address(), free_address());
        let child = chatify()
            .arg("--data")
            .arg(folder.path().join("data"))
            .args(["--listen", &public.to_string()])
            .args(["--admin-listen", &admin.to_string()])
            .args(settings)
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary");
        let mut house = House {
            folder,
            public,
            child,
        };
        let started = Instant::now();
        while started.elapsed() < START_MAX {
            if is_ready(admin) {
                return Some(house);
            }
            if house.child.try_wait().expect("a child").is_some() {
                return None;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        None
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for House {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn is_ready(admin: SocketAddr) -> bool {
    let Ok(mut stream) = TcpStream::connect(admin) else {
        return false;
    };
    let asked = stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    let mut answer = String::new();
    asked.is_ok() && stream.read_to_string(&mut answer).is_ok() && answer.contains(" 200 ")
}

/// What a command told and how it ended.
pub(crate) fn told(output: &Output) -> (String, Option<i32>) {
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    (text, output.status.code())
}
