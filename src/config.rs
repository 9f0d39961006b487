//! The settings of the whole binary: only composition. Each service declares its own beside its code.

use std::net::SocketAddr;
use std::path::PathBuf;

use service::config::Catalogue;
use service::http::Network;
use service::process::ProcessConfig;

service::settings! {
    /// Where chatify is reached and where it keeps what it knows.
    pub struct TopConfig in "" {
        /// Where clients connect: the web client, the API and the sockets.
        listen: SocketAddr = "127.0.0.1:8080",
        /// The folder of the embedded database and keys; made when missing.
        data: PathBuf = "./data",
        /// The store by its URL; unset means SQLite in the data folder.
        store: Option<String> = "",
        /// Rate limits. `off` is for load tests on a machine of your own, and is said loudly.
        limits: bool = "on",
        /// Whether clients reach this by HTTPS, which ends at a proxy in front: cookies become secure, HSTS is sent.
        https: bool = "off",
        /// Web origins other than our own that may call, exactly as browsers send them: `https://chat.example`.
        origins: Vec<String> = "",
        /// Proxies whose `X-Forwarded-For` is believed, as addresses or ranges: `10.0.0.0/8`.
        trusted_proxies: Vec<Network> = "",
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
            origins: self.origins.clone(),
        }
    }
}

/// Every setting there is.
pub(crate) fn catalogue() -> Catalogue {
    Catalogue::new()
        .with::<TopConfig>()
        .with::<ProcessConfig>()
        .with::<node::NodeConfig>()
        .with::<auth::AuthConfig>()
        .with::<mailer::MailConfig>()
}

/// docs/metrics.md: the metrics of every part.
pub(crate) fn metrics_reference() -> String {
    service::metrics::reference(&[
        ("Every process", service::metrics::PROCESS),
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
