//! The settings of the whole binary: only composition. Each service declares its own beside its code.

use std::net::SocketAddr;
use std::path::PathBuf;

use service::config::Catalogue;
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
    }
}

/// Every setting there is.
pub(crate) fn catalogue() -> Catalogue {
    Catalogue::new().with::<TopConfig>().with::<ProcessConfig>()
}

/// docs/metrics.md: the metrics of every part.
pub(crate) fn metrics_reference() -> String {
    service::metrics::reference(&[("Every process", service::metrics::PROCESS)])
}

#[cfg(test)]
mod tests {
    #[test]
    fn no_two_settings_clash_and_every_default_is_valid() {
        assert_eq!(super::catalogue().flaws(), Vec::<String>::new());
    }
}
