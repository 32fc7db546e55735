//! The relay as a process of its own: killed, stopped, restored, without its root.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use stunity_client::{Client, Joining, Link, NewAssignment, NewCourse, Work, driver};
use stunity_e2e::{CutLink, new_database};
use stunity_model::Roles;
use stunity_proto::{BlobId, Lane, SpaceId};
use stunity_server::db::Source;
use stunity_sync::client::Event;

/// A relay's folder, its database, and its process while it runs.
struct Relay {
    folder: tempfile::TempDir,
    database: Option<String>,
    process: Option<Child>,
    address: String,
}

impl Relay {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = match new_database(&folder.path().join("relay")).await {
            Source::Sqlite(_) => None,
            Source::Postgres(address) => Some(address),
        };
        let mut relay = Self {
            folder,
            database,
            process: None,
            address: "127.0.0.1:0".into(),
        };
        relay.start();
        relay
    }

    fn path(&self, name: &str) -> String {
        let path: PathBuf = self.folder.path().join(name);
        path.to_str().unwrap().to_owned()
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stunity-server"));
        command
            .arg("--data")
            .arg(self.path("relay"))
            .env("STUNITY_LOG", "error")
            .env_remove("DATABASE_URL");
        if let Some(database) = &self.database {
            command.args(["--database", database]);
        }
        command
    }

    /// Starts it, again at the address that it had.
    fn start(&mut self) {
        let mut process = self
            .command()
            .args(["serve", "--listen", &self.address])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        self.address = line.trim().rsplit("http://").next().unwrap().to_owned();
        self.process = Some(process);
    }

    /// As if the power failed.
    fn kill(&mut self) {
        let mut process = self.process.take().unwrap();
        process.kill().unwrap();
        process.wait().unwrap();
    }

    /// Asks it to stop; whether it ended well.
    fn stop(&mut self) -> bool {
        let mut process = self.process.take().unwrap();
        let asked = Command::new("kill")
            .args(["-TERM", &process.id().to_string()])
            .status()
            .unwrap();
        asked.success() && process.wait().unwrap().success()
    }

    fn run(&self, arguments: &[&str]) -> String {
        let output = self.command().args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    async fn join(&self, name: &str, role: &str) -> Client {
        let joining = Joining::Invitation(self.run(&["invite", "--role", role]));
        let (folder, address) = (self.path(name), format!("http://{}", self.address));
        tokio::task::spawn_blocking(move || Client::join(folder.as_ref(), &address, &joining, None))
            .await
            .unwrap()
            .unwrap()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        if self.process.is_some() {
            self.kill();
        }
    }
}

async fn sync(client: &mut Client) {
    let report = driver::sync(client, &Link::default()).await.unwrap();
    assert!(report.caught_up && report.rejected.is_empty(), "{report:?}");
}

fn course(teacher: &mut Client) -> SpaceId {
    let course = NewCourse {
        title: "Chemistry".into(),
        ..NewCourse::default()
    };
    teacher.create_course(course).unwrap()
}

fn lesson(teacher: &mut Client, course: SpaceId, number: u64) {
    // Text that does not compress to nothing.
    let text: String = (1..120u64)
        .map(|n| format!("{:x} ", (n + number) * 0x9e37_79b9_7f4a))
        .collect();
    let title = format!("Lesson {number}");
    teacher
        .publish_lesson(course, number, &title, None, &text)
        .unwrap();
}

/// The numbers of the lessons that a device holds.
fn lessons(client: &Client, course: SpaceId) -> Vec<u64> {
    let lessons = client.store().lessons(course).unwrap();
    let mut numbers: Vec<u64> = lessons.iter().map(|lesson| lesson.place).collect();
    numbers.sort_unstable();
    numbers
}

#[tokio::test]
async fn a_relay_that_is_killed_while_devices_upload_loses_nothing_acknowledged() {
    let mut relay = Relay::new().await;
    let mut teacher = relay.join("teacher", "teacher").await;
    let mut reader = relay.join("reader", "teacher").await;
    let course = course(&mut teacher);
    let account = reader.store().account();
    teacher.add_staff(course, account, Roles::TEACHER).unwrap();
    sync(&mut teacher).await;
    for round in 0..8 {
        lesson(&mut teacher, course, round);
        // Cut in another place each time, and the relay killed there.
        let address = relay.address.parse().unwrap();
        let link = CutLink::new(address, 1_200 + 450 * round as i64).await;
        let via = Link {
            connect_to: Some(format!("http://{}", link.address)),
        };
        let _ = driver::sync(&mut teacher, &via).await;
        relay.kill();
        relay.start();
    }
    sync(&mut teacher).await;
    sync(&mut reader).await;
    assert_eq!(lessons(&reader, course), (0..8).collect::<Vec<_>>());
    assert_eq!(lessons(&teacher, course), lessons(&reader, course));
}

#[tokio::test]
async fn a_restored_relay_gets_back_what_devices_had_synced_since_the_backup() {
    let mut relay = Relay::new().await;
    if relay.database.is_some() {
        println!("skipped: PostgreSQL has its own tools for backups");
        return;
    }
    let mut teacher = relay.join("teacher", "teacher").await;
    let mut reader = relay.join("reader", "teacher").await;
    let course = course(&mut teacher);
    let account = reader.store().account();
    teacher.add_staff(course, account, Roles::TEACHER).unwrap();
    lesson(&mut teacher, course, 0);
    sync(&mut teacher).await;
    relay.run(&["backup", &relay.path("backup")]);
    // Acknowledged after the backup, and read by another.
    for number in 1..4 {
        lesson(&mut teacher, course, number);
        sync(&mut teacher).await;
    }
    sync(&mut reader).await;
    relay.kill();
    relay.run(&["restore", &relay.path("backup")]);
    relay.start();
    // Work that was never sent goes too, in its place of the chain.
    lesson(&mut teacher, course, 4);
    sync(&mut teacher).await;
    let mut third = relay.join("third", "teacher").await;
    let account = third.store().account();
    teacher.add_staff(course, account, Roles::TEACHER).unwrap();
    sync(&mut teacher).await;
    for client in [&mut reader, &mut third] {
        sync(client).await;
        assert_eq!(lessons(client, course), (0..5).collect::<Vec<_>>());
    }
    // And nothing is offered twice.
    let again = driver::sync(&mut teacher, &Link::default()).await.unwrap();
    assert!(again.sent < 400, "{again:?}");
}

#[tokio::test]
async fn a_member_gives_a_restored_relay_back_what_others_wrote() {
    let mut relay = Relay::new().await;
    if relay.database.is_some() {
        println!("skipped: PostgreSQL has its own tools for backups");
        return;
    }
    let mut owner = relay.join("owner", "teacher").await;
    let mut pupil = relay.join("pupil", "pupil").await;
    let course = course(&mut owner);
    let assignment = owner.publish_assignment(course, NewAssignment::default());
    let assignment = assignment.unwrap();
    owner.enrol(course, pupil.store().account()).unwrap();
    sync(&mut owner).await;
    sync(&mut pupil).await;
    relay.run(&["backup", &relay.path("backup")]);
    // Handed in after the backup, and the phone is lost the day after.
    for attempt in 1..=3 {
        let work = Work {
            course,
            assignment,
            attempt,
            text: format!("attempt {attempt}"),
            blobs: Vec::new(),
        };
        pupil.submit(work).unwrap();
        sync(&mut pupil).await;
    }
    sync(&mut owner).await;
    drop(pupil);
    let work = |client: &Client| {
        let mut rows = client.store().submissions(course, None).unwrap();
        rows.sort_by_key(|row| row.attempt);
        rows
    };
    let before = work(&owner);
    assert_eq!(before.len(), 3);
    relay.kill();
    relay.run(&["restore", &relay.path("backup")]);
    relay.start();
    sync(&mut owner).await;
    let mut second = relay.join("second", "teacher").await;
    let account = second.store().account();
    owner.add_staff(course, account, Roles::TEACHER).unwrap();
    sync(&mut owner).await;
    sync(&mut second).await;
    let texts =
        |client: &Client| -> Vec<String> { work(client).into_iter().map(|row| row.text).collect() };
    assert_eq!(texts(&second), ["attempt 1", "attempt 2", "attempt 3"]);
    let times = |client: &Client| -> Vec<Option<u64>> {
        work(client)
            .into_iter()
            .map(|row| row.received_ms)
            .collect()
    };
    let had: Vec<Option<u64>> = before.iter().map(|row| row.received_ms).collect();
    assert_eq!(times(&owner), had, "old receipts keep their times");
    let again = driver::sync(&mut owner, &Link::default()).await.unwrap();
    assert!(again.sent < 400, "{again:?}");
}

/// Bytes that nothing makes shorter.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..len).map(|_| next()).collect()
}

/// Shares a file with a course.
fn share(client: &mut Client, course: SpaceId, bytes: &[u8]) -> BlobId {
    let file = client.keep_file(&mut &bytes[..], "image/png", None);
    let file = file.unwrap();
    client.share_file(course, Lane::All, &file).unwrap();
    file.blob
}

/// Fetches a file over the network.
async fn fetch(client: &mut Client, blob: BlobId) -> Option<Vec<u8>> {
    sync(client).await;
    client.store_mut().want_blob(blob, false).unwrap();
    sync(client).await;
    client.store().blob_bytes(blob).unwrap()
}

#[tokio::test]
async fn a_relay_that_is_killed_within_a_file_has_what_it_acknowledged_of_it() {
    /// What was on its way, and a session's beginning.
    const AGAIN: u64 = 64 * 1024 + 12 * 1024;
    let mut relay = Relay::new().await;
    let mut teacher = relay.join("teacher", "teacher").await;
    let mut reader = relay.join("reader", "teacher").await;
    let course = course(&mut teacher);
    let account = reader.store().account();
    teacher.add_staff(course, account, Roles::TEACHER).unwrap();
    let bytes = noise(700_000);
    let blob = share(&mut teacher, course, &bytes);
    let (mut carried, kills) = (0, 4);
    for round in 0..=kills {
        let cut = match round == kills {
            true => i64::MAX,
            false => 90_000 + 13_000 * round as i64,
        };
        let link = CutLink::new(relay.address.parse().unwrap(), cut).await;
        let via = Link {
            connect_to: Some(format!("http://{}", link.address)),
        };
        let done = driver::sync(&mut teacher, &via).await;
        assert_eq!(done.is_ok_and(|report| report.caught_up), round == kills);
        carried += link.carried();
        if round < kills {
            relay.kill();
            relay.start();
        }
    }
    let most = bytes.len() as u64 * 41 / 40 + kills * AGAIN;
    assert!(carried <= most, "{carried} of {most} bytes");
    assert_eq!(fetch(&mut reader, blob).await.unwrap(), bytes);
}

#[tokio::test]
async fn a_backup_has_the_files_and_a_restore_brings_them_back() {
    let mut relay = Relay::new().await;
    if relay.database.is_some() {
        println!("skipped: PostgreSQL has its own tools for backups");
        return;
    }
    let mut teacher = relay.join("teacher", "teacher").await;
    let course = course(&mut teacher);
    let bytes = noise(150_000);
    let blob = share(&mut teacher, course, &bytes);
    sync(&mut teacher).await;
    relay.run(&["backup", &relay.path("backup")]);
    // After the backup, and on her device still.
    let later = share(&mut teacher, course, &bytes[7..]);
    sync(&mut teacher).await;
    // The disk is gone, with all that was on it but the keys.
    relay.kill();
    let files = PathBuf::from(relay.path("relay")).join("blobs");
    std::fs::remove_dir_all(files).unwrap();
    relay.run(&["restore", &relay.path("backup")]);
    relay.start();
    let mut reader = relay.join("reader", "teacher").await;
    sync(&mut teacher).await;
    let account = reader.store().account();
    teacher.add_staff(course, account, Roles::TEACHER).unwrap();
    sync(&mut teacher).await;
    assert_eq!(fetch(&mut reader, blob).await.unwrap(), bytes);
    assert_eq!(fetch(&mut reader, later).await.unwrap(), bytes[7..]);
}

#[tokio::test]
async fn a_relay_that_is_stopped_ends_its_sessions_and_keeps_their_cursors() {
    let mut relay = Relay::new().await;
    let mut teacher = relay.join("teacher", "teacher").await;
    let course = course(&mut teacher);
    lesson(&mut teacher, course, 0);
    sync(&mut teacher).await;
    let (_end, stop) = tokio::sync::watch::channel(false);
    let (caught_up, is_live) = tokio::sync::oneshot::channel();
    let live = tokio::spawn(async move {
        let mut caught_up = Some(caught_up);
        let link = Link::default();
        let heard = driver::live(&mut teacher, &link, stop, |event| {
            if matches!(event, Event::CaughtUp { .. })
                && let Some(tell) = caught_up.take()
            {
                let _ = tell.send(());
            }
        });
        let _ = heard.await;
        teacher
    });
    is_live.await.unwrap();
    assert!(relay.stop());
    let mut teacher = live.await.unwrap();
    relay.start();
    let report = driver::sync(&mut teacher, &Link::default()).await.unwrap();
    assert!(report.caught_up, "{report:?}");
    assert!(report.sent + report.received <= 600, "{report:?}");
}

#[tokio::test]
async fn a_teacher_joins_the_staff_by_a_root_that_lies_elsewhere() {
    let relay = Relay::new().await;
    let safe = relay.path("safe");
    relay.run(&["school", "move-root", &safe]);
    let mut invite = relay.command();
    let refused = invite
        .args(["invite", "--role", "teacher"])
        .output()
        .unwrap();
    assert!(String::from_utf8_lossy(&refused.stderr).contains("root.absent"));
    let mut teacher = relay.join("teacher", "pupil").await;
    let account = teacher.store().account().to_string();
    let request = relay.run(&["school", "request-staff", "--account", &account]);
    let answer = relay.run(&["school", "sign", "--root", &safe, &request]);
    relay.run(&["school", "install-staff", &answer]);
    let course = course(&mut teacher);
    lesson(&mut teacher, course, 0);
    sync(&mut teacher).await;
    assert_eq!(lessons(&teacher, course), [0]);
}
