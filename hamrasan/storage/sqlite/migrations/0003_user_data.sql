-- What belongs to a user besides the account and its devices.

CREATE TABLE account_data (
    user_id TEXT NOT NULL,
    room_id TEXT NOT NULL,
    type TEXT NOT NULL,
    content BLOB NOT NULL,
    position INTEGER NOT NULL,
    PRIMARY KEY (user_id, room_id, type)
) STRICT;
CREATE INDEX account_data_changes ON account_data (user_id, position);

CREATE TABLE profile_fields (
    user_id TEXT NOT NULL,
    field TEXT NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY (user_id, field)
) STRICT, WITHOUT ROWID;

-- Column order is that of `ReceiptRow`; the key begins with the user, because unread counts ask by user.
CREATE TABLE receipts (
    room INTEGER NOT NULL,
    user_id TEXT NOT NULL,
    type TEXT NOT NULL,
    thread_id TEXT NOT NULL,
    event_id TEXT NOT NULL,
    event_position INTEGER NOT NULL,
    ts INTEGER NOT NULL,
    position INTEGER NOT NULL,
    PRIMARY KEY (user_id, room, type, thread_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX receipts_changes ON receipts (room, position);

CREATE TABLE filters (
    user_id TEXT NOT NULL,
    filter_id TEXT NOT NULL,
    content BLOB NOT NULL,
    PRIMARY KEY (user_id, filter_id)
) STRICT;
