//! Fixtures and helpers shared by the tests.

pub mod traces;
