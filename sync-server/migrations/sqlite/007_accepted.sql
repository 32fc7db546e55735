-- What staff gave effect to, also before it came: an acceptance may overtake its
-- target.
CREATE TABLE accepted (
    target BLOB NOT NULL,
    space BLOB NOT NULL,
    entry INTEGER NOT NULL,
    PRIMARY KEY (target, entry)
);
