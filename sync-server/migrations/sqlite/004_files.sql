-- Files: which manifests name them, and which chunks they have. The chunks
-- themselves lie in the blob store.
CREATE TABLE blob (
    id BLOB PRIMARY KEY,
    size INTEGER NOT NULL,
    chunks BLOB NOT NULL
);
CREATE TABLE blob_chunk (
    chunk BLOB NOT NULL,
    blob BLOB NOT NULL,
    PRIMARY KEY (chunk, blob)
);
-- In which lane a manifest of it lies: who reads that lane may read the file.
CREATE TABLE blob_use (
    blob BLOB NOT NULL,
    space BLOB NOT NULL,
    lane BLOB NOT NULL,
    entry INTEGER NOT NULL,
    PRIMARY KEY (blob, entry)
);
-- Chunks that a device brought whole: it need not bring them again. What others
-- brought says nothing to it.
CREATE TABLE device_chunk (
    device BLOB NOT NULL,
    chunk BLOB NOT NULL,
    PRIMARY KEY (device, chunk)
);
