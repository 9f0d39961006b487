//! The settings that the doctor looks at, read by their keys. Those that this process does not have are empty.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use service::config::{ConfigError, Settings};
use service::secret::Secret;
use url::Url;

/// Settings in force.
pub(crate) struct View {
    pub(crate) listen: SocketAddr,
    pub(crate) admin_listen: SocketAddr,
    pub(crate) data: PathBuf,
    pub(crate) limits: bool,
    pub(crate) https: bool,
    pub(crate) origins: Vec<String>,
    /// As they were written: `10.0.0.0/8`.
    pub(crate) trusted_proxies: Vec<String>,
    pub(crate) store: String,
    pub(crate) bus: String,
    pub(crate) mail_queue: String,
    pub(crate) advertise: String,
    pub(crate) auth_url: String,
    pub(crate) smtp: Secret,
    pub(crate) cluster_key: Secret,
    pub(crate) key_secret: Secret,
    pub(crate) otp_pepper: Secret,
}

impl View {
    /// # Errors
    /// When a setting that every process has is missing.
    pub(crate) fn of(settings: &Settings) -> Result<View, ConfigError> {
        // Only processes of a cluster have all of them.
        let text = |key| settings.value::<String>(key).unwrap_or_default();
        let secret = |key| settings.value::<Secret>(key).unwrap_or_default();
        Ok(View {
            listen: settings.value("listen")?,
            admin_listen: settings.value("admin-listen")?,
            data: settings.value("data")?,
            limits: settings.value("limits")?,
            https: settings.value("https")?,
            origins: list(&text("origins")),
            trusted_proxies: list(&text("trusted-proxies")),
            store: text("store"),
            bus: text("bus"),
            mail_queue: text("mail-queue"),
            advertise: text("advertise"),
            auth_url: text("auth-url"),
            smtp: secret("mail.smtp"),
            cluster_key: secret("cluster-key"),
            key_secret: secret("auth.key-secret"),
            otp_pepper: secret("auth.otp-pepper"),
        })
    }

    /// Whether others than this machine can reach the public listener.
    pub(crate) fn is_public(&self) -> bool {
        !self.listen.ip().is_loopback()
    }

    /// Whether the store is the embedded one.
    pub(crate) fn is_embedded(&self) -> bool {
        self.store.is_empty() || self.store.starts_with("sqlite:")
    }
}

fn list(text: &str) -> Vec<String> {
    let parts = text.split(',').map(str::trim);
    parts
        .filter(|part| !part.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Where an address of the net leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// This machine alone.
    Machine,
    /// A private network, or every address of this machine, or a name: who gets there is decided elsewhere.
    Network,
    /// The internet.
    Internet,
}

impl Reach {
    pub(crate) fn of(ip: IpAddr) -> Reach {
        let private = match ip {
            IpAddr::V4(ip) => ip.is_private() || ip.is_link_local(),
            IpAddr::V6(ip) => ip.is_unique_local() || ip.is_unicast_link_local(),
        };
        if ip.is_loopback() {
            Reach::Machine
        } else if private || ip.is_unspecified() {
            Reach::Network
        } else {
            Reach::Internet
        }
    }

    /// A URL's host; names are not resolved.
    pub(crate) fn of_url(url: &Url) -> Reach {
        let host = url.host_str().unwrap_or_default();
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        match bare.parse() {
            Ok(ip) => Reach::of(ip),
            Err(_) if bare == "localhost" => Reach::Machine,
            Err(_) => Reach::Network,
        }
    }
}

/// For tests: the defaults, and what they change.
#[cfg(test)]
pub(crate) fn sample() -> View {
    let defaults = crate::config::catalogue().load(service::config::Flags::default(), []);
    let Ok(settings) = defaults else {
        panic!("the defaults load")
    };
    let Ok(view) = View::of(&settings) else {
        panic!("every process has these")
    };
    view
}
