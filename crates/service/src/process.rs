//! The settings that every process has, whatever it serves.

use std::net::SocketAddr;
use std::time::Duration;

use crate::config::Value;
use crate::drain::Patience;

crate::settings! {
    /// Settings of every process.
    pub struct ProcessConfig in "" {
        /// Where `/healthz`, `/readyz` and `/metrics` are served. Never expose it to the internet.
        admin_listen: SocketAddr = "127.0.0.1:9090",
        /// What is logged: a level (`info`) or a filter by module (`info,node=debug`).
        log: String = "info",
        /// `pretty` for people, `json` for machines.
        log_format: LogFormat = "pretty",
        /// How long to accept new connections after SIGTERM while `/readyz` already says no, so that a balancer notices.
        drain_grace: Duration = "0s" in "0s"..="5m",
        /// How long to wait after that for what is under way, before the process ends anyway.
        drain_deadline: Duration = "20s" in "0s"..="10m",
    }
}

impl ProcessConfig {
    /// How long leaving may take.
    pub fn patience(&self) -> Patience {
        Patience {
            grace: self.drain_grace,
            deadline: self.drain_deadline,
        }
    }
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// One readable line an event.
    Pretty,
    /// One JSON object an event.
    Json,
}

impl Value for LogFormat {
    const KIND: &'static str = "pretty \\| json";
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "pretty" => Ok(Self::Pretty),
            "json" => Ok(Self::Json),
            _ => Err("neither `pretty` nor `json`".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Catalogue, Flags};

    #[test]
    fn a_process_needs_no_settings_to_start() {
        let settings = Catalogue::new()
            .with::<ProcessConfig>()
            .load(Flags::default(), []);
        let config: ProcessConfig = settings.expect("defaults").read().expect("process");
        assert_eq!(
            config.admin_listen,
            "127.0.0.1:9090".parse().expect("an address")
        );
        assert_eq!(config.log_format, LogFormat::Pretty);
        assert_eq!(config.patience().deadline, Duration::from_secs(20));
    }
}
