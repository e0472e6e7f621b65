-- The server through which a room that is known from outside can be reached; empty: the one of the sender.
ALTER TABLE invitations ADD COLUMN via TEXT NOT NULL DEFAULT '';
