//! The relay's process, as the system sees it.
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::Fallible;

/// Open files: more than the devices that connect.
const FILES: u32 = 16_384;
/// Ticks of the processor's clock in a second: Linux shows a hundred everywhere.
const TICKS: f64 = 100.0;

/// A relay of its own process; dropped, it is stopped.
pub struct Relay {
    child: Child,
    /// Where it listens, host and port.
    pub address: String,
    /// From starting the process until it answered that it is ready.
    pub ready: Duration,
}

/// A program from the folder of this one, with enough open files.
fn beside(name: &str) -> Fallible<Command> {
    let program = std::env::current_exe()?.with_file_name(name);
    let mut command = Command::new("sh");
    command
        .arg("-c")
        .arg(format!("ulimit -n {FILES}; exec \"$0\" \"$@\""))
        .arg(program);
    Ok(command)
}

fn is_ready(address: &str) -> Fallible<bool> {
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(b"GET /health/ready HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer.contains(" 200 "))
}

impl Relay {
    /// Starts the relay on a folder.
    ///
    /// # Errors
    /// A relay that does not start.
    pub fn start(folder: &Path) -> Fallible<Self> {
        let begin = Instant::now();
        let mut child = beside("stunity-server")?
            .arg("--data")
            .arg(folder)
            .args(["serve", "--listen", "127.0.0.1:0"])
            .env("STUNITY_LOG", "warn")
            .env_remove("DATABASE_URL")
            .stdout(Stdio::piped())
            .spawn()?;
        let stdout = child.stdout.take().ok_or("the relay's output")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let address = line
            .trim()
            .rsplit("http://")
            .next()
            .filter(|address| address.contains(':'))
            .ok_or("the relay did not start")?
            .to_owned();
        let mut relay = Self {
            child,
            address,
            ready: Duration::ZERO,
        };
        if !is_ready(&relay.address)? {
            return Err("the relay is not ready".into());
        }
        relay.ready = begin.elapsed();
        Ok(relay)
    }

    fn proc(&self, file: &str) -> Fallible<String> {
        let path = format!("/proc/{}/{file}", self.child.id());
        Ok(std::fs::read_to_string(path)?)
    }

    /// Processor time used, seconds.
    ///
    /// # Errors
    /// A system without `/proc`.
    pub fn processor(&self) -> Fallible<f64> {
        let stat = self.proc("stat")?;
        let after_name = stat.rsplit(") ").next().ok_or("stat")?;
        let fields: Vec<&str> = after_name.split(' ').collect();
        let ticks = |index: usize| -> Fallible<f64> {
            Ok(fields.get(index).ok_or("stat")?.parse::<f64>()?)
        };
        // Fields 14 and 15 of the whole line: user and system.
        Ok((ticks(11)? + ticks(12)?) / TICKS)
    }

    /// Memory that it holds, bytes.
    ///
    /// # Errors
    /// A system without `/proc`.
    pub fn memory(&self) -> Fallible<f64> {
        let status = self.proc("status")?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .ok_or("VmRSS")?;
        let kib: f64 = line.trim().trim_end_matches(" kB").trim().parse()?;
        Ok(kib * 1024.0)
    }

    /// Runs the loading process in a mode; gives what it reports, by name.
    ///
    /// # Errors
    /// A load that fails.
    pub fn load(&self, mode: &str, plan: &Path) -> Fallible<Report> {
        Load::start(self, mode, plan)?.finish()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Figures by name.
pub type Report = std::collections::BTreeMap<String, f64>;

/// A loading process under way.
pub struct Load {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Load {
    /// Starts it.
    ///
    /// # Errors
    /// A process that does not start.
    pub fn start(relay: &Relay, mode: &str, plan: &Path) -> Fallible<Self> {
        let name = std::env::current_exe()?;
        let name = name.file_name().and_then(|name| name.to_str());
        let mut child = beside(name.ok_or("this program's name")?)?
            .args(["relay-load", mode, &relay.address])
            .arg(plan)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let stdout = child.stdout.take().ok_or("the load's output")?;
        Ok(Self {
            child,
            lines: BufReader::new(stdout).lines(),
        })
    }

    /// Waits until it says that all its devices are connected.
    ///
    /// # Errors
    /// A load that ends before.
    pub fn wait_connected(&mut self) -> Fallible<()> {
        match self.lines.next() {
            Some(Ok(line)) if line == "connected" => Ok(()),
            other => Err(format!("the load said {other:?}").into()),
        }
    }

    /// Lets it go on and end; gives its figures.
    ///
    /// # Errors
    /// A load that fails.
    pub fn finish(mut self) -> Fallible<Report> {
        drop(self.child.stdin.take());
        let mut report = Report::new();
        for line in self.lines {
            let line = line?;
            if let Some((name, value)) = line.split_once(' ') {
                report.insert(name.to_owned(), value.parse()?);
            }
        }
        match self.child.wait()?.success() {
            true => Ok(report),
            false => Err("the load failed".into()),
        }
    }
}
