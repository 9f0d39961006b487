//! A whole server: starts the shards, listens on each, hands out what is needed to post to them and to stop them.

use crate::{
    application::{Application, HttpFallback},
    config::ServerConfig,
    counters::Counters,
    http::{Desk, Front, elsewhere::Elsewhere, serve_connection},
    shard::{Core, Shard, Turn, command::Command, sockets::Sockets},
};
use socket2::{Domain, Protocol, Socket, Type};
use std::{
    cell::{Cell, RefCell},
    io,
    net::SocketAddr,
    rc::Rc,
    sync::{Arc, atomic::AtomicUsize},
    thread::JoinHandle,
    time::Duration,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{mpsc, oneshot, watch},
    task::{LocalSet, spawn_local, unconstrained},
};

/// Requests of other shards that may wait for one: each holds a client's request that waits for an answer.
const COMMANDS_MAX: usize = 8192;
/// Connections the kernel keeps until they are accepted; it takes the smaller of this and `somaxconn`.
const BACKLOG: i32 = 4096;

/// Posts mail to one shard, from any thread.
pub struct ShardHandle<M> {
    number: u8,
    mails: mpsc::Sender<M>,
    counters: Arc<Counters>,
}

impl<M> Clone for ShardHandle<M> {
    fn clone(&self) -> ShardHandle<M> {
        ShardHandle {
            number: self.number,
            mails: self.mails.clone(),
            counters: self.counters.clone(),
        }
    }
}

/// The shard's mailbox is full (or the shard gone): the mail comes back.
#[derive(Debug, PartialEq, Eq)]
pub struct MailboxFull<M>(pub M);

impl<M: Send> ShardHandle<M> {
    /// Never blocks.
    pub fn post(&self, mail: M) -> Result<(), MailboxFull<M>> {
        self.mails.try_send(mail).map_err(|error| match error {
            mpsc::error::TrySendError::Full(mail) | mpsc::error::TrySendError::Closed(mail) => {
                MailboxFull(mail)
            }
        })
    }

    /// The shard's number, from 0.
    pub fn number(&self) -> u8 {
        self.number
    }

    /// What the shard counts.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Mails that wait.
    pub fn depth(&self) -> usize {
        self.mails.max_capacity() - self.mails.capacity()
    }
}

/// How the drain of a server goes.
#[derive(Debug, Clone, Copy)]
pub struct DrainPlan {
    /// Sessions of the whole server to close in each 100 ms. The official client comes back within 0.5 to 1.5 s,
    /// so this is the pace at which the others get them.
    pub closes_per_step: usize,
    /// When what is left is cut.
    pub deadline: Duration,
}

/// What a drain left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drained {
    /// Sessions that were cut at the deadline.
    pub sessions_cut: usize,
    /// Shards whose thread ended with a panic.
    pub shards_failed: usize,
}

/// A running server. Dropping it leaves the shards running; [`Server::drain`] ends them.
pub struct Server<M> {
    local_addr: SocketAddr,
    shards: Vec<ShardHandle<M>>,
    commands: Arc<[mpsc::Sender<Command>]>,
    threads: Vec<(JoinHandle<()>, oneshot::Receiver<usize>)>,
}

/// What a shard's thread is started with.
struct Seat<M> {
    number: u8,
    listener: std::net::TcpListener,
    config: Arc<ServerConfig>,
    commands: mpsc::Receiver<Command>,
    mails: mpsc::Receiver<M>,
    handles: Vec<ShardHandle<M>>,
    shards: Arc<[mpsc::Sender<Command>]>,
    fallback: Arc<dyn HttpFallback>,
    elsewhere: Option<Arc<dyn Elsewhere>>,
    open_everywhere: Arc<AtomicUsize>,
    left: oneshot::Sender<usize>,
}

impl<M: Send + 'static> Server<M> {
    /// Listens and starts the shards. `factory` is called once on each shard's thread with its number and the
    /// handles of all.
    pub fn start<A, F>(
        config: ServerConfig,
        factory: F,
        fallback: Arc<dyn HttpFallback>,
        elsewhere: Option<Arc<dyn Elsewhere>>,
    ) -> io::Result<Server<M>>
    where
        A: Application<Mail = M>,
        F: Fn(u8, &[ShardHandle<M>]) -> A + Send + Sync + 'static,
    {
        let count = config.shards.max(1);
        let first = listen(&config, config.listen)?;
        let local_addr = first.local_addr()?;
        let mut listeners = vec![first];
        for _ in 1..count {
            listeners.push(listen(&config, local_addr)?);
        }
        let config = Arc::new(config);
        let (commands, command_queues): (Vec<_>, Vec<_>) =
            (0..count).map(|_| mpsc::channel(COMMANDS_MAX)).unzip();
        let commands: Arc<[_]> = commands.into();
        let (mails, mail_queues): (Vec<_>, Vec<_>) = (0..count)
            .map(|_| mpsc::channel(config.mailbox.max(1)))
            .unzip();
        let shards: Vec<ShardHandle<M>> = (0..count)
            .zip(mails)
            .map(|(number, mails)| ShardHandle {
                number,
                mails,
                counters: Arc::default(),
            })
            .collect();
        let factory = Arc::new(factory);
        let open_everywhere = Arc::new(AtomicUsize::new(0));
        let queues = command_queues.into_iter().zip(mail_queues);
        let mut threads = Vec::new();
        for ((number, listener), (command_queue, mail_queue)) in
            (0..count).zip(listeners).zip(queues)
        {
            let (left, on_left) = oneshot::channel();
            let seat = Seat {
                number,
                listener,
                config: config.clone(),
                commands: command_queue,
                mails: mail_queue,
                handles: shards.clone(),
                shards: commands.clone(),
                fallback: fallback.clone(),
                elsewhere: elsewhere.clone(),
                open_everywhere: open_everywhere.clone(),
                left,
            };
            let factory = factory.clone();
            let thread = std::thread::Builder::new()
                .name(format!("shard-{number}"))
                .spawn(move || run_shard(seat, &*factory))?;
            threads.push((thread, on_left));
        }
        Ok(Server {
            local_addr,
            shards,
            commands,
            threads,
        })
    }

    /// Where the server listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// A handle for each shard, in order.
    pub fn shards(&self) -> &[ShardHandle<M>] {
        &self.shards
    }

    /// Stops: no new connections, the application told, sessions closed at the plan's pace, outboxes written, the
    /// threads joined. The transports are closed without a Socket.IO DISCONNECT, so clients come back elsewhere.
    pub async fn drain(self, plan: DrainPlan) -> Drained {
        let batch = plan.closes_per_step.div_ceil(self.shards.len()).max(1);
        let deadline_ms = plan.deadline.as_millis() as u64;
        for (number, shard) in self.commands.iter().enumerate() {
            if shard
                .send(Command::Drain { batch, deadline_ms })
                .await
                .is_err()
            {
                tracing::warn!(shard = number, "the shard had ended before the drain");
            }
        }
        let mut drained = Drained {
            sessions_cut: 0,
            shards_failed: 0,
        };
        for (thread, left) in self.threads {
            match left.await {
                Ok(count) => drained.sessions_cut += count,
                Err(_) => drained.shards_failed += 1,
            }
            // The thread has said its last word: this waits for the end of its stack only.
            if thread.join().is_err() {
                tracing::error!("a shard ended with a panic");
            }
        }
        drained
    }
}

fn listen(config: &ServerConfig, address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    // Accepted sockets inherit these from the listener, which saves two calls a connection.
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_user_timeout(Some(config.tcp_user_timeout))?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn run_shard<A, M>(seat: Seat<M>, factory: &dyn Fn(u8, &[ShardHandle<M>]) -> A)
where
    A: Application<Mail = M>,
    M: Send + 'static,
{
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, shard = seat.number, "the shard has no runtime");
            return;
        }
    };
    let tasks = LocalSet::new();
    let left = tasks.block_on(&runtime, serve(seat, factory));
    // Tasks hold sockets and the shard's core: they end here, on their own thread.
    drop(tasks);
    if let Some((count, on_left)) = left
        && on_left.send(count).is_err()
    {
        tracing::debug!("nobody waits for the end of the shard");
    }
}

/// The life of a shard; gives what it left behind and who wants to know.
async fn serve<A, M>(
    seat: Seat<M>,
    factory: &dyn Fn(u8, &[ShardHandle<M>]) -> A,
) -> Option<(usize, oneshot::Sender<usize>)>
where
    A: Application<Mail = M>,
    M: Send + 'static,
{
    let listener = match TcpListener::from_std(seat.listener) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(%error, shard = seat.number, "the shard cannot listen");
            return None;
        }
    };
    let app = factory(seat.number, &seat.handles);
    let counters = seat.handles[seat.number as usize].counters.clone();
    let sockets = Sockets::new(
        seat.config.clone(),
        seat.number,
        counters.clone(),
        seat.open_everywhere.clone(),
    );
    // The mail queue closes only with its last sender, and the shard does not need its own for that.
    drop(seat.handles);
    let (leaving, on_leaving) = watch::channel(false);
    let shard = Rc::new(Shard {
        core: RefCell::new(Core::new(app, sockets)),
        http_connections: Cell::new(0),
        leaving,
    });
    let front = Rc::new(Front {
        desk: shard.clone(),
        shard: seat.number,
        shards: seat.shards,
        config: seat.config,
        fallback: seat.fallback,
        elsewhere: seat.elsewhere,
        counters,
        open_everywhere: seat.open_everywhere,
        leaving: on_leaving,
        relays_leaving: Cell::new(0),
    });
    spawn_local(accept(front, listener));
    let mut turn = Turn::new(shard.clone(), seat.commands, seat.mails);
    // A turn bounds its own work; tokio's budget would only cut it into pieces.
    unconstrained(std::future::poll_fn(|context| turn.poll_turn(context))).await;
    let count = shard.core.borrow().sockets.len();
    Some((count, seat.left))
}

/// Takes connections until the shard leaves.
async fn accept(front: Rc<Front>, listener: TcpListener) {
    let mut leaving = front.leaving.clone();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = leaving.wait_for(|leaving| *leaving) => return,
        };
        match accepted {
            Ok((stream, peer)) => take(&front, stream, peer),
            Err(error) => {
                // Out of file descriptors, most likely: trying at once again would spin.
                tracing::warn!(%error, "cannot accept");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

fn take(front: &Rc<Front>, stream: TcpStream, peer: SocketAddr) {
    if front.desk.http_connections() >= front.config.limits.http_connections {
        let refusal = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
        if let Err(error) = stream.try_write(refusal) {
            tracing::debug!(%error, "could not refuse in words");
        }
        return;
    }
    let guard = Counted::new(front.clone());
    spawn_local(async move {
        serve_connection(guard.front.clone(), stream, peer).await;
        drop(guard);
    });
}

/// Counts an HTTP connection for as long as it is served.
struct Counted {
    front: Rc<Front>,
}

impl Counted {
    fn new(front: Rc<Front>) -> Counted {
        front.desk.count_connection(1);
        Counted { front }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.front.desk.count_connection(-1);
    }
}

impl<A: Application> Desk for Shard<A> {
    fn perform(&self, command: Command) {
        let mut core = self.core.borrow_mut();
        core.read_clock();
        core.perform(command);
        core.sockets.ready.nudge();
    }

    fn count_connection(&self, by: isize) {
        let count = self.http_connections.get().saturating_add_signed(by);
        self.http_connections.set(count);
        if *self.leaving.borrow() {
            self.core.borrow().sockets.ready.nudge();
        }
    }

    fn http_connections(&self) -> usize {
        self.http_connections.get()
    }

    fn closes_per_step(&self) -> usize {
        let core = self.core.borrow();
        core.draining.as_ref().map_or(1, |draining| draining.batch)
    }
}
