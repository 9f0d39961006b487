//! `GET /v1/limits`: every size and pace that a client can meet.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use bus::limits::Policy;
use protocol::limits as bound;
use serde::Serialize;
use utoipa::ToSchema;

use super::answer::{Result, ok};
use super::throttle;
use crate::ports::Ports;
use crate::reads::SYNC_EVENTS_MAX;

/// What rooms grant each person (`chat::pace`).
const SENDS: Policy = Policy::even(
    "sends",
    bound::SENDS_MAX,
    Duration::from_millis(bound::SEND_PERIOD_MILLIS),
)
.with_burst(bound::SEND_BURST);

/// Every limit in force.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LimitsInForce {
    /// Characters in a message, after NFC.
    text_chars: usize,
    /// Bytes of a message's `meta`.
    meta_bytes: usize,
    /// People named in one message.
    mentions: usize,
    /// Bytes of an emoji.
    emoji_bytes: usize,
    /// Different emojis under one message.
    reactions: usize,
    /// Characters of a room's name.
    room_name_chars: usize,
    /// Characters of a room's topic.
    room_topic_chars: usize,
    /// Characters of a person's name.
    display_name_chars: usize,
    /// Characters of a presence line.
    presence_text_chars: usize,
    /// Members of a room.
    room_members: usize,
    /// Members named when a room is made.
    room_initial_members: usize,
    /// Rows in one page.
    page: usize,
    /// Rooms in one `sync`.
    sync_rooms: usize,
    /// Events in one answer to `sync`.
    sync_events: usize,
    /// Events replayed for a room before `stream:gap`.
    replay_events: usize,
    /// People in one `presence:watch` or `GET /v1/presence`.
    presence_watch: usize,
    /// Bytes of a frame or body.
    frame_bytes: usize,
    /// Live connections of one person.
    user_connections: usize,
    /// A typing notice ends after so many milliseconds.
    typing_ms: u64,
    /// Milliseconds between heartbeats.
    ping_interval_ms: u64,
    /// Milliseconds that a heartbeat's answer may take.
    ping_timeout_ms: u64,
    /// Budgets: `sends` for changes of one room by one person, by socket or REST; the others for REST calls. Empty when
    /// rate limits are off.
    rates: Vec<Rate>,
    /// There is a page at `/dev/mail` with the mails that this server did not send.
    dev_mailbox: bool,
}

/// One budget.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Rate {
    /// Its name in `RateLimit-Policy`.
    name: &'static str,
    /// So many calls.
    limit: u32,
    /// In so many seconds.
    seconds: u64,
    /// So many at once.
    burst: u32,
}

/// Every limit in force, so that a client need not guess.
#[utoipa::path(
    get, path = "/v1/limits", operation_id = "getLimits", tag = "about",
    responses((status = 200, description = "The limits.", body = LimitsInForce))
)]
pub(crate) async fn limits(State(ports): State<Arc<Ports>>) -> Result<Response> {
    let policies = std::iter::once(SENDS).chain(throttle::ALL);
    let rates = policies
        .filter(|_| ports.settings.limits)
        .map(|policy| Rate {
            name: policy.name,
            limit: policy.limit,
            seconds: policy.period.as_secs(),
            burst: policy.most_at_once(),
        });
    ok(&LimitsInForce {
        text_chars: bound::TEXT_CHARS_MAX,
        meta_bytes: bound::META_BYTES_MAX,
        mentions: bound::MENTIONS_MAX,
        emoji_bytes: bound::EMOJI_BYTES_MAX,
        reactions: bound::REACTIONS_MAX,
        room_name_chars: bound::ROOM_NAME_CHARS_MAX,
        room_topic_chars: bound::ROOM_TOPIC_CHARS_MAX,
        display_name_chars: bound::DISPLAY_NAME_CHARS_MAX,
        presence_text_chars: bound::PRESENCE_TEXT_CHARS_MAX,
        room_members: bound::ROOM_MEMBERS_MAX,
        room_initial_members: bound::ROOM_INITIAL_MEMBERS_MAX,
        page: bound::PAGE_MAX,
        sync_rooms: bound::SYNC_ROOMS_MAX,
        sync_events: SYNC_EVENTS_MAX,
        replay_events: bound::REPLAY_EVENTS_MAX,
        presence_watch: bound::PRESENCE_WATCH_MAX,
        frame_bytes: bound::FRAME_BYTES_MAX,
        user_connections: bound::USER_CONNECTIONS_MAX,
        typing_ms: bound::TYPING_MILLIS,
        ping_interval_ms: bound::PING_INTERVAL_MILLIS,
        ping_timeout_ms: bound::PING_TIMEOUT_MILLIS,
        rates: rates.collect(),
        dev_mailbox: ports.settings.dev_mailbox,
    })
}
