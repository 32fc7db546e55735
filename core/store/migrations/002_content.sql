-- Documents, files, search.

-- The changes of documents, in no order: Automerge orders them. Their bytes lie
-- in the entry or, until they are sealed, in the outbox.
CREATE TABLE changes (
    doc      BLOB NOT NULL,
    hash     BLOB NOT NULL,
    entry    INTEGER REFERENCES entries ON DELETE CASCADE,
    position INTEGER,
    op       INTEGER REFERENCES outbox ON DELETE SET NULL,
    -- 1: taken out again by an erasure, a refusal or a quarantine.
    void     INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (doc, hash)
) WITHOUT ROWID;
CREATE INDEX changes_entry ON changes (entry);
CREATE INDEX changes_op ON changes (op) WHERE op IS NOT NULL;

-- `snapshot` is a cache of the changes, `view` what screens read: both can be
-- made again. `stale`: changes came that are not in them.
CREATE TABLE documents (
    doc      BLOB PRIMARY KEY,
    type     INTEGER NOT NULL,
    space    BLOB NOT NULL,
    lane     BLOB NOT NULL,
    snapshot BLOB,
    view     BLOB,
    stale    INTEGER NOT NULL DEFAULT 1
) WITHOUT ROWID;
CREATE INDEX documents_space ON documents (space, lane);
CREATE INDEX documents_stale ON documents (stale) WHERE stale = 1;

-- What was typed since the last change of a document: replayed after a crash.
CREATE TABLE journal (
    doc    BLOB NOT NULL,
    step   INTEGER NOT NULL,
    action BLOB NOT NULL,
    PRIMARY KEY (doc, step)
) WITHOUT ROWID;

-- Entries whose documents are being decoded. What is here when the database is
-- opened brought the app down.
CREATE TABLE decoding (
    entry INTEGER PRIMARY KEY REFERENCES entries ON DELETE CASCADE
);

-- Files by manifest; `own`: written here and not yet at the relay.
CREATE TABLE blobs (
    blob  BLOB PRIMARY KEY,
    size  INTEGER NOT NULL,
    media TEXT NOT NULL,
    name  TEXT,
    own   INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE TABLE blob_chunks (
    blob  BLOB NOT NULL REFERENCES blobs ON DELETE CASCADE,
    place INTEGER NOT NULL,
    chunk BLOB NOT NULL,
    PRIMARY KEY (blob, place)
) WITHOUT ROWID;
CREATE INDEX blob_chunks_chunk ON blob_chunks (chunk);
CREATE TABLE chunks (
    chunk   BLOB PRIMARY KEY,
    bytes   BLOB NOT NULL,
    used_ms INTEGER NOT NULL
) WITHOUT ROWID;
-- Which entries mention a blob: without any it is dropped.
CREATE TABLE blob_uses (
    blob  BLOB NOT NULL,
    entry INTEGER NOT NULL REFERENCES entries ON DELETE CASCADE,
    PRIMARY KEY (blob, entry)
) WITHOUT ROWID;
CREATE INDEX blob_uses_entry ON blob_uses (entry);

-- What can be found. `words` are the keys of `stunity-text`: lower-case ASCII,
-- so the tokenizer only has to split at spaces.
CREATE TABLE findable (
    row      INTEGER PRIMARY KEY,
    object   BLOB NOT NULL,
    kind     INTEGER NOT NULL,
    space    BLOB NOT NULL,
    entry    BLOB NOT NULL,
    op       INTEGER NOT NULL,
    sequence INTEGER,
    title    TEXT NOT NULL,
    words    TEXT NOT NULL
);
CREATE INDEX findable_object ON findable (object);
CREATE INDEX findable_entry ON findable (entry, op);
CREATE VIRTUAL TABLE search USING fts5 (
    words, content = 'findable', content_rowid = 'row', tokenize = 'ascii'
);
CREATE TRIGGER findable_insert AFTER INSERT ON findable BEGIN
    INSERT INTO search (rowid, words) VALUES (new.row, new.words);
END;
CREATE TRIGGER findable_delete AFTER DELETE ON findable BEGIN
    INSERT INTO search (search, rowid, words) VALUES ('delete', old.row, old.words);
END;
