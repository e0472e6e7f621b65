-- What clients of sliding sync had when the server was stopped, so that they go on after its next start.
CREATE TABLE sliding_connections (
    user_id TEXT NOT NULL,
    device_id TEXT NOT NULL,
    conn_id TEXT NOT NULL,
    saved_ts INTEGER NOT NULL,
    state BLOB NOT NULL,
    PRIMARY KEY (user_id, device_id, conn_id)
) STRICT;
CREATE INDEX sliding_connections_age ON sliding_connections (saved_ts);
