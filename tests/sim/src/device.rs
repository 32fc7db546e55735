//! A device: a real client on a real database.
use std::path::{Path, PathBuf};
use std::sync::Arc;

use stunity_client::{Client, Editing};
use stunity_proto::{AccountId, DeviceId};
use stunity_test_support::disk::Disk;

use crate::dice::Dice;
use crate::failure::{Failure, OrFail};
use crate::platform::Machine;

/// What its user does at school.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Teaches both courses.
    Teacher,
    /// Is taught.
    Pupil,
    /// A pupil who tries what a pupil may not.
    Cheat,
}

/// One device.
pub struct Device {
    /// What the trace calls it.
    pub name: String,
    /// Where its account lies.
    pub folder: PathBuf,
    /// Its disk.
    pub disk: Disk,
    /// Its clocks and chance.
    pub machine: Arc<Machine>,
    /// The app, while it runs.
    pub client: Option<Client>,
    /// A document open in the app.
    pub editing: Option<Editing>,
    /// Its user.
    pub account: AccountId,
    /// Its id.
    pub id: DeviceId,
    /// What its user does.
    pub role: Role,
    /// The connection that it has, if any.
    pub connection: Option<u64>,
    /// Whether its user has it online.
    pub is_online: bool,
    /// Whether a look at a session's end failed and it should explain itself fully.
    pub is_explicit: bool,
    /// Connections since it last began to come together with the others.
    pub tries: u32,
    /// Dice of its user.
    pub dice: Dice,
    /// Since when it is revoked.
    pub revoked_ms: Option<u64>,
    /// An older copy of its folder, and how many deeds were done when it was made.
    pub copy: Option<(PathBuf, usize)>,
    /// How many deeds were done when its user last enrolled or left with it.
    pub enrolled_deeds: Option<usize>,
    /// How many deeds were done when its user revoked another device with it.
    pub revoking_deeds: Option<usize>,
    /// Deeds of which a power cut takes nothing back.
    pub durable_deeds: usize,
    /// Of its last session that ended well.
    pub last_sync: Option<LastSync>,
    /// Whether it is a second copy of another one, under the same keys.
    pub is_clone: bool,
}

/// A session that ended well.
#[derive(Clone, Copy, Debug)]
pub struct LastSync {
    /// Whether nothing went and nothing came.
    pub was_quiet: bool,
    /// Bytes both ways.
    pub bytes: u64,
}

impl Device {
    /// Notes how a session ended.
    pub fn note_sync(&mut self, was_quiet: bool, bytes: u64) {
        self.last_sync = Some(LastSync { was_quiet, bytes });
    }

    /// A second phone with a copy of this one's folder.
    #[must_use]
    pub fn copy_as(
        &self,
        name: String,
        folder: PathBuf,
        machine: Arc<Machine>,
        dice: Dice,
    ) -> Self {
        Self {
            disk: Disk::mount(&folder),
            name,
            folder,
            machine,
            dice,
            client: None,
            editing: None,
            connection: None,
            is_online: false,
            is_explicit: false,
            tries: 0,
            copy: None,
            last_sync: None,
            is_clone: true,
            ..*self
        }
    }

    /// Whether the app runs.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.client.is_some()
    }

    /// Starts the app.
    ///
    /// # Errors
    /// The client's stable code; the app starts again later.
    pub fn start(&mut self) -> Result<(), String> {
        let client = Client::open_with(&self.folder, self.machine.clone())
            .map_err(|error| format!("{}: {error}", error.code()))?;
        self.client = Some(client);
        Ok(())
    }

    /// The app ends, as it is killed; with a power cut, what was not synced may go.
    ///
    /// # Errors
    /// The files'.
    pub fn crash(&mut self, power_cut: Option<&mut Dice>) -> Result<(), Failure> {
        self.disk.kill();
        self.editing = None;
        self.client = None;
        let power_cut = power_cut.map(|dice| dice as &mut dyn rand_core::RngCore);
        self.disk.revive(power_cut).or_fail("harness")
    }

    /// Copies the folder of the app, which must not run, to or from a safe place.
    ///
    /// # Errors
    /// The files'.
    pub fn copy_folder(from: &Path, to: &Path) -> Result<(), Failure> {
        let _ = std::fs::remove_dir_all(to);
        Self::copy_files(from, to)
    }

    /// Copies the files of a folder over those of another.
    ///
    /// # Errors
    /// The files'.
    pub fn copy_files(from: &Path, to: &Path) -> Result<(), Failure> {
        std::fs::create_dir_all(to).or_fail("harness")?;
        for file in std::fs::read_dir(from).or_fail("harness")? {
            let file = file.or_fail("harness")?;
            if file.path().is_file() {
                std::fs::copy(file.path(), to.join(file.file_name())).or_fail("harness")?;
            }
        }
        Ok(())
    }
}
