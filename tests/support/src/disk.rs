//! A disk that fails: full, torn, without its last unsynced writes, or gone with its
//! process.
//!
//! [`Disk::mount`] puts everything that SQLite does under a folder, from any library
//! of this process, under the disk's rules. Other folders are not touched.
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rand_core::RngCore;

use crate::vfs;

/// What the disk does when its time has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// No more space, until [`Disk::repair`].
    Full,
    /// Half of a write reaches the disk, then the machine is off: nothing more does,
    /// until [`Disk::revive`].
    Torn,
    /// One sync fails. As on Linux, what it should have written counts as written from
    /// then on: later syncs that succeed say nothing of it.
    Sync,
}

/// What becomes of a write when the power goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// It may be lost: no sync followed.
    Open,
    /// It may be lost: the sync that followed failed.
    Doubtful,
    /// It stays; kept here as long as it may stand upon a doubtful one.
    Synced,
}

/// One write that a power cut may take, or that stands upon such a one: where, what
/// was there, and what was written. A truncation writes nothing.
#[derive(Debug)]
struct Write {
    fate: Fate,
    offset: u64,
    old: Vec<u8>,
    new: Vec<u8>,
    old_size: u64,
    new_size: u64,
}

/// What a call of SQLite comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Done,
    Full,
    /// Only so many bytes are written, and the call fails.
    Torn(usize),
    Fails,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    is_dead: bool,
    is_full: bool,
    planned: Option<(u64, Fault)>,
    unsynced: BTreeMap<PathBuf, Vec<Write>>,
    open: usize,
}

impl State {
    fn due(&mut self, wanted: impl Fn(Fault) -> bool) -> Option<Fault> {
        let (left, fault) = self.planned.as_mut()?;
        if !wanted(*fault) {
            return None;
        }
        if *left > 0 {
            *left -= 1;
            return None;
        }
        let fault = *fault;
        self.planned = None;
        Some(fault)
    }

    pub(crate) fn on_write(&mut self, len: usize) -> Verdict {
        if self.is_dead {
            return Verdict::Fails;
        }
        match self.due(|fault| fault != Fault::Sync) {
            Some(Fault::Full) => self.is_full = true,
            Some(Fault::Torn) => {
                self.is_dead = true;
                return Verdict::Torn(len / 2);
            }
            _ => {}
        }
        if self.is_full {
            Verdict::Full
        } else {
            Verdict::Done
        }
    }

    pub(crate) fn on_sync(&mut self) -> Verdict {
        if self.is_dead || self.due(|fault| fault == Fault::Sync).is_some() {
            Verdict::Fails
        } else {
            Verdict::Done
        }
    }

    pub(crate) fn on_delete(&mut self) -> Verdict {
        if self.is_dead {
            Verdict::Fails
        } else {
            Verdict::Done
        }
    }

    pub(crate) fn note_write(
        &mut self,
        path: &Path,
        offset: u64,
        old: Vec<u8>,
        new: &[u8],
        old_size: u64,
    ) {
        let new_size = old_size.max(offset + new.len() as u64);
        self.note(
            path,
            Write {
                fate: Fate::Open,
                offset,
                old,
                new: new.to_vec(),
                old_size,
                new_size,
            },
        );
    }

    pub(crate) fn note_truncation(&mut self, path: &Path, to: u64, old: Vec<u8>, old_size: u64) {
        self.note(
            path,
            Write {
                fate: Fate::Open,
                offset: to,
                old,
                new: Vec::new(),
                old_size,
                new_size: to,
            },
        );
    }

    fn note(&mut self, path: &Path, write: Write) {
        match self.unsynced.get_mut(path) {
            Some(writes) => writes.push(write),
            None => {
                self.unsynced.insert(path.to_owned(), vec![write]);
            }
        }
    }

    pub(crate) fn note_synced(&mut self, path: &Path) {
        let Some(writes) = self.unsynced.get_mut(path) else {
            return;
        };
        if writes.iter().any(|write| write.fate == Fate::Doubtful) {
            settle(writes, Fate::Synced);
        } else {
            self.unsynced.remove(path);
        }
    }

    pub(crate) fn note_sync_failed(&mut self, path: &Path) {
        if let Some(writes) = self.unsynced.get_mut(path) {
            settle(writes, Fate::Doubtful);
        }
    }

    pub(crate) fn note_deleted(&mut self, path: &Path) {
        self.unsynced.remove(path);
    }

    pub(crate) fn note_open(&mut self) {
        self.open += 1;
    }

    pub(crate) fn note_close(&mut self) {
        self.open -= 1;
    }
}

fn settle(writes: &mut [Write], fate: Fate) {
    let open = |write: &&mut Write| write.fate == Fate::Open;
    for write in writes.iter_mut().filter(open) {
        write.fate = fate;
    }
}

pub(crate) type Shared = Arc<Mutex<State>>;

pub(crate) fn lock(state: &Shared) -> MutexGuard<'_, State> {
    // A panic elsewhere in a test leaves counters and lists that are still whole.
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The disk under a folder.
#[derive(Debug)]
pub struct Disk {
    folder: PathBuf,
    state: Shared,
}

impl Disk {
    /// Puts a folder under this disk's rules, for files opened from now on.
    #[must_use]
    pub fn mount(folder: &Path) -> Self {
        let state = Shared::default();
        vfs::mount(folder, state.clone());
        Self {
            folder: folder.to_owned(),
            state,
        }
    }

    /// After `writes` more writes (or syncs, for [`Fault::Sync`]) this happens.
    pub fn plan(&self, writes: u64, fault: Fault) {
        lock(&self.state).planned = Some((writes, fault));
    }

    /// There is space again, and no fault is planned.
    pub fn repair(&self) {
        let mut state = lock(&self.state);
        state.is_full = false;
        state.planned = None;
    }

    /// The process is gone: whatever it still does reaches no file.
    pub fn kill(&self) {
        lock(&self.state).is_dead = true;
    }

    /// Whether nothing reaches the files.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        lock(&self.state).is_dead
    }

    /// Whether no file is open.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        lock(&self.state).open == 0
    }

    /// Starts again, after all files were closed. Without a power cut everything that
    /// was written is there; with one, of what was not synced some writes are lost.
    ///
    /// # Errors
    /// The files'.
    ///
    /// # Panics
    /// If a file is still open.
    pub fn revive(&self, power_cut: Option<&mut dyn RngCore>) -> std::io::Result<()> {
        let mut state = lock(&self.state);
        assert_eq!(state.open, 0, "files are open");
        let unsynced = std::mem::take(&mut state.unsynced);
        *state = State::default();
        let Some(random) = power_cut else {
            return Ok(());
        };
        for (path, writes) in unsynced {
            lose_some(&path, &writes, random)?;
        }
        Ok(())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        vfs::unmount(&self.folder);
    }
}

/// Takes all of the writes back, then does those again that survive: any of them, and
/// those that were synced.
fn lose_some(path: &Path, writes: &[Write], random: &mut dyn RngCore) -> std::io::Result<()> {
    let Ok(mut bytes) = std::fs::read(path) else {
        // Deleted since: a deletion counts as durable.
        return Ok(());
    };
    for write in writes.iter().rev() {
        bytes.resize(write.old_size as usize, 0);
        put(&mut bytes, write.offset, &write.old);
    }
    for write in writes {
        if write.fate == Fate::Synced || random.next_u32().is_multiple_of(2) {
            let size = (bytes.len() as u64).max(write.offset + write.new.len() as u64);
            let size = if write.new.is_empty() {
                write.new_size
            } else {
                size
            };
            bytes.resize(size as usize, 0);
            put(&mut bytes, write.offset, &write.new);
        }
    }
    std::fs::write(path, bytes)
}

fn put(bytes: &mut Vec<u8>, offset: u64, new: &[u8]) {
    let end = offset as usize + new.len();
    if bytes.len() < end {
        bytes.resize(end, 0);
    }
    bytes[offset as usize..end].copy_from_slice(new);
}
