-- Changes of documents whose past is not here: what each lacks, and who wrote it.
CREATE TABLE waiting_change (
    doc BLOB NOT NULL,
    hash BLOB NOT NULL,
    lacks BLOB NOT NULL,
    author BLOB NOT NULL,
    PRIMARY KEY (doc, hash, lacks)
) WITHOUT ROWID;
CREATE INDEX waiting_change_lacks ON waiting_change (doc, lacks);
CREATE INDEX waiting_change_author ON waiting_change (author);
