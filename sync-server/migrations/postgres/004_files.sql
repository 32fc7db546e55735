-- Files: which manifests name them, and which chunks they have. The chunks
-- themselves lie in the blob store.
CREATE TABLE blob (
    id BYTEA PRIMARY KEY,
    size BIGINT NOT NULL,
    chunks BYTEA NOT NULL
);
CREATE TABLE blob_chunk (
    chunk BYTEA NOT NULL,
    blob BYTEA NOT NULL,
    PRIMARY KEY (chunk, blob)
);
-- In which lane a manifest of it lies: who reads that lane may read the file.
CREATE TABLE blob_use (
    blob BYTEA NOT NULL,
    space BYTEA NOT NULL,
    lane BYTEA NOT NULL,
    entry BIGINT NOT NULL,
    PRIMARY KEY (blob, entry)
);
-- Chunks that a device brought whole: it need not bring them again. What others
-- brought says nothing to it.
CREATE TABLE device_chunk (
    device BYTEA NOT NULL,
    chunk BYTEA NOT NULL,
    PRIMARY KEY (device, chunk)
);
