-- What was said and what is to be said: entries, their order, what waits.

CREATE TABLE meta (
    name  TEXT PRIMARY KEY,
    value BLOB NOT NULL
) WITHOUT ROWID;

-- Secret keys of this device. They lie here in the clear until the database is
-- encrypted at rest; then the same table lies inside the encrypted file.
CREATE TABLE keys (
    name   TEXT PRIMARY KEY,
    secret BLOB NOT NULL
) WITHOUT ROWID;

-- (signer, incarnation, space, lane). `head_*` are of own chains only: the last
-- entry sealed, which the next one continues.
CREATE TABLE chains (
    chain         INTEGER PRIMARY KEY,
    signer        BLOB NOT NULL,
    signer_kind   INTEGER NOT NULL,
    incarnation   INTEGER NOT NULL,
    space         BLOB NOT NULL,
    lane          BLOB NOT NULL,
    head_sequence INTEGER NOT NULL DEFAULT 0,
    head_id       BLOB,
    UNIQUE (space, lane, signer, signer_kind, incarnation)
);

-- state: 0 received, 1 applied, 2 held, 3 rejected, 4 quarantined.
-- send: null for what others sent; own: 0 unacknowledged, 1 accepted,
-- 2 accepted but pending, 3 refused, 4 written again in another entry.
-- folded: 1 while rows of the projections come from it.
-- class: 0 account log, 1 membership, 2 the rest, which is judged by the others.
CREATE TABLE entries (
    entry     INTEGER PRIMARY KEY,
    id        BLOB NOT NULL UNIQUE,
    chain     INTEGER NOT NULL REFERENCES chains,
    sequence  INTEGER NOT NULL,
    author    BLOB NOT NULL,
    class     INTEGER NOT NULL,
    header    BLOB NOT NULL,
    signature BLOB NOT NULL,
    body      BLOB NOT NULL,
    state     INTEGER NOT NULL,
    send      INTEGER,
    code      TEXT,
    tombstone BLOB,
    folded    INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX entries_chain ON entries (chain, sequence);
CREATE INDEX entries_received ON entries (class, entry) WHERE state = 0;
CREATE INDEX entries_own ON entries (send, entry) WHERE send IS NOT NULL;
CREATE INDEX entries_author ON entries (author, class);

-- What an entry waits for, or was judged without: an account, a space, a node or
-- another entry. When it comes, the entry is judged again.
CREATE TABLE held (
    wants BLOB NOT NULL,
    entry INTEGER NOT NULL REFERENCES entries ON DELETE CASCADE,
    PRIMARY KEY (wants, entry)
) WITHOUT ROWID;

-- The relay's order. `leaf` is the place in the flush's receipt.
CREATE TABLE numbering (
    space       BLOB NOT NULL,
    epoch       INTEGER NOT NULL,
    sequence    INTEGER NOT NULL,
    lane        BLOB NOT NULL,
    entry       INTEGER NOT NULL REFERENCES entries ON DELETE CASCADE,
    received_ms INTEGER NOT NULL,
    flush       INTEGER REFERENCES flushes,
    leaf        INTEGER,
    PRIMARY KEY (space, sequence, epoch)
) WITHOUT ROWID;
CREATE INDEX numbering_entry ON numbering (entry);

-- One relay signature over many leaves; a receipt is made of it on demand.
CREATE TABLE flushes (
    flush     INTEGER PRIMARY KEY,
    node      BLOB NOT NULL,
    signature BLOB NOT NULL,
    leaves    BLOB NOT NULL,
    relay_ms  INTEGER NOT NULL
);

-- Two different things at one place: forks of chains, equivocation of relays.
CREATE TABLE evidence (
    evidence INTEGER PRIMARY KEY,
    code     TEXT NOT NULL,
    first    BLOB NOT NULL,
    second   BLOB NOT NULL,
    UNIQUE (code, first, second)
);

-- lane: empty for the whole space.
CREATE TABLE cursors (
    space    BLOB NOT NULL,
    lane     BLOB NOT NULL,
    epoch    INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    hash     BLOB NOT NULL,
    PRIMARY KEY (space, lane)
) WITHOUT ROWID;

CREATE TABLE partials (
    pack  BLOB PRIMARY KEY,
    begun INTEGER NOT NULL,
    total INTEGER NOT NULL,
    held  INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE partial_slices (
    pack  BLOB NOT NULL REFERENCES partials ON DELETE CASCADE,
    start INTEGER NOT NULL,
    bytes BLOB NOT NULL,
    PRIMARY KEY (pack, start)
) WITHOUT ROWID;

-- Packs of own entries as they leave, with their names.
CREATE TABLE uploads (
    upload       INTEGER PRIMARY KEY,
    pack         BLOB NOT NULL UNIQUE,
    bytes        BLOB NOT NULL,
    acknowledged INTEGER NOT NULL DEFAULT 0,
    begun        INTEGER NOT NULL DEFAULT 0,
    explicit     INTEGER NOT NULL
);
CREATE TABLE upload_entries (
    upload   INTEGER NOT NULL REFERENCES uploads ON DELETE CASCADE,
    position INTEGER NOT NULL,
    entry    INTEGER NOT NULL REFERENCES entries,
    PRIMARY KEY (upload, position)
) WITHOUT ROWID;
CREATE INDEX upload_entries_entry ON upload_entries (entry);

-- What the user did and no entry carries yet.
CREATE TABLE outbox (
    op       INTEGER PRIMARY KEY,
    space    BLOB NOT NULL,
    lane     BLOB NOT NULL,
    kind     INTEGER NOT NULL,
    type     INTEGER NOT NULL,
    doc      BLOB,
    bytes    BLOB NOT NULL,
    priority INTEGER NOT NULL
);
CREATE INDEX outbox_lane ON outbox (space, lane, op);

-- Own items, from the moment they are queued: which operation of which entry
-- carries them. `entry` is null while the outbox holds them.
CREATE TABLE items (
    item      INTEGER PRIMARY KEY,
    object    BLOB,
    space     BLOB NOT NULL,
    lane      BLOB NOT NULL,
    kind      INTEGER NOT NULL,
    type      INTEGER NOT NULL,
    queued_ms INTEGER NOT NULL,
    op        INTEGER,
    entry     INTEGER REFERENCES entries,
    position  INTEGER
);
CREATE INDEX items_object ON items (object);
CREATE INDEX items_entry ON items (entry);
CREATE INDEX items_op ON items (op) WHERE op IS NOT NULL;

-- Roots that something binds to an account. rank: 0 own, 1 admission by the
-- school root, 2 seen in person, 3 by the relay.
CREATE TABLE roots (
    account  BLOB NOT NULL,
    entry    BLOB NOT NULL,
    root     BLOB NOT NULL,
    rank     INTEGER NOT NULL,
    epoch    INTEGER,
    sequence INTEGER,
    PRIMARY KEY (account, entry)
) WITHOUT ROWID;

-- Offices in the school, each by an admission that the school root signed.
CREATE TABLE staff (
    account     BLOB NOT NULL,
    certificate BLOB NOT NULL,
    serial      INTEGER NOT NULL,
    roles       INTEGER NOT NULL,
    PRIMARY KEY (account, certificate)
) WITHOUT ROWID;

-- Who is in a course now, by the membership statements held.
CREATE TABLE members (
    space   BLOB NOT NULL,
    account BLOB NOT NULL,
    roles   INTEGER NOT NULL,
    PRIMARY KEY (space, account)
) WITHOUT ROWID;

-- Entries beyond a cut-off to which staff gave effect.
CREATE TABLE accepted (
    target BLOB NOT NULL,
    entry  INTEGER NOT NULL REFERENCES entries ON DELETE CASCADE,
    PRIMARY KEY (target, entry)
) WITHOUT ROWID;

-- Operations that an erasure names, also of entries that are still to come.
CREATE TABLE erasures (
    target BLOB NOT NULL,
    op     INTEGER NOT NULL,
    entry  INTEGER NOT NULL REFERENCES entries ON DELETE CASCADE,
    PRIMARY KEY (target, op, entry)
) WITHOUT ROWID;

-- Certificate chains of relay nodes, root → operator → node.
CREATE TABLE nodes (
    node  BLOB NOT NULL,
    chain BLOB NOT NULL,
    PRIMARY KEY (node, chain)
) WITHOUT ROWID;

-- The certificate that a signer's entries name, for the pack codec.
CREATE TABLE signers (
    signer      BLOB NOT NULL,
    signer_kind INTEGER NOT NULL,
    certificate BLOB NOT NULL,
    PRIMARY KEY (signer, signer_kind)
) WITHOUT ROWID;
