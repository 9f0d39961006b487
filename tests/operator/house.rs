//! The real binary on a folder and ports of its own.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// How long a start may take on a machine that is busy.
const START_MAX: Duration = Duration::from_secs(60);

/// What it says, in its folder.
const LOG: &str = "log";

/// Between two looks.
pub(crate) const LOOK: Duration = Duration::from_millis(20);

/// An all-in-one that ends with us.
pub(crate) struct House {
    folder: tempfile::TempDir,
    pub(crate) public: SocketAddr,
    pub(crate) admin: SocketAddr,
    settings: Vec<String>,
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
        let mut all = vec![
            format!("--data={}", folder.path().join("data").display()),
            format!("--listen={public}"),
            format!("--admin-listen={admin}"),
        ];
        all.extend(settings.iter().map(|setting| (*setting).to_owned()));
        let mut house = House {
            public,
            admin,
            child: spawn(&all, folder.path()),
            settings: all,
            folder,
        };
        house.is_up().then_some(house)
    }

    /// Whether it becomes ready.
    fn is_up(&mut self) -> bool {
        let started = Instant::now();
        while started.elapsed() < START_MAX {
            if is_ready(self.admin) {
                return true;
            }
            if self.child.try_wait().expect("a child").is_some() {
                return false;
            }
            std::thread::sleep(LOOK);
        }
        false
    }

    /// kill -9, and a start on the same folder and ports.
    pub(crate) fn kill_and_restart(&mut self) {
        self.child.kill().expect("a process");
        self.child.wait().expect("its end");
        self.child = spawn(&self.settings, self.folder.path());
        assert!(self.is_up(), "the server does not start again");
    }

    /// Everything that it said so far.
    pub(crate) fn log(&self) -> String {
        let log = std::fs::read(self.folder.path().join(LOG)).expect("a log");
        String::from_utf8_lossy(&log).into_owned()
    }

    /// Ends it as a signal would, and waits for its last words.
    pub(crate) fn stop(&mut self) {
        let id = self.child.id().to_string();
        let told = Command::new("kill").args(["-TERM", &id]).status();
        assert!(told.is_ok_and(|told| told.success()));
        assert!(self.child.wait().expect("its end").success());
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

fn spawn(settings: &[String], folder: &Path) -> Child {
    let mut options = std::fs::OpenOptions::new();
    let log = options.create(true).append(true).open(folder.join(LOG));
    let log = log.expect("a log");
    let mut command = chatify();
    command.args(settings);
    command.stdout(Stdio::from(log.try_clone().expect("the same")));
    command.stderr(Stdio::from(log));
    command.spawn().expect("the binary")
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
