//! People and their signed-in devices.

use serde::{Deserialize, Serialize};

use crate::ids::{SessionId, UserId};
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
