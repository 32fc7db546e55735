-- Files on their way, by chunks.

-- sent: 0 not yet, 1 begun, 2 the relay holds it.
ALTER TABLE blob_chunks ADD COLUMN sent INTEGER NOT NULL DEFAULT 0;
-- wanted: somebody here asked for the file.
ALTER TABLE blobs ADD COLUMN wanted INTEGER NOT NULL DEFAULT 0;
-- agreed: on a metered network too.
ALTER TABLE blobs ADD COLUMN agreed INTEGER NOT NULL DEFAULT 0;

-- Chunks that have come in part.
CREATE TABLE chunk_slices (
    chunk BLOB NOT NULL,
    start INTEGER NOT NULL,
    bytes BLOB NOT NULL,
    PRIMARY KEY (chunk, start)
) WITHOUT ROWID;
