-- The changes of documents by name, for uploads that abbreviate them.
CREATE TABLE document_change (
    doc BYTEA NOT NULL,
    hash BYTEA NOT NULL,
    entry BIGINT NOT NULL,
    PRIMARY KEY (doc, hash)
);
CREATE INDEX document_change_entry ON document_change (entry);
