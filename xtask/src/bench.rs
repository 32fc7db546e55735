//! `cargo xtask bench` and `cargo xtask sim`: optimised builds that run for long.
use std::process::Command;

use crate::tools;

/// Builds packages' binaries in a profile and gives the command of one.
fn optimised(profile: &str, packages: &[&str], name: &str) -> Result<Command, String> {
    let mut args = vec!["build", "--profile", profile, "--bins"];
    for package in packages {
        args.extend(["--package", package]);
    }
    tools::run(&mut tools::cargo(&args))?;
    let mut command = Command::new(tools::target().join(profile).join(name));
    command.current_dir(tools::root());
    if let Some(data) = tools::data() {
        command.env("STUNITY_DATA", data);
    }
    Ok(command)
}

/// Prints budgets beside figures.
pub fn bench(subjects: &[&str]) -> Result<(), String> {
    let mut command = optimised(
        "release",
        &["stunity-bench", "stunity-relay"],
        "stunity-bench",
    )?;
    tools::run(command.args(subjects))
}

/// Runs the simulator over a range of seeds.
pub fn sim(options: &[&str]) -> Result<(), String> {
    let mut command = optimised("sim", &["stunity-sim"], "stunity-sim")?;
    tools::run(command.args(options))
}
