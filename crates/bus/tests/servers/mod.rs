//! Redis servers for tests: the shared ones that `make test` starts, and private ones that a test may kill and freeze.

#![allow(
    clippy::unwrap_used,
    dead_code,
    reason = "a test says what must be there; each uses some of this"
)]

pub(crate) mod guarded;

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use bus::{Cluster, ClusterKey, Patience};
use redis::Value;
use uuid::Uuid;

/// How long something may take that has to happen: only for a test that would otherwise never end.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// The URL of a shared server.
pub(crate) fn shared(variable: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| {
        panic!("{variable} is not set: run `make test`, or `eval \"$(ops/dev/servers.sh start)\"`")
    })
}

/// The rights that a user of Redis needs, as the operator's guide tells them.
fn rights() -> impl Iterator<Item = &'static str> {
    let guide = include_str!("../../../../docs/operations.md");
    let line = guide
        .lines()
        .find_map(|line| line.strip_prefix("ACL SETUSER chatify on >PASSWORD "));
    line.unwrap().split(' ')
}

/// The URL of a shared server for a user who has these rights and no other.
pub(crate) async fn limited(variable: &str) -> String {
    let url = shared(variable);
    let (scheme, servers) = url.split_once("://").unwrap();
    let (name, password) = (format!("user-{}", Uuid::new_v4().simple()), "a-password");
    let first = servers.split(',').next().unwrap();
    let nodes = ask_at(first, &["CLUSTER", "NODES"]).await;
    // `ID ADDRESS:PORT@CLUSTER-PORT[,…] …` a line; a server by itself refuses the question.
    let nodes: Vec<String> = match nodes {
        Ok(answer) => {
            let table: String = redis::from_redis_value(answer).unwrap();
            let addresses = table.lines().filter_map(|line| line.split(' ').nth(1));
            let addresses = addresses.filter_map(|address| address.split('@').next());
            addresses.map(str::to_owned).collect()
        }
        Err(_) => servers.split(',').map(str::to_owned).collect(),
    };
    for node in nodes {
        let password = format!(">{password}");
        let mut words = vec!["ACL", "SETUSER", &name, "on", &password];
        for right in rights() {
            words.push(right);
        }
        ask_at(&node, &words).await.unwrap();
    }
    format!("{scheme}://{name}:{password}@{servers}")
}

async fn ask_at(address: &str, words: &[&str]) -> Result<Value, redis::RedisError> {
    let client = redis::Client::open(format!("redis://{address}"))?;
    let mut connection = client.get_multiplexed_async_connection().await?;
    let mut command = redis::cmd(words[0]);
    command.arg(&words[1..]);
    command.query_async(&mut connection).await
}

/// A key of a cluster that nobody else is in: it keeps tests on one server apart.
pub(crate) fn key() -> ClusterKey {
    ClusterKey::new(&Uuid::new_v4().to_string()).unwrap()
}

/// So many processes of one new cluster. They wait for Redis as long as it takes, so that a slow machine fails no test.
pub(crate) fn processes(url: &str, count: usize) -> Vec<Cluster> {
    let (key, patience) = (key(), Patience { limits: PATIENCE });
    (0..count)
        .map(|_| bus::open_with(url, &key, patience).unwrap())
        .collect()
}

/// Waits until each process knows the servers: what it publishes earlier is dropped, as its promise allows.
pub(crate) async fn ready(processes: &[Cluster]) {
    let user = protocol::ids::UserId(Uuid::nil());
    for process in processes {
        until("a process finds the servers", async || {
            process.roster.standings(vec![user]).await.is_ok()
        })
        .await;
    }
}

/// Waits until something is so.
pub(crate) async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let waited = tokio::time::timeout(PATIENCE, waiting).await;
    assert!(waited.is_ok(), "never happened: {what}");
}

/// A server of this test alone. It ends with its value.
pub(crate) struct Server {
    pub(crate) port: u16,
    cluster: bool,
    folder: PathBuf,
    process: Child,
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::start_as(false).await
    }

    async fn start_as(cluster: bool) -> Self {
        loop {
            let port = free_port(cluster);
            let folder = std::env::temp_dir().join(format!("bus-test-{}", Uuid::new_v4().simple()));
            std::fs::create_dir(&folder).unwrap();
            let process = launch(port, cluster, &folder);
            let mut server = Self {
                port,
                cluster,
                folder,
                process,
            };
            // Another test may have taken the port in between.
            if server.ready().await {
                return server;
            }
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://{}", self.address())
    }

    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Ends it as a crash would.
    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Starts it again, on its port and in its folder.
    pub(crate) async fn start_again(&mut self) {
        self.process = launch(self.port, self.cluster, &self.folder);
        assert!(self.ready().await, "port {} was taken", self.port);
    }

    /// Stops it where it is; its connections stay.
    pub(crate) fn freeze(&self) {
        self.signal("-STOP");
    }

    pub(crate) fn thaw(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let pid = self.process.id().to_string();
        let sent = Command::new("kill").args([signal, &pid]).status().unwrap();
        assert!(sent.success());
    }

    async fn ready(&mut self) -> bool {
        loop {
            if self.try_ask(&["PING"]).await.is_ok() {
                return self.process.try_wait().unwrap().is_none();
            }
            if self.process.try_wait().unwrap().is_some() {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// What it answers to a command.
    pub(crate) async fn ask(&self, words: &[&str]) -> Value {
        self.try_ask(words)
            .await
            .unwrap_or_else(|error| panic!("{words:?}: {error}"))
    }

    pub(crate) async fn try_ask(&self, words: &[&str]) -> Result<Value, redis::RedisError> {
        ask_at(&self.address(), words).await
    }

    /// The same, as text.
    pub(crate) async fn text(&self, words: &[&str]) -> String {
        redis::from_redis_value(self.ask(words).await).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // SIGKILL ends a frozen one too.
        if self.process.kill().is_ok() {
            drop(self.process.wait());
        }
        drop(std::fs::remove_dir_all(&self.folder));
    }
}

/// Below the ephemeral range, with its cluster port too.
pub(crate) fn free_port(cluster: bool) -> u16 {
    loop {
        let chance = u16::try_from(Uuid::new_v4().as_u128() % 10_000).unwrap();
        let port = 12_000 + chance;
        let free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
        if free(port) && (!cluster || free(port + 10_000)) {
            return port;
        }
    }
}

fn launch(port: u16, cluster: bool, folder: &PathBuf) -> Child {
    let mut command = Command::new("redis-server");
    command
        .args([
            "--port",
            &port.to_string(),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "no",
        ])
        .current_dir(folder)
        .stdout(Stdio::null());
    if cluster {
        // A replica that has not finished its first sync would never be promoted with a validity factor.
        command.args([
            "--cluster-enabled",
            "yes",
            "--cluster-node-timeout",
            "1500",
            "--cluster-replica-validity-factor",
            "0",
            "--repl-diskless-sync-delay",
            "0",
        ]);
    }
    command.spawn().expect("redis-server is on the PATH")
}

/// A Redis Cluster of this test alone: three masters and a replica of each.
pub(crate) struct RedisCluster {
    pub(crate) nodes: Vec<Server>,
}

impl RedisCluster {
    pub(crate) async fn start() -> Self {
        let mut nodes = Vec::new();
        for _ in 0..6 {
            nodes.push(Server::start_as(true).await);
        }
        let cluster = Self { nodes };
        let last = ["5460", "10922", "16383"];
        for (i, first) in ["0", "5461", "10923"].iter().enumerate() {
            let node = &cluster.nodes[i];
            node.ask(&["CLUSTER", "ADDSLOTSRANGE", first, last[i]])
                .await;
        }
        for (i, node) in cluster.nodes.iter().enumerate() {
            node.ask(&["CLUSTER", "SET-CONFIG-EPOCH", &(i + 1).to_string()])
                .await;
            let port = node.port.to_string();
            cluster.nodes[0]
                .ask(&["CLUSTER", "MEET", "127.0.0.1", &port])
                .await;
        }
        for node in &cluster.nodes {
            until("nodes meet", async || {
                node.text(&["CLUSTER", "INFO"])
                    .await
                    .contains("cluster_known_nodes:6")
            })
            .await;
        }
        for i in 0..3 {
            let master = cluster.nodes[i].text(&["CLUSTER", "MYID"]).await;
            let replica = &cluster.nodes[i + 3];
            until("a replica knows its master", async || {
                replica
                    .try_ask(&["CLUSTER", "REPLICATE", &master])
                    .await
                    .is_ok()
            })
            .await;
        }
        cluster.settled().await;
        cluster
    }

    pub(crate) fn url(&self) -> String {
        let nodes: Vec<String> = self.nodes.iter().take(3).map(Server::address).collect();
        format!("redis+cluster://{}", nodes.join(","))
    }

    /// Waits until every node sees the cluster whole and every replica can take over.
    pub(crate) async fn settled(&self) {
        for node in &self.nodes {
            until("the cluster is whole", async || {
                let info = node.text(&["CLUSTER", "INFO"]).await;
                let replication = node.text(&["INFO", "replication"]).await;
                info.contains("cluster_state:ok")
                    && (replication.contains("role:master")
                        || replication.contains("master_link_status:up"))
            })
            .await;
        }
        until("every node knows three replicas", async || {
            for node in &self.nodes {
                let nodes = node.text(&["CLUSTER", "NODES"]).await;
                if nodes.lines().filter(|line| line.contains("slave")).count() != 3 {
                    return false;
                }
            }
            true
        })
        .await;
    }

    /// The numbers of a master and of its replica, as it is now.
    pub(crate) async fn pair(&self) -> (usize, usize) {
        for (i, node) in self.nodes.iter().enumerate() {
            let replication = node.text(&["INFO", "replication"]).await;
            let master = replication
                .lines()
                .find_map(|line| line.trim().strip_prefix("master_port:"));
            if let Some(port) = master {
                let port: u16 = port.parse().unwrap();
                let master = self.nodes.iter().position(|node| node.port == port);
                return (master.unwrap(), i);
            }
        }
        panic!("no replica");
    }
}
