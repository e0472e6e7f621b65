-- The room in which the server writes to a user ("Server Notices"); there is one for each at most.
CREATE TABLE server_notice_rooms (
    user_id TEXT NOT NULL PRIMARY KEY,
    room_id TEXT NOT NULL
) STRICT, WITHOUT ROWID;
