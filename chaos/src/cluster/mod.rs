//! A whole cluster of real processes, started by `ops/dev/cluster.sh` in a folder and on ports of its own, with a proxy in
//! front of every part. Parts are killed, frozen, drained and started again; what is between them is the proxies' weather.
//! Only processes that the script started for this cluster are ever signalled.

mod redis;

use std::collections::BTreeMap;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::{Instant, sleep};

use crate::proxy::{Origins, Proxy};

pub use redis::{MovedSlots, RedisNode};

/// Why the harness cannot go on; one line for people. Never a verdict on the guarantee.
#[derive(Clone, Debug)]
pub struct Failure(pub String);

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

/// The nodes, as the script names them.
pub const NODES: [&str; 3] = ["node-a", "node-b", "node-c"];
/// The processes of ours.
pub const SERVICES: [&str; 5] = ["node-a", "node-b", "node-c", "auth", "mailer"];
/// The servers of the Redis Cluster.
pub const REDIS: [&str; 6] = [
    "redis-1", "redis-2", "redis-3", "redis-4", "redis-5", "redis-6",
];
/// How long a process may take to end after SIGTERM before that is an error.
const END_PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks at a process.
const LOOK: Duration = Duration::from_millis(20);

/// Which cluster.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The top of the repository.
    pub root: PathBuf,
    /// Its name: the folder is `target/NAME`.
    pub name: String,
    /// The program; none builds it.
    pub binary: Option<PathBuf>,
}

/// A cluster that runs. [`Cluster::down`] ends it; one that was left behind is ended by the next start.
#[derive(Debug)]
pub struct Cluster {
    plan: Plan,
    ports: BTreeMap<String, Ports>,
    proxies: BTreeMap<String, Proxy>,
    origins: Origins,
}

#[derive(Clone, Copy, Debug)]
struct Ports {
    port: u16,
    admin: u16,
}

impl Cluster {
    /// Ends what an earlier run has left, and starts everything anew. Takes some ten seconds, more when it must build.
    pub async fn start(plan: Plan) -> Result<Self, Failure> {
        let mut cluster = Self {
            ports: BTreeMap::new(),
            proxies: BTreeMap::new(),
            origins: Origins::default(),
            plan,
        };
        cluster.script(&["down"]).await?;
        let folder = cluster.folder();
        if folder.exists() {
            std::fs::remove_dir_all(&folder)?;
        }
        cluster.ports = ports(&cluster.script(&["ports"]).await?);
        let mut doors = String::new();
        for (part, ports) in &cluster.ports {
            if ports.port == 0 {
                continue;
            }
            let upstream = SocketAddr::from((Ipv4Addr::LOCALHOST, ports.port));
            let proxy = Proxy::start(upstream, Some(cluster.origins.clone()))?;
            doors += &format!("{part} {}\n", proxy.address().port());
            cluster.proxies.insert(part.clone(), proxy);
        }
        std::fs::write(folder.join("doors"), doors)?;
        if let Err(failed) = cluster.script(&["start"]).await {
            cluster.script(&["down"]).await?;
            return Err(failed);
        }
        for service in SERVICES {
            cluster.origins.enter(service, cluster.pid(service)?);
        }
        Ok(cluster)
    }

    /// Ends all of it; logs and data stay until the next start.
    pub async fn down(self) -> Result<(), Failure> {
        // What stands still cannot end.
        for proxy in self.proxies.values() {
            proxy.heal();
        }
        self.script(&["down"]).await.map(|_| ())
    }

    /// Where logs, data and histories lie.
    pub fn folder(&self) -> PathBuf {
        self.plan.root.join("target").join(&self.plan.name)
    }

    /// Where clients come in: the proxy in front of the balancer.
    pub fn url(&self) -> String {
        format!("http://{}", self.proxy("haproxy").address())
    }

    /// Where the mails that were sent can be read, as JSON under `/messages`.
    pub fn mails(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports["smtp"].admin)
    }

    /// A service's admin listener.
    pub fn admin(&self, service: &str) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.ports[service].admin).into()
    }

    /// The settings file of a service.
    pub fn settings(&self, service: &str) -> PathBuf {
        self.folder().join(service).join("chatify.toml")
    }

    /// The program that the services run.
    pub fn binary(&self) -> PathBuf {
        self.folder().join("bin/chatify")
    }

    /// The proxy in front of a part. A name that is none is a mistake of the caller.
    pub fn proxy(&self, part: &str) -> &Proxy {
        self.proxies
            .get(part)
            .unwrap_or_else(|| panic!("there is no proxy in front of {part}"))
    }

    /// SIGKILL, and it is gone when this returns.
    pub async fn kill(&self, part: &str) -> Result<(), Failure> {
        self.signal(part, "KILL").await?;
        self.ended(part).await
    }

    /// SIGSTOP: it keeps its sockets and says nothing.
    pub async fn freeze(&self, part: &str) -> Result<(), Failure> {
        self.signal(part, "STOP").await
    }

    /// SIGCONT.
    pub async fn thaw(&self, part: &str) -> Result<(), Failure> {
        self.signal(part, "CONT").await
    }

    /// SIGTERM, and it has ended by itself when this returns. Gives how long that took.
    pub async fn terminate(&self, part: &str) -> Result<Duration, Failure> {
        let began = Instant::now();
        self.signal(part, "TERM").await?;
        self.ended(part).await?;
        Ok(began.elapsed())
    }

    /// Starts parts that have ended, at the same time and with the data they had; usable when this returns.
    pub async fn start_again(&self, parts: &[&str]) -> Result<(), Failure> {
        let words: Vec<&str> = std::iter::once("revive")
            .chain(parts.iter().copied())
            .collect();
        self.script(&words).await?;
        for part in parts.iter().filter(|part| SERVICES.contains(part)) {
            self.origins.enter(part, self.pid(part)?);
        }
        Ok(())
    }

    /// Whether a part's process lives.
    pub fn lives(&self, part: &str) -> bool {
        self.pid(part).is_ok_and(is_alive)
    }

    fn pid(&self, part: &str) -> Result<u32, Failure> {
        let file = self.folder().join(part).join("pid");
        let text = std::fs::read_to_string(&file)
            .map_err(|error| Failure(format!("{}: {error}", file.display())))?;
        let pid = text
            .split_whitespace()
            .next()
            .and_then(|pid| pid.parse().ok());
        pid.ok_or_else(|| Failure(format!("{}: no pid", file.display())))
    }

    async fn signal(&self, part: &str, signal: &str) -> Result<(), Failure> {
        let pid = self.pid(part)?;
        if !is_alive(pid) {
            return Err(Failure(format!("{part} has ended by itself; see its log")));
        }
        run(Command::new("kill").args(["-s", signal, &pid.to_string()])).await?;
        Ok(())
    }

    async fn ended(&self, part: &str) -> Result<(), Failure> {
        let pid = self.pid(part)?;
        let until = Instant::now() + END_PATIENCE;
        while is_alive(pid) {
            if Instant::now() > until {
                return Err(Failure(format!(
                    "{part} did not end within {END_PATIENCE:?}"
                )));
            }
            sleep(LOOK).await;
        }
        Ok(())
    }

    async fn script(&self, arguments: &[&str]) -> Result<String, Failure> {
        let mut command = Command::new(self.plan.root.join("ops/dev/cluster.sh"));
        command
            .args(arguments)
            .env("CLUSTER", &self.plan.name)
            .env("LIMITS", "off");
        if let Some(binary) = &self.plan.binary {
            command.env("CLUSTER_BINARY", absolute(binary)?);
        }
        run(&mut command).await
    }
}

fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    Ok(std::path::absolute(path)?)
}

/// Runs a command to its end and gives what it said; a failure tells its last words.
async fn run(command: &mut Command) -> Result<String, Failure> {
    let output = command.stdin(Stdio::null()).output().await?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(said);
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    let name = command
        .as_std()
        .get_program()
        .to_string_lossy()
        .into_owned();
    let words: Vec<&str> = said.lines().chain(errors.lines()).collect();
    let last = words[words.len().saturating_sub(30)..].join("\n");
    Err(Failure(format!(
        "{name} failed ({}):\n{last}",
        output.status
    )))
}

/// Lines `PART PORT ADMIN`; 0 for none.
fn ports(table: &str) -> BTreeMap<String, Ports> {
    let row = |line: &str| {
        let mut words = line.split_whitespace();
        let part = words.next()?.to_owned();
        let port = words.next()?.parse().ok()?;
        let admin = words.next()?.parse().ok()?;
        Some((part, Ports { port, admin }))
    };
    table.lines().filter_map(row).collect()
}

/// A process that is no zombie: parts are started by a script and have no parent that waits for them at once.
fn is_alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat
        .rsplit_once(") ")
        .and_then(|(_, rest)| rest.chars().next());
    state.is_some_and(|state| !matches!(state, 'Z' | 'X'))
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_table_of_ports_is_read_and_a_stray_line_is_not() {
        let table = super::ports("node-a 21000 21010\nmailer 0 21011\n==> a word\n");
        assert_eq!(table.len(), 2);
        assert_eq!(table["node-a"].port, 21_000);
        assert_eq!(table["mailer"].admin, 21_011);
    }

    #[test]
    fn we_are_alive_and_no_process_has_the_highest_number() {
        assert!(super::is_alive(std::process::id()));
        assert!(!super::is_alive(u32::MAX));
    }
}
