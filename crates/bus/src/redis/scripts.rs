//! The fixed scripts. Data comes in through KEYS and ARGV alone, so that an ACL can forbid `EVAL`.

use std::sync::LazyLock;

use redis::aio::MultiplexedConnection;
use redis::{Cmd, Pipeline, RedisError, Script};

use crate::seal::Name;

pub(crate) static EVEN: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("even.lua")));
pub(crate) static STRICT: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("strict.lua")));
pub(crate) static BEAT: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("beat.lua")));
pub(crate) static PUT: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("put.lua")));

/// A call of a script; its arguments follow.
pub(crate) fn call(script: &Script, key: &Name) -> Cmd {
    let mut command = redis::cmd("EVALSHA");
    command.arg(script.get_hash()).arg(1).arg(key.as_bytes());
    command
}

/// Makes a server know all scripts: after its restart, on a new replica, after `SCRIPT FLUSH`.
pub(crate) async fn load(connection: &mut MultiplexedConnection) -> Result<(), RedisError> {
    let mut pipeline = Pipeline::new();
    for code in [
        include_str!("even.lua"),
        include_str!("strict.lua"),
        include_str!("beat.lua"),
        include_str!("put.lua"),
    ] {
        pipeline.cmd("SCRIPT").arg("LOAD").arg(code);
    }
    connection.send_packed_commands(&pipeline, 0, 4).await?;
    Ok(())
}
