//! A person's device as its user holds it: it says, waits, and is told where it stands. The work is done by `device`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use protocol::ids::{RoomId, UserId};
use protocol::message::Seq;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;

pub use crate::outbox::{Refused, Sent};

use crate::device::{Device, Order};
use crate::{Endpoint, Recorder, Way};

/// Sends that were asked for and not taken over yet; beyond it the sender waits.
const ORDERS_MAX: usize = 64;

/// Who somebody is to the server.
#[derive(Clone)]
pub struct Identity {
    /// Who.
    pub user: UserId,
    /// The access token that says so.
    pub token: String,
}

/// Which rooms count: others are neither taken in nor written down.
pub type Rooms = Arc<BTreeSet<RoomId>>;

/// How patient a client is.
#[derive(Clone, Copy, Debug)]
pub struct Tempo {
    /// The pause before the first reconnect; doubles, and is spread over half to one and a half of itself.
    pub pause_first: Duration,
    /// The longest pause.
    pub pause_max: Duration,
    /// How long a send may be without an answer before it is repeated.
    pub ack_max: Duration,
}

impl Default for Tempo {
    /// As the stock client and the guide say.
    fn default() -> Tempo {
        Tempo {
            pause_first: Duration::from_secs(1),
            pause_max: Duration::from_secs(5),
            ack_max: Duration::from_secs(10),
        }
    }
}

/// Where a member stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// On the way to a server, for the first time or again.
    Connecting,
    /// Let in; its rooms are heard.
    Ready,
    /// Refused with this code: as the stock client, it does not come back by itself.
    Refused(String),
}

/// How and where to connect.
#[derive(Clone)]
pub struct Road {
    /// Every server. The first choice comes first; after a failure the next one is tried.
    pub endpoints: Vec<Endpoint>,
    /// How.
    pub way: Way,
    /// How patiently.
    pub tempo: Tempo,
}

/// A device that is kept connected. Dropped, it goes without a word.
pub struct Member {
    /// Whose it is.
    pub user: UserId,
    orders: mpsc::Sender<Order>,
    standing: watch::Receiver<Standing>,
    places: watch::Receiver<BTreeMap<RoomId, Seq>>,
    /// Ends with us.
    _task: JoinSet<()>,
}

impl Member {
    /// Starts to connect.
    pub fn start(who: Identity, road: Road, rooms: Rooms, recorder: Arc<Recorder>) -> Member {
        let (orders, taken) = mpsc::channel(ORDERS_MAX);
        let (standing_told, standing) = watch::channel(Standing::Connecting);
        let (places_told, places) = watch::channel(BTreeMap::new());
        let user = who.user;
        let device = Device::new(
            (who, road),
            rooms,
            recorder,
            (taken, standing_told, places_told),
        );
        let mut task = JoinSet::new();
        task.spawn(device.live());
        Member {
            user,
            orders,
            standing,
            places,
            _task: task,
        }
    }

    /// Says something, and waits until it is acknowledged or refused for good, whatever comes between. Messages of one
    /// room keep the order of the calls.
    ///
    /// # Errors
    /// With the code of the refusal.
    pub async fn send(&self, room: RoomId, text: String) -> Result<Sent, Refused> {
        let (answer, answered) = oneshot::channel();
        let order = Order { room, text, answer };
        let gone = || Refused("client_ended".to_owned());
        self.orders.send(order).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }

    /// Where it stands now.
    pub fn standing(&self) -> Standing {
        self.standing.borrow().clone()
    }

    /// Waits until it is let in or refused.
    pub async fn settled(&self) -> Standing {
        let mut standing = self.standing.clone();
        let settled = standing.wait_for(|standing| *standing != Standing::Connecting);
        match settled.await {
            Ok(standing) => standing.clone(),
            Err(_) => Standing::Connecting,
        }
    }

    /// Waits until it has taken in everything up to these places.
    pub async fn reaches(&self, heads: &BTreeMap<RoomId, Seq>) {
        let mut places = self.places.clone();
        let there = |places: &BTreeMap<RoomId, Seq>| {
            let at = |room| places.get(room).copied().unwrap_or(0);
            heads.iter().all(|(room, head)| at(room) >= *head)
        };
        // An error says that the device has ended: its last places are what is judged.
        drop(places.wait_for(there).await);
    }
}
