//! Automerge documents: genesis, burst commits, journal, undo.
