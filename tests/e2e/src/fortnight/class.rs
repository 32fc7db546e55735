//! What the class does, and what must have come of it.
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use super::world::{Device, World};
use super::{Done, io};

/// A restored phone's, a wrong clock's and an offline hand-in's owner.
const RESTORED: usize = 4;
const WRONG_CLOCK: usize = 2;
const UNPROVEN: usize = 3;

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

pub(super) struct Class {
    course: String,
    first: String,
    second: String,
    lesson: String,
    due_ms: u64,
}

impl Class {
    /// At school, with a network: everybody joins, the course begins.
    pub(super) fn gather(world: &World, devices: &mut [Device]) -> Done<Self> {
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
    pub(super) fn fortnight(&self, world: &World, devices: &[Device]) -> Done<()> {
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

    pub(super) fn check(&self, world: &World, devices: &[Device]) -> Done<()> {
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
