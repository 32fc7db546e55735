CREATE TABLE relay (epoch INTEGER NOT NULL);
INSERT INTO relay VALUES (1);

-- Entries as signed. `heads` has, for each cited head that is numbered in the
-- entry's own space, the head (32 bytes) and its sequence (8 bytes, big-endian).
CREATE TABLE entry (
    n INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE,
    header BLOB NOT NULL,
    signature BLOB NOT NULL,
    body BLOB NOT NULL,
    same_heads INTEGER NOT NULL,
    heads BLOB NOT NULL,
    pending TEXT
);

-- The order: gapless per space.
CREATE TABLE numbering (
    space BLOB NOT NULL,
    sequence INTEGER NOT NULL,
    lane BLOB NOT NULL,
    entry INTEGER NOT NULL,
    received_ms INTEGER NOT NULL,
    lane_hash BLOB NOT NULL,
    space_hash BLOB NOT NULL,
    PRIMARY KEY (space, sequence)
) WITHOUT ROWID;
CREATE UNIQUE INDEX numbering_lane ON numbering (space, lane, sequence);
CREATE INDEX numbering_entry ON numbering (entry, space);

-- The end of each space (lane empty) and lane.
CREATE TABLE target_end (
    space BLOB NOT NULL,
    lane BLOB NOT NULL,
    sequence INTEGER NOT NULL,
    hash BLOB NOT NULL,
    PRIMARY KEY (space, lane)
) WITHOUT ROWID;

-- The last entry of each chain; a refused one counts, its content does not stay.
CREATE TABLE chain (
    signer_kind INTEGER NOT NULL,
    signer BLOB NOT NULL,
    incarnation INTEGER NOT NULL,
    space BLOB NOT NULL,
    lane BLOB NOT NULL,
    sequence INTEGER NOT NULL,
    id BLOB NOT NULL,
    account_head BLOB,
    membership_heads BLOB NOT NULL,
    PRIMARY KEY (signer, incarnation, space, lane, signer_kind)
) WITHOUT ROWID;

CREATE TABLE tombstone (
    id BLOB PRIMARY KEY,
    code TEXT NOT NULL,
    tombstone BLOB NOT NULL
) WITHOUT ROWID;

-- Roots of accounts, and how they are known.
CREATE TABLE account (
    id BLOB PRIMARY KEY,
    root BLOB NOT NULL,
    staff_roles INTEGER NOT NULL,
    staff_serial INTEGER NOT NULL,
    in_person INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE device (
    id BLOB PRIMARY KEY,
    account BLOB NOT NULL,
    key BLOB NOT NULL,
    certificate BLOB NOT NULL,
    revoked INTEGER NOT NULL,
    seen_ms INTEGER
) WITHOUT ROWID;

-- In which lane of a space the keys of an account are numbered.
CREATE TABLE mirrored (
    space BLOB NOT NULL,
    account BLOB NOT NULL,
    lane BLOB NOT NULL,
    PRIMARY KEY (space, account, lane)
) WITHOUT ROWID;
CREATE INDEX mirrored_account ON mirrored (account);

-- Roster entries that bind an account, to be numbered beside its keys.
CREATE TABLE binding (
    account BLOB NOT NULL,
    entry INTEGER NOT NULL,
    PRIMARY KEY (account, entry)
) WITHOUT ROWID;

-- Roles by everything held: what an account reads.
CREATE TABLE membership (
    account BLOB NOT NULL,
    space BLOB NOT NULL,
    roles INTEGER NOT NULL,
    PRIMARY KEY (account, space)
) WITHOUT ROWID;
CREATE TABLE group_member (
    account BLOB NOT NULL,
    space BLOB NOT NULL,
    group_id BLOB NOT NULL,
    PRIMARY KEY (account, space, group_id)
) WITHOUT ROWID;

CREATE TABLE cursor_log (device BLOB PRIMARY KEY, log BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE upload (
    device BLOB NOT NULL,
    pack BLOB NOT NULL,
    total INTEGER NOT NULL,
    offset INTEGER NOT NULL,
    bytes BLOB NOT NULL,
    PRIMARY KEY (device, pack, offset)
);
CREATE TABLE download (device BLOB PRIMARY KEY, pack BLOB NOT NULL, download BLOB NOT NULL);

CREATE TABLE login (
    name TEXT PRIMARY KEY,
    account BLOB NOT NULL,
    password TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE invitation (
    code_hash BLOB PRIMARY KEY,
    roles INTEGER NOT NULL,
    account BLOB,
    expires_ms INTEGER NOT NULL,
    used_by BLOB
) WITHOUT ROWID;

CREATE VIRTUAL TABLE search USING fts5(keys, content='', contentless_delete=1, tokenize='ascii');
CREATE TABLE search_entry (n INTEGER PRIMARY KEY, entry INTEGER NOT NULL, about BLOB NOT NULL);
