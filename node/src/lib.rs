//! The Socket.IO node: shards, REST, presence.
