-- Who is in a conversation now, with roles: what an account reads of them.
CREATE TABLE talker (
    account BYTEA NOT NULL,
    space BYTEA NOT NULL,
    roles BIGINT NOT NULL,
    PRIMARY KEY (account, space)
);
CREATE INDEX talker_space ON talker (space);
