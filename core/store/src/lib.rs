//! The client's SQLite store: entries, chains, outbox, projections, search.
