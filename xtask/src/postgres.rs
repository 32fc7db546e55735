//! The relay's tests on PostgreSQL: a throw-away cluster on a socket of its own.
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::steps::Outcome;
use crate::tools;

/// Where Debian keeps the server's programs, by version.
const DEBIAN: &str = "/usr/lib/postgresql";

/// The folder with `initdb` and `postgres`, if they are installed.
fn programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir(DEBIAN).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = versions
        .map(|version| version.path().join("bin"))
        .filter(|bin| bin.join("postgres").exists())
        .collect();
    found.sort();
    found.pop()
}

/// A program of the server, run as somebody who is not root: it refuses root.
fn unprivileged(program: &Path) -> Command {
    let is_root = Command::new("id")
        .arg("-u")
        .output()
        .is_ok_and(|output| output.stdout == b"0\n");
    if !is_root {
        return Command::new(program);
    }
    let mut command = Command::new("runuser");
    command.args(["-u", "postgres", "--"]).arg(program);
    command
}

/// A running server; dropped, it is stopped and its files are removed.
struct Cluster {
    folder: PathBuf,
    bin: PathBuf,
}

impl Cluster {
    fn start(bin: PathBuf) -> Result<Self, String> {
        let folder = std::env::temp_dir().join(format!("stunity-postgres-{}", std::process::id()));
        std::fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
        // Its owner is the server's user, who is not always this one.
        tools::run(Command::new("chmod").arg("0777").arg(&folder))?;
        let cluster = Self { folder, bin };
        tools::run(
            unprivileged(&cluster.bin.join("initdb"))
                .args(["--username=postgres", "--auth=trust", "--encoding=UTF8"])
                .args(["--locale=C", "--no-sync"])
                .arg("--pgdata")
                .arg(cluster.data())
                .stdout(Stdio::null()),
        )?;
        let options = format!(
            "-c listen_addresses= -c unix_socket_directories={} -c max_connections=400 -c fsync=off",
            cluster.folder.display()
        );
        tools::run(
            cluster
                .control("start")
                .arg("--options")
                .arg(options)
                .arg("--log")
                .arg(cluster.folder.join("log"))
                .arg("--wait")
                .stdout(Stdio::null()),
        )?;
        Ok(cluster)
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn control(&self, word: &str) -> Command {
        let mut command = unprivileged(&self.bin.join("pg_ctl"));
        command.arg(word).arg("--pgdata").arg(self.data());
        command
    }

    fn address(&self) -> String {
        format!(
            "postgres://postgres@localhost/postgres?host={}",
            self.folder.display()
        )
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let mut stop = self.control("stop");
        stop.args(["--mode", "immediate"]).stdout(Stdio::null());
        if let Err(error) = tools::run(&mut stop) {
            eprintln!("the server was not stopped: {error}");
        }
        // As root it belongs to another user, who may remove it all the same.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Runs the tests of relay and devices with every relay's log on PostgreSQL.
pub fn test() -> Result<Outcome, String> {
    if programs().is_none() {
        tools::apt("postgresql")?;
    }
    let Some(bin) = programs() else {
        return Ok(Outcome::Skipped(
            "needs PostgreSQL's server: apt-get install postgresql".into(),
        ));
    };
    let cluster = Cluster::start(bin)?;
    // By name, of the whole workspace: cargo then chooses the features of the other
    // tests, and builds nothing again.
    let mut tests = tools::cargo(&["test", "--workspace"]);
    for name in names()? {
        tests.args(["--test", &name]);
    }
    tools::run(tests.env("STUNITY_TEST_POSTGRES", cluster.address()))?;
    Ok(Outcome::Passed)
}

/// The tests with a relay.
fn names() -> Result<Vec<String>, String> {
    let mut names = Vec::new();
    for folder in [
        "sync-server/api/tests",
        "sync-server/relay/tests",
        "tests/e2e/tests",
    ] {
        let folder = tools::root().join(folder);
        for file in std::fs::read_dir(folder).map_err(|error| error.to_string())? {
            let path = file.map_err(|error| error.to_string())?.path();
            // A file, or a folder with one that begins.
            if path.extension().is_some_and(|kind| kind == "rs") || path.join("main.rs").exists() {
                names.extend(
                    path.file_stem()
                        .and_then(|name| name.to_str())
                        .map(str::to_owned),
                );
            }
        }
    }
    names.sort();
    Ok(names)
}
