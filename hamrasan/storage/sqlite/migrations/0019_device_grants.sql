-- Devices without a browser wait here for somebody to let them in with another one.
CREATE TABLE oauth_device_grants (
    device_code_hash BLOB PRIMARY KEY,
    user_code TEXT NOT NULL UNIQUE,
    client_id TEXT NOT NULL,
    device_id TEXT NOT NULL,
    scope TEXT NOT NULL,
    expires_ts INTEGER NOT NULL,
    decision TEXT NOT NULL DEFAULT 'pending',
    user_id TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX oauth_device_grants_expiry ON oauth_device_grants (expires_ts);
