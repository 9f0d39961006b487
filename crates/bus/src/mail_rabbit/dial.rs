//! Making one connection, with a hold on its socket.

use std::io;
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsFd as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lapin::tcp::AsyncTcpStream;
use lapin::{Connection, ConnectionProperties};
use tokio::time::timeout;

use super::line::Role;
use super::place::Place;

/// Both sides send a sign of life at half of this; after twice this without one the connection is dead.
const HEARTBEAT_S: u16 = 10;
/// How long the network and TLS may take.
const CONNECT_DEADLINE: Duration = Duration::from_secs(10);

/// A hold on the socket of a connection. lapin has a thread for each connection, which ends when the socket does; a
/// broker that was frozen in the middle of a handshake would keep that thread for ever.
#[derive(Clone, Default)]
pub(crate) struct Plug(Arc<Mutex<Socket>>);

#[derive(Default)]
struct Socket {
    held: Option<TcpStream>,
    pulled: bool,
}

impl Plug {
    /// Ends the connection, now or as soon as it is made. No word is said to the other side.
    pub(crate) fn pull(&self) {
        let mut socket = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        socket.pulled = true;
        if let Some(held) = socket.held.take()
            && let Err(error) = held.shutdown(Shutdown::Both)
        {
            // The other side was faster.
            tracing::debug!(%error, "the socket was shut already");
        }
    }

    fn hold(&self, stream: &tokio::net::TcpStream) -> io::Result<()> {
        let held = TcpStream::from(stream.as_fd().try_clone_to_owned()?);
        let mut socket = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if socket.pulled {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        socket.held = Some(held);
        Ok(())
    }
}

/// Connects and says who we are. No retry and no recovery: that is the line's.
pub(crate) async fn dial(place: &Place, role: Role, plug: Plug) -> lapin::Result<Connection> {
    let mut uri = place.uri.clone();
    uri.query.heartbeat = Some(HEARTBEAT_S);
    let name = format!("chatify {role:?}").to_lowercase();
    let properties = ConnectionProperties::default().with_connection_name(name.into());
    let (place, runtime) = (place.clone(), lapin::runtime::default_runtime()?);
    Connection::connector(
        uri,
        runtime,
        async move |_, runtime| {
            let connecting = async {
                let authority = &place.uri.authority;
                let target = (authority.host.as_str(), authority.port);
                let found: Vec<_> = tokio::net::lookup_host(target).await?.collect();
                let stream = AsyncTcpStream::connect(&runtime, found).await?;
                if let AsyncTcpStream::Plain(plain) = &stream {
                    plug.hold(plain.get_ref())?;
                }
                if place.is_tls() {
                    let tls = place.tls();
                    stream.into_tls(&authority.host, tls.as_ref()).await
                } else {
                    Ok(stream)
                }
            };
            timeout(CONNECT_DEADLINE, connecting)
                .await
                .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
                .map_err(lapin::Error::from)
        },
        properties,
    )
    .await
}
