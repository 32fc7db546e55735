-- A person signs in by any of several names with one password, by invitation or after
-- registering; a session goes on by a token that is exchanged each time.
CREATE TABLE credential (
    account BYTEA PRIMARY KEY,
    password TEXT NOT NULL,
    token_version BIGINT NOT NULL,
    created_ms BIGINT NOT NULL
);
INSERT INTO credential SELECT account, MIN(password), 0, 0 FROM login GROUP BY account;
CREATE TABLE login_name (
    name TEXT PRIMARY KEY,
    kind BIGINT NOT NULL,
    account BYTEA NOT NULL,
    verified_ms BIGINT
);
CREATE INDEX login_name_account ON login_name (account);
INSERT INTO login_name SELECT name, 2, account, NULL FROM login;
DROP TABLE login;

-- `token` is the hash of the newest refresh token, `previous` of the one that it was
-- given for, until the newest is presented.
CREATE TABLE session (
    id BYTEA PRIMARY KEY,
    account BYTEA NOT NULL,
    token_version BIGINT NOT NULL,
    token BYTEA NOT NULL,
    previous BYTEA,
    created_ms BIGINT NOT NULL,
    seen_ms BIGINT NOT NULL,
    expires_ms BIGINT NOT NULL,
    agent TEXT NOT NULL
);
CREATE INDEX session_account ON session (account);

-- Codes sent by mail, by their hashes.
CREATE TABLE one_time (
    code BYTEA PRIMARY KEY,
    purpose BIGINT NOT NULL,
    account BYTEA NOT NULL,
    name TEXT NOT NULL,
    expires_ms BIGINT NOT NULL
);
