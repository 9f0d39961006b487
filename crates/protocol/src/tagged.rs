//! Reading enums that name their variant in `kind`, where one of them holds a client's own object.
//!
//! Serde reads such enums by way of a buffer of its own, and what went through it is no longer the text that it was: a
//! [`crate::message::Meta`], which is kept as it was sent, cannot be read from there. So the variants that hold one are
//! read from the text itself.

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// The text of one value, and its `kind`.
pub(crate) struct Tagged {
    text: Box<RawValue>,
    /// What it says it is.
    pub(crate) kind: String,
}

impl Tagged {
    /// Fails when there is no `kind`.
    pub(crate) fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Kind {
            kind: String,
        }
        let text = Box::<RawValue>::deserialize(from)?;
        let Kind { kind } = serde_json::from_str(text.get()).map_err(D::Error::custom)?;
        Ok(Self { text, kind })
    }

    /// Its fields, `kind` among them.
    pub(crate) fn fields<T: DeserializeOwned, E: serde::de::Error>(&self) -> Result<T, E> {
        serde_json::from_str(self.text.get()).map_err(E::custom)
    }

    /// Its text, for whoever reads it in the ordinary way.
    pub(crate) fn text(&self) -> serde_json::Deserializer<serde_json::de::StrRead<'_>> {
        serde_json::Deserializer::from_str(self.text.get())
    }
}
