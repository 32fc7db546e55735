//! The relay, the devices and who kills them: real processes.
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;
use stunity_e2e::TraceLink;

use super::Done;

pub(super) struct Device {
    pub(super) name: String,
    pub(super) home: PathBuf,
    pub(super) account: String,
    pub(super) link: TraceLink,
    pub(super) took: Mutex<Duration>,
    pub(super) killed: AtomicU64,
}

pub(super) struct World {
    pub(super) bin: PathBuf,
    pub(super) folder: tempfile::TempDir,
    pub(super) relay: Mutex<Child>,
    pub(super) address: SocketAddr,
    pub(super) running: Mutex<BTreeMap<String, u32>>,
}

/// A small generator of numbers: who is killed when needs no better one.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn next(&mut self, below: u64) -> u64 {
        // Steele and others, "Fast splittable pseudorandom number generators".
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % below
    }
}

pub(super) fn start_relay(bin: &Path, data: &Path, listen: &str) -> Done<(Child, SocketAddr)> {
    let mut relay = Command::new(bin.join("stunity-server"))
        .arg("--data")
        .arg(data)
        .args(["serve", "--listen", listen])
        .env("STUNITY_LOG", "error")
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("stunity-server: {error}"))?;
    let mut said = String::new();
    if let Some(stdout) = relay.stdout.take() {
        let _ = BufReader::new(stdout).read_line(&mut said);
    }
    let address = said
        .trim()
        .rsplit('/')
        .next()
        .and_then(|address| address.parse().ok())
        .ok_or_else(|| format!("the relay did not start: {said:?}"))?;
    Ok((relay, address))
}

impl Drop for World {
    fn drop(&mut self) {
        if let Ok(relay) = self.relay.get_mut() {
            let _ = relay.kill();
            let _ = relay.wait();
        }
    }
}

impl World {
    fn command(&self, home: &Path) -> Command {
        let mut command = Command::new(self.bin.join("stunity"));
        command.arg("--home").arg(home).arg("--json");
        command
    }

    pub(super) fn run(&self, home: &Path, args: &[&str], offset_s: i64) -> Done<Value> {
        let output = self
            .command(home)
            .args(args)
            .env("STUNITY_CLOCK_OFFSET_S", offset_s.to_string())
            .output()
            .map_err(|error| format!("stunity: {error}"))?;
        let said = String::from_utf8_lossy(&output.stdout);
        // 5: done, and something needs attention.
        if !matches!(output.status.code(), Some(0 | 5)) {
            let error = String::from_utf8_lossy(&output.stderr);
            return Err(format!("{} {args:?}: {said}{error}", home.display()));
        }
        match said.trim() {
            "" => Ok(Value::Null),
            text => serde_json::from_str(text).map_err(|error| format!("{args:?}: {error}")),
        }
    }

    pub(super) fn stunity(&self, device: &Device, args: &[&str]) -> Done<Value> {
        self.run(&device.home, args, 0)
    }

    pub(super) fn invite(&self, role: &str) -> Done<String> {
        let output = Command::new(self.bin.join("stunity-server"))
            .arg("--data")
            .arg(self.folder.path().join("relay"))
            .args(["invite", "--role", role])
            .env("STUNITY_LOG", "error")
            .output()
            .map_err(|error| error.to_string())?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// Syncs over the bad link until everything went and came, whoever is killed.
    fn come_back(&self, device: &Device) -> Done<()> {
        let start = Instant::now();
        let via = format!("http://{}", device.link.address);
        for _ in 0..2_000 {
            let mut child = self
                .command(&device.home)
                .args(["sync", "--via", &via])
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .map_err(|error| error.to_string())?;
            if let Ok(mut running) = self.running.lock() {
                running.insert(device.name.clone(), child.id());
            }
            let status = child.wait().map_err(|error| error.to_string())?;
            if let Ok(mut running) = self.running.lock() {
                running.remove(&device.name);
            }
            match status.code() {
                Some(0 | 5) => {
                    if let Ok(mut took) = device.took.lock() {
                        *took += start.elapsed();
                    }
                    return Ok(());
                }
                None => {
                    device.killed.fetch_add(1, Ordering::Relaxed);
                }
                // The link was cut or the relay is gone: again, soon.
                Some(_) => std::thread::sleep(Duration::from_millis(50)),
            }
        }
        Err(format!("{} never came back", device.name))
    }

    /// All devices at once, eight at a time, while somebody kills.
    pub(super) fn reconnect(&self, devices: &[Device], dice: &mut Dice) -> Done<u64> {
        let next = AtomicU64::new(0);
        let over = Arc::new(AtomicBool::new(false));
        let relay_kills = AtomicU64::new(0);
        let failures = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        while let Some(device) =
                            devices.get(next.fetch_add(1, Ordering::Relaxed) as usize)
                        {
                            if let Err(error) = self.come_back(device)
                                && let Ok(mut failures) = failures.lock()
                            {
                                failures.push(error);
                            }
                        }
                    })
                })
                .collect();
            let ended = over.clone();
            let kills = &relay_kills;
            let killer = scope.spawn(move || {
                while !ended.load(Ordering::Relaxed) {
                    std::thread::sleep(Duration::from_millis(20 + dice.next(200)));
                    if dice.next(6) == 0 {
                        if self.kill_relay().is_err() {
                            return;
                        }
                        kills.fetch_add(1, Ordering::Relaxed);
                    } else {
                        self.kill_a_device(dice);
                    }
                }
            });
            for worker in workers {
                let _ = worker.join();
            }
            over.store(true, Ordering::Relaxed);
            let _ = killer.join();
        });
        match failures
            .into_inner()
            .ok()
            .and_then(|all| all.into_iter().next())
        {
            Some(error) => Err(error),
            None => Ok(relay_kills.into_inner()),
        }
    }

    fn kill_relay(&self) -> Done<()> {
        let mut relay = self.relay.lock().map_err(|error| error.to_string())?;
        let _ = relay.kill();
        let _ = relay.wait();
        let data = self.folder.path().join("relay");
        let (again, _) = start_relay(&self.bin, &data, &self.address.to_string())?;
        *relay = again;
        Ok(())
    }

    fn kill_a_device(&self, dice: &mut Dice) {
        let Ok(running) = self.running.lock() else {
            return;
        };
        let at = dice.next(running.len().max(1) as u64);
        if let Some(pid) = running.values().nth(at as usize) {
            let _ = Command::new("kill").args(["-9", &pid.to_string()]).status();
        }
    }
}
