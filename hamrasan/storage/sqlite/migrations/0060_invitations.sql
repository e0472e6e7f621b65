-- Memberships of rooms that this server is not in (storage/ports/invitations.py).

CREATE TABLE invitations (
    user_id TEXT NOT NULL,
    room_id TEXT NOT NULL,
    membership TEXT NOT NULL,
    position INTEGER NOT NULL,
    version TEXT NOT NULL,
    event_id TEXT NOT NULL,
    sender TEXT NOT NULL,
    event BLOB NOT NULL,
    state BLOB NOT NULL,
    PRIMARY KEY (user_id, room_id)
) STRICT;
CREATE INDEX invitations_room ON invitations (room_id);
