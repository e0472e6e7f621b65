-- The keys that other servers sign with: all that were ever seen and believed, since old events need old keys.
CREATE TABLE server_keys (
    server TEXT NOT NULL,
    key_id TEXT NOT NULL,
    public_key BLOB NOT NULL,
    -- Up to when its signatures count (milliseconds since 1970); for a key that is no longer used, when that ended.
    valid_until_ts INTEGER NOT NULL,
    is_old INTEGER NOT NULL,
    PRIMARY KEY (server, key_id)
) STRICT, WITHOUT ROWID;

-- What a server last said of its keys, as it was signed, for those who ask this server as a notary.
CREATE TABLE key_answers (
    server TEXT NOT NULL PRIMARY KEY,
    fetched_ts INTEGER NOT NULL,
    valid_until_ts INTEGER NOT NULL,
    answer BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- Servers that could not be reached; a row goes when one answers again.
CREATE TABLE failing_destinations (
    server TEXT NOT NULL PRIMARY KEY,
    failing_since_ts INTEGER NOT NULL,
    failed_ts INTEGER NOT NULL,
    retry_ts INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
