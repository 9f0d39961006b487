//! The settings of the whole binary: only composition. Each service declares its own beside its code.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use service::config::{Catalogue, Url};
use service::http::Network;
use service::process::ProcessConfig;
use service::secret::Secret;

use crate::serve::bus_metrics::BusMetrics;
use crate::serve::store_metrics::StoreMetrics;

service::settings! {
    /// Where chatify is reached and where it keeps what it knows.
    pub struct TopConfig in "" {
        /// Where clients connect: the web client, the API and the sockets.
        listen: SocketAddr = "127.0.0.1:8080",
        /// The folder of the embedded database and keys; made when missing.
        data: PathBuf = "./data",
        /// The store: `sqlite:PATH`, or `mongodb://…`, which services on their own need. Unset means SQLite in the data
        /// folder.
        store: Option<Url> = "",
        /// Rate limits. `off` is for load tests on a machine of your own, and is said loudly.
        limits: bool = "on",
        /// Whether clients reach this by HTTPS, which ends at a proxy in front: cookies become secure, HSTS is sent.
        https: bool = "off",
        /// What tokens of administrators are made with (`chatify admin token`): at least 32 characters, the same on every
        /// node. Unset means that there are no administrators, and no `/v1/admin`.
        admin_key: Option<Secret> = "",
        /// A collector that traces of messages are exported to, by OTLP/HTTP in JSON: `http://HOST:4318`. Unset exports none.
        otlp_url: Option<String> = "",
        /// Web origins other than our own that may call, exactly as browsers send them: `https://chat.example`.
        origins: Vec<String> = "",
        /// Proxies whose `X-Forwarded-For` is believed, as addresses or ranges: `10.0.0.0/8`.
        trusted_proxies: Vec<Network> = "",
    }
}

service::settings! {
    /// What `chatify node`, `chatify auth` and `chatify mailer` share; `chatify` alone needs none of it but
    /// `require-tls`.
    pub struct ClusterConfig in "" {
        /// What carries news between the processes: `redis://…` or `redis+cluster://…` (`rediss://…`, `rediss+cluster://…`
        /// by TLS, with `?ca-file=PATH` for an authority of your own). `local:` is within one process.
        bus: Url = "local:",
        /// What carries mails from auth to the mailer: `amqp://…`. `local:` is within one process.
        mail_queue: Url = "local:",
        /// What the processes of one cluster know each other by: at least 32 characters, the same on every one, known to
        /// nobody else. It signs what they tell each other and seals mails on their way.
        cluster_key: Option<Secret> = "",
        /// Where the other nodes reach this node's public listener: `http://HOST:PORT`, not through a balancer. Unset
        /// means `listen`, when that is one address.
        advertise: Option<String> = "",
        /// Where a node finds auth, whose keys it fetches from `/.well-known/jwks.json`: `http://HOST:PORT`.
        auth_url: Option<String> = "",
        /// Whether a line to a store, a bus, a queue or a mail server that leaves this machine must be TLS with the server's
        /// name checked. `on` refuses to start with any other.
        require_tls: bool = "off",
        /// How long a service waits at its start for a store, a bus or a queue that cannot be reached, before it ends.
        start_patience: Duration = "60s" in "0s"..="1h",
    }
}

impl TopConfig {
    /// How the public HTTP side is set up.
    pub(crate) fn public(&self, dev_mailbox: bool) -> node::ports::Settings {
        node::ports::Settings {
            limits: self.limits,
            https: self.https,
            dev_mailbox,
            trusted_proxies: self.trusted_proxies.clone(),
            otlp: self.otlp_url.clone(),
            origins: self.origins.clone(),
        }
    }
}

/// Every setting there is.
pub(crate) fn catalogue() -> Catalogue {
    Catalogue::new()
        .with::<TopConfig>()
        .with::<ClusterConfig>()
        .with::<ProcessConfig>()
        .with::<node::NodeConfig>()
        .with::<auth::AuthConfig>()
        .with::<mailer::MailConfig>()
}

/// docs/metrics.md: the metrics of every part.
pub(crate) fn metrics_reference() -> String {
    service::metrics::reference(&[
        ("Every process", service::metrics::PROCESS),
        ("Store", StoreMetrics::DOCUMENTED),
        ("Bus", BusMetrics::DOCUMENTED),
        ("Node", node::NodeMetrics::DOCUMENTED),
        ("Auth", auth::AuthMetrics::DOCUMENTED),
        ("Mailer", mailer::MailMetrics::DOCUMENTED),
    ])
}

#[cfg(test)]
mod tests {
    #[test]
    fn no_two_settings_clash_and_every_default_is_valid() {
        assert_eq!(super::catalogue().flaws(), Vec::<String>::new());
    }
}
