//! The requests of Engine.IO: handshake, poll, post, upgrade. Checks what can be checked without the session,
//! then asks the shard that owns it.

use super::{
    Front, Handoff, Pending,
    elsewhere::{self, Hop, Passed, Stray},
    origin::{Origins, Verdict},
    peer::client_address,
    query::Query,
    refusal::{EngineRefusal, text_response},
};
use crate::{
    application::Body,
    close::CloseReason,
    config::Mode,
    shard::{
        command::{Command, Verb, Visitor},
        connection::KeptHeaders,
    },
    sid::Sid,
};
use bytes::Bytes;
use fastwebsockets::upgrade;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use std::{net::SocketAddr, rc::Rc, sync::atomic::Ordering::Relaxed};
use tokio::{sync::oneshot, time::timeout};

/// Where a request came in.
pub(crate) struct Place {
    pub(crate) number: u8,
    pub(crate) mode: Mode,
    pub(crate) peer: SocketAddr,
    /// Whether another node of ours has passed the request on, or somebody says so.
    pub(crate) is_passed_on: bool,
}

pub(crate) async fn answer(
    front: &Rc<Front>,
    pending: &Pending,
    request: Request<Incoming>,
    mut place: Place,
) -> Response<Body> {
    let origins = &front.config.origins;
    match elsewhere::look(front.elsewhere.as_deref(), &request) {
        Hop::Direct => {}
        Hop::Claimed => place.is_passed_on = true,
        // The first node has judged the origin, and tells the browser.
        Hop::PassedOn(client) => {
            place.is_passed_on = true;
            place.peer.set_ip(client);
            let answered = dispatch(front, pending, request, place).await;
            return answered.unwrap_or_else(|refusal| refused(front, refusal));
        }
    }
    let scheme = forwarded_scheme(front, &request, &place);
    let verdict = origins.judge(request.headers(), scheme.as_deref());
    let is_preflight = request.method() == Method::OPTIONS;
    let answered = match &verdict {
        Verdict::Refused => Err(EngineRefusal::Forbidden),
        _ if is_preflight => Ok(preflight()),
        _ => dispatch(front, pending, request, place).await,
    };
    let mut response = answered.unwrap_or_else(|refusal| refused(front, refusal));
    origins.decorate(&verdict, response.headers_mut());
    response
}

fn refused(front: &Front, refusal: EngineRefusal) -> Response<Body> {
    front.counters.refused.fetch_add(1, Relaxed);
    refusal.response()
}

fn preflight() -> Response<Body> {
    let mut response = text_response(StatusCode::NO_CONTENT, "text/plain", "");
    Origins::decorate_preflight(response.headers_mut());
    response
}

fn forwarded_scheme(front: &Front, request: &Request<Incoming>, place: &Place) -> Option<String> {
    let proxies = &front.config.proxies;
    let is_trusted = proxies.iter().any(|net| net.contains(place.peer.ip()));
    let value = request.headers().get("x-forwarded-proto")?;
    value
        .to_str()
        .ok()
        .filter(|_| is_trusted)
        .map(str::to_owned)
}

async fn dispatch(
    front: &Rc<Front>,
    pending: &Pending,
    request: Request<Incoming>,
    place: Place,
) -> Result<Response<Body>, EngineRefusal> {
    let uri = request.uri().clone();
    let query = uri.query().unwrap_or_default();
    if uri.path().len() + query.len() > front.config.limits.uri_bytes {
        return Err(EngineRefusal::UriTooLong);
    }
    let query = Query::parse(query)?;
    let is_upgrade = upgrade::is_upgrade_request(&request);
    if place.mode == Mode::WebSocket {
        if !is_upgrade {
            return Err(EngineRefusal::BadRequest);
        }
        return open_socket(front, pending, request, &place);
    }
    let is_websocket = match query.transport.as_deref() {
        Some("polling") => false,
        Some("websocket") => true,
        _ => return Err(EngineRefusal::UnknownTransport),
    };
    if query.version.as_deref() != Some("4") {
        return Err(EngineRefusal::UnsupportedVersion);
    }
    let Some(sid) = query.sid else {
        return match (is_websocket, is_upgrade, request.method()) {
            (_, _, method) if method != Method::GET => Err(EngineRefusal::BadMethod),
            (true, true, _) => open_socket(front, pending, request, &place),
            (false, false, _) => open_polling(front, &request, &place).await,
            _ => Err(EngineRefusal::BadRequest),
        };
    };
    let sid = Sid::parse(&sid).ok_or(EngineRefusal::UnknownSid)?;
    let verb = match (is_websocket, is_upgrade, request.method()) {
        (true, true, &Method::GET) => Verb::Upgrade,
        (false, false, &Method::GET) => Verb::Poll,
        (false, false, &Method::POST) => Verb::Post,
        _ => return Err(EngineRefusal::BadRequest),
    };
    if sid.node != front.config.node {
        return pass_on(front, pending, request, (&place, sid, verb)).await;
    }
    match verb {
        Verb::Upgrade => probe(front, pending, request, sid).await,
        Verb::Poll => poll(front, sid).await,
        Verb::Post => post(front, request, sid).await,
    }
}

/// Gives a request to the node that owns its session. The owner judges it as its own; what it says is the answer.
async fn pass_on(
    front: &Rc<Front>,
    pending: &Pending,
    mut request: Request<Incoming>,
    (place, sid, verb): (&Place, Sid, Verb),
) -> Result<Response<Body>, EngineRefusal> {
    let elsewhere = front.elsewhere.as_ref().filter(|_| !place.is_passed_on);
    let elsewhere = elsewhere.ok_or(EngineRefusal::UnknownSid)?;
    // Refused before the owner is asked, since its answer is not ours to give then.
    let accept = match verb {
        Verb::Upgrade => Some(switch_protocols(&mut request)?),
        Verb::Poll | Verb::Post => None,
    };
    let limit = front.config.limits.max_payload;
    let stray = Stray {
        node: sid.node,
        client: client_address(place.peer.ip(), request.headers(), &front.config.proxies),
        request: request.map(|body| Limited::new(body, limit).boxed_unsync()),
    };
    match (elsewhere.pass(stray).await, accept) {
        (Passed::Answered(response), _) => Ok(response),
        (Passed::Switched(line), Some(accept)) => {
            pending.replace(Some(Handoff::Relay(line)));
            Ok(accept)
        }
        (Passed::Unknown | Passed::Switched(_), _) => Err(EngineRefusal::UnknownSid),
        (Passed::TooLarge, _) => Err(EngineRefusal::TooLarge),
    }
}

/// Overload is refused here, before memory is spent on a session.
fn admit_session(front: &Front) -> Result<(), EngineRefusal> {
    let open = front.open_everywhere();
    if front.is_leaving() || open >= front.config.limits.connections {
        return Err(EngineRefusal::Overloaded);
    }
    match &front.config.admission {
        Some(admission) => admission.admit(open).map_err(EngineRefusal::RetryAfter),
        None => Ok(()),
    }
}

fn visitor(front: &Front, headers: &HeaderMap, place: &Place) -> Visitor {
    let kept: KeptHeaders = front
        .config
        .kept_headers
        .iter()
        .filter_map(|name| {
            let value = headers.get(name)?.to_str().ok()?;
            Some((name.clone(), value.to_owned()))
        })
        .collect();
    Visitor {
        endpoint: place.number,
        peer: client_address(place.peer.ip(), headers, &front.config.proxies),
        headers: (!kept.is_empty()).then(|| Box::new(kept)),
    }
}

async fn open_polling(
    front: &Front,
    request: &Request<Incoming>,
    place: &Place,
) -> Result<Response<Body>, EngineRefusal> {
    admit_session(front)?;
    let visitor = visitor(front, request.headers(), place);
    let (reply, opened) = oneshot::channel();
    front.desk.perform(Command::OpenPolling { visitor, reply });
    let packet = opened.await.map_err(|_| EngineRefusal::Overloaded)??;
    Ok(payload(packet))
}

fn open_socket(
    front: &Front,
    pending: &Pending,
    mut request: Request<Incoming>,
    place: &Place,
) -> Result<Response<Body>, EngineRefusal> {
    if request.method() != Method::GET {
        return Err(EngineRefusal::BadMethod);
    }
    admit_session(front)?;
    let visitor = visitor(front, request.headers(), place);
    let response = switch_protocols(&mut request)?;
    pending.replace(Some(Handoff::Open(visitor)));
    Ok(response)
}

async fn probe(
    front: &Front,
    pending: &Pending,
    mut request: Request<Incoming>,
    sid: Sid,
) -> Result<Response<Body>, EngineRefusal> {
    let (reply, admitted) = oneshot::channel();
    let verb = Verb::Upgrade;
    ask(front, sid, Command::Admit { sid, verb, reply })?;
    admitted.await.map_err(|_| EngineRefusal::Overloaded)??;
    let response = switch_protocols(&mut request)?;
    pending.replace(Some(Handoff::Probe(sid)));
    Ok(response)
}

/// The answer to a WebSocket handshake. Extensions and subprotocols are not offered, so none is agreed on.
fn switch_protocols(request: &mut Request<Incoming>) -> Result<Response<Body>, EngineRefusal> {
    let key = request.headers().get("sec-websocket-key");
    if key.is_none_or(|key| key.len() != 24) {
        return Err(EngineRefusal::BadRequest);
    }
    // The future is not needed: the socket comes back from hyper's connection itself, without a box around it.
    let (response, _) = upgrade::upgrade(request).map_err(|_| EngineRefusal::BadRequest)?;
    Ok(response.map(|body| body.map_err(|never| match never {}).boxed_unsync()))
}

async fn poll(front: &Rc<Front>, sid: Sid) -> Result<Response<Body>, EngineRefusal> {
    let (reply, answered) = oneshot::channel();
    // Declared before the wait, so that a client who goes away drops first the receiver and then this.
    let mut watch = Watch::new(front, sid, Verb::Poll);
    ask(front, sid, Command::Poll { sid, reply })?;
    let packets = answered.await;
    watch.is_done = true;
    Ok(payload(packets.map_err(|_| EngineRefusal::UnknownSid)??))
}

async fn post(
    front: &Rc<Front>,
    request: Request<Incoming>,
    sid: Sid,
) -> Result<Response<Body>, EngineRefusal> {
    let (reply, admitted) = oneshot::channel();
    let verb = Verb::Post;
    ask(front, sid, Command::Admit { sid, verb, reply })?;
    admitted.await.map_err(|_| EngineRefusal::Overloaded)??;
    let mut watch = Watch::new(front, sid, Verb::Post);
    let body = match read_body(front, request).await {
        Ok(body) => body,
        Err((refusal, reason)) => {
            watch.is_done = true;
            ask(front, sid, Command::Broken { sid, reason })?;
            return Err(refusal);
        }
    };
    let (reply, taken) = oneshot::channel();
    ask(front, sid, Command::Post { sid, body, reply })?;
    watch.is_done = true;
    taken.await.map_err(|_| EngineRefusal::Overloaded)??;
    Ok(text_response(StatusCode::OK, "text/html", "ok"))
}

async fn read_body(
    front: &Front,
    request: Request<Incoming>,
) -> Result<Bytes, (EngineRefusal, CloseReason)> {
    // Engine.IO v4 payloads are text; bytes travel in base64.
    let is_bytes = request
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/octet-stream"));
    if is_bytes {
        return Err((EngineRefusal::BadRequest, CloseReason::BadPacket));
    }
    let body = Limited::new(request.into_body(), front.config.limits.max_payload).collect();
    match timeout(front.config.request_timeout, body).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            Err((EngineRefusal::TooLarge, CloseReason::TooBig))
        }
        Ok(Err(_)) => Err((EngineRefusal::BadRequest, CloseReason::TransportError)),
        Err(_) => Err((EngineRefusal::TooSlow, CloseReason::TransportError)),
    }
}

/// Gives a command to the shard that owns the session.
fn ask(front: &Front, sid: Sid, command: Command) -> Result<(), EngineRefusal> {
    if sid.shard == front.shard {
        front.desk.perform(command);
        return Ok(());
    }
    let owner = front
        .shards
        .get(sid.shard as usize)
        .ok_or(EngineRefusal::UnknownSid)?;
    owner
        .try_send(command)
        .map_err(|_| EngineRefusal::Overloaded)
}

/// Tells the session when the client of a request goes away: hyper drops the request's future then.
struct Watch {
    front: Rc<Front>,
    sid: Sid,
    verb: Verb,
    is_done: bool,
}

impl Watch {
    fn new(front: &Rc<Front>, sid: Sid, verb: Verb) -> Watch {
        Watch {
            front: front.clone(),
            sid,
            verb,
            is_done: false,
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if self.is_done {
            return;
        }
        let (sid, verb) = (self.sid, self.verb);
        if ask(&self.front, sid, Command::Lost { sid, verb }).is_err() {
            tracing::debug!(
                "the end of a request could not be told to its shard; its ping will time out"
            );
        }
    }
}

fn payload(packets: Bytes) -> Response<Body> {
    let mut response = text_response(StatusCode::OK, "text/plain; charset=UTF-8", packets);
    // No script of the page's may be made of an answer.
    response.headers_mut().insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    response
}
