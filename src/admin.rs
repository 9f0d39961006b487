//! `chatify admin`: what makes an administrator. Asks no server and changes nothing.

use std::time::Duration;

use node::api::admin::token::{AdminKey, Grant, NAME_CHARS_MAX, Scope};
use service::clock::Clock;
use service::config::Settings;

use crate::Failure;
use crate::arguments::TokenPlan;
use crate::config::TopConfig;

/// The longest life of a token: it cannot be called back.
const TTL_MAX: Duration = Duration::from_secs(90 * 24 * 3_600);

/// A token for an administrator, on a line of its own.
pub(crate) fn token(settings: &Settings, plan: &TokenPlan) -> Result<String, Failure> {
    let top: TopConfig = settings.read()?;
    let key = key(&top)?.ok_or_else(|| {
        Failure::of("`admin-key` is not set: at least 32 characters, the same on every node, for example from `openssl rand -base64 32`")
    })?;
    let name = plan.name.trim();
    let plain = |c: char| c.is_alphanumeric() || "-_.@".contains(c);
    if name.is_empty() || name.chars().count() > NAME_CHARS_MAX || !name.chars().all(plain) {
        return Err(Failure::of("--name is 1 to 64 letters, digits, and -_.@"));
    }
    let ttl = Duration::from_secs(u64::from(plan.hours) * 3_600);
    if ttl.is_zero() || ttl > TTL_MAX {
        return Err(Failure::of(
            "--hours is 1 to 2160: a token cannot be called back",
        ));
    }
    let grant = Grant {
        name: name.to_owned(),
        scope: if plan.operate {
            Scope::Operate
        } else {
            Scope::Read
        },
        exp: Clock::System.unix_seconds() + ttl.as_secs(),
    };
    Ok(key.token(&grant) + "\n")
}

/// The admin key, if one is set.
pub(crate) fn key(top: &TopConfig) -> Result<Option<AdminKey>, Failure> {
    let Some(secret) = &top.admin_key else {
        return Ok(None);
    };
    let key = AdminKey::new(secret);
    let key = key.ok_or_else(|| Failure::of("`admin-key` is too short: at least 32 characters"))?;
    Ok(Some(key))
}
