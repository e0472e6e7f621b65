-- A user's rooms are read all at once, without a look at the rows of the table for each.
DROP INDEX memberships_user;
CREATE INDEX memberships_user ON memberships (user_id, room, membership, position, event_id, sender, forgotten);
