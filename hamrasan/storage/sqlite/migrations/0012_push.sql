-- Pushers, and what waits to be pushed.

-- Column order is that of `PusherRow`. `sent_upto` is the position up to which everything was pushed, or need not be;
-- `badge` is the number of unread messages that the pusher was last told.
CREATE TABLE pushers (
    user_id TEXT NOT NULL,
    app_id TEXT NOT NULL,
    pushkey TEXT NOT NULL,
    kind TEXT NOT NULL,
    app_display_name TEXT NOT NULL,
    device_display_name TEXT NOT NULL,
    profile_tag TEXT,
    lang TEXT NOT NULL,
    data BLOB NOT NULL,
    device_id TEXT NOT NULL,
    pushkey_ts INTEGER NOT NULL,
    activated INTEGER NOT NULL,
    sent_upto INTEGER NOT NULL,
    badge INTEGER NOT NULL,
    PRIMARY KEY (user_id, app_id, pushkey)
) STRICT, WITHOUT ROWID;
CREATE INDEX pushers_pushkey ON pushers (app_id, pushkey);

-- Notifications of users with pushers, until all of their pushers have passed them.
CREATE TABLE waiting_pushes (
    user_id TEXT NOT NULL,
    position INTEGER NOT NULL,
    room_id TEXT NOT NULL,
    tweaks BLOB NOT NULL,
    noted_ts INTEGER NOT NULL,
    PRIMARY KEY (user_id, position)
) STRICT, WITHOUT ROWID;
