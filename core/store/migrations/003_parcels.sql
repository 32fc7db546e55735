-- What travels by file.

-- Receipts that parcels brought, as passed on, of entries in their own lane.
-- Those of a session lie in `flushes`.
CREATE TABLE receipts (
    entry   INTEGER PRIMARY KEY REFERENCES entries ON DELETE CASCADE,
    receipt BLOB NOT NULL
);

-- Files sealed to a relay that this device carries for others, by their SHA-256,
-- as they came: nothing of them can be read here.
CREATE TABLE carried (
    parcel   BLOB PRIMARY KEY,
    size     INTEGER NOT NULL,
    taken_ms INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE carried_pieces (
    parcel BLOB NOT NULL REFERENCES carried ON DELETE CASCADE,
    start  INTEGER NOT NULL,
    bytes  BLOB NOT NULL,
    PRIMARY KEY (parcel, start)
) WITHOUT ROWID;
