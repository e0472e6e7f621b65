-- The journal's own row, and everything that is kept of rooms.

CREATE TABLE journal (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    durable INTEGER NOT NULL
) STRICT;
INSERT INTO journal (only, durable) VALUES (1, 0);

CREATE TABLE rooms (
    room INTEGER PRIMARY KEY,
    room_id TEXT NOT NULL UNIQUE,
    version TEXT NOT NULL,
    creator TEXT NOT NULL,
    position INTEGER NOT NULL
) STRICT;

-- Column order is that of `StoredEvent`.
CREATE TABLE events (
    position INTEGER PRIMARY KEY,
    room INTEGER NOT NULL,
    event_id TEXT NOT NULL,
    type TEXT NOT NULL,
    state_key TEXT,
    sender TEXT NOT NULL,
    origin_server_ts INTEGER NOT NULL,
    depth INTEGER NOT NULL,
    content BLOB NOT NULL,
    envelope BLOB NOT NULL,
    replaces INTEGER NOT NULL,
    flags INTEGER NOT NULL,
    relates_to TEXT,
    rel_type TEXT,
    txn_device TEXT,
    txn_id TEXT,
    redacted_by TEXT
) STRICT;
CREATE UNIQUE INDEX events_event_id ON events (event_id);
CREATE INDEX events_room ON events (room, position);
CREATE INDEX events_relations ON events (relates_to, rel_type, position) WHERE relates_to IS NOT NULL;
CREATE INDEX events_children ON events (relates_to, position) WHERE relates_to IS NOT NULL;
CREATE INDEX events_annotations ON events (relates_to, sender) WHERE rel_type = 'm.annotation';
CREATE INDEX events_transactions ON events (txn_device, txn_id) WHERE txn_id IS NOT NULL;

CREATE TABLE state_versions (
    room INTEGER NOT NULL,
    type TEXT NOT NULL,
    state_key TEXT NOT NULL,
    position INTEGER NOT NULL,
    event_position INTEGER NOT NULL,
    PRIMARY KEY (room, type, state_key, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX state_versions_changes ON state_versions (room, position);

CREATE TABLE memberships (
    room INTEGER NOT NULL,
    user_id TEXT NOT NULL,
    membership TEXT NOT NULL,
    position INTEGER NOT NULL,
    event_id TEXT NOT NULL,
    sender TEXT NOT NULL,
    first INTEGER NOT NULL,
    forgotten INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (room, user_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX memberships_user ON memberships (user_id);

CREATE TABLE threads (
    room INTEGER NOT NULL,
    root TEXT NOT NULL,
    latest INTEGER NOT NULL,
    replies INTEGER NOT NULL,
    PRIMARY KEY (room, root)
) STRICT, WITHOUT ROWID;
CREATE INDEX threads_latest ON threads (room, latest);

CREATE TABLE room_aliases (
    alias TEXT PRIMARY KEY,
    room INTEGER NOT NULL,
    creator TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX room_aliases_room ON room_aliases (room);

CREATE TABLE published_rooms (
    room INTEGER PRIMARY KEY
) STRICT;

CREATE TABLE reports (
    report INTEGER PRIMARY KEY,
    created_ts INTEGER NOT NULL,
    reporter TEXT NOT NULL,
    room_id TEXT,
    event_id TEXT,
    user_id TEXT,
    reason TEXT NOT NULL,
    score INTEGER
) STRICT;
