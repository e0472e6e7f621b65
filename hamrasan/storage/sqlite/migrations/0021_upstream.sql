-- Who somebody is at a provider for single sign-on, and here. Two providers may know different people by the same subject.
CREATE TABLE upstream_links (
    issuer TEXT NOT NULL,
    subject TEXT NOT NULL,
    user_id TEXT NOT NULL,
    created_ts INTEGER NOT NULL,
    PRIMARY KEY (issuer, subject)
) STRICT, WITHOUT ROWID;
CREATE INDEX upstream_links_user ON upstream_links (user_id);
