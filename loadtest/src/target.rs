//! Where a server listens.

use std::net::{SocketAddr, ToSocketAddrs};

use crate::Failure;

/// A server's address and what stands before every path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// Resolved.
    pub(crate) address: SocketAddr,
    /// For the `Host` header.
    pub(crate) host: String,
    /// Without a slash at its end.
    pub(crate) base: String,
}

impl Target {
    /// Reads `http://host:port/base`, `ws://host:port` or `host:port`.
    pub(crate) fn parse(url: &str) -> Result<Target, Failure> {
        let wrong = |why: &str| Failure(format!("{url} (`--target`): {why}"));
        let rest = match url.split_once("://") {
            Some(("http" | "ws", rest)) => rest,
            Some(("https" | "wss", _)) => {
                return Err(wrong(
                    "TLS ends at the proxy: name the server's plain listener",
                ));
            }
            Some(_) => return Err(wrong("it must begin with http:// or ws://")),
            None => url,
        };
        let (host, base) = rest.split_once('/').unwrap_or((rest, ""));
        let with_port = if host.rsplit(']').next().unwrap_or(host).contains(':') {
            host.to_owned()
        } else {
            format!("{host}:80")
        };
        let mut addresses = with_port
            .to_socket_addrs()
            .map_err(|error| wrong(&error.to_string()))?;
        let address = addresses.next().ok_or_else(|| wrong("it has no address"))?;
        let base = base.trim_end_matches('/');
        Ok(Target {
            address,
            host: host.to_owned(),
            base: if base.is_empty() {
                String::new()
            } else {
                format!("/{base}")
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_an_address_with_or_without_a_scheme_and_a_path() {
        let parse = |url| Target::parse(url).map_err(|Failure(why)| why);
        let told = parse("http://127.0.0.1:8080/chat/").unwrap();
        assert_eq!((told.address.port(), &*told.base), (8080, "/chat"));
        assert_eq!(parse("127.0.0.1:9").unwrap().base, "");
        assert_eq!(parse("ws://127.0.0.1").unwrap().address.port(), 80);
        assert!(parse("https://127.0.0.1").unwrap_err().contains("TLS"));
        assert!(parse("ftp://127.0.0.1").unwrap_err().contains("http://"));
    }
}
