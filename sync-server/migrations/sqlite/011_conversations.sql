-- Who is in a conversation now, with roles: what an account reads of them.
CREATE TABLE talker (
    account BLOB NOT NULL,
    space BLOB NOT NULL,
    roles INTEGER NOT NULL,
    PRIMARY KEY (account, space)
) WITHOUT ROWID;
CREATE INDEX talker_space ON talker (space);
