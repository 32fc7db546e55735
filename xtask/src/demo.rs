//! `cargo xtask demo`.
use std::process::Command;

use crate::tools;

/// A class of real processes works offline and comes together over a recorded 3G link.
pub fn class_fortnight(options: &[&str]) -> Result<(), String> {
    let bin = tools::build_commands()?;
    let data = tools::data().ok_or("needs the link traces: set STUNITY_DATA to the data folder")?;
    let mut demo = Command::new(bin.join("stunity-demo"));
    demo.arg("class-fortnight")
        .arg("--bin")
        .arg(&bin)
        .arg("--links")
        .arg(data.join("links"))
        .args(options);
    tools::run(&mut demo)
}
