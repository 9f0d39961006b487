//! Where a server is: its URL, and how a byte stream to it is opened, with TLS for `https:`.

use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs};
use url::Url;

use crate::Fault;

/// A connection that takes longer is given up: as the stock client.
pub(crate) const DIAL_MAX: Duration = Duration::from_secs(20);

/// A byte stream to a server.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A server's public address: `http://host:port` or `https://host`. A path is not part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    secure: bool,
    host: String,
    port: u16,
}

impl FromStr for Endpoint {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Endpoint, Fault> {
        let url = Url::parse(text).map_err(|error| Fault::of(text, error))?;
        let secure = match url.scheme() {
            "http" => false,
            "https" => true,
            other => {
                return Err(Fault(format!(
                    "{text}: `{other}:` is neither http: nor https:"
                )));
            }
        };
        let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else {
            return Err(Fault(format!("{text}: it names no host")));
        };
        if !matches!(url.path(), "" | "/") || url.query().is_some() || !url.username().is_empty() {
            return Err(Fault(format!(
                "{text}: only scheme, host and port, as in https://chat.example"
            )));
        }
        Ok(Endpoint {
            secure,
            host: host.to_owned(),
            port,
        })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.secure { "https" } else { "http" };
        write!(f, "{scheme}://{}", self.authority())
    }
}

impl Endpoint {
    /// What stands in `Host`.
    pub fn authority(&self) -> String {
        match (self.secure, self.port) {
            (true, 443) | (false, 80) => self.host.clone(),
            (_, port) => format!("{}:{port}", self.host),
        }
    }

    /// Opens a stream, within [`DIAL_MAX`].
    pub(crate) async fn dial(&self) -> Result<Box<dyn Stream>, Fault> {
        match tokio::time::timeout(DIAL_MAX, self.connect()).await {
            Ok(connected) => connected,
            Err(_) => Err(Fault::of(self, "no connection in time")),
        }
    }

    async fn connect(&self) -> Result<Box<dyn Stream>, Fault> {
        let wrong = |error: &dyn fmt::Display| Fault::of(self, error);
        // An IPv6 host stands in brackets in a URL and without them here.
        let host = self.host.trim_start_matches('[').trim_end_matches(']');
        let stream = TcpStream::connect((host, self.port))
            .await
            .map_err(|error| wrong(&error))?;
        stream.set_nodelay(true).map_err(|error| wrong(&error))?;
        if !self.secure {
            return Ok(Box::new(stream));
        }
        let name = ServerName::try_from(host.to_owned()).map_err(|error| wrong(&error))?;
        let stream = connector()?
            .connect(name, stream)
            .await
            .map_err(|error| wrong(&error))?;
        Ok(Box::new(stream))
    }
}

/// The public authorities, and no switch to trust anybody else: a verdict over an unverified line would be worth nothing.
fn connector() -> Result<TlsConnector, Fault> {
    static CONFIG: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    if let Some(config) = CONFIG.get() {
        return Ok(TlsConnector::from(Arc::clone(config)));
    }
    let roots = RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| Fault::of("TLS", error))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let config = CONFIG.get_or_init(|| Arc::new(config));
    Ok(TlsConnector::from(Arc::clone(config)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_scheme_host_and_port_and_nothing_else() {
        let shown = |text: &str| {
            text.parse::<Endpoint>()
                .map(|endpoint| endpoint.to_string())
        };
        assert_eq!(
            shown("https://chat.example/").as_deref(),
            Ok("https://chat.example")
        );
        assert_eq!(
            shown("http://127.0.0.1:8080").as_deref(),
            Ok("http://127.0.0.1:8080")
        );
        assert_eq!(
            shown("http://[::1]:8080").as_deref(),
            Ok("http://[::1]:8080")
        );
        for wrong in [
            "chat.example",
            "ws://chat.example",
            "https://chat.example/v1",
            "http://user@chat.example",
        ] {
            assert!(shown(wrong).is_err(), "{wrong}");
        }
    }
}
