-- Small pictures of files, made when somebody asks for the first time; each is a blob beside that of the file.

-- Column order is that of `PutThumbnail`. Without a size the file itself is as good as its thumbnail.
CREATE TABLE thumbnails (
    hash BLOB NOT NULL,
    variant TEXT NOT NULL,
    content_type TEXT NOT NULL,
    size INTEGER,
    PRIMARY KEY (hash, variant)
) STRICT, WITHOUT ROWID;

-- What is known of pages that people linked to: the answer that clients got, and how long it is good.
CREATE TABLE url_previews (
    url TEXT NOT NULL PRIMARY KEY,
    body BLOB NOT NULL,
    media_id TEXT,
    expires_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX url_previews_by_end ON url_previews (expires_ms);
