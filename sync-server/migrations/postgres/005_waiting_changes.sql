-- Changes of documents whose past is not here: what each lacks, and who wrote it.
CREATE TABLE waiting_change (
    doc BYTEA NOT NULL,
    hash BYTEA NOT NULL,
    lacks BYTEA NOT NULL,
    author BYTEA NOT NULL,
    PRIMARY KEY (doc, hash, lacks)
);
CREATE INDEX waiting_change_lacks ON waiting_change (doc, lacks);
CREATE INDEX waiting_change_author ON waiting_change (author);
