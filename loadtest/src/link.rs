//! A worker as the coordinator sees it: a thread of this process, or an agent behind TCP. Orders go out to all before
//! the first reply is awaited. Over TCP each is JSON behind its length; the first words settle the version.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};

use crate::Failure;
use crate::order::{Order, Reply};
use crate::worker;

/// A longer message is broken: the people of a hundred thousand connections take some 50 MB.
const MESSAGE_MAX: u32 = 1 << 30;
/// An agent that says nothing for so long is gone.
const PATIENCE: Duration = Duration::from_secs(120);

/// What both sides say first. An agent of another version would count something else.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Hello {
    program: String,
    version: String,
}

impl Hello {
    fn own() -> Hello {
        Hello {
            program: "chatify-loadtest".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }
}

/// A worker.
pub(crate) enum Link {
    /// A thread.
    Local {
        orders: mpsc::Sender<(Order, oneshot::Sender<Reply>)>,
        asked: Option<oneshot::Receiver<Reply>>,
        thread: Option<JoinHandle<()>>,
    },
    /// An agent: its address and connection.
    Remote(String, TcpStream),
}

fn ended() -> Failure {
    Failure("a thread of the generator ended".to_owned())
}

impl Link {
    /// Starts a thread whose clock starts at `base`.
    pub(crate) fn local(base: Instant) -> Result<Link, Failure> {
        let (orders, receiver) = mpsc::channel(8);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let thread = std::thread::Builder::new()
            .name("worker".to_owned())
            .spawn(move || {
                tokio::task::LocalSet::new().block_on(&runtime, worker::serve(base, receiver));
            })?;
        Ok(Link::Local {
            orders,
            asked: None,
            thread: Some(thread),
        })
    }

    /// Connects to an agent.
    pub(crate) fn remote(address: &str) -> Result<Link, Failure> {
        let wrong = |why: String| Failure(format!("agent {address} (`--agents`): {why}"));
        let mut stream = TcpStream::connect(address).map_err(|error| wrong(error.to_string()))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        put(&mut stream, &Hello::own()).map_err(|Failure(why)| wrong(why))?;
        let theirs: Hello = take(&mut stream).map_err(|Failure(why)| wrong(why))?;
        if theirs != Hello::own() {
            return Err(wrong(format!(
                "it is {} {}, and this is {}",
                theirs.program,
                theirs.version,
                env!("CARGO_PKG_VERSION")
            )));
        }
        Ok(Link::Remote(address.to_owned(), stream))
    }

    /// Whether its clock is not ours.
    pub(crate) fn is_remote(&self) -> bool {
        matches!(self, Link::Remote(..))
    }

    /// Gives an order; [`Link::reply`] has the answer.
    pub(crate) fn order(&mut self, order: Order) -> Result<(), Failure> {
        match self {
            Link::Local { orders, asked, .. } => {
                let (reply, answer) = oneshot::channel();
                *asked = Some(answer);
                orders.blocking_send((order, reply)).map_err(|_| ended())
            }
            Link::Remote(address, stream) => {
                put(stream, &order).map_err(|Failure(why)| gone(address, &why))
            }
        }
    }

    /// Waits for the answer to the last order.
    pub(crate) fn reply(&mut self) -> Result<Reply, Failure> {
        let reply = match self {
            Link::Local { asked, .. } => asked
                .take()
                .ok_or_else(ended)?
                .blocking_recv()
                .map_err(|_| ended())?,
            Link::Remote(address, stream) => {
                take(stream).map_err(|Failure(why)| gone(address, &why))?
            }
        };
        match reply {
            Reply::Failed(why) => Err(Failure(why)),
            reply => Ok(reply),
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        if let Link::Local { orders, thread, .. } = self {
            // The thread ends when nobody can give it orders any more.
            *orders = mpsc::channel(1).0;
            // Whatever it panicked about has been printed by the panic itself.
            drop(thread.take().map(JoinHandle::join));
        }
    }
}

fn gone(address: &str, why: &str) -> Failure {
    Failure(format!("agent {address}: {why}"))
}

/// Serves coordinators, one after the other, until this process is ended. `tell` is given one line for each.
pub(crate) fn serve(listener: &TcpListener, mut tell: impl FnMut(&str)) -> Result<(), Failure> {
    loop {
        let (stream, peer) = listener.accept()?;
        tell(&format!("{peer} gives orders"));
        match obey(stream) {
            Ok(()) => tell(&format!("{peer} is done")),
            Err(Failure(why)) => tell(&format!("{peer}: {why}")),
        }
    }
}

/// Passes the orders of one coordinator on to a thread, until it goes away.
fn obey(mut stream: TcpStream) -> Result<(), Failure> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let theirs: Hello = take(&mut stream)?;
    put(&mut stream, &Hello::own())?;
    if theirs != Hello::own() {
        return Err(Failure(format!(
            "it is {} {}: refused",
            theirs.program, theirs.version
        )));
    }
    let mut worker = Link::local(Instant::now())?;
    loop {
        let mut first = [0];
        if stream.peek(&mut first)? == 0 {
            return Ok(());
        }
        worker.order(take(&mut stream)?)?;
        let reply = worker
            .reply()
            .unwrap_or_else(|Failure(why)| Reply::Failed(why));
        put(&mut stream, &reply)?;
    }
}

fn put(stream: &mut TcpStream, message: &impl Serialize) -> Result<(), Failure> {
    let body = serde_json::to_vec(message)?;
    let length = u32::try_from(body.len())
        .ok()
        .filter(|length| *length <= MESSAGE_MAX);
    let length = length.ok_or_else(|| Failure("a message became longer than 1 GiB".to_owned()))?;
    // One write: two would wait for each other's acknowledgement.
    stream.write_all(&[&length.to_be_bytes()[..], &body].concat())?;
    Ok(())
}

fn take<T: DeserializeOwned>(stream: &mut TcpStream) -> Result<T, Failure> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = u32::from_be_bytes(length);
    if length > MESSAGE_MAX {
        return Err(Failure("what it says is no message of ours".to_owned()));
    }
    let mut body = Vec::new();
    // By what came and not by what was announced: a stranger's first bytes must not cost a gigabyte.
    stream.take(length.into()).read_to_end(&mut body)?;
    Ok(serde_json::from_slice(&body)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agent() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        std::thread::spawn(move || serve(&listener, |_| ()));
        address
    }

    #[test]
    fn an_agent_obeys_as_a_thread_does() {
        for mut link in [Link::local(Instant::now()), Link::remote(&agent())]
            .map(|link| link.map_err(|Failure(why)| why).unwrap())
        {
            link.order(Order::Clock)
                .map_err(|Failure(why)| why)
                .unwrap();
            assert!(matches!(link.reply(), Ok(Reply::Clock(_))));
            link.order(Order::Count)
                .map_err(|Failure(why)| why)
                .unwrap();
            assert!(link.reply().is_err(), "a run begins with its setup");
        }
    }

    #[test]
    fn an_agent_of_another_version_is_refused_by_both_sides() {
        let mut stream = TcpStream::connect(agent()).unwrap();
        let other = Hello {
            version: "0.0.0".to_owned(),
            ..Hello::own()
        };
        put(&mut stream, &other)
            .map_err(|Failure(why)| why)
            .unwrap();
        let answer: Hello = take(&mut stream).map_err(|Failure(why)| why).unwrap();
        assert_eq!(answer, Hello::own(), "it says what it is");
        assert_eq!(stream.read(&mut [0]).unwrap(), 0, "and goes");

        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _: Hello = take(&mut stream).map_err(|Failure(why)| why).unwrap();
            put(&mut stream, &other)
                .map_err(|Failure(why)| why)
                .unwrap();
        });
        let why = Link::remote(&address)
            .err()
            .map(|Failure(why)| why)
            .unwrap();
        assert!(why.contains("0.0.0"), "{why}");
    }
}
