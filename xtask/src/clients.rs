//! Stock clients from npm against a running relay, with people on it who have devices.
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::interop::{School, free_address};
use crate::steps::Outcome;
use crate::tools;

/// The tests, each a file that Node runs.
const TESTS: &[&str] = &["socketio.js"];
/// Grown-ups, who reach each other.
const PEOPLE: &[&str] = &["alice", "bob", "carol"];
const PASSWORD: &str = "a password for tests";

fn folder() -> PathBuf {
    tools::root().join("tests/clients")
}

/// The packages of the lock file, and whether the tests are well typed.
fn install() -> Result<(), String> {
    for (program, package) in [("node", "nodejs"), ("npm", "npm")] {
        if !tools::has(program) {
            tools::apt(package)?;
        }
    }
    tools::install_packages(&folder())?;
    let check = folder().join("node_modules/.bin/tsc");
    tools::run(Command::new(check).arg("--noEmit").current_dir(folder()))
}

/// Gives somebody a device in `homes` and a password.
fn admit(school: &School, homes: &Path, name: &str) -> Result<(), String> {
    let code = school.invite("teacher")?;
    let home = homes.join(name);
    let device = |args: &[&str]| {
        let mut stunity = Command::new(school.bin.join("stunity"));
        tools::output(stunity.arg("--json").arg("--home").arg(&home).args(args))
    };
    device(&["join", "--relay", &school.url(), "--code", &code])?;
    device(&["sync"])?;
    let said: serde_json::Value =
        serde_json::from_str(&device(&["whoami"])?).map_err(|error| error.to_string())?;
    let account = said["account"].as_str().ok_or("no account")?;
    let mut login = school.relay_command();
    login.args(["set-login", "--login", name, "--account", account]);
    tools::run(login.env("STUNITY_PASSWORD", PASSWORD))
}

/// Runs all of them.
pub fn test() -> Result<Outcome, String> {
    install()?;
    let address = free_address()?;
    let mut school = School::new("clients", address.clone(), address)?;
    school.open()?;
    let homes = school.folder.join("homes");
    for name in PEOPLE {
        admit(&school, &homes, name)?;
    }
    for test in TESTS {
        let mut node = Command::new("node");
        node.arg("--test")
            .arg(test)
            .current_dir(folder())
            .env("RELAY", school.url())
            .env("STUNITY", school.bin.join("stunity"))
            .env("HOMES", &homes)
            .env("PASSWORD", PASSWORD);
        tools::run(&mut node)?;
    }
    Ok(Outcome::Passed)
}
