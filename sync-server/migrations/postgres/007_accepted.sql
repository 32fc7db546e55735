-- What staff gave effect to, also before it came: an acceptance may overtake its
-- target.
CREATE TABLE accepted (
    target BYTEA NOT NULL,
    space BYTEA NOT NULL,
    entry BIGINT NOT NULL,
    PRIMARY KEY (target, entry)
);
