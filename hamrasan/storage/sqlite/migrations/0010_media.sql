-- Files that people uploaded. Their bytes are blobs, named by the SHA-256 of what is in them; equal files share one.

-- Column order is that of `NewMedia`. Without a hash, the id is reserved and the file still to come.
CREATE TABLE media (
    server_name TEXT NOT NULL,
    media_id TEXT NOT NULL,
    user_id TEXT,
    created_ms INTEGER NOT NULL,
    expires_ms INTEGER,
    hash BLOB,
    size INTEGER NOT NULL,
    content_type TEXT NOT NULL,
    file_name TEXT,
    PRIMARY KEY (server_name, media_id)
) STRICT, WITHOUT ROWID;

-- The quota of a user is a sum over this index alone.
CREATE INDEX media_of_user ON media (user_id, size);
CREATE INDEX media_of_hash ON media (hash) WHERE hash IS NOT NULL;
CREATE INDEX media_to_come ON media (user_id, expires_ms) WHERE expires_ms IS NOT NULL;
