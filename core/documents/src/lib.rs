//! Automerge documents: genesis, burst commits, journal, undo.

mod change;

pub use change::change_actor;
