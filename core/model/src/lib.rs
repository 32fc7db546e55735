//! The domain: events, permission table, fold rules.
