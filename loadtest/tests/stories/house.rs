//! A real chatify in one process, with people from `chatify seed`.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// How long a start may take on a machine that is busy.
const START_MAX: Duration = Duration::from_secs(60);

/// An all-in-one that ends with us.
pub(crate) struct House {
    _folder: tempfile::TempDir,
    pub(crate) public: SocketAddr,
    pub(crate) people: String,
    child: Child,
}

/// The program stands beside ours; a run of this package's tests alone has not built it.
fn chatify() -> Command {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    let binary = BINARY.get_or_init(|| {
        let binary =
            PathBuf::from(env!("CARGO_BIN_EXE_chatify-loadtest")).with_file_name("chatify");
        if !binary.exists() {
            let built = Command::new(env!("CARGO"))
                .args(["build", "--locked", "-p", "chatify"])
                .status();
            assert!(
                built.is_ok_and(|status| status.success()),
                "chatify does not build"
            );
        }
        binary
    });
    let mut command = Command::new(binary);
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
    /// Starts it with twenty people in two rooms of ten, and waits until it is ready.
    pub(crate) fn start() -> House {
        // Ports are drawn, not reserved: another test may have been faster.
        (0..3)
            .find_map(|_| House::try_start())
            .expect("the server does not start")
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    fn try_start() -> Option<House> {
        let folder = tempfile::tempdir().expect("a folder");
        let (public, admin) = (free_address(), free_address());
        let data = format!("--data={}", folder.path().join("data").display());
        let people = folder.path().join("people.jsonl").display().to_string();
        let shape = [
            "--users",
            "20",
            "--rooms",
            "2",
            "--members",
            "10",
            "--out",
            &people,
        ];
        let seeded = chatify()
            .arg("seed")
            .arg(&data)
            .args(shape)
            .output()
            .expect("chatify runs");
        assert!(
            seeded.status.success(),
            "{}",
            String::from_utf8_lossy(&seeded.stderr)
        );
        let child = chatify()
            .args([
                &data,
                &format!("--listen={public}"),
                &format!("--admin-listen={admin}"),
                "--limits=off",
            ])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("chatify starts");
        let mut house = House {
            _folder: folder,
            public,
            people,
            child,
        };
        let since = Instant::now();
        while since.elapsed() < START_MAX {
            if house.child.try_wait().expect("its state").is_some() {
                return None;
            }
            if is_ready(admin) {
                return Some(house);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        None
    }
}

impl Drop for House {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn is_ready(admin: SocketAddr) -> bool {
    let ask = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect(admin)?;
        stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    ask().is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"))
}
