-- What application services have still to be told, as it is sent, in the order of numbers.
CREATE TABLE service_transactions (
    service TEXT NOT NULL,
    number INTEGER NOT NULL,
    txn_id TEXT NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (service, number)
) STRICT;

-- Rooms that application services list for the networks that they bridge to.
CREATE TABLE network_rooms (
    service TEXT NOT NULL,
    network TEXT NOT NULL,
    room INTEGER NOT NULL,
    PRIMARY KEY (service, network, room)
) STRICT, WITHOUT ROWID;
