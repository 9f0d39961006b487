//! What every process needs and nothing more: settings, logs, metrics, the admin listener, an orderly end, the clock.
//!
//! It knows nothing of chat and depends on no other crate of this repository. The life of a process in its words:
//! [`config::Catalogue`] reads the settings → [`telemetry::start_logs`] and [`metrics::install`] → the services are
//! built and spawned through [`drain::Drain`] → [`admin::serve`] → a signal → [`drain::Drain::stop`] with a deadline.

pub mod admin;
pub mod clock;
pub mod config;
pub mod drain;
pub mod http;
pub mod metrics;
pub mod process;
pub mod public;
pub mod readiness;
pub mod secret;
pub mod telemetry;
