-- When a pusher of the kind "email" was last sent a digest; 0 before the first.

ALTER TABLE pushers ADD COLUMN mailed_ts INTEGER NOT NULL DEFAULT 0;
CREATE INDEX pushers_mailed ON pushers (mailed_ts) WHERE kind = 'email';
