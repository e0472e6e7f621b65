-- What is exchanged with other servers (storage/ports/exchange.py).

-- Which servers are in which rooms: a row changes only when the first user of a server comes, or the last one goes.
CREATE TABLE room_servers (
    room INTEGER NOT NULL,
    server TEXT NOT NULL,
    joined INTEGER NOT NULL,
    position INTEGER NOT NULL,
    PRIMARY KEY (room, server)
) STRICT, WITHOUT ROWID;
CREATE INDEX room_servers_server ON room_servers (server, room);

-- Servers that do not have yet what all others have.
CREATE TABLE lagging_servers (
    server TEXT PRIMARY KEY,
    sent_upto INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Messages to devices of other servers, until these have taken them.
CREATE TABLE server_messages (
    server TEXT NOT NULL,
    position INTEGER NOT NULL,
    number INTEGER NOT NULL,
    content BLOB NOT NULL,
    PRIMARY KEY (server, position, number)
) STRICT, WITHOUT ROWID;

-- Events that were answered for before they could be judged.
CREATE TABLE staged_pdus (
    number INTEGER PRIMARY KEY,
    lot TEXT NOT NULL,
    origin TEXT NOT NULL,
    room_id TEXT NOT NULL,
    pdu BLOB NOT NULL
) STRICT;
CREATE INDEX staged_pdus_lot ON staged_pdus (lot);
