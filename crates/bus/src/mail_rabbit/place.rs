//! Where a broker is and what our queues are called there, read from one URL. Errors never repeat the URL: it holds a
//! password.

use std::fs;

use lapin::tcp::OwnedTLSConfig;
use lapin::uri::{AMQPScheme, AMQPUri};
use url::{Host, Url};

use crate::mail::OpenError;

/// What the names of all queues and exchanges begin with, unless the URL says otherwise.
const PREFIX: &str = "chatify";
const PREFIX_CHARS_MAX: usize = 64;

/// A broker, and the part of it that is ours.
#[derive(Clone)]
pub(crate) struct Place {
    pub(crate) uri: AMQPUri,
    /// The operator's own authority, as PEM.
    pub(crate) authority: Option<String>,
    pub(crate) prefix: String,
}

impl Place {
    /// Reads `amqp://user:password@host:5672/vhost?prefix=chatify&ca-file=/path`. Without a path the vhost is `/`; with
    /// `amqps` the certificate must carry the host's name.
    ///
    /// # Errors
    /// Says in one line what is wrong.
    pub(crate) fn parse(text: &str) -> Result<Self, OpenError> {
        let wrong = |what: &str| OpenError(what.to_owned());
        let form = "not of the form amqp://user:password@host:5672/vhost";
        let url = Url::parse(text).map_err(|_| wrong(form))?;
        // It decodes user, password and vhost; the host is taken from `url`, since it reads [::1] as localhost.
        let mut uri: AMQPUri = text.parse().map_err(|_| wrong(form))?;
        uri.authority.host = match url.host().ok_or_else(|| wrong("the URL names no host"))? {
            Host::Domain(name) => name.to_owned(),
            Host::Ipv4(address) => address.to_string(),
            Host::Ipv6(address) => address.to_string(),
        };
        if url.username().is_empty() != url.password().is_none() {
            return Err(wrong(
                "a user needs a password, and the other way round; a / in either is written %2f",
            ));
        }
        if matches!(url.path(), "" | "/") {
            "/".clone_into(&mut uri.vhost);
        } else if url.path().matches('/').count() > 1 {
            return Err(wrong("the vhost is one word; a / in it is written %2f"));
        }
        if url.fragment().is_some() {
            return Err(wrong(form));
        }
        let mut place = Self {
            uri,
            authority: None,
            prefix: PREFIX.to_owned(),
        };
        for (name, value) in url.query_pairs() {
            match name.as_ref() {
                "prefix" if is_prefix(&value) => place.prefix = value.into_owned(),
                "prefix" => {
                    return Err(wrong("prefix has 1 to 64 letters, digits, `-`, `_` or `.`"));
                }
                "ca-file" if place.uri.scheme == AMQPScheme::AMQPS => {
                    let pem = fs::read_to_string(value.as_ref())
                        .map_err(|error| OpenError(format!("ca-file {value}: {error}")))?;
                    place.authority = Some(pem);
                }
                "ca-file" => return Err(wrong("ca-file is for amqps:// only")),
                _ => return Err(wrong("after the ? only prefix=… and ca-file=… are known")),
            }
        }
        Ok(place)
    }

    /// Whether the connection is protected.
    pub(crate) fn is_tls(&self) -> bool {
        self.uri.scheme == AMQPScheme::AMQPS
    }

    /// What TLS trusts beside the public authorities.
    pub(crate) fn tls(&self) -> OwnedTLSConfig {
        OwnedTLSConfig {
            identity: None,
            cert_chain: self.authority.clone(),
        }
    }

    /// For logs.
    pub(crate) fn shown(&self) -> String {
        let authority = &self.uri.authority;
        format!("{}:{}", authority.host, authority.port)
    }
}

fn is_prefix(text: &str) -> bool {
    (1..=PREFIX_CHARS_MAX).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(url: &str) -> Result<(String, u16, String, String), String> {
        let place = Place::parse(url).map_err(|error| error.0)?;
        let authority = place.uri.authority;
        Ok((
            authority.host,
            authority.port,
            place.uri.vhost,
            place.prefix,
        ))
    }

    #[test]
    fn a_broker_is_named_by_one_url() {
        for (url, host, port, vhost, prefix) in [
            ("amqp://h.test", "h.test", 5672, "/", "chatify"),
            ("amqp://h.test/", "h.test", 5672, "/", "chatify"),
            ("amqp://u:p@h.test/%2f", "h.test", 5672, "/", "chatify"),
            ("amqps://u:p@h.test/chat", "h.test", 5671, "chat", "chatify"),
            (
                "amqp://127.0.0.1:1?prefix=a-b.c",
                "127.0.0.1",
                1,
                "/",
                "a-b.c",
            ),
            ("amqp://[::1]:5/v", "::1", 5, "v", "chatify"),
        ] {
            let read = (host.into(), port, vhost.into(), prefix.into());
            assert_eq!(parsed(url), Ok(read), "{url}");
        }
        let place = Place::parse("amqp://ada:p%40ss%2f@h.test").unwrap();
        let login = place.uri.authority.userinfo;
        assert_eq!(
            (login.username.as_str(), login.password.as_str()),
            ("ada", "p@ss/")
        );
    }

    #[test]
    fn what_is_wrong_with_a_url_is_said_without_its_password() {
        for url in [
            "",
            "h.test",
            "amqp:u:hunter2",
            "http://u:hunter2@h.test",
            "amqp://u@h.test",
            "amqp://:hunter2@h.test",
            "amqp://u:hunter2@h.test:99999",
            "amqp://u:hunter2@h.test/a/b",
            "amqp://u:hunter2@h.test?prefix=",
            "amqp://u:hunter2@h.test?prefix=a%20b",
            "amqp://u:hunter2@h.test?heartbeat=1",
            "amqp://u:hunter2@h.test?ca-file=/nowhere",
            "amqps://u:hunter2@h.test?ca-file=/nowhere",
            "amqp://u:hunter2@h.test#x",
        ] {
            let error = parsed(url).unwrap_err();
            assert!(
                !error.contains("hunter2") && !error.contains('\n'),
                "{url}: {error}"
            );
        }
    }
}
