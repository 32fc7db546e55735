//! A class works a fortnight offline and comes together over a recorded 3G link that
//! is cut every 20 KB, while devices and the relay are killed: every process is real.
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use stunity_e2e::{Trace, TraceLink};

type Done<T> = Result<T, String>;

/// Bytes after which a connection is cut.
const CUT: i64 = 20 * 1024;
/// A restored phone's, a wrong clock's and an offline hand-in's owner.
const RESTORED: usize = 4;
const WRONG_CLOCK: usize = 2;
const UNPROVEN: usize = 3;

struct Device {
    name: String,
    home: PathBuf,
    account: String,
    link: TraceLink,
    took: Mutex<Duration>,
    killed: AtomicU64,
}

struct World {
    bin: PathBuf,
    folder: tempfile::TempDir,
    relay: Mutex<Child>,
    address: SocketAddr,
    running: Mutex<BTreeMap<String, u32>>,
}

/// A small generator of numbers: who is killed when needs no better one.
struct Dice(u64);

impl Dice {
    fn next(&mut self, below: u64) -> u64 {
        // Steele and others, "Fast splittable pseudorandom number generators".
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % below
    }
}

fn start_relay(bin: &Path, data: &Path, listen: &str) -> Done<(Child, SocketAddr)> {
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

fn text(value: &Value, name: &str) -> Done<String> {
    value[name]
        .as_str()
        .map(str::to_owned)
        .ok_or_else(|| format!("no {name} in {value}"))
}

fn check(holds: bool, what: &str) -> Done<()> {
    if holds {
        println!("  holds   {what}");
        Ok(())
    } else {
        Err(format!("BROKEN  {what}"))
    }
}

impl World {
    fn command(&self, home: &Path) -> Command {
        let mut command = Command::new(self.bin.join("stunity"));
        command.arg("--home").arg(home).arg("--json");
        command
    }

    fn run(&self, home: &Path, args: &[&str], offset_s: i64) -> Done<Value> {
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

    fn stunity(&self, device: &Device, args: &[&str]) -> Done<Value> {
        self.run(&device.home, args, 0)
    }

    fn invite(&self, role: &str) -> Done<String> {
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
    fn reconnect(&self, devices: &[Device], dice: &mut Dice) -> Done<u64> {
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

fn now_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_millis() as u64)
}

fn copy_folder(from: &Path, to: &Path) -> std::io::Result<()> {
    let _ = std::fs::remove_dir_all(to);
    std::fs::create_dir_all(to)?;
    for file in std::fs::read_dir(from)? {
        let file = file?;
        std::fs::copy(file.path(), to.join(file.file_name()))?;
    }
    Ok(())
}

fn io(error: std::io::Error) -> String {
    error.to_string()
}

/// Runs the fortnight and checks what came of it.
pub fn run(bin: PathBuf, links: &Path, students: usize, seed: u64) -> Done<()> {
    if students < 6 {
        return Err("at least 6 students".into());
    }
    let trace = |way: &str| Trace::read(&links.join(format!("Verizon-EVDO-driving.{way}")));
    let traces = (trace("up")?, trace("down")?);
    let folder = tempfile::tempdir().map_err(io)?;
    let (relay, address) = start_relay(&bin, &folder.path().join("relay"), "127.0.0.1:0")?;
    let world = World {
        bin,
        folder,
        relay: Mutex::new(relay),
        address,
        running: Mutex::new(BTreeMap::new()),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(io)?;
    let mut dice = Dice(seed);
    let mut devices = Vec::new();
    for at in 0..students + 3 {
        let name = match at {
            0 => "teacher-phone".to_owned(),
            1 => "teacher-tablet".to_owned(),
            2 => "teacher-two".to_owned(),
            _ => format!("student-{}", at - 2),
        };
        let offset = dice.next(60_000);
        let link = TraceLink::new(world.address, traces.clone(), offset, CUT);
        devices.push(Device {
            home: world.folder.path().join(&name),
            name,
            account: String::new(),
            link: runtime.block_on(link).map_err(io)?,
            took: Mutex::default(),
            killed: AtomicU64::new(0),
        });
    }
    let class = Class::gather(&world, &mut devices)?;
    class.fortnight(&world, &devices)?;
    println!("the network is back: {} devices", devices.len());
    let start = Instant::now();
    let mut relay_kills = 0;
    // What the last device brought, the first has not seen yet.
    for _ in 0..2 {
        relay_kills += world.reconnect(&devices, &mut dice)?;
    }
    println!("all came back after {:.1} s", start.elapsed().as_secs_f64());
    class.check(&world, &devices)?;
    table(&devices, relay_kills);
    Ok(())
}

fn table(devices: &[Device], relay_kills: u64) {
    println!(
        "\n{:<16} {:>8} {:>8} {:>6} {:>6} {:>6} {:>7}",
        "device", "up B", "down B", "links", "trips", "kills", "time s"
    );
    let mut total = [0; 2];
    for device in devices {
        let carried = &device.link.carried;
        let count = |number: &AtomicU64| number.load(Ordering::Relaxed);
        let (up, down) = (count(&carried.up), count(&carried.down));
        total[0] += up;
        total[1] += down;
        println!(
            "{:<16} {up:>8} {down:>8} {:>6} {:>6} {:>6} {:>7.1}",
            device.name,
            count(&carried.connections),
            count(&carried.round_trips),
            count(&device.killed),
            device.took.lock().map_or(0.0, |took| took.as_secs_f64()),
        );
    }
    println!(
        "{:<16} {:>8} {:>8}\nthe relay was killed {relay_kills} times",
        "all", total[0], total[1]
    );
}

struct Class {
    course: String,
    first: String,
    second: String,
    lesson: String,
    due_ms: u64,
}

impl Class {
    /// At school, with a network: everybody joins, the course begins.
    fn gather(world: &World, devices: &mut [Device]) -> Done<Self> {
        let relay = format!("http://{}", world.address);
        for at in (0..devices.len()).filter(|at| *at != 1) {
            let role = if at < 3 { "teacher" } else { "pupil" };
            let code = world.invite(role)?;
            let who = world.stunity(&devices[at], &["join", "--relay", &relay, "--code", &code])?;
            devices[at].account = text(&who, "account")?;
        }
        let asked = world.stunity(&devices[1], &["device", "link", "--relay", &relay])?;
        let answer = world.stunity(&devices[0], &["device", "admit", &text(&asked, "request")?])?;
        world.stunity(&devices[0], &["sync"])?;
        world.stunity(
            &devices[1],
            &["device", "finish", &text(&answer, "answer")?],
        )?;
        devices[1].account = devices[0].account.clone();
        let teacher = &devices[0];
        let made = world.stunity(teacher, &["course", "create", "--title", "Physics"])?;
        let course = text(&made, "course")?;
        let made = world.stunity(
            teacher,
            &[
                "assignment",
                "publish",
                "--course",
                &course,
                "--title",
                "Warm-up",
            ],
        )?;
        let first = text(&made, "assignment")?;
        let due_ms = now_ms() + 20_000 + 1_000 * devices.len() as u64;
        let made = world.stunity(
            teacher,
            &[
                "assignment",
                "publish",
                "--course",
                &course,
                "--title",
                "Essay",
                "--due-ms",
                &due_ms.to_string(),
            ],
        )?;
        let second = text(&made, "assignment")?;
        let two = &devices[2].account;
        world.stunity(
            teacher,
            &[
                "course",
                "add-teacher",
                "--course",
                &course,
                "--account",
                two,
            ],
        )?;
        for student in &devices[3..] {
            let account = &student.account;
            world.stunity(
                teacher,
                &["course", "enrol", "--course", &course, "--account", account],
            )?;
        }
        let made = world.stunity(
            teacher,
            &[
                "draft",
                "lesson",
                "--course",
                &course,
                "--title",
                "Force",
                "The middle.",
            ],
        )?;
        let lesson = text(&made, "draft")?;
        world.stunity(teacher, &["sync"])?;
        for student in &devices[3..] {
            world.stunity(student, &["sync"])?;
            let work = format!("warm-up of {}", student.name);
            let assignment = first.as_str();
            world.stunity(
                student,
                &[
                    "submit",
                    "--course",
                    &course,
                    "--assignment",
                    assignment,
                    &work,
                ],
            )?;
            world.stunity(student, &["sync"])?;
        }
        for teacher in &devices[..3] {
            world.stunity(teacher, &["sync"])?;
        }
        println!("at school: {} devices joined", devices.len());
        Ok(Self {
            course,
            first,
            second,
            lesson,
            due_ms,
        })
    }

    fn essay(device: &Device) -> String {
        format!("កម្លាំង: the essay of {}, line after line", device.name)
    }

    /// No network.
    fn fortnight(&self, world: &World, devices: &[Device]) -> Done<()> {
        let (course, first, second) = (&self.course, &self.first, &self.second);
        let students = &devices[3..];
        for (at, student) in students.iter().enumerate() {
            let create = |assignment: &str, text_: &str| -> Done<String> {
                let made = world.stunity(
                    student,
                    &[
                        "draft",
                        "create",
                        "--course",
                        course,
                        "--assignment",
                        assignment,
                        text_,
                    ],
                )?;
                text(&made, "draft")
            };
            let essay = create(second, "")?;
            create(first, &format!("notes of {}", student.name))?;
            let words = Self::essay(student);
            for piece in words.split_inclusive(' ') {
                world.stunity(student, &["draft", "append", &essay, piece])?;
            }
            if at != WRONG_CLOCK {
                world.stunity(student, &["draft", "hand-in", &essay])?;
            }
        }
        check(
            now_ms() < self.due_ms,
            "all but one essay were handed in before the due time",
        )?;
        // A phone is restored from yesterday's copy, and writes where it wrote before.
        let restored = &students[RESTORED];
        let copy = world.folder.path().join("copy");
        copy_folder(&restored.home, &copy).map_err(io)?;
        let submit = |text: &str, attempt: &str| {
            let args = [
                "submit",
                "--course",
                course,
                "--assignment",
                first,
                "--attempt",
                attempt,
                text,
            ];
            world.stunity(restored, &args)
        };
        submit("written before the phone broke", "2")?;
        world.stunity(restored, &["sync"])?;
        copy_folder(&copy, &restored.home).map_err(io)?;
        submit("written after the phone was restored", "3")?;
        // Teachers grade the same work without knowing of each other.
        let grade = |device: &Device, student: &Device, points: &str| {
            let args = [
                "grade",
                "--course",
                course,
                "--assignment",
                first,
                "--student",
                &student.account,
                "--points",
                points,
            ];
            world.stunity(device, &args)
        };
        grade(&devices[0], &students[0], "7")?;
        grade(&devices[2], &students[0], "9")?;
        grade(&devices[1], &students[1], "8")?;
        // Both teachers write on at one lesson.
        let lesson = &self.lesson;
        world.stunity(
            &devices[0],
            &["draft", "write", lesson, "The beginning. The middle."],
        )?;
        world.stunity(&devices[2], &["draft", "append", lesson, " The end."])?;
        // One student hears the relay's time after the due time, sets the clock back
        // a month and hands in.
        while now_ms() <= self.due_ms {
            std::thread::sleep(Duration::from_millis(100));
        }
        let late = &students[WRONG_CLOCK];
        world.stunity(late, &["sync"])?;
        let drafts = world.stunity(late, &["draft", "list"])?;
        let essay = drafts
            .as_array()
            .into_iter()
            .flatten()
            .find(|draft| draft["assignment"] == self.second.as_str())
            .ok_or("the late essay is gone")?;
        let back = -30 * 24 * 3600;
        let args = ["draft", "hand-in", &text(essay, "draft")?];
        world.run(&late.home, &args, back)?;
        println!("a fortnight offline is over");
        Ok(())
    }

    fn check(&self, world: &World, devices: &[Device]) -> Done<()> {
        let course = &self.course;
        let students = &devices[3..];
        for device in devices {
            world.stunity(device, &["sync"])?;
        }
        for teacher in &devices[..3] {
            let name = &teacher.name;
            let args = ["assignment", "submissions", "--course", course];
            let rows = world.stunity(teacher, &args)?;
            let rows = rows.as_array().ok_or("no submissions")?;
            let of = |student: &Device, assignment: &str| -> Vec<&Value> {
                rows.iter()
                    .filter(|row| row["student"] == student.account.as_str())
                    .filter(|row| row["assignment"] == assignment)
                    .collect()
            };
            let essays = students.iter().all(|student| {
                let found = of(student, &self.second);
                found.len() == 1 && found[0]["text"] == Self::essay(student).as_str()
            });
            check(essays, &format!("{name}: one essay of each student, whole"))?;
            let warm_up = students.iter().enumerate().all(|(at, student)| {
                of(student, &self.first).len() == if at == RESTORED { 3 } else { 1 }
            });
            check(
                warm_up,
                &format!("{name}: all warm-ups, and both that the restored phone wrote"),
            )?;
            let code = |at: usize| of(&students[at], &self.second)[0]["timeliness"].clone();
            check(
                code(WRONG_CLOCK) == "late",
                &format!("{name}: the relay's time proves late what a wrong clock calls early"),
            )?;
            check(
                code(UNPROVEN) == "unproven",
                &format!("{name}: what was handed in offline is not called late"),
            )?;
            let shown = world.stunity(teacher, &["draft", "show", &self.lesson])?;
            check(
                shown["text"] == "The beginning. The middle. The end.",
                &format!("{name}: both teachers' words are in the lesson"),
            )?;
            let conflicts = world.stunity(teacher, &["conflicts", "list", "--course", course])?;
            let rows = conflicts.as_array().ok_or("no conflicts")?;
            check(
                rows.len() == 1
                    && rows[0]["student"] == students[0].account.as_str()
                    && rows[0]["grades"]
                        .as_array()
                        .is_some_and(|all| all.len() == 2),
                &format!("{name}: the two grades are shown as a conflict"),
            )?;
        }
        let conflicts = world.stunity(&devices[0], &["conflicts", "list", "--course", course])?;
        let chosen = text(&conflicts[0]["grades"][0], "grade")?;
        let args = [
            "conflicts",
            "choose",
            "--course",
            course,
            "--grade",
            &chosen,
        ];
        world.stunity(&devices[0], &args)?;
        for device in &devices[..3] {
            world.stunity(device, &["sync"])?;
        }
        let left = world.stunity(&devices[2], &["conflicts", "list", "--course", course])?;
        check(
            left.as_array().is_some_and(Vec::is_empty),
            "a chosen grade ends the conflict for the other teacher",
        )?;
        let mut whole = true;
        for student in students {
            let drafts = world.stunity(student, &["draft", "list"])?;
            let status = world.stunity(student, &["status"])?;
            let essay = Self::essay(student);
            whole &= drafts.as_array().is_some_and(|rows| {
                rows.len() == 2 && rows.iter().any(|row| row["text"] == essay.as_str())
            });
            whole &= status["waiting"] == 0 && status["refused"] == 0;
        }
        check(
            whole,
            "every student: two drafts, nothing waits, nothing refused",
        )?;
        let mut sound = true;
        for device in devices {
            let findings = world.stunity(device, &["doctor"])?;
            // The restored phone keeps the evidence of its other self.
            let restored = device.name == students[RESTORED].name;
            sound &= findings.as_array().is_some_and(|all| {
                let fork = |finding: &Value| finding.to_string().contains("entry.fork");
                all.iter().all(|finding| restored && fork(finding))
            });
        }
        check(sound, "every device's database is sound")
    }
}
