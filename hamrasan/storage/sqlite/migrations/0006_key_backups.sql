-- Backups of the keys of encrypted rooms, sealed by clients.

-- A deleted backup keeps its row, so that its number is not given to another one.
CREATE TABLE key_backups (
    user_id TEXT NOT NULL,
    version INTEGER NOT NULL,
    algorithm TEXT NOT NULL,
    auth_data BLOB NOT NULL,
    etag INTEGER NOT NULL,
    deleted INTEGER NOT NULL,
    PRIMARY KEY (user_id, version)
) STRICT, WITHOUT ROWID;

-- Column order is that of `PutBackedUpKey`.
CREATE TABLE backed_up_keys (
    user_id TEXT NOT NULL,
    version INTEGER NOT NULL,
    room_id TEXT NOT NULL,
    session_id TEXT NOT NULL,
    first_message_index INTEGER NOT NULL,
    forwarded_count INTEGER NOT NULL,
    is_verified INTEGER NOT NULL,
    session_data BLOB NOT NULL,
    PRIMARY KEY (user_id, version, room_id, session_id)
) STRICT;
