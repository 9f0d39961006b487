-- Ids are 16 bytes, times are milliseconds since 1970, yes and no are 1 and 0.
-- Logs name a room by its number: 2 bytes where an id takes 16, in every row of every index.

-- A room's head is the last of its entries and stands nowhere else: a message changes no row here.
CREATE TABLE rooms (
    no           INTEGER PRIMARY KEY,
    id           BLOB    NOT NULL UNIQUE,
    epoch        INTEGER NOT NULL, -- 64 bits, read as signed
    kind         INTEGER NOT NULL, -- 0 public, 1 private, 2 group, 3 dm
    name         TEXT,
    name_key     TEXT,             -- lower case, for the directory
    topic        TEXT,
    created_by   BLOB    NOT NULL,
    created_at   INTEGER NOT NULL,
    member_count INTEGER NOT NULL,
    deleted      INTEGER NOT NULL,
    dm_low       BLOB,             -- the two people of a dm, lower id first
    dm_high      BLOB
) STRICT;
CREATE UNIQUE INDEX rooms_dm ON rooms (dm_low, dm_high) WHERE dm_low IS NOT NULL;
CREATE INDEX rooms_directory ON rooms (member_count DESC, id) WHERE kind = 0 AND deleted = 0;

-- The logs, in the order of arrival over all rooms: what a commit brings fills a few pages at the end, and what people
-- read is mostly there. Ordered by room each message would cost a page of the log and a part in splitting it.
-- `n` counts messages, so the k-th message is found by bisection; `said_before` is the message before this entry.
CREATE TABLE entries (
    no          INTEGER PRIMARY KEY,
    room_no     INTEGER NOT NULL,
    seq         INTEGER NOT NULL,
    n           INTEGER NOT NULL,
    said_before INTEGER NOT NULL, -- 0 when there is none
    at          INTEGER NOT NULL,
    actor       BLOB    NOT NULL,
    key         BLOB    NOT NULL,
    digest      INTEGER NOT NULL, -- 64 bits, read as signed
    kind        INTEGER NOT NULL, -- see body.rs
    body        BLOB    NOT NULL,
    UNIQUE (room_no, seq)
) STRICT;

-- Key first: clients' keys and our message ids grow with time, so that all rooms' new rows share the last pages.
CREATE TABLE keys (
    key     BLOB    NOT NULL,
    actor   BLOB    NOT NULL,
    room_no INTEGER NOT NULL,
    seq     INTEGER NOT NULL,
    PRIMARY KEY (key, actor, room_no)
) WITHOUT ROWID, STRICT;

CREATE TABLE messages (
    id      BLOB    NOT NULL,
    room_no INTEGER NOT NULL,
    seq     INTEGER NOT NULL,
    PRIMARY KEY (id, room_no)
) WITHOUT ROWID, STRICT;

-- The latest version of a message that is no longer as it was first said; most messages have no row here.
CREATE TABLE versions (
    room_no INTEGER NOT NULL,
    seq     INTEGER NOT NULL,
    body    BLOB    NOT NULL,
    PRIMARY KEY (room_no, seq)
) WITHOUT ROWID, STRICT;

CREATE TABLE members (
    room_no     INTEGER NOT NULL,
    user        BLOB    NOT NULL,
    role        INTEGER NOT NULL, -- 0 member, 1 moderator, 2 admin, 3 owner
    joined_at   INTEGER NOT NULL,
    muted_until INTEGER,
    read_seq    INTEGER NOT NULL,
    read_n      INTEGER NOT NULL,
    PRIMARY KEY (room_no, user)
) WITHOUT ROWID, STRICT;
CREATE INDEX members_by_user ON members (user);

-- Who was in a room and left it, or was made to: where to look for what somebody wrote. Stays when they come back.
CREATE TABLE former_members (
    user    BLOB    NOT NULL,
    room_no INTEGER NOT NULL,
    PRIMARY KEY (user, room_no)
) WITHOUT ROWID, STRICT;

CREATE TABLE bans (
    room_no INTEGER NOT NULL,
    user    BLOB    NOT NULL,
    until   INTEGER, -- null: for good
    PRIMARY KEY (room_no, user)
) WITHOUT ROWID, STRICT;

CREATE TABLE mentions (
    user    BLOB    NOT NULL,
    room_no INTEGER NOT NULL,
    seq     INTEGER NOT NULL,
    PRIMARY KEY (user, room_no, seq)
) WITHOUT ROWID, STRICT;

CREATE TABLE users (
    id           BLOB    NOT NULL PRIMARY KEY,
    email        TEXT    UNIQUE, -- null when erased
    display_name TEXT    NOT NULL,
    avatar_url   TEXT,
    created_at   INTEGER NOT NULL
) WITHOUT ROWID, STRICT;

-- A name in lower case, once from each of its words to its end.
CREATE TABLE user_names (
    tail TEXT NOT NULL,
    user BLOB NOT NULL,
    PRIMARY KEY (tail, user)
) WITHOUT ROWID, STRICT;

CREATE TABLE sessions (
    id              BLOB    NOT NULL PRIMARY KEY,
    user            BLOB    NOT NULL,
    device          TEXT,
    created_at      INTEGER NOT NULL,
    last_used_at    INTEGER NOT NULL,
    revoked_at      INTEGER,
    generation      INTEGER NOT NULL,
    refresh_hash    BLOB    NOT NULL,
    previous_hash   BLOB,
    rotated_at      INTEGER NOT NULL,
    refresh_expires INTEGER NOT NULL
) WITHOUT ROWID, STRICT;
CREATE INDEX sessions_by_user ON sessions (user) WHERE revoked_at IS NULL;
CREATE INDEX sessions_revoked ON sessions (revoked_at) WHERE revoked_at IS NOT NULL;
CREATE INDEX sessions_expiring ON sessions (refresh_expires);

CREATE TABLE challenges (
    id          BLOB    NOT NULL PRIMARY KEY,
    email       TEXT    NOT NULL,
    secret_hash BLOB    NOT NULL,
    code_mac    BLOB    NOT NULL,
    issue       INTEGER NOT NULL,
    attempts    INTEGER NOT NULL,
    issued_at   INTEGER NOT NULL,
    expires_at  INTEGER NOT NULL,
    used_at     INTEGER,
    mail        INTEGER NOT NULL, -- 0 queued, 1 sent, 2 failed
    mail_job    TEXT    NOT NULL UNIQUE
) WITHOUT ROWID, STRICT;
CREATE INDEX challenges_by_email ON challenges (email);
CREATE INDEX challenges_expiring ON challenges (expires_at);

CREATE TABLE mail_jobs (
    no         INTEGER PRIMARY KEY, -- in the order in which they came
    id         TEXT    NOT NULL UNIQUE,
    job        TEXT    NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;

CREATE TABLE kept_answers (
    scope      TEXT    NOT NULL,
    key        TEXT    NOT NULL,
    digest     BLOB    NOT NULL,
    status     INTEGER NOT NULL, -- 0 while the first request is under way
    body       TEXT    NOT NULL,
    claimed_at INTEGER NOT NULL,
    PRIMARY KEY (scope, key)
) WITHOUT ROWID, STRICT;
CREATE INDEX kept_answers_by_age ON kept_answers (claimed_at);

CREATE TABLE signing_keys (
    kid        TEXT    NOT NULL PRIMARY KEY,
    sealed     BLOB    NOT NULL,
    public     BLOB    NOT NULL,
    created_at INTEGER NOT NULL,
    retires_at INTEGER
) WITHOUT ROWID, STRICT;

CREATE TABLE secrets (
    name  TEXT NOT NULL PRIMARY KEY,
    value BLOB NOT NULL
) WITHOUT ROWID, STRICT;

-- Calls of administrators, never changed, kept for 396 days; ids are UUIDs of version 7, so that they stand in their order.
CREATE TABLE audit (
    id      BLOB    NOT NULL PRIMARY KEY,
    at      INTEGER NOT NULL,
    who     TEXT    NOT NULL,
    address TEXT    NOT NULL,
    action  TEXT    NOT NULL,
    target  TEXT    NOT NULL
) WITHOUT ROWID, STRICT;
