//! Which servers a URL names, and how one of them is reached.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo,
    ProtocolVersion, PushInfo, RedisConnectionInfo, RedisError, TlsCertificates,
};

use crate::open::OpenError;

/// How long a connection may take to be made, its handshake included.
const CONNECT_DEADLINE: Duration = Duration::from_secs(2);
/// How long an answer may take before the connection counts as dead.
pub(crate) const ANSWER_DEADLINE: Duration = Duration::from_secs(2);
const PORT: u16 = 6379;

/// A parsed URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    /// `host:port` of each server, as it is spelled.
    pub(crate) servers: Vec<String>,
    /// Whether they are nodes of one Redis Cluster.
    pub(crate) cluster: bool,
    pub(crate) access: Access,
}

/// What is the same for all servers.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Access {
    tls: bool,
    /// Certificates (PEM) that TLS trusts instead of the public authorities.
    authority: Option<Arc<[u8]>>,
    user: Option<String>,
    password: Option<String>,
    db: i64,
}

impl std::fmt::Debug for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Access {{ tls: {}, db: {} }}", self.tls, self.db)
    }
}

impl Address {
    /// Reads a URL. What goes wrong is said without the part before the `@`.
    pub(crate) fn read(url: &str) -> Result<Self, OpenError> {
        let (scheme, rest) = url.split_once(':').unwrap_or((url, ""));
        let (tls, cluster) = match scheme {
            "redis" => (false, false),
            "rediss" => (true, false),
            "redis+cluster" => (false, true),
            "rediss+cluster" => (true, true),
            _ => {
                return Err(OpenError(format!(
                    "the bus knows local:, redis://, rediss://, redis+cluster:// and rediss+cluster://, not `{scheme}:`"
                )));
            }
        };
        let wrong = |what: &str| OpenError(format!("the URL of the bus ({scheme}://…) {what}"));
        let rest = rest
            .strip_prefix("//")
            .ok_or_else(|| wrong("needs `//` after its scheme"))?;
        let (rest, query) = match rest.split_once('?') {
            Some((rest, query)) => (rest, Some(query)),
            None => (rest, None),
        };
        let authority = match query.map(|query| query.split_once('=')) {
            None => None,
            Some(Some(("ca-file", path))) if tls => {
                let path = percent_decoded(path).ok_or_else(|| wrong("has a broken %-sequence"))?;
                Some(read_authority(&path)?)
            }
            Some(Some(("ca-file", _))) => {
                return Err(wrong("has a ca-file, which is for TLS only"));
            }
            Some(_) => return Err(wrong("has something after its ? that is not ca-file=PATH")),
        };
        let (user_info, rest) = match rest.rsplit_once('@') {
            Some((user_info, rest)) => (Some(user_info), rest),
            None => (None, rest),
        };
        let (hosts, db) = rest.split_once('/').unwrap_or((rest, ""));
        let db = match db {
            "" => 0,
            digits => digits.parse::<u16>().map_err(|_| {
                wrong("must end with the number of a database, or with its servers")
            })?,
        };
        if cluster && db != 0 {
            return Err(wrong("names a database, and a cluster has only 0"));
        }
        let mut servers = Vec::new();
        for host in hosts.split(',') {
            let server = server(host)
                .ok_or_else(|| wrong("needs servers as host:port, with commas between"))?;
            if servers.contains(&server) {
                return Err(wrong("names a server twice"));
            }
            servers.push(server);
        }
        let (user, password) = match user_info
            .map(|both| both.split_once(':').unwrap_or((both, "")))
        {
            None => (None, None),
            Some(both) => {
                let decode =
                    |text| percent_decoded(text).ok_or_else(|| wrong("has a broken %-sequence"));
                (Some(decode(both.0)?), Some(decode(both.1)?))
            }
        };
        Ok(Self {
            servers,
            cluster,
            access: Access {
                tls,
                authority,
                user: user.filter(|text| !text.is_empty()),
                password: password.filter(|text| !text.is_empty()),
                db: i64::from(db),
            },
        })
    }
}

fn read_authority(path: &str) -> Result<Arc<[u8]>, OpenError> {
    let wrong = |why: String| OpenError(format!("ca-file {path}: {why}"));
    let pem = fs::read(path).map_err(|error| wrong(error.to_string()))?;
    let mark = b"-----BEGIN CERTIFICATE-----";
    let is_pem = pem.windows(mark.len()).any(|part| part == mark);
    // The driver takes a file without certificates for one that trusts nobody, and would say so at each connection.
    let read = is_pem.then(|| with_authority("rediss://localhost", &pem));
    match read {
        Some(Ok(_)) => Ok(pem.into()),
        Some(Err(error)) => Err(wrong(error.to_string())),
        None => Err(wrong("there is no certificate (PEM) in it".to_owned())),
    }
}

fn with_authority(info: impl IntoConnectionInfo, pem: &[u8]) -> Result<Client, RedisError> {
    let certificates = TlsCertificates {
        client_tls: None,
        root_cert: Some(pem.to_vec()),
    };
    Client::build_with_tls(info, certificates)
}

/// What went wrong on the way to a server, with what to do about it where the driver's words do not tell.
pub(crate) fn told(server: &str, error: &RedisError) -> String {
    let error = error.to_string();
    // The second is said of an authority that has the right name and another key.
    let advice = if error.contains("UnknownIssuer") || error.contains("BadSignature") {
        " (the authority of its certificate is not known; name your own with ?ca-file=PATH)"
    } else if error.contains("NotValidForName") || error.contains("not valid for name") {
        " (its certificate is for another name; name the server as the certificate does)"
    } else {
        ""
    };
    format!("{server}: {error}{advice}")
}

fn server(text: &str) -> Option<String> {
    let (host, port) = match text.rsplit_once(':') {
        // The colons of [::1] are not a port's.
        Some((host, port)) if !port.contains(']') => (host, port.parse().ok()?),
        _ => (text, PORT),
    };
    let name = host
        .strip_prefix('[')
        .and_then(|h| h.strip_suffix(']'))
        .unwrap_or(host);
    let plain = |c: char| c.is_ascii_alphanumeric() || ".-_:%".contains(c);
    (!name.is_empty() && name.chars().all(plain) && (name == host) != name.contains(':'))
        .then(|| format!("{host}:{port}"))
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first == b'%' {
            let digits = std::str::from_utf8(tail.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &tail[2..];
        } else {
            bytes.push(*first);
        }
    }
    String::from_utf8(bytes).ok()
}

/// What a subscriber's connection does with each push; called on the connection's own task, so it must not block.
pub(crate) type OnPush = Box<dyn Fn(PushInfo) + Send + Sync>;

impl Access {
    /// Connects to a server, in RESP3.
    pub(crate) async fn connect(
        &self,
        server: &str,
        on_push: Option<OnPush>,
    ) -> Result<MultiplexedConnection, RedisError> {
        let mut config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_DEADLINE))
            .set_response_timeout(Some(ANSWER_DEADLINE));
        if let Some(on_push) = on_push {
            config = config.set_push_sender(move |push| {
                on_push(push);
                Ok::<(), std::convert::Infallible>(())
            });
        }
        let info = self.connection_info(server)?;
        let client = match &self.authority {
            Some(pem) => with_authority(info, pem)?,
            None => Client::open(info)?,
        };
        let connecting = client.get_multiplexed_async_connection_with_config(&config);
        match tokio::time::timeout(CONNECT_DEADLINE, connecting).await {
            Ok(connected) => connected,
            Err(_) => Err(RedisError::from(std::io::Error::from(
                std::io::ErrorKind::TimedOut,
            ))),
        }
    }

    fn connection_info(&self, server: &str) -> Result<ConnectionInfo, RedisError> {
        let (host, port) = server.rsplit_once(':').unwrap_or((server, ""));
        let host = host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_owned();
        let port = port.parse().unwrap_or(PORT);
        let address = if self.tls {
            ConnectionAddr::TcpTls {
                host,
                port,
                insecure: false,
                tls_params: None,
            }
        } else {
            ConnectionAddr::Tcp(host, port)
        };
        let mut settings = RedisConnectionInfo::default()
            .set_protocol(ProtocolVersion::RESP3)
            .set_skip_set_lib_name()
            .set_db(self.db);
        if let Some(user) = &self.user {
            settings = settings.set_username(user);
        }
        if let Some(password) = &self.password {
            settings = settings.set_password(password);
        }
        Ok(address.into_connection_info()?.set_redis_settings(settings))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_name_one_several_or_a_cluster() {
        let servers = |url| Address::read(url).unwrap().servers;
        assert_eq!(servers("redis://a"), ["a:6379"]);
        assert_eq!(
            servers("redis://a:1,b:2,[::1]:3"),
            ["a:1", "b:2", "[::1]:3"]
        );
        assert_eq!(servers("redis://[::1]/2"), ["[::1]:6379"]);
        let cluster = Address::read("rediss+cluster://me:p%40ss@a:1,b").unwrap();
        assert!(cluster.cluster && cluster.access.tls);
        assert_eq!(cluster.access.user.as_deref(), Some("me"));
        assert_eq!(cluster.access.password.as_deref(), Some("p@ss"));
        let access = Address::read("redis://:secret@a/3").unwrap().access;
        assert_eq!((access.user.as_deref(), access.db), (None, 3));
    }

    #[test]
    fn a_url_that_cannot_be_used_is_one_line_without_its_password() {
        for url in [
            "",
            "http://a",
            "redis",
            "redis:a",
            "redis://",
            "redis://a,",
            "redis://a:x",
            "redis://a:70000",
            "redis://:secret@a b",
            "redis://:secret@a/x",
            "redis+cluster://:secret@a/1",
            "redis://a,a:6379",
            "redis://:%zz@a",
            "redis://a:1:2",
            "redis://:secret@a?ca-file=/etc/hostname",
            "rediss://:secret@a?ca-file=/nowhere",
            "rediss://:secret@a?ca-file=/etc/hostname",
            "rediss://:secret@a?ca",
            "rediss://:secret@a?x=1",
        ] {
            let error = Address::read(url).unwrap_err().to_string();
            assert!(
                !error.contains("secret") && !error.contains('\n'),
                "{error}"
            );
        }
        let access = Address::read("redis://me:secret@a").unwrap();
        assert!(!format!("{access:?}").contains("secret"));
    }
}
