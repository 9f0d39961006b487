//! The clock of each server that a URL names.

use futures_util::future::join_all;
use redis::RedisError;

use crate::clocks::ServerClock;
use crate::open::OpenError;
use crate::redis::address::{Access, Address, told};

pub(crate) async fn clocks(url: &str) -> Result<Vec<ServerClock>, OpenError> {
    let Address {
        servers, access, ..
    } = Address::read(url)?;
    let asked = servers.into_iter().map(async |server| ServerClock {
        unix_seconds: time(&access, &server)
            .await
            .map_err(|error| told(&server, &error)),
        server,
    });
    Ok(join_all(asked).await)
}

async fn time(access: &Access, server: &str) -> Result<u64, RedisError> {
    let mut connection = access.connect(server, None).await?;
    let (seconds, _micros): (u64, u64) = redis::cmd("TIME").query_async(&mut connection).await?;
    Ok(seconds)
}
