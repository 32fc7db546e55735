//! The one UniFFI interface of the core.
