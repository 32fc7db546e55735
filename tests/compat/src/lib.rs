//! Golden bytes and frozen databases.
