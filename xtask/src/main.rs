//! run, test, ci, bench, sim, check-layers.

fn main() {}
