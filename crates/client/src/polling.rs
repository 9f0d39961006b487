//! A session over HTTP long-polling: one task polls, one posts, each on a connection of its own that is kept.

use bytes::Bytes;
use http::{Request, StatusCode, header};
use protocol::engineio::SEPARATOR;
use protocol::frame::Frame;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::link::{Ends, Opened};
use crate::{Endpoint, Fault, Http};

const PATH: &str = "/socket.io/?EIO=4&transport=polling";

/// Opens a session; the tasks end when it does.
pub(crate) async fn open(
    endpoint: &Endpoint,
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
    let posts = Http::new(endpoint.clone());
    tasks.spawn(post(posts, session.clone(), opened.max_payload, to_write));
    tasks.spawn(async move {
        for packet in &rest {
            if !ends.take(packet).await {
                return;
            }
        }
        poll(polls, session, opened, ends).await;
    });
    Ok(())
}

async fn poll(mut http: Http, session: String, opened: Opened, ends: Ends) {
    loop {
        let asked = http.ask(Request::get(&session), Bytes::new());
        let Ok(Ok(reply)) = timeout(opened.silence_max(), asked).await else {
            return;
        };
        let Ok(text) = std::str::from_utf8(&reply.body) else {
            return;
        };
        if reply.status != StatusCode::OK {
            return;
        }
        for packet in text.split(SEPARATOR) {
            if !ends.take(packet).await {
                return;
            }
        }
    }
}

async fn post(
    mut http: Http,
    session: String,
    payload_max: usize,
    mut to_write: mpsc::Receiver<Frame>,
) {
    let mut held = None;
    loop {
        let first = match held.take() {
            Some(frame) => frame,
            None => match to_write.recv().await {
                Some(frame) => frame,
                None => return,
            },
        };
        let mut payload = first.text().to_owned();
        while let Ok(next) = to_write.try_recv() {
            if payload.len() + 1 + next.text().len() > payload_max {
                held = Some(next);
                break;
            }
            payload.push(SEPARATOR);
            payload.push_str(next.text());
        }
        let request =
            Request::post(&session).header(header::CONTENT_TYPE, "text/plain;charset=UTF-8");
        match http.ask(request, Bytes::from(payload)).await {
            Ok(reply) if reply.status == StatusCode::OK => {}
            _ => return,
        }
    }
}
