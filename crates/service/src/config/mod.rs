//! Settings: flags over `CHATIFY_*` variables over one TOML file over defaults. A setting is declared once, with
//! [`settings!`](crate::settings): its field, default, bounds and documentation; flag, variable, key and reference are
//! derived. What nobody declared is refused by name, with the nearest name that exists; secrets never show.
//!
//! ```
//! service::settings! {
//!     /// What a node needs to know.
//!     pub struct NodeConfig in "node" {
//!         /// Bytes that may wait for one slow connection before it is closed.
//!         outbox_bytes: service::config::Size = "256KiB" in "4KiB"..="64MiB",
//!         /// Where the bus is; unset means in this process.
//!         bus: Option<String> = "",
//!     }
//! }
//! let catalogue = service::config::Catalogue::new().with::<NodeConfig>();
//! let arguments = ["--node-outbox-bytes", "64KiB", "seed"].map(String::from);
//! let (flags, rest) = catalogue.take_flags(arguments).unwrap();
//! let settings = catalogue.load(flags, [("CHATIFY_NODE_BUS".into(), "local:".into())]).unwrap();
//! let node: NodeConfig = settings.read().unwrap();
//! assert_eq!((node.outbox_bytes.bytes(), node.bus.as_deref()), (65_536, Some("local:")));
//! assert_eq!(rest, ["seed"]);
//! ```

mod catalogue;
mod declare;
mod error;
mod file;
mod load;
mod nearest;
mod reference;
mod value;

pub use catalogue::{Catalogue, Flags, Section, Setting};
#[doc(hidden)]
pub use declare::declared;
pub use error::ConfigError;
pub use load::{Settings, Source};
pub use value::{Percent, Size, Url, Value};
