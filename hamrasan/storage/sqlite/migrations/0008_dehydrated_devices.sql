-- The device that stands in for a user who has none at hand (MSC3814); `data` is sealed by the client.
CREATE TABLE dehydrated_devices (
    user_id TEXT NOT NULL PRIMARY KEY,
    device_id TEXT NOT NULL,
    data BLOB NOT NULL
) STRICT, WITHOUT ROWID;
