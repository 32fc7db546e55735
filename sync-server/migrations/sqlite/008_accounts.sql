-- A person signs in by any of several names with one password, by invitation or after
-- registering; a session goes on by a token that is exchanged each time.
CREATE TABLE credential (
    account BLOB PRIMARY KEY,
    password TEXT NOT NULL,
    token_version INTEGER NOT NULL,
    created_ms INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO credential SELECT account, MIN(password), 0, 0 FROM login GROUP BY account;
CREATE TABLE login_name (
    name TEXT PRIMARY KEY,
    kind INTEGER NOT NULL,
    account BLOB NOT NULL,
    verified_ms INTEGER
) WITHOUT ROWID;
CREATE INDEX login_name_account ON login_name (account);
INSERT INTO login_name SELECT name, 2, account, NULL FROM login;
DROP TABLE login;

-- `token` is the hash of the newest refresh token, `previous` of the one that it was
-- given for, until the newest is presented.
CREATE TABLE session (
    id BLOB PRIMARY KEY,
    account BLOB NOT NULL,
    token_version INTEGER NOT NULL,
    token BLOB NOT NULL,
    previous BLOB,
    created_ms INTEGER NOT NULL,
    seen_ms INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL,
    agent TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX session_account ON session (account);

-- Codes sent by mail, by their hashes.
CREATE TABLE one_time (
    code BLOB PRIMARY KEY,
    purpose INTEGER NOT NULL,
    account BLOB NOT NULL,
    name TEXT NOT NULL,
    expires_ms INTEGER NOT NULL
) WITHOUT ROWID;
