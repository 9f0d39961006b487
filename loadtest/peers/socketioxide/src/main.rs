//! The peer `socketioxide`: rooms and acks as the load generator speaks them, and nothing else. It checks no token and
//! keeps nothing. `PORT` says where it listens; with `REDIS` (a URL) it is one of several nodes, by its Redis adapter.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::serve::ListenerExt;
use serde::{Deserialize, Serialize};
use socketioxide::adapter::Adapter;
use socketioxide::extract::{AckSender, Data, SocketRef, State};
use socketioxide::layer::SocketIoLayer;
use socketioxide::{SocketIo, TransportType};
use socketioxide_redis::{RedisAdapter, RedisAdapterCtr};
use tokio::net::{TcpListener, TcpSocket};

/// The allocator that chatify has too.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Packets that may wait for one client. The default of 128 loses in a burst to a large room; it is a bound and costs
/// nothing while they do not wait.
const WAITING_MAX: usize = 4_096;
const BACKLOG: u32 = 4_096;

/// The last number of each room; `None` where other processes send too, since none of them could count alone.
/// On one thread nothing comes between a number and its broadcast.
#[derive(Clone)]
struct Heads(Option<Arc<Mutex<HashMap<String, u64>>>>);

impl Heads {
    fn of(&self, room: &str) -> Option<u64> {
        let rooms = self.0.as_ref()?.lock().expect("nobody panics with it");
        Some(rooms.get(room).copied().unwrap_or(0))
    }

    fn next(&self, room: &str) -> Option<u64> {
        let mut rooms = self.0.as_ref()?.lock().expect("nobody panics with it");
        let head = match rooms.get_mut(room) {
            Some(head) => head,
            None => rooms.entry(room.to_owned()).or_insert(0),
        };
        *head += 1;
        Some(*head)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Auth {
    user_id: String,
    rooms: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Room<'a> {
    id: &'a str,
    head_seq: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Ready<'a> {
    user_id: &'a str,
    rooms: Vec<Room<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Send {
    room_id: String,
    client_id: String,
    text: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct New<'a> {
    room_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<u64>,
    client_id: &'a str,
    sender_id: &'a str,
    text: &'a str,
}

#[derive(Serialize)]
struct Accepted {
    ok: bool,
    data: Empty,
}

#[derive(Serialize)]
struct Empty {}

const ACCEPTED: Accepted = Accepted {
    ok: true,
    data: Empty {},
};

async fn on_connect<A: Adapter>(
    socket: SocketRef<A>,
    Data(auth): Data<Auth>,
    State(heads): State<Heads>,
) {
    let Auth { user_id, rooms } = auth;
    socket.join(rooms.clone());
    let ready = Ready {
        user_id: &user_id,
        rooms: rooms
            .iter()
            .map(|id| Room {
                id,
                head_seq: heads.of(id).unwrap_or(0),
            })
            .collect(),
    };
    socket.emit("session:ready", &ready).ok();
    let user: Arc<str> = user_id.into();
    socket.on(
        "message:send",
        async move |socket: SocketRef<A>,
                    Data(send): Data<Send>,
                    ack: AckSender<A>,
                    State(heads): State<Heads>| {
            say(&socket, &send, &user, &heads).await;
            ack.send(&ACCEPTED).ok();
        },
    );
}

async fn say<A: Adapter>(socket: &SocketRef<A>, send: &Send, user: &str, heads: &Heads) {
    let new = New {
        room_id: &send.room_id,
        seq: heads.next(&send.room_id),
        client_id: &send.client_id,
        sender_id: user,
        text: &send.text,
    };
    let room = socket.within(send.room_id.clone());
    room.emit("message:new", &new).await.ok();
}

async fn serve<A: Adapter>(layer: SocketIoLayer<A>, port: u16) {
    let app = Router::new().layer(layer);
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_reuseaddr(true).expect("reuseaddr");
    socket.set_reuseport(true).expect("reuseport");
    socket
        .bind(SocketAddr::from(([127, 0, 0, 1], port)))
        .expect("the port is free");
    let listener: TcpListener = socket.listen(BACKLOG).expect("it listens");
    let listener = listener.tap_io(|stream| {
        stream.set_nodelay(true).ok();
    });
    axum::serve(listener, app).await.expect("it serves");
}

/// Each event becomes a task. Several threads, and even one of the runtime for several, take the newest of two tasks
/// first, so that two messages of one sender may overtake each other; the runtime for one thread keeps their order, and
/// is the cheaper one on one core.
fn main() {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut builder = match cores {
        1 => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    let runtime = builder.enable_all().build().expect("a runtime");
    runtime.block_on(run());
}

async fn run() {
    let port = std::env::var("PORT")
        .ok()
        .and_then(|port| port.parse().ok())
        .expect("PORT is a port");
    let redis = std::env::var("REDIS").ok();
    let heads = Heads(redis.is_none().then(Arc::default));
    let builder = SocketIo::builder()
        .transports([TransportType::Websocket])
        .ping_interval(Duration::from_secs(25))
        .ping_timeout(Duration::from_secs(20))
        .max_buffer_size(WAITING_MAX)
        .with_state(heads);
    match redis {
        None => {
            let (layer, io) = builder.build_layer();
            io.ns("/", on_connect);
            serve(layer, port).await;
        }
        Some(url) => {
            let client =
                redis::Client::open(format!("{url}?protocol=resp3")).expect("REDIS is a URL");
            let adapter = RedisAdapterCtr::new_with_redis(&client)
                .await
                .expect("Redis answers");
            let (layer, io) = builder
                .with_adapter::<RedisAdapter<_>>(adapter)
                .build_layer();
            io.ns("/", on_connect).await.expect("it subscribes");
            serve(layer, port).await;
        }
    }
}
