-- Accounts, their devices, and every kind of token. Of secrets only hashes are kept.

CREATE TABLE accounts (
    user_id TEXT PRIMARY KEY,
    password_hash TEXT,
    is_admin INTEGER NOT NULL,
    created_ts INTEGER NOT NULL,
    application_service TEXT,
    deactivated INTEGER NOT NULL DEFAULT 0,
    departing INTEGER NOT NULL DEFAULT 0,
    erased INTEGER NOT NULL DEFAULT 0,
    locked INTEGER NOT NULL DEFAULT 0,
    suspended INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE INDEX accounts_departing ON accounts (user_id) WHERE departing = 1;
CREATE INDEX accounts_erased ON accounts (user_id) WHERE erased = 1;

-- Counts what another process than the server changed here, so that the server forgets what it remembers.
CREATE TABLE outside_changes (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    count INTEGER NOT NULL
) STRICT;
INSERT INTO outside_changes (only, count) VALUES (1, 0);

CREATE TABLE devices (
    user_id TEXT NOT NULL,
    device_id TEXT NOT NULL,
    display_name TEXT,
    created_ts INTEGER NOT NULL,
    last_seen_ts INTEGER,
    last_seen_ip TEXT,
    ending INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (user_id, device_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX devices_ending ON devices (user_id, device_id) WHERE ending = 1;

-- Of each user the latest change only: whoever is behind has to ask for the keys of today anyway.
CREATE TABLE device_list_changes (
    user_id TEXT PRIMARY KEY,
    position INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX device_list_changes_position ON device_list_changes (position);

CREATE TABLE access_tokens (
    token_id INTEGER PRIMARY KEY,
    token_hash BLOB NOT NULL UNIQUE,
    user_id TEXT NOT NULL,
    device_id TEXT NOT NULL,
    created_ts INTEGER NOT NULL,
    expires_ts INTEGER,
    refresh_id INTEGER
) STRICT;
CREATE INDEX access_tokens_device ON access_tokens (user_id, device_id);
CREATE INDEX access_tokens_refresh ON access_tokens (refresh_id) WHERE refresh_id IS NOT NULL;

-- `replaces` is the refresh token that this one was given for, until the first use of what was given.
CREATE TABLE refresh_tokens (
    refresh_id INTEGER PRIMARY KEY,
    token_hash BLOB NOT NULL UNIQUE,
    user_id TEXT NOT NULL,
    device_id TEXT NOT NULL,
    created_ts INTEGER NOT NULL,
    replaces INTEGER
) STRICT;
CREATE INDEX refresh_tokens_device ON refresh_tokens (user_id, device_id);
CREATE INDEX refresh_tokens_replaces ON refresh_tokens (replaces) WHERE replaces IS NOT NULL;

CREATE TABLE login_tokens (
    token_hash BLOB PRIMARY KEY,
    user_id TEXT NOT NULL,
    expires_ts INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX login_tokens_expiry ON login_tokens (expires_ts);

CREATE TABLE openid_tokens (
    token_hash BLOB PRIMARY KEY,
    user_id TEXT NOT NULL,
    expires_ts INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX openid_tokens_expiry ON openid_tokens (expires_ts);

CREATE TABLE registration_tokens (
    token TEXT PRIMARY KEY,
    uses_allowed INTEGER,
    completed INTEGER NOT NULL,
    expires_ts INTEGER,
    created_ts INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
