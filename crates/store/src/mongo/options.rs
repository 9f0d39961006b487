//! What may be set apart from the URL, and how the URL is read. Whatever the promise rests on is set here and nowhere
//! else, and a URL that asks for less is overruled.

use std::fs;
use std::path::Path;
use std::time::Duration;

use mongodb::options::{
    ClientOptions, DatabaseOptions, ReadConcern, ReadPreference, SelectionCriteria, Tls,
    WriteConcern,
};

use crate::StoreError;

/// The parameters of the URL that are ours and not the driver's.
const GUARANTEE: &str = "chatifyGuarantee";
const BULK: &str = "chatifyBulkWrite";
/// The database when the URL names none.
const DATABASE: &str = "chatify";
/// Connections to each server, unless the URL says otherwise. One is busy only while an operation is.
const CONNECTIONS: u32 = 64;
/// How long a connection may take to be made, and how often each server is asked whether it is well. Twice this is how
/// long a frozen server keeps the connections that wait for it.
const HEARTBEAT: Duration = Duration::from_secs(2);

/// What may be set apart from the URL; the defaults are right for a server.
#[derive(Clone, Debug)]
pub struct Options {
    /// How long one call may take; then its caller hears that the outcome is unknown (of a read: unavailable).
    pub deadline: Duration,
    /// Operations that may be under way, orphans included; one more is refused as unavailable at once.
    pub operations_max: usize,
    /// Run on a topology that may lose acknowledged messages, and say so. Also `?chatifyGuarantee=degraded`.
    pub degraded: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(5),
            operations_max: 4_096,
            degraded: false,
        }
    }
}

/// What our own parameters say.
#[derive(Debug, PartialEq)]
pub(super) struct Own {
    /// A topology that may lose acknowledged messages is allowed.
    pub(super) degraded: bool,
    /// A group of appends may be one command, where the server can.
    pub(super) bulk: bool,
}

/// Takes our own parameters out of a URL: the driver would refuse them.
pub(super) fn own(url: &str) -> Result<(String, Own), StoreError> {
    let mut own = Own {
        degraded: false,
        bulk: true,
    };
    let Some((base, query)) = url.split_once('?') else {
        return Ok((url.into(), own));
    };
    let mut kept = Vec::new();
    for parameter in query.split('&') {
        match parameter.split_once('=') {
            Some((GUARANTEE, value)) => {
                own.degraded = chosen((GUARANTEE, value), ("degraded", "full"))?;
            }
            Some((BULK, value)) => own.bulk = chosen((BULK, value), ("on", "off"))?,
            _ => kept.push(parameter),
        }
    }
    let query = kept.join("&");
    let url = if query.is_empty() {
        base.into()
    } else {
        format!("{base}?{query}")
    };
    Ok((url, own))
}

/// Whether the first of two words was chosen.
fn chosen((name, value): (&str, &str), (yes, no): (&str, &str)) -> Result<bool, StoreError> {
    if value == yes || value == no {
        return Ok(value == yes);
    }
    Err(StoreError::Refused(format!(
        "{name}={value} in the mongodb URL: expected {no} or {yes}"
    )))
}

/// Reads a URL into what the driver takes, with our settings over it, and the name of the database.
pub(super) async fn client(
    url: &str,
    options: &Options,
) -> Result<(ClientOptions, String), StoreError> {
    let mut client = ClientOptions::parse(url).await.map_err(|error| {
        // The text may hold the URL, and that a password.
        StoreError::Refused(format!(
            "the mongodb URL cannot be read: {}",
            error.kind.to_string().replace(url, "(the URL)")
        ))
    })?;
    if let Some(Tls::Enabled(tls)) = &client.tls
        && let Some(path) = &tls.ca_file_path
    {
        has_certificate(path)?;
    }
    let database = client
        .default_database
        .clone()
        .unwrap_or_else(|| DATABASE.into());
    client.app_name.get_or_insert_with(|| "chatify".into());
    client.max_pool_size.get_or_insert(CONNECTIONS);
    client.connect_timeout.get_or_insert(HEARTBEAT);
    client.heartbeat_freq.get_or_insert(HEARTBEAT);
    client
        .server_selection_timeout
        .get_or_insert(options.deadline.mul_f32(0.6));
    Ok((client, database))
}

/// The driver takes a file without certificates for one that trusts nobody, and would say so of each server.
fn has_certificate(path: &Path) -> Result<(), StoreError> {
    const MARK: &[u8] = b"-----BEGIN CERTIFICATE-----";
    let wrong =
        |why: String| StoreError::Refused(format!("mongodb: tlsCAFile {}: {why}", path.display()));
    let pem = fs::read(path).map_err(|error| wrong(error.to_string()))?;
    if !pem.windows(MARK.len()).any(|part| part == MARK) {
        return Err(wrong("there is no certificate (PEM) in it".into()));
    }
    Ok(())
}

/// Majority for every write and every read, from the primary; the journal is asked for by name, whatever the set's
/// default is.
pub(super) fn database(options: &Options) -> DatabaseOptions {
    let write = WriteConcern::builder()
        .w(mongodb::options::Acknowledgment::Majority)
        .journal(true)
        // Else the server keeps waiting for a majority long after our caller was told.
        .w_timeout(options.deadline)
        .build();
    DatabaseOptions::builder()
        .read_concern(ReadConcern::majority())
        .write_concern(write)
        .selection_criteria(SelectionCriteria::ReadPreference(ReadPreference::Primary))
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_parameters_are_taken_out_of_the_url() {
        let read = |url: &str| {
            let (url, own) = own(url).unwrap();
            (url, own.degraded, own.bulk)
        };
        assert_eq!(
            read("mongodb://h/db"),
            ("mongodb://h/db".into(), false, true)
        );
        assert_eq!(
            read("mongodb://h/?replicaSet=r&chatifyGuarantee=degraded&w=1"),
            ("mongodb://h/?replicaSet=r&w=1".into(), true, true)
        );
        assert_eq!(
            read("mongodb://h/?chatifyGuarantee=full&chatifyBulkWrite=off"),
            ("mongodb://h/".into(), false, false)
        );
        for (url, expected) in [
            ("mongodb://h/?chatifyGuarantee=none", "full or degraded"),
            ("mongodb://h/?chatifyBulkWrite=1", "off or on"),
        ] {
            let refused = own(url).unwrap_err();
            assert!(refused.to_string().contains(expected), "{refused}");
        }
    }
}
