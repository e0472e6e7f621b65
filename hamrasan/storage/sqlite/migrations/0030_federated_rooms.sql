-- Rooms that other servers are in (storage/ports/federated_rooms.py).

-- Events outside the timeline (flag 32 and above) are in `events`, but no way of reading a timeline may meet them, or
-- pay for there being many: those who joined a large room over federation begin with its state.
DROP INDEX events_room;
CREATE INDEX events_timeline ON events (room, position, flags) WHERE flags < 32;
CREATE INDEX events_outside ON events (room, position) WHERE flags >= 32;

-- What is special about a room; one without a row is a list of events from its creation on, all of it known.
CREATE TABLE federated_rooms (
    room INTEGER PRIMARY KEY,
    seeded INTEGER NOT NULL,
    forked INTEGER NOT NULL,
    flipped INTEGER NOT NULL,
    missing BLOB NOT NULL,
    awaited BLOB NOT NULL
) STRICT;

CREATE TABLE forward_extremities (
    room INTEGER NOT NULL,
    event_id TEXT NOT NULL,
    depth INTEGER NOT NULL,
    PRIMARY KEY (room, event_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE branch_states (
    event_id TEXT PRIMARY KEY,
    room INTEGER NOT NULL,
    position INTEGER NOT NULL,
    delta BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE side_events (
    event_id TEXT PRIMARY KEY,
    room INTEGER NOT NULL,
    kind TEXT NOT NULL,
    pdu BLOB NOT NULL
) STRICT;
CREATE INDEX side_events_room ON side_events (room);

-- Redactions whose event has not come yet.
CREATE TABLE pending_redactions (
    room INTEGER NOT NULL,
    target TEXT NOT NULL,
    redaction TEXT NOT NULL,
    PRIMARY KEY (room, target)
) STRICT, WITHOUT ROWID;
