//! Every size and pace that a client can meet, each with its reason. `GET /v1/limits` shows those in force.

/// Characters in a message, after NFC: a screenful; longer texts are documents.
pub const TEXT_CHARS_MAX: usize = 4_000;
/// Bytes of a message's `meta`: enough for a card, too little for a file.
pub const META_BYTES_MAX: usize = 2_048;
/// People named in one message; beyond it a name is a broadcast.
pub const MENTIONS_MAX: usize = 50;
/// Bytes of an emoji: the longest family sequences with skin tones fit.
pub const EMOJI_BYTES_MAX: usize = 64;
/// Different emojis under one message.
pub const REACTIONS_MAX: usize = 20;
/// Characters of a room's name.
pub const ROOM_NAME_CHARS_MAX: usize = 80;
/// Characters of a room's topic.
pub const ROOM_TOPIC_CHARS_MAX: usize = 250;
/// Characters of a person's name.
pub const DISPLAY_NAME_CHARS_MAX: usize = 64;
/// Characters of a presence line.
pub const PRESENCE_TEXT_CHARS_MAX: usize = 80;
/// Members of a room: its member list is held in memory while the room is being written to.
pub const ROOM_MEMBERS_MAX: usize = 100_000;
/// Members named when a room is made.
pub const ROOM_INITIAL_MEMBERS_MAX: usize = 100;
/// Rooms a person is in: each is a line in `session:ready`.
pub const USER_ROOMS_MAX: usize = 1_000;
/// Events replayed for one room after a reconnect; what is older is read as history.
pub const REPLAY_EVENTS_MAX: usize = 1_000;
/// Rows in one page of any list.
pub const PAGE_MAX: usize = 100;
/// Rooms in one `sync`.
pub const SYNC_ROOMS_MAX: usize = 1_000;
/// People in one `presence:watch`.
pub const PRESENCE_WATCH_MAX: usize = 200;
/// Bytes of one frame or body from a client.
pub const FRAME_BYTES_MAX: usize = 64 * 1024;
/// Live connections of one person: phones, tabs, bots.
pub const USER_CONNECTIONS_MAX: usize = 20;
/// Changes that one person may make in one room, in [`SEND_PERIOD_MILLIS`] and in the long run.
pub const SENDS_MAX: u32 = 10;
/// The period of [`SENDS_MAX`].
pub const SEND_PERIOD_MILLIS: u64 = 10_000;
/// So many changes may come at once after a pause: a paste in parts, a row of reactions.
pub const SEND_BURST: u32 = 20;
/// A typing notice ends by itself after this many milliseconds.
pub const TYPING_MILLIS: u64 = 6_000;
/// How often a heartbeat is sent, in milliseconds.
pub const PING_INTERVAL_MILLIS: u64 = 25_000;
/// How long its answer may take, in milliseconds.
pub const PING_TIMEOUT_MILLIS: u64 = 20_000;
