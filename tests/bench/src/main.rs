//! Benchmarks: bytes, round trips, ratios, budgets.

fn main() {}
