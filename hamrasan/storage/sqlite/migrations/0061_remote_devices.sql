-- Devices of other servers' users (storage/ports/remote_keys.py).

CREATE TABLE remote_devices (
    user_id TEXT PRIMARY KEY,
    devices BLOB NOT NULL,
    heard_upto INTEGER NOT NULL -- a position; -1: outdated in any case
) STRICT, WITHOUT ROWID;
