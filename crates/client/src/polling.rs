//! A session over HTTP long-polling: polls and posts, each on a connection of its own that is kept; and the upgrade to a
//! WebSocket, in the order of the stock client: probe, pause with nothing under way, take over.

use std::future::pending;
use std::pin::{Pin, pin};

use bytes::Bytes;
use http::{Request, StatusCode, header};
use protocol::engineio::SEPARATOR;
use protocol::frame::Frame;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::endpoint::DIAL_MAX;
use crate::link::{Ends, Opened};
use crate::{Endpoint, Fault, Http, websocket};

const PATH: &str = "/socket.io/?EIO=4&transport=polling";

/// Opens a session; the task ends when it does.
pub(crate) async fn open(
    (endpoint, upgrades): (&Endpoint, bool),
    ends: Ends,
    to_write: mpsc::Receiver<Frame>,
    tasks: &mut JoinSet<()>,
) -> Result<(), Fault> {
    let mut polls = Http::new(endpoint.clone());
    let payload = polls.ask(Request::get(PATH), Bytes::new()).await?;
    payload.success()?;
    let text = std::str::from_utf8(&payload.body).map_err(|error| Fault::of(endpoint, error))?;
    let mut packets = text.split(SEPARATOR);
    let opened = Opened::read(packets.next().unwrap_or_default())?;
    let rest: Vec<String> = packets.map(str::to_owned).collect();
    let session = format!("{PATH}&sid={}", opened.sid);
    let poll = Polls {
        http: polls,
        session: session.clone(),
        opened,
        ends,
    };
    let post = Posts {
        http: Http::new(endpoint.clone()),
        session,
        payload_max: poll.opened.max_payload,
        to_write,
    };
    tasks.spawn(carry(endpoint.clone(), upgrades, rest, (poll, post)));
    Ok(())
}

/// Carries a session until it ends; on a WebSocket as soon as there is one, if that is wanted.
async fn carry(
    endpoint: Endpoint,
    upgrades: bool,
    rest: Vec<String>,
    (mut poll, mut post): (Polls, Posts),
) {
    for packet in &rest {
        if !poll.ends.take(packet).await {
            return;
        }
    }
    let (pause, paused) = watch::channel(false);
    let sid = poll.opened.sid.clone();
    let wire = {
        let mut polling = pin!(both(poll.run(paused.clone()), post.run(paused.clone())));
        let probe = async {
            match upgrades {
                true => timeout(DIAL_MAX, websocket::probe(&endpoint, &sid)).await,
                false => pending().await,
            }
        };
        let wire = tokio::select! {
            _ = &mut polling => return,
            probed = probe => probed,
        };
        let Ok(Ok(wire)) = wire else {
            // As the stock client: it stays with what works.
            polling.await;
            return;
        };
        // Both finish what is under way and no more; the server answers a waiting poll with a noop.
        pause.send_replace(true);
        if polling.await == Ended::Lost {
            return;
        }
        wire
    };
    let mut wire = wire;
    if wire.say(&endpoint, "5").await.is_ok() {
        websocket::carry(wire, poll.opened, poll.ends, post.to_write).await;
    }
}

/// Lost as soon as one is lost, paused when both are.
async fn both(
    poll: impl Future<Output = Ended> + Send,
    post: impl Future<Output = Ended> + Send,
) -> Ended {
    let (mut poll, mut post) = (pin!(poll), pin!(post));
    let (first, other): (_, Pin<&mut (dyn Future<Output = Ended> + Send)>) = tokio::select! {
        first = &mut poll => (first, post),
        first = &mut post => (first, poll),
    };
    match first {
        Ended::Paused => other.await,
        Ended::Lost => Ended::Lost,
    }
}

/// How one direction ended.
#[derive(PartialEq, Eq)]
enum Ended {
    /// Paused, with nothing under way.
    Paused,
    /// The session is over.
    Lost,
}

/// From the server.
struct Polls {
    http: Http,
    session: String,
    opened: Opened,
    ends: Ends,
}

impl Polls {
    async fn run(&mut self, paused: watch::Receiver<bool>) -> Ended {
        while !*paused.borrow() {
            let asked = self.http.ask(Request::get(&self.session), Bytes::new());
            let Ok(Ok(reply)) = timeout(self.opened.silence_max(), asked).await else {
                return Ended::Lost;
            };
            let Ok(text) = std::str::from_utf8(&reply.body) else {
                return Ended::Lost;
            };
            if reply.status != StatusCode::OK {
                return Ended::Lost;
            }
            for packet in text.split(SEPARATOR) {
                if !self.ends.take(packet).await {
                    return Ended::Lost;
                }
            }
        }
        Ended::Paused
    }
}

/// To the server.
struct Posts {
    http: Http,
    session: String,
    payload_max: usize,
    to_write: mpsc::Receiver<Frame>,
}

impl Posts {
    async fn run(&mut self, mut paused: watch::Receiver<bool>) -> Ended {
        let mut held = None;
        loop {
            let first = match held.take() {
                Some(frame) => frame,
                None => tokio::select! {
                    biased;
                    _ = paused.wait_for(|paused| *paused) => return Ended::Paused,
                    frame = self.to_write.recv() => match frame {
                        Some(frame) => frame,
                        None => return Ended::Lost,
                    },
                },
            };
            let mut payload = first.text().to_owned();
            while let Ok(next) = self.to_write.try_recv() {
                if payload.len() + 1 + next.text().len() > self.payload_max {
                    held = Some(next);
                    break;
                }
                payload.push(SEPARATOR);
                payload.push_str(next.text());
            }
            let request = Request::post(&self.session)
                .header(header::CONTENT_TYPE, "text/plain;charset=UTF-8");
            match self.http.ask(request, Bytes::from(payload)).await {
                Ok(reply) if reply.status == StatusCode::OK => {}
                _ => return Ended::Lost,
            }
        }
    }
}
