-- Plain messages are committed to a table without indexes and moved from there many at once: a row of `events` changes
-- a page of every index, and each of these pages would be written for nearly every single message.
-- Its columns are those of `events`, in the same order.
CREATE TABLE recent_events (
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
CREATE VIEW all_events AS SELECT * FROM events UNION ALL SELECT * FROM recent_events;

-- A repeated transaction is found among the last events of its room.
DROP INDEX events_transactions;

-- Eight characters of a hash tell events apart nearly always, and the index is a quarter as large.
DROP INDEX events_event_id;
CREATE INDEX events_event_id ON events (substr(event_id, 2, 8));
