//! What sessions leave for their device's next connection: cursors, packs
//! that a link cut, the time. Losing it costs a round trip, or what was cut once more, so it waits in memory and
//! goes to disk with the next entries, or by itself after a while.
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use stunity_proto::{DeviceId, PackId};
use stunity_sync::relay_store::{CursorLog, Download};
use tokio::sync::Notify;

use super::codec::{encode_cursor_log, encode_download};
use crate::db::{Transaction, Value, insert_rows, sql};
use crate::error::ServerError;

/// Partial uploads that a device may leave, bytes.
const MAX_UPLOADS: i64 = 1024 * 1024;

/// What waits, by device.
#[derive(Clone, Debug, Default)]
pub(super) struct Waiting {
    cursors: BTreeMap<DeviceId, CursorLog>,
    downloads: BTreeMap<DeviceId, Download>,
    uploads: BTreeMap<(DeviceId, PackId), Parts>,
    seen_ms: BTreeMap<DeviceId, u64>,
}

/// Parts of a pack by their offset.
pub(super) type Parts = BTreeMap<u32, Vec<u8>>;

#[derive(Debug, Default)]
struct State {
    waiting: Waiting,
    /// Taken by the writer, not yet committed.
    writing: Waiting,
}

/// The memory before the disk.
#[derive(Debug, Default)]
pub(super) struct Keep {
    state: Mutex<State>,
    changed: Notify,
}

impl Waiting {
    /// Adds what `newer` has not.
    fn fill(&mut self, older: Self) {
        for (device, log) in older.cursors {
            self.cursors.entry(device).or_insert(log);
        }
        for (device, download) in older.downloads {
            self.downloads.entry(device).or_insert(download);
        }
        for (pack, parts) in older.uploads {
            let mine = self.uploads.entry(pack).or_default();
            for (offset, bytes) in parts {
                mine.entry(offset).or_insert(bytes);
            }
        }
        for (device, at) in older.seen_ms {
            self.seen_ms.entry(device).or_insert(at);
        }
    }

    pub(super) async fn write(&self, tx: &mut Transaction<'_>) -> Result<(), ServerError> {
        let cursors = self
            .cursors
            .iter()
            .map(|(device, log)| vec![Value::from(device.0), encode_cursor_log(log).into()])
            .collect();
        let after = "ON CONFLICT (device) DO UPDATE SET log = excluded.log";
        insert_rows(tx, "cursor_log", cursors, after).await?;
        let downloads = self
            .downloads
            .iter()
            .map(|(device, download)| {
                vec![
                    Value::from(device.0),
                    download.pack.0.into(),
                    encode_download(download).into(),
                ]
            })
            .collect();
        let after = "ON CONFLICT (device) DO UPDATE SET pack = excluded.pack, \
                     download = excluded.download";
        insert_rows(tx, "download", downloads, after).await?;
        self.write_uploads(tx).await?;
        for (device, at) in &self.seen_ms {
            sql("UPDATE device SET seen_ms = $1 WHERE id = $2")
                .bind(*at)
                .bind(device.0)
                .execute(&mut *tx)
                .await?;
        }
        Ok(())
    }

    async fn write_uploads(&self, tx: &mut Transaction<'_>) -> Result<(), ServerError> {
        let mut rows = Vec::new();
        for ((device, pack), parts) in &self.uploads {
            let held: i64 =
                sql("SELECT COALESCE(SUM(LENGTH(bytes)), 0) FROM upload WHERE device = $1")
                    .bind(device.0)
                    .one(&mut *tx)
                    .await?
                    .get(0)?;
            if held > MAX_UPLOADS {
                sql("DELETE FROM upload WHERE device = $1 AND pack <> $2")
                    .bind(device.0)
                    .bind(pack.0)
                    .execute(&mut *tx)
                    .await?;
            }
            // The column for the pack's length is of the first schema; nothing
            // reads it.
            let total = parts
                .last_key_value()
                .map_or(0, |(offset, bytes)| u64::from(*offset) + bytes.len() as u64);
            for (offset, bytes) in parts {
                rows.push(vec![
                    device.0.into(),
                    pack.0.into(),
                    total.into(),
                    u64::from(*offset).into(),
                    bytes.clone().into(),
                ]);
            }
        }
        let after = "ON CONFLICT (device, pack, \"offset\") DO UPDATE SET bytes = excluded.bytes";
        insert_rows(tx, "upload", rows, after).await?;
        Ok(())
    }
}

impl Keep {
    fn state(&self) -> MutexGuard<'_, State> {
        // Its maps are whole after each step, whatever panicked meanwhile.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn cursors(&self, device: DeviceId, log: CursorLog) {
        self.state().waiting.cursors.insert(device, log);
        self.changed.notify_one();
    }

    pub(super) fn download(&self, device: DeviceId, download: Download) {
        self.state().waiting.downloads.insert(device, download);
        self.changed.notify_one();
    }

    pub(super) fn upload(&self, device: DeviceId, pack: PackId, offset: u32, bytes: Vec<u8>) {
        let mut state = self.state();
        let parts = state.waiting.uploads.entry((device, pack)).or_default();
        parts.insert(offset, bytes);
        self.changed.notify_one();
    }

    /// Packs of sessions that were cut are made again: something in them was
    /// erased.
    pub(super) fn forget_packs(&self) {
        let mut state = self.state();
        let State { waiting, writing } = &mut *state;
        for waiting in [waiting, writing] {
            waiting.downloads.clear();
            waiting.uploads.clear();
        }
    }

    /// As [`Keep::forget_packs`], for what one device sent.
    pub(super) fn forget_uploads_of(&self, device: DeviceId) {
        let mut state = self.state();
        let State { waiting, writing } = &mut *state;
        for waiting in [waiting, writing] {
            waiting.uploads.retain(|(of, _), _| *of != device);
        }
    }

    pub(super) fn seen(&self, device: DeviceId, at_ms: u64) {
        self.state().waiting.seen_ms.insert(device, at_ms);
        self.changed.notify_one();
    }

    pub(super) fn find_cursors(&self, device: DeviceId) -> Option<CursorLog> {
        let state = self.state();
        let found = state.waiting.cursors.get(&device);
        found
            .or_else(|| state.writing.cursors.get(&device))
            .cloned()
    }

    pub(super) fn find_download(&self, device: DeviceId, pack: PackId) -> Option<Download> {
        let state = self.state();
        let found = state.waiting.downloads.get(&device);
        found
            .or_else(|| state.writing.downloads.get(&device))
            .filter(|download| download.pack == pack)
            .cloned()
    }

    /// Parts of an upload that are not in the database yet.
    pub(super) fn find_upload(&self, device: DeviceId, pack: PackId) -> Parts {
        let state = self.state();
        let mut parts = Parts::new();
        for from in [&state.writing, &state.waiting] {
            if let Some(found) = from.uploads.get(&(device, pack)) {
                parts.extend(found.iter().map(|(at, bytes)| (*at, bytes.clone())));
            }
        }
        parts
    }

    /// Something was left since this was last awaited.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// What the writer is to write; it stays readable until [`Keep::written`].
    pub(super) fn take(&self) -> Waiting {
        let mut state = self.state();
        let taken = std::mem::take(&mut state.waiting);
        state.writing = taken.clone();
        taken
    }

    /// The writer's transaction has ended, and how.
    pub(super) fn written(&self, committed: bool) {
        let mut state = self.state();
        let writing = std::mem::take(&mut state.writing);
        if !committed {
            state.waiting.fill(writing);
        }
    }
}
