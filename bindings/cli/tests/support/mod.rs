//! Devices as processes.
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;
use stunity_e2e::School;
use stunity_identity::StaffRoles;

/// A device of somebody.
pub struct Device {
    /// Its folder.
    pub home: PathBuf,
}

impl Device {
    /// The command on this device.
    pub fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stunity"));
        command.arg("--home").arg(&self.home);
        command
    }

    /// Runs a command; gives its exit code and what it printed.
    pub fn run(&self, args: &[&str]) -> (i32, Value) {
        let output = self.command().arg("--json").args(args).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let value = serde_json::from_str(text.trim())
            .unwrap_or_else(|error| panic!("{args:?}: {error}: {text:?}"));
        (output.status.code().unwrap(), value)
    }

    /// Runs a command that succeeds.
    pub fn ok(&self, args: &[&str]) -> Value {
        let (code, value) = self.run(args);
        assert_eq!(code, 0, "{args:?}: {value}");
        value
    }

    /// The id that a command makes.
    pub fn make(&self, name: &str, args: &[&str]) -> String {
        self.ok(args)[name].as_str().unwrap().to_owned()
    }

    /// Sends and fetches everything.
    pub fn sync(&self) {
        assert_eq!(self.ok(&["sync"])["caught_up"], true);
    }
}

/// A new account by an invitation's code.
pub async fn join(school: &School, name: &str, offices: StaffRoles) -> (Device, String) {
    let device = Device {
        home: school.path(name),
    };
    let code = school.log.invite(offices, None).await.unwrap();
    let code: String = code.iter().map(|byte| format!("{byte:02x}")).collect();
    let relay = format!("http://{}", school.address);
    let account = device.make("account", &["join", "--relay", &relay, "--code", &code]);
    (device, account)
}
