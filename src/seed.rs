//! `chatify seed`: people, devices and rooms in bulk, for load generators.
//!
//! Person `i` is in the rooms whose members' range covers them, so that rooms are as large as asked for and every person is in
//! nearly as many. Tokens are real ones of this deployment and live for a day.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::sync::Arc;

use auth::Auth;
use bus::limits_local::LocalLimiter;
use bus::mail_local::LocalMailQueue;
use indicatif::{ProgressBar, ProgressStyle};
use protocol::entry::{Change, Entry};
use protocol::ids::{ClientId, RoomId, SessionId, UserId};
use protocol::room::{Epoch, Member, Role, Room, RoomType};
use protocol::time::Timestamp;
use protocol::user::User;
use serde::Serialize;
use service::clock::Clock;
use service::config::Settings;
use store::{NewRoom, NewSession, SeedBatch, Store};
use uuid::Uuid;

use crate::Failure;
use crate::arguments::SeedPlan;
use crate::config::TopConfig;
use crate::serve::backends::own_store;

/// Rows a batch, as the store asks for.
const BATCH_ROWS: usize = 8_000;
/// How long a token lives.
const TOKEN_LIFE_SECONDS: u64 = 24 * 3_600;

/// A line of the file.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    user_id: UserId,
    token: &'a str,
    rooms: &'a [RoomId],
}

/// Fills the store and writes the file.
pub(crate) fn run(settings: &Settings, plan: &SeedPlan) -> Result<String, Failure> {
    if let Some((_, members)) = plan.sizes().iter().find(|size| size.1 > plan.users) {
        return Err(Failure::Failed(format!(
            "{members} members a room need as many users, not {}",
            plan.users
        )));
    }
    let top: TopConfig = settings.read()?;
    let auth_config: auth::AuthConfig = settings.read()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(Failure::of)?;
    runtime.block_on(async {
        let store = own_store(&top).await?;
        let ports = auth::Ports {
            store: store.clone(),
            mail: Arc::new(LocalMailQueue::new()),
            limiter: Arc::new(LocalLimiter::new()),
            cut: Arc::new(|_, _| {}),
            clock: Clock::System,
            data: Some(top.data.clone()),
            limits: true,
        };
        let auth = Auth::open(auth_config, ports).await.map_err(Failure::of)?;
        let told = fill(store.as_ref(), &auth, plan).await;
        store.close().await;
        told
    })
}

async fn fill(store: &dyn Store, auth: &Auth, plan: &SeedPlan) -> Result<String, Failure> {
    let at = Timestamp(Clock::System.unix_ms() as i64);
    let people: Vec<(UserId, SessionId)> = (0..plan.users)
        .map(|_| (UserId(uuid_v7(at)), SessionId(uuid_v7(at))))
        .collect();
    let bar = progress(u64::from(plan.users), "people");
    let year = at.plus_millis(365 * 86_400_000);
    for (batch, some) in people.chunks(BATCH_ROWS / 2).enumerate() {
        let mut rows = SeedBatch::default();
        for (at_index, (user, session)) in some.iter().enumerate() {
            let number = batch * (BATCH_ROWS / 2) + at_index;
            let person = User {
                id: *user,
                display_name: format!("Person {number}"),
                avatar_url: None,
                created_at: at,
            };
            rows.users.push((person, format!("{user}@seed.invalid")));
            rows.sessions.push(NewSession {
                id: *session,
                user: *user,
                device: Some("seed".to_owned()),
                at,
                // No refresh token has this hash: a seeded device lives as long as its access token.
                refresh_hash: [0; 32],
                refresh_expires: year,
            });
        }
        store.seed(rows).await.map_err(Failure::of)?;
        bar.inc(some.len() as u64);
    }
    bar.finish();

    let sizes: Vec<usize> = plan
        .sizes()
        .into_iter()
        .flat_map(|(count, members)| std::iter::repeat_n(members as usize, count as usize))
        .collect();
    let bar = progress(sizes.len() as u64, "rooms");
    let mut rooms_of: Vec<Vec<RoomId>> = vec![Vec::new(); people.len()];
    let mut rows = SeedBatch::default();
    let mut pending = 0;
    let mut first = 0;
    for (number, size) in sizes.iter().enumerate() {
        let id = RoomId(Uuid::new_v4());
        let indexes: Vec<usize> = (first..first + size)
            .map(|index| index % people.len())
            .collect();
        first += size;
        indexes.iter().for_each(|index| rooms_of[*index].push(id));
        let members: Vec<UserId> = indexes.into_iter().map(|index| people[index].0).collect();
        pending += members.len() + 1;
        rows.rooms.push(room(id, number, &members, at));
        if pending >= BATCH_ROWS || number + 1 == sizes.len() {
            let count = rows.rooms.len() as u64;
            store
                .seed(std::mem::take(&mut rows))
                .await
                .map_err(Failure::of)?;
            bar.inc(count);
            pending = 0;
        }
    }
    bar.finish();

    let bar = progress(u64::from(plan.users), "tokens");
    let mut file = BufWriter::new(File::create(&plan.out).map_err(Failure::of)?);
    for ((user, session), rooms) in people.iter().zip(&rooms_of) {
        let token = auth
            .mint(*user, *session, TOKEN_LIFE_SECONDS)
            .map_err(Failure::of)?;
        let line = Line {
            user_id: *user,
            token: token.expose(),
            rooms,
        };
        serde_json::to_writer(&mut file, &line).map_err(Failure::of)?;
        file.write_all(b"\n").map_err(Failure::of)?;
        bar.inc(1);
    }
    file.flush().map_err(Failure::of)?;
    bar.finish();
    Ok(format!(
        "{} people in {} rooms of {}; tokens in {}\n",
        plan.users,
        sizes.len(),
        span(&sizes),
        plan.out.display()
    ))
}

/// `10`, or `10 to 2000`.
fn span(sizes: &[usize]) -> String {
    match (sizes.iter().min(), sizes.iter().max()) {
        (Some(low), Some(high)) if low < high => format!("{low} to {high}"),
        (_, high) => high.copied().unwrap_or(0).to_string(),
    }
}

fn room(id: RoomId, number: usize, members: &[UserId], at: Timestamp) -> NewRoom {
    let joined = |(index, user): (usize, &UserId)| Entry {
        seq: index as u64 + 1,
        n: 0,
        at,
        actor: members[0],
        key: ClientId(Uuid::new_v4()),
        digest: 0,
        change: Change::Joined {
            member: Member {
                user_id: *user,
                role: if index == 0 {
                    Role::Owner
                } else {
                    Role::Member
                },
                joined_at: at,
                muted_until: None,
            },
        },
    };
    NewRoom {
        room: Room {
            id,
            kind: RoomType::Public,
            name: Some(format!("Room {number}")),
            topic: None,
            created_by: members[0],
            created_at: at,
            member_count: members.len() as u32,
        },
        epoch: Epoch(Uuid::new_v4().as_u64_pair().0 >> 11),
        entries: members.iter().enumerate().map(joined).collect(),
        dm: None,
    }
}

/// A UUID of this time.
fn uuid_v7(at: Timestamp) -> Uuid {
    let random = Uuid::new_v4().into_bytes();
    let mut tail = [0; 10];
    tail.copy_from_slice(&random[..10]);
    uuid::Builder::from_unix_timestamp_millis(at.0.max(0) as u64, &tail).into_uuid()
}

fn progress(total: u64, what: &'static str) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg:8} {wide_bar} {human_pos}/{human_len} {eta}");
    let bar = ProgressBar::new(total).with_message(what);
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
