-- Erasures that name an entry which is still to come; `entry` is theirs.
CREATE TABLE erasure (
    target BYTEA NOT NULL,
    entry BIGINT NOT NULL,
    PRIMARY KEY (target, entry)
);

-- By which version of the rules the projections were made.
CREATE TABLE fold (version BIGINT NOT NULL);
INSERT INTO fold VALUES (0);
