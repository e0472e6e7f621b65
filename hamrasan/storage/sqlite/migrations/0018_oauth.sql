-- The OAuth 2.0 API: clients that registered, what people granted them, and browsers that are signed in on our pages.

-- The id is made of the metadata, so the same client is kept once, however often it registers.
CREATE TABLE oauth_clients (
    client_id TEXT PRIMARY KEY,
    metadata BLOB NOT NULL,
    registered_ts INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX oauth_clients_age ON oauth_clients (registered_ts);

-- A redeemed code is kept until it ends, so that somebody who brings it again is noticed.
CREATE TABLE oauth_codes (
    code_hash BLOB PRIMARY KEY,
    client_id TEXT NOT NULL,
    redirect_uri TEXT NOT NULL,
    user_id TEXT NOT NULL,
    device_id TEXT NOT NULL,
    scope TEXT NOT NULL,
    challenge TEXT NOT NULL,
    expires_ts INTEGER NOT NULL,
    redeemed INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE INDEX oauth_codes_expiry ON oauth_codes (expires_ts);

-- `grant_hash` is the code that the session was opened with; `family_hash` is what all its refresh tokens share.
CREATE TABLE oauth_sessions (
    user_id TEXT NOT NULL,
    device_id TEXT NOT NULL,
    client_id TEXT NOT NULL,
    scope TEXT NOT NULL,
    grant_hash BLOB NOT NULL,
    family_hash BLOB NOT NULL,
    created_ts INTEGER NOT NULL,
    PRIMARY KEY (user_id, device_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX oauth_sessions_client ON oauth_sessions (client_id);
CREATE UNIQUE INDEX oauth_sessions_family ON oauth_sessions (family_hash);

CREATE TABLE browser_sessions (
    session_hash BLOB PRIMARY KEY,
    user_id TEXT NOT NULL,
    created_ts INTEGER NOT NULL,
    confirmed_ts INTEGER NOT NULL,
    expires_ts INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX browser_sessions_user ON browser_sessions (user_id);
CREATE INDEX browser_sessions_expiry ON browser_sessions (expires_ts);
