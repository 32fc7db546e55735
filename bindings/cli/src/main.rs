//! The stunity command: a headless device.

fn main() {}
