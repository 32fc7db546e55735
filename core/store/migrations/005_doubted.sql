-- Entries of others that a restored relay may lack: numbered before, and not yet
-- under this epoch.
CREATE TABLE doubted (
    entry INTEGER PRIMARY KEY REFERENCES entries ON DELETE CASCADE,
    epoch INTEGER NOT NULL
);
