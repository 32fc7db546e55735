//! `cargo xtask bench` and `cargo xtask sim`: release builds that run for long.
use std::process::Command;

use crate::tools;

/// Builds packages' binaries for release and gives the command of one.
fn release(packages: &[&str], name: &str) -> Result<Command, String> {
    let mut args = vec!["build", "--release", "--bins"];
    for package in packages {
        args.extend(["--package", package]);
    }
    tools::run(&mut tools::cargo(&args))?;
    let mut command = Command::new(tools::target().join("release").join(name));
    command.current_dir(tools::root());
    if let Some(data) = tools::data() {
        command.env("STUNITY_DATA", data);
    }
    Ok(command)
}

/// Prints budgets beside figures.
pub fn bench(subjects: &[&str]) -> Result<(), String> {
    let mut command = release(&["stunity-bench", "stunity-server"], "stunity-bench")?;
    tools::run(command.args(subjects))
}

/// Runs the simulator over a range of seeds.
pub fn sim(options: &[&str]) -> Result<(), String> {
    let mut command = release(&["stunity-sim"], "stunity-sim")?;
    tools::run(command.args(options))
}
