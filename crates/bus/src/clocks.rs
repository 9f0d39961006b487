//! The clocks of the servers that a bus stands on, for whoever looks after a deployment.

use crate::open::OpenError;
use crate::redis;

/// What one server says of its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerClock {
    /// Its `host:port`, as the URL has it.
    pub server: String,
    /// Whole seconds since 1970, or why it does not tell, in one line without a password.
    pub unix_seconds: Result<u64, String>,
}

/// Asks every server that the URL names, over connections of its own, made as the bus makes them. Within seconds; a bus
/// without servers has no clocks.
///
/// # Errors
/// When the URL cannot be used.
pub async fn clocks(url: &str) -> Result<Vec<ServerClock>, OpenError> {
    if url == "local:" {
        return Ok(Vec::new());
    }
    redis::clocks(url).await
}
