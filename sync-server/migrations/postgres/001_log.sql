CREATE TABLE relay (epoch BIGINT NOT NULL);
INSERT INTO relay VALUES (1);

-- Entries as signed. `heads` has, for each cited head that is numbered in the
-- entry's own space, the head (32 bytes) and its sequence (8 bytes, big-endian).
CREATE TABLE entry (
    n BIGINT PRIMARY KEY,
    id BYTEA NOT NULL UNIQUE,
    header BYTEA NOT NULL,
    signature BYTEA NOT NULL,
    body BYTEA NOT NULL,
    same_heads BIGINT NOT NULL,
    heads BYTEA NOT NULL,
    pending TEXT
);

-- The order: gapless per space.
CREATE TABLE numbering (
    space BYTEA NOT NULL,
    sequence BIGINT NOT NULL,
    lane BYTEA NOT NULL,
    entry BIGINT NOT NULL,
    received_ms BIGINT NOT NULL,
    lane_hash BYTEA NOT NULL,
    space_hash BYTEA NOT NULL,
    PRIMARY KEY (space, sequence)
);
CREATE UNIQUE INDEX numbering_lane ON numbering (space, lane, sequence);
CREATE INDEX numbering_entry ON numbering (entry, space);

-- The end of each space (lane empty) and lane.
CREATE TABLE target_end (
    space BYTEA NOT NULL,
    lane BYTEA NOT NULL,
    sequence BIGINT NOT NULL,
    hash BYTEA NOT NULL,
    PRIMARY KEY (space, lane)
);

-- The last entry of each chain; a refused one counts, its content does not stay.
CREATE TABLE chain (
    signer_kind BIGINT NOT NULL,
    signer BYTEA NOT NULL,
    incarnation BIGINT NOT NULL,
    space BYTEA NOT NULL,
    lane BYTEA NOT NULL,
    sequence BIGINT NOT NULL,
    id BYTEA NOT NULL,
    account_head BYTEA,
    membership_heads BYTEA NOT NULL,
    PRIMARY KEY (signer, incarnation, space, lane, signer_kind)
);

CREATE TABLE tombstone (
    id BYTEA PRIMARY KEY,
    code TEXT NOT NULL,
    tombstone BYTEA NOT NULL
);

-- Roots of accounts, and how they are known.
CREATE TABLE account (
    id BYTEA PRIMARY KEY,
    root BYTEA NOT NULL,
    staff_roles BIGINT NOT NULL,
    staff_serial BIGINT NOT NULL,
    in_person BIGINT NOT NULL
);

CREATE TABLE device (
    id BYTEA PRIMARY KEY,
    account BYTEA NOT NULL,
    key BYTEA NOT NULL,
    certificate BYTEA NOT NULL,
    revoked BIGINT NOT NULL,
    seen_ms BIGINT
);

-- In which lane of a space the keys of an account are numbered.
CREATE TABLE mirrored (
    space BYTEA NOT NULL,
    account BYTEA NOT NULL,
    lane BYTEA NOT NULL,
    PRIMARY KEY (space, account, lane)
);
CREATE INDEX mirrored_account ON mirrored (account);

-- Roster entries that bind an account, to be numbered beside its keys.
CREATE TABLE binding (
    account BYTEA NOT NULL,
    entry BIGINT NOT NULL,
    PRIMARY KEY (account, entry)
);

-- Roles by everything held: what an account reads.
CREATE TABLE membership (
    account BYTEA NOT NULL,
    space BYTEA NOT NULL,
    roles BIGINT NOT NULL,
    PRIMARY KEY (account, space)
);
CREATE TABLE group_member (
    account BYTEA NOT NULL,
    space BYTEA NOT NULL,
    group_id BYTEA NOT NULL,
    PRIMARY KEY (account, space, group_id)
);

CREATE TABLE cursor_log (device BYTEA PRIMARY KEY, log BYTEA NOT NULL);
CREATE TABLE upload (
    device BYTEA NOT NULL,
    pack BYTEA NOT NULL,
    total BIGINT NOT NULL,
    "offset" BIGINT NOT NULL,
    bytes BYTEA NOT NULL,
    PRIMARY KEY (device, pack, "offset")
);
CREATE TABLE download (device BYTEA PRIMARY KEY, pack BYTEA NOT NULL, download BYTEA NOT NULL);

CREATE TABLE login (
    name TEXT PRIMARY KEY,
    account BYTEA NOT NULL,
    password TEXT NOT NULL
);
CREATE TABLE invitation (
    code_hash BYTEA PRIMARY KEY,
    roles BIGINT NOT NULL,
    account BYTEA,
    expires_ms BIGINT NOT NULL,
    used_by BYTEA
);

-- Search keys are of our own making: words of a-z and 0-9.
CREATE TABLE search (n BIGINT PRIMARY KEY, keys TSVECTOR NOT NULL);
CREATE INDEX search_keys ON search USING GIN (keys);
CREATE TABLE search_entry (n BIGINT PRIMARY KEY, entry BIGINT NOT NULL, about BYTEA NOT NULL);

-- Numbers of rows, taken in blocks. They are keys; the order is `numbering`'s.
CREATE SEQUENCE row_number INCREMENT BY 64;
