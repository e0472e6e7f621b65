-- Since when a server is, or was, in a room: what came before it came is not sent to it later either.
ALTER TABLE room_servers ADD COLUMN since INTEGER NOT NULL DEFAULT 0;
UPDATE room_servers SET since = position WHERE joined = 1;
