//! A TCP proxy that can be told to misbehave, between any two of our processes. It runs in the harness and is controlled by
//! a call: delay, jitter, throttle, blackhole one way or both, freeze, refusal, a cut now or after so many bytes. In fair
//! weather it changes no byte and no order, and carries over ends and resets.

mod origin;
mod pump;
mod weather;

#[cfg(test)]
mod tests;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use origin::Origins;
pub use weather::{Lane, Weather};

use pump::Caller;
use weather::Forecast;

/// Connections that may wait to be taken: a herd of clients comes at once.
const BACKLOG: u32 = 1024;

/// One listener in front of one server. Ends, with all its connections, when it is dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    forecast: watch::Sender<Forecast>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Proxy {
    /// Listens on a free port of 127.0.0.1 and carries to `upstream`, which need not be there yet. With `origins` the
    /// processes that connect are told apart by name. An error is the listener's.
    pub fn start(upstream: SocketAddr, origins: Option<Origins>) -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
        let listener = socket.listen(BACKLOG)?;
        let proxy = Self {
            address: listener.local_addr()?,
            forecast: watch::Sender::new(Forecast::default()),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        };
        let accepting = accept(
            listener,
            upstream,
            origins,
            (proxy.forecast.clone(), proxy.tasks.clone()),
        );
        let stop = proxy.stop.clone();
        proxy
            .tasks
            .spawn(async move { stop.run_until_cancelled(accepting).await });
        Ok(proxy)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The weather for everybody from now on, connections that stand included.
    pub fn set(&self, weather: Weather) {
        self.change(|forecast| {
            forecast.all = weather;
            forecast.of.clear();
        });
    }

    /// The weather for one process; the others keep theirs.
    pub fn set_for(&self, client: &str, weather: Weather) {
        self.change(|forecast| {
            forecast.of.retain(|(name, _)| name != client);
            forecast.of.push((client.to_owned(), weather));
        });
    }

    /// Fair weather for everybody. Lines that lost bytes are reset.
    pub fn heal(&self) {
        self.set(Weather::default());
    }

    /// Resets every connection that stands.
    pub fn cut(&self) {
        self.change(|forecast| forecast.cuts += 1);
    }

    /// Connections that stand, one more for the listener.
    pub fn tasks(&self) -> usize {
        self.tasks.len()
    }

    fn change(&self, how: impl FnOnce(&mut Forecast)) {
        self.forecast.send_modify(|forecast| {
            how(forecast);
            forecast.changes += 1;
        });
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.stop.cancel();
        self.cut();
    }
}

async fn accept(
    listener: TcpListener,
    upstream: SocketAddr,
    origins: Option<Origins>,
    (forecast, tasks): (watch::Sender<Forecast>, TaskTracker),
) {
    loop {
        let Ok((client, peer)) = listener.accept().await else {
            // Out of file descriptors, or a client that went at once: neither is mended by haste.
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        let (origins, forecast) = (origins.clone(), forecast.subscribe());
        let caller = Caller { origins, peer };
        tasks.spawn(pump::carry(client, upstream, caller, forecast));
    }
}
