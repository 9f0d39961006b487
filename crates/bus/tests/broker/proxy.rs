//! A wire between a queue and its broker that can be cut, or fall silent.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// How the wire is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wire {
    /// Everything goes through.
    Whole,
    /// Connections end, and new ones are closed at once.
    Cut,
    /// Nothing goes through, and nobody is told. Connections from this time stay silent for ever.
    Silent,
}

/// A wire. Gone when dropped.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    wire: Arc<watch::Sender<Wire>>,
    _tasks: JoinSet<()>,
}

impl Proxy {
    /// In front of the broker at `target`, `host:port`.
    pub(crate) async fn before(target: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let wire = Arc::new(watch::Sender::new(Wire::Whole));
        let (target, turned) = (target.to_owned(), Arc::clone(&wire));
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut wires = JoinSet::new();
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let state = turned.subscribe();
                if *state.borrow() != Wire::Cut {
                    wires.spawn(carry(client, target.clone(), state));
                }
            }
        });
        Self {
            address,
            wire,
            _tasks: tasks,
        }
    }

    pub(crate) fn turn(&self, wire: Wire) {
        self.wire.send_replace(wire);
    }
}

async fn carry(mut client: TcpStream, target: String, mut state: watch::Receiver<Wire>) {
    let Ok(mut server) = TcpStream::connect(target).await else {
        return;
    };
    let (mut up, mut down) = (vec![0; 16_384], vec![0; 16_384]);
    loop {
        let now = *state.borrow_and_update();
        match now {
            Wire::Cut => return,
            // The broker's side must not hear of an end either.
            Wire::Silent => return std::future::pending().await,
            Wire::Whole => {}
        }
        let carried = tokio::select! {
            biased;
            changed = state.changed() => {
                if changed.is_err() {
                    return;
                }
                continue;
            }
            read = client.read(&mut up) => match read {
                Ok(n) if n > 0 => server.write_all(&up[..n]).await,
                _ => return,
            },
            read = server.read(&mut down) => match read {
                Ok(n) if n > 0 => client.write_all(&down[..n]).await,
                _ => return,
            },
        };
        if carried.is_err() {
            return;
        }
    }
}
