-- The keys by which users vouch for their devices and for each other, and the signatures made with them.

-- `key_id` is the public key as unpadded Base64; `key` the object as its user published it.
CREATE TABLE cross_signing_keys (
    user_id TEXT NOT NULL,
    usage TEXT NOT NULL,
    key_id TEXT NOT NULL,
    key BLOB NOT NULL,
    PRIMARY KEY (user_id, usage)
) STRICT, WITHOUT ROWID;

-- `key_id` is the id of a device of `user_id`, or their public master key.
CREATE TABLE key_signatures (
    user_id TEXT NOT NULL,
    key_id TEXT NOT NULL,
    signer TEXT NOT NULL,
    signer_key_id TEXT NOT NULL,
    signature TEXT NOT NULL,
    PRIMARY KEY (user_id, key_id, signer, signer_key_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX key_signatures_signer ON key_signatures (signer, signer_key_id);

-- Changes that only `user_id` is told of, as a change of the devices of `about_user_id`.
CREATE TABLE signature_news (
    user_id TEXT NOT NULL,
    about_user_id TEXT NOT NULL,
    position INTEGER NOT NULL,
    PRIMARY KEY (user_id, about_user_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX signature_news_about ON signature_news (about_user_id);
