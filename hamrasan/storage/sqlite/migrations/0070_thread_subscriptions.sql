-- Which threads users follow: the last that each said about each thread.
CREATE TABLE thread_subscriptions (
    user_id TEXT NOT NULL,
    thread_root TEXT NOT NULL,
    room_id TEXT NOT NULL,
    subscribed INTEGER NOT NULL,
    automatic INTEGER NOT NULL,
    position INTEGER NOT NULL,
    PRIMARY KEY (user_id, thread_root)
) STRICT, WITHOUT ROWID;
CREATE INDEX thread_subscriptions_changes ON thread_subscriptions (user_id, position);

-- Users with a client that knows of subscriptions.
CREATE TABLE thread_subscribers (
    user_id TEXT NOT NULL PRIMARY KEY
) STRICT, WITHOUT ROWID;
