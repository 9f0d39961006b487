//! People and their signed-in devices.

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;

use crate::ids::{SessionId, UserId};
use crate::limits;
use crate::problem::{Code, Problem};
use crate::time::Timestamp;

/// A person as others see them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct User {
    /// Their id.
    pub id: UserId,
    /// The name they chose, 1 to 64 characters.
    pub display_name: String,
    /// Where a picture lies, if they gave one.
    pub avatar_url: Option<String>,
    /// When the account was made.
    pub created_at: Timestamp,
}

/// A person as they see themselves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Me {
    /// What others see.
    #[serde(flatten)]
    pub user: User,
    /// Where codes go.
    pub email: String,
}

/// A signed-in device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// What the device called itself, or what its browser said.
    pub device: Option<String>,
    /// When it signed in.
    pub created_at: Timestamp,
    /// When its tokens were last renewed.
    pub last_used_at: Timestamp,
    /// Whether it is the one that asks.
    pub current: bool,
}

/// Whether somebody is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum PresenceStatus {
    /// At least one live connection.
    Online,
    /// Connected, and away by their own word.
    Away,
    /// Connected, and not to be disturbed.
    Dnd,
    /// No live connection.
    Offline,
    /// The servers cannot tell now.
    Unknown,
}

/// One person's presence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Presence {
    /// Who.
    pub user_id: UserId,
    /// Whether they are there.
    pub status: PresenceStatus,
    /// A line of their own, up to 80 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// The name that a person chose, in its one spelling (NFC, no spaces around it).
///
/// # Errors
/// When it is empty, longer than 64 characters, or holds characters that others cannot see or that turn the text around
/// them; the problem points at `pointer`.
pub fn display_name(text: &str, pointer: &str) -> Result<String, Problem> {
    let name: String = text.trim().nfc().collect();
    let refused =
        |kind, detail: &str| Err(Problem::field(Code::InvalidRequest, pointer, kind, detail));
    if name.is_empty() {
        return refused("too_short", "a name has at least one character");
    }
    if name.chars().count() > limits::DISPLAY_NAME_CHARS_MAX {
        return refused("too_long", "a name has at most 64 characters");
    }
    if name.chars().any(is_treacherous) {
        return refused(
            "format",
            "a name has no control characters and none that cannot be seen",
        );
    }
    Ok(name)
}

/// Control characters, line breaks of other alphabets, and what steers the direction of writing. Joiners stay: scripts
/// and family emojis need them.
fn is_treacherous(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_what_others_can_read() {
        let name = |text: &str| {
            display_name(text, "/displayName").map_err(|problem| problem.errors[0].code.clone())
        };
        assert_eq!(name("  Ada  ").as_deref(), Ok("Ada"));
        assert_eq!(name("Zoe\u{308}").as_deref(), Ok("Zo\u{eb}"));
        assert_eq!(
            name("\u{1f469}\u{200d}\u{1f469}").as_deref(),
            Ok("\u{1f469}\u{200d}\u{1f469}")
        );
        assert_eq!(
            name(&"\u{4f60}".repeat(64)).map(|name| name.chars().count()),
            Ok(64)
        );
        assert_eq!(name(&"a".repeat(65)).unwrap_err(), "too_long");
        assert_eq!(name("  ").unwrap_err(), "too_short");
        for bad in ["a\nb", "a\0", "\u{202e}evil", "a\u{200b}b", "a\u{85}b"] {
            assert_eq!(name(bad).unwrap_err(), "format", "{bad:?}");
        }
    }
}
