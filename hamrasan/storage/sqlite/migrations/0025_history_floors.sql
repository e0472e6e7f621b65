-- Up to which position the messages of a room have expired ("m.room.retention").
CREATE TABLE history_floors (
    room INTEGER NOT NULL PRIMARY KEY,
    position INTEGER NOT NULL
) STRICT;
