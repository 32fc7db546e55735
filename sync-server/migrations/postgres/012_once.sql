-- Writes of the API that a client may try again: the key's hash with the account, what
-- was asked, and the answer once there is one.
CREATE TABLE idempotency (
    key BYTEA PRIMARY KEY,
    request BYTEA NOT NULL,
    begun_ms BIGINT NOT NULL,
    status BIGINT,
    body BYTEA,
    kind TEXT
);
CREATE INDEX idempotency_begun ON idempotency (begun_ms);

-- The entry that states what a request with a key asked for.
CREATE TABLE stated_once (
    name BYTEA PRIMARY KEY,
    entry BYTEA NOT NULL,
    stated_ms BIGINT NOT NULL
);
CREATE INDEX stated_once_stated ON stated_once (stated_ms);
