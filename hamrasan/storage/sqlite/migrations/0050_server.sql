-- Whose data this is: the name stands in every user id, so a server of another name must not take it up.

CREATE TABLE server (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    name TEXT NOT NULL
) STRICT;

-- Written to find out whether the disk still takes anything; a change to the same value would not be written.
CREATE TABLE probes (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    count INTEGER NOT NULL
) STRICT;
INSERT INTO probes (only, count) VALUES (1, 0);
