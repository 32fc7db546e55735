//! The simulator: real clients and the real relay session under one seed.

fn main() {}
