-- Keys for end-to-end encryption, and messages from device to device. What is kept is public, or sealed by clients.

CREATE TABLE device_keys (
    user_id TEXT NOT NULL,
    device_id TEXT NOT NULL,
    keys BLOB NOT NULL,
    PRIMARY KEY (user_id, device_id)
) STRICT, WITHOUT ROWID;

-- `number` is the order in which they came, and in which they are handed out. One that was stays for a while without its
-- key, so that a device which uploads it once more (for want of an answer) does not have it handed out twice.
CREATE TABLE one_time_keys (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id TEXT NOT NULL,
    device_id TEXT NOT NULL,
    algorithm TEXT NOT NULL,
    key_id TEXT NOT NULL,
    key BLOB,
    UNIQUE (user_id, device_id, algorithm, key_id)
) STRICT;
CREATE INDEX one_time_keys_next ON one_time_keys (user_id, device_id, algorithm, number) WHERE key IS NOT NULL;
CREATE INDEX one_time_keys_taken ON one_time_keys (number) WHERE key IS NULL;

CREATE TABLE fallback_keys (
    user_id TEXT NOT NULL,
    device_id TEXT NOT NULL,
    algorithm TEXT NOT NULL,
    key_id TEXT NOT NULL,
    key BLOB NOT NULL,
    used INTEGER NOT NULL,
    PRIMARY KEY (user_id, device_id, algorithm)
) STRICT, WITHOUT ROWID;

-- Waiting messages, until the device comes back with a token behind them.
CREATE TABLE to_device_messages (
    user_id TEXT NOT NULL,
    device_id TEXT NOT NULL,
    position INTEGER NOT NULL,
    number INTEGER NOT NULL,
    message BLOB NOT NULL,
    PRIMARY KEY (user_id, device_id, position, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE to_device_transactions (
    user_id TEXT NOT NULL,
    device_id TEXT NOT NULL,
    txn_id TEXT NOT NULL,
    sent_ts INTEGER NOT NULL,
    PRIMARY KEY (user_id, device_id, txn_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX to_device_transactions_age ON to_device_transactions (sent_ts);
