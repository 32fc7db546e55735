-- Erasures that name an entry which is still to come; `entry` is theirs.
CREATE TABLE erasure (
    target BLOB NOT NULL,
    entry INTEGER NOT NULL,
    PRIMARY KEY (target, entry)
) WITHOUT ROWID;

-- By which version of the rules the projections were made.
CREATE TABLE fold (version INTEGER NOT NULL);
INSERT INTO fold VALUES (0);
