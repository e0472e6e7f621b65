-- Events that wait for their time (MSC4140).

-- Column order is that of `DelayedEventRow`. Times are milliseconds since the Unix epoch. `since` is the position at which
-- the event was handed in. While it is scheduled, the last five columns are empty.
CREATE TABLE delayed_events (
    delay_id TEXT NOT NULL PRIMARY KEY,
    user_id TEXT NOT NULL,
    device_id TEXT NOT NULL,
    txn_id TEXT,
    room_id TEXT NOT NULL,
    type TEXT NOT NULL,
    state_key TEXT,
    content BLOB NOT NULL,
    since INTEGER NOT NULL,
    delay_ms INTEGER NOT NULL,
    running_since INTEGER NOT NULL,
    outcome TEXT,
    reason TEXT,
    error BLOB,
    event_id TEXT,
    finalised_ts INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX delayed_events_user ON delayed_events (user_id, running_since);
CREATE INDEX delayed_events_scheduled ON delayed_events (running_since) WHERE outcome IS NULL;
CREATE INDEX delayed_events_finalised ON delayed_events (finalised_ts) WHERE finalised_ts IS NOT NULL;
