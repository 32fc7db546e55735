-- The changes of documents by name, for uploads that abbreviate them.
CREATE TABLE document_change (
    doc BLOB NOT NULL,
    hash BLOB NOT NULL,
    entry INTEGER NOT NULL,
    PRIMARY KEY (doc, hash)
) WITHOUT ROWID;
CREATE INDEX document_change_entry ON document_change (entry);
