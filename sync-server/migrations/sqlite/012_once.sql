-- Writes of the API that a client may try again: the key's hash with the account, what
-- was asked, and the answer once there is one.
CREATE TABLE idempotency (
    key BLOB PRIMARY KEY,
    request BLOB NOT NULL,
    begun_ms INTEGER NOT NULL,
    status INTEGER,
    body BLOB,
    kind TEXT
) WITHOUT ROWID;
CREATE INDEX idempotency_begun ON idempotency (begun_ms);

-- The entry that states what a request with a key asked for.
CREATE TABLE stated_once (
    name BLOB PRIMARY KEY,
    entry BLOB NOT NULL,
    stated_ms INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX stated_once_stated ON stated_once (stated_ms);
