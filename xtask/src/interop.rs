//! The same scenario in every language: a pupil joins through a running relay, works
//! offline, hands in, syncs, is graded, and reads it back; each step is a process of
//! its own. A teacher's `stunity` command gives the work and sees what came of it.
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::steps::Outcome;
use crate::{bindings, tools};

type Done<T> = Result<T, String>;

fn io(error: std::io::Error) -> String {
    error.to_string()
}

/// A program that runs beside the scenario and ends with it.
struct Beside(Child);

impl Drop for Beside {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts a program; the first line that it prints says that it is ready.
fn start(command: &mut Command) -> Done<(Beside, String)> {
    let program = command.get_program().to_owned();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("{program:?}: {error}"))?;
    let stdout = child.stdout.take();
    let beside = Beside(child);
    let mut line = String::new();
    if let Some(stdout) = stdout {
        BufReader::new(stdout).read_line(&mut line).map_err(io)?;
    }
    if line.is_empty() {
        return Err(format!("{program:?} ended at once"));
    }
    Ok((beside, line.trim().to_owned()))
}

/// An address of this machine that nobody listens at.
pub fn free_address() -> Done<String> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(io)?;
    Ok(listener.local_addr().map_err(io)?.to_string())
}

/// A school with a teacher, in a folder of its own.
pub struct School {
    /// Where the commands are.
    pub bin: PathBuf,
    /// Where everything of the school lies.
    pub folder: PathBuf,
    listen: String,
    /// Host and port as devices address the relay.
    host: String,
    relay: Option<Beside>,
}

/// What the teacher gives to do.
struct Task {
    course: String,
    assignment: String,
}

const COURSE: &str = "Physics 10";
const ASSIGNMENT: &str = "A force at home";
const FEEDBACK: &str = "Well seen. ល្អណាស់។";

impl School {
    /// A new school, whose relay does not run yet.
    pub fn new(name: &str, listen: String, host: String) -> Done<Self> {
        let folder = tools::target().join("interop").join(name);
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).map_err(io)?;
        Ok(Self {
            bin: tools::build_commands()?,
            folder,
            listen,
            host,
            relay: None,
        })
    }

    /// A command of its relay.
    pub fn relay_command(&self) -> Command {
        let mut command = Command::new(self.bin.join("stunity-server"));
        command
            .arg("--data")
            .arg(self.folder.join("relay"))
            .env("STUNITY_LOG", "warn");
        command
    }

    /// Starts the relay.
    pub fn open(&mut self) -> Done<()> {
        let mut serve = self.relay_command();
        serve.args(["serve", "--listen", &self.listen, "--host", &self.host]);
        self.relay = Some(start(&mut serve)?.0);
        Ok(())
    }

    /// From now on everybody is offline.
    fn close(&mut self) {
        self.relay = None;
    }

    /// The code of an invitation.
    pub fn invite(&self, role: &str) -> Done<String> {
        tools::output(self.relay_command().args(["invite", "--role", role]))
    }

    /// Where the relay listens.
    pub fn url(&self) -> String {
        format!("http://{}", self.host)
    }

    /// The teacher's command.
    fn teacher(&self, args: &[&str]) -> Done<Value> {
        let mut stunity = Command::new(self.bin.join("stunity"));
        stunity
            .arg("--home")
            .arg(self.folder.join("teacher"))
            .arg("--json")
            .args(args);
        let said = tools::output(&mut stunity)?;
        if said.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&said).map_err(|error| format!("{args:?}: {error}"))
    }

    fn prepare(&self) -> Done<Task> {
        let code = self.invite("admin")?;
        self.teacher(&["join", "--relay", &self.url(), "--code", &code])?;
        self.teacher(&["sync"])?;
        let course = word(
            &self.teacher(&["course", "create", "--title", COURSE])?,
            "course",
        )?;
        let made = self.teacher(&[
            "assignment",
            "publish",
            "--course",
            &course,
            "--title",
            ASSIGNMENT,
            "--points",
            "10",
            "Describe a force that you saw today.",
        ])?;
        Ok(Task {
            assignment: word(&made, "assignment")?,
            course,
        })
    }
}

fn word(value: &Value, name: &str) -> Done<String> {
    value[name]
        .as_str()
        .map(str::to_owned)
        .ok_or_else(|| format!("no {name} in {value}"))
}

fn expect(found: &Value, name: &str, wanted: &Value) -> Done<()> {
    if found[name] == *wanted {
        Ok(())
    } else {
        Err(format!("{name}: {} instead of {wanted}", found[name]))
    }
}

/// Runs the scenario with a pupil's device, which does what its words say and prints
/// JSON.
fn scenario(school: &mut School, pupil: &dyn Fn(&[&str]) -> Command) -> Done<()> {
    let pupil = |words: &[&str]| -> Done<Value> {
        let said =
            tools::output(&mut pupil(words)).map_err(|error| format!("{words:?}: {error}"))?;
        serde_json::from_str(&said).map_err(|error| format!("{words:?}: {error}: {said}"))
    };
    school.open()?;
    let task = school.prepare()?;
    let code = school.invite("pupil")?;
    let account = word(&pupil(&["join", &school.url(), &code])?, "account")?;
    school.teacher(&[
        "course",
        "enrol",
        "--course",
        &task.course,
        "--account",
        &account,
    ])?;
    school.teacher(&["sync"])?;
    let learned = pupil(&["learn"])?;
    expect(&learned, "course", &COURSE.into())?;
    expect(&learned, "assignment", &ASSIGNMENT.into())?;

    school.close();
    let written = pupil(&["write"])?;
    expect(&written, "state", &"queued".into())?;

    school.open()?;
    expect(&pupil(&["send"])?, "state", &"received".into())?;
    school.teacher(&["sync"])?;
    let pieces = school.teacher(&["assignment", "submissions", "--course", &task.course])?;
    let piece = &pieces[0];
    expect(piece, "student", &account.as_str().into())?;
    expect(piece, "text", &written["text"])?;
    school.teacher(&[
        "grade",
        "--course",
        &task.course,
        "--assignment",
        &task.assignment,
        "--student",
        &account,
        "--points",
        "9",
        "--feedback",
        FEEDBACK,
    ])?;
    school.teacher(&["sync"])?;
    expect(&pupil(&["send"])?, "state", &"graded".into())?;

    school.close();
    let read = pupil(&["read"])?;
    expect(&read, "text", &written["text"])?;
    expect(&read, "state", &"graded".into())?;
    expect(&read, "points", &900.into())?;
    expect(&read, "feedback", &FEEDBACK.into())
}

/// A pupil on this machine, beside the relay.
fn native(language: &str, pupil: impl Fn(&Path, &[&str]) -> Command) -> Done<Outcome> {
    let address = free_address()?;
    let mut school = School::new(language, address.clone(), address)?;
    let folder = school.folder.join("pupil");
    scenario(&mut school, &|words| pupil(&folder, words))?;
    Ok(Outcome::Passed)
}

/// The scenario in one language.
pub fn one(language: &str) -> Done<()> {
    match language {
        "kotlin" => kotlin(),
        "swift" => swift(),
        "node" => node(),
        "web" => web(),
        _ => Err("kotlin, swift, node or web".into()),
    }
    .and_then(Outcome::passed)
}

/// Kotlin on the JVM.
pub fn kotlin() -> Done<Outcome> {
    let built = bindings::kotlin()?;
    native("kotlin", |folder, words| {
        let mut java = Command::new("java");
        java.arg("-cp")
            .arg(&built.classes)
            .arg(format!("-Djna.library.path={}", built.native.display()))
            .arg("org.stunity.interop.ScenarioKt")
            .arg(folder)
            .args(words);
        java
    })
}

/// Swift: generated, its header compiled.
pub fn swift() -> Done<Outcome> {
    bindings::swift()?;
    Ok(Outcome::Passed)
}

/// Node.
pub fn node() -> Done<Outcome> {
    let addon = bindings::node()?;
    bindings::bundle_scripts()?;
    native("node", |folder, words| {
        let mut node = Command::new("node");
        node.arg(bindings::scripts().join("node.mjs"))
            .arg(&addon)
            .arg(folder)
            .args(words);
        node
    })
}

/// A page in Chromium, with the core in a worker and the database on OPFS. All
/// devices reach the relay through the server that serves the page.
pub fn web() -> Done<Outcome> {
    if !tools::has(CHROMIUM) {
        tools::apt("chromium")?;
        // The picture of the page shows boxes without one; nothing else needs it.
        let _ = tools::apt("fonts-khmeros");
    }
    let page = bindings::web()?;
    bindings::check()?;
    let listen = free_address()?;
    let mut serve = Command::new("node");
    serve
        .arg(bindings::scripts().join("front.mjs"))
        .arg(page)
        .arg(format!("http://{listen}"));
    let (_front, origin) = start(&mut serve)?;
    let host = origin.trim_start_matches("http://").to_owned();
    let mut school = School::new("web", listen, host)?;
    let profile = school.folder.join("pupil");
    scenario(&mut school, &|words| {
        let mut browser = Command::new("node");
        browser
            .arg(bindings::scripts().join("browser.mjs"))
            .arg(CHROMIUM)
            .arg(&profile)
            .arg(&origin)
            .args(words);
        browser
    })?;
    Ok(Outcome::Passed)
}

const CHROMIUM: &str = "/usr/bin/chromium";
