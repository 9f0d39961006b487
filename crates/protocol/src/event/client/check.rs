//! What types cannot say of a payload: bounds, and the one spelling (NFC) of a text.

use unicode_normalization::{UnicodeNormalization, is_nfc};

use super::{History, React, SendMessage, SetPresence, json};
use crate::limits;
use crate::problem::{Code, Problem};
use crate::user::PresenceStatus;

impl SendMessage {
    /// The same with its text in NFC, or what is wrong with it.
    pub fn checked(mut self) -> Result<Self, Problem> {
        self.text = message_text(self.text)?;
        if self.mentions.len() > limits::MENTIONS_MAX {
            return Err(too_many(
                "/mentions",
                self.mentions.len(),
                limits::MENTIONS_MAX,
            ));
        }
        if let Some(meta) = &self.meta {
            let raw = meta.0.get();
            if !raw.starts_with('{') {
                return Err(Problem::field(
                    Code::InvalidRequest,
                    "/meta",
                    "type",
                    "meta must be an object",
                ));
            }
            if raw.len() > limits::META_BYTES_MAX {
                let detail = format!("{} of at most {} bytes", raw.len(), limits::META_BYTES_MAX);
                return Err(Problem::field(
                    Code::InvalidRequest,
                    "/meta",
                    "too_long",
                    detail,
                ));
            }
        }
        Ok(self)
    }
}

impl History {
    /// The same, or what is wrong with it.
    pub fn checked(self) -> Result<Self, Problem> {
        let given = [self.before, self.after, self.around]
            .iter()
            .filter(|side| side.is_some())
            .count();
        if given > 1 {
            let detail = "give one of before, after and around";
            return Err(Problem::field(
                Code::InvalidRequest,
                "/before",
                "range",
                detail,
            ));
        }
        if !(1..=limits::PAGE_MAX as u32).contains(&self.limit) {
            let detail = format!("limit must be 1 to {}", limits::PAGE_MAX);
            return Err(Problem::field(
                Code::InvalidRequest,
                "/limit",
                "range",
                detail,
            ));
        }
        Ok(self)
    }
}

impl SetPresence {
    pub(super) fn checked(self) -> Result<Self, Problem> {
        if matches!(
            self.status,
            PresenceStatus::Offline | PresenceStatus::Unknown
        ) {
            let detail = "status must be online, away or dnd";
            return Err(Problem::field(
                Code::InvalidRequest,
                "/status",
                "range",
                detail,
            ));
        }
        if let Some(text) = &self.text
            && text.chars().count() > limits::PRESENCE_TEXT_CHARS_MAX
        {
            let detail = format!("at most {} characters", limits::PRESENCE_TEXT_CHARS_MAX);
            return Err(Problem::field(
                Code::InvalidRequest,
                "/text",
                "too_long",
                detail,
            ));
        }
        Ok(self)
    }
}

pub(super) fn reaction(payload: &str) -> Result<React, Problem> {
    let mut react: React = json(payload)?;
    react.emoji = emoji(&react.emoji, "/emoji")?;
    Ok(react)
}

/// An emoji in NFC, or what is wrong with it. It must have a sign beyond plain text and no spaces or control characters.
pub fn emoji(text: &str, pointer: &str) -> Result<String, Problem> {
    let text: String = text.nfc().collect();
    let plain = text
        .chars()
        .all(|c| c.is_alphanumeric() && c.is_ascii() || c.is_ascii_punctuation());
    let broken = text.chars().any(|c| c.is_control() || c.is_whitespace());
    if text.is_empty() || plain || broken || text.len() > limits::EMOJI_BYTES_MAX {
        return Err(Problem::field(
            Code::InvalidRequest,
            pointer,
            "format",
            "expected one emoji",
        ));
    }
    Ok(text)
}

/// A message's text in NFC and within its limit.
pub fn message_text(text: String) -> Result<String, Problem> {
    let text = if is_nfc(&text) {
        text
    } else {
        text.nfc().collect()
    };
    if text.trim().is_empty() {
        return Err(Problem::field(
            Code::TextEmpty,
            "/text",
            "too_short",
            "the text is empty",
        ));
    }
    // Bytes bound characters, so the common short text is never counted.
    if text.len() > limits::TEXT_CHARS_MAX {
        let chars = text.chars().count();
        if chars > limits::TEXT_CHARS_MAX {
            let detail = format!("{chars} of at most {} characters", limits::TEXT_CHARS_MAX);
            return Err(Problem::field(
                Code::TextTooLong,
                "/text",
                "too_long",
                detail,
            ));
        }
    }
    Ok(text)
}

pub(super) fn too_many(pointer: &str, have: usize, most: usize) -> Problem {
    Problem::field(
        Code::InvalidRequest,
        pointer,
        "too_long",
        format!("{have} of at most {most}"),
    )
}
