//! What sessions read and keep.
use std::collections::BTreeMap;

use sqlx::Row;
use sqlx::sqlite::SqliteRow;
use stunity_identity::{VerifyingKey, sign_root};
use stunity_model::Roles;
use stunity_proto::cbor::{Reader, Writer};
use stunity_proto::pack::ChainKey;
use stunity_proto::{
    AccountId, DecodeError, DeviceId, Entry, EntryId, GroupId, Hash, Lane, NodeId, PackId,
    SchoolId, Signature, Signer, SpaceId,
};
use stunity_sync::relay_store::{
    CursorLog, DeviceRecord, Download, LogItem, Page, RelayStore, UploadContext,
};
use stunity_sync::replica::Outcome;
use stunity_sync::{Cursor, Position, Running, SyncError, Target};

use super::Log;
use super::write::chain_entry;
use crate::error::ServerError;

/// Partial uploads that a device may leave, bytes.
const MAX_UPLOADS: i64 = 1024 * 1024;

fn lane_key(target: Target) -> Vec<u8> {
    target.lane.map_or_else(Vec::new, |lane| lane.to_key())
}

fn item(row: &SqliteRow, target: Target, epoch: u64) -> Result<LogItem, ServerError> {
    let heads: &[u8] = row.get(9);
    let head_sequences = heads
        .chunks_exact(40)
        .map(|head| {
            let mut sequence = [0; 8];
            sequence.copy_from_slice(&head[32..]);
            Ok((
                EntryId::try_from(&head[..32])?,
                u64::from_be_bytes(sequence),
            ))
        })
        .collect::<Result<_, DecodeError>>()?;
    Ok(LogItem {
        entry: super::authority::entry(row.get(0), row.get(1), row.get(2))?,
        position: Position {
            space: target.space,
            lane: Lane::from_key(row.get(4))?,
            epoch,
            sequence: row.get::<i64, _>(3) as u64,
            received_ms: row.get::<i64, _>(5) as u64,
        },
        lane_hash: Hash::try_from(row.get::<&[u8], _>(6))?,
        space_hash: Hash::try_from(row.get::<&[u8], _>(7))?,
        same_heads: row.get(8),
        head_sequences,
    })
}

const ITEM: &str = "SELECT e.header, e.signature, e.body, n.sequence, n.lane, n.received_ms, \
    n.lane_hash, n.space_hash, e.same_heads, e.heads, \
    LENGTH(e.header) + LENGTH(e.body) + 64 FROM numbering n JOIN entry e ON e.n = n.entry ";

impl Log {
    async fn read_page(
        &self,
        target: Target,
        after: u64,
        max_bytes: usize,
    ) -> Result<Page, ServerError> {
        // Entries are rarely below 300 bytes, so this many rows are enough.
        let limit = (max_bytes / 300).clamp(16, 2048) as i64;
        let sql = match target.lane {
            None => format!(
                "{ITEM} WHERE n.space = ?1 AND n.sequence > ?2 ORDER BY n.sequence LIMIT ?3"
            ),
            Some(_) => format!(
                "{ITEM} WHERE n.space = ?1 AND n.lane = ?4 AND n.sequence > ?2 ORDER BY n.sequence LIMIT ?3"
            ),
        };
        let mut query = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(target.space.0.to_vec())
            .bind(after as i64)
            .bind(limit);
        if target.lane.is_some() {
            query = query.bind(lane_key(target));
        }
        let rows = query.fetch_all(self.pool()).await?;
        let mut page = Page {
            more: rows.len() as i64 == limit,
            ..Page::default()
        };
        let mut bytes = 0;
        for row in &rows {
            bytes += row.get::<i64, _>(10) as usize;
            if bytes > max_bytes && !page.items.is_empty() {
                page.more = true;
                break;
            }
            page.items.push(item(row, target, self.inner.epoch)?);
        }
        Ok(page)
    }

    async fn read_view(&self, account: AccountId) -> Result<Vec<Target>, ServerError> {
        let whole = |space| Target { space, lane: None };
        let lane = |space, lane| Target {
            space,
            lane: Some(lane),
        };
        let mut view = vec![whole(account.space())];
        let staff: Option<i64> = sqlx::query_scalar("SELECT staff_roles FROM account WHERE id = ?")
            .bind(&account.0[..])
            .fetch_optional(self.pool())
            .await?;
        let school = self.keys().school().space();
        view.push(if staff.is_some_and(|roles| roles != 0) {
            whole(school)
        } else {
            lane(school, Lane::All)
        });
        let rows =
            sqlx::query("SELECT space, roles FROM membership WHERE account = ? AND roles != 0")
                .bind(&account.0[..])
                .fetch_all(self.pool())
                .await?;
        for row in rows {
            let space = SpaceId::try_from(row.get::<&[u8], _>(0))?;
            if Roles(row.get::<i64, _>(1) as u64).any(Roles::STAFF) {
                view.push(whole(space));
                continue;
            }
            view.push(lane(space, Lane::All));
            view.push(lane(space, Lane::One(account)));
            let groups: Vec<Vec<u8>> = sqlx::query_scalar(
                "SELECT group_id FROM group_member WHERE account = ? AND space = ?",
            )
            .bind(&account.0[..])
            .bind(&space.0[..])
            .fetch_all(self.pool())
            .await?;
            for group in groups {
                view.push(lane(space, Lane::Group(GroupId::try_from(&group[..])?)));
            }
        }
        view.sort_unstable();
        Ok(view)
    }

    async fn read_ends(&self, targets: &[Target]) -> Result<Vec<Running>, ServerError> {
        let mut out = Vec::with_capacity(targets.len());
        let mut db = self.pool().acquire().await?;
        for target in targets {
            let row =
                sqlx::query("SELECT sequence, hash FROM target_end WHERE space = ? AND lane = ?")
                    .bind(&target.space.0[..])
                    .bind(lane_key(*target))
                    .fetch_optional(&mut *db)
                    .await?;
            out.push(match row {
                None => Running::START,
                Some(row) => Running {
                    epoch: self.inner.epoch,
                    sequence: row.get::<i64, _>(0) as u64,
                    hash: Hash::try_from(row.get::<&[u8], _>(1))?,
                },
            });
        }
        Ok(out)
    }

    async fn read_running(
        &self,
        target: Target,
        sequence: u64,
    ) -> Result<Option<Hash>, ServerError> {
        let row =
            match target.lane {
                None => {
                    sqlx::query("SELECT space_hash FROM numbering WHERE space = ? AND sequence = ?")
                        .bind(target.space.0.to_vec())
                        .bind(sequence as i64)
                        .fetch_optional(self.pool())
                        .await?
                }
                Some(_) => sqlx::query(
                    "SELECT lane_hash FROM numbering WHERE space = ? AND sequence = ? AND lane = ?",
                )
                .bind(target.space.0.to_vec())
                .bind(sequence as i64)
                .bind(lane_key(target))
                .fetch_optional(self.pool())
                .await?,
            };
        Ok(row
            .map(|row| Hash::try_from(row.get::<&[u8], _>(0)))
            .transpose()?)
    }

    async fn read_upload_context(&self, device: DeviceId) -> Result<UploadContext, ServerError> {
        let certificate: Option<Vec<u8>> =
            sqlx::query_scalar("SELECT certificate FROM device WHERE id = ?")
                .bind(&device.0[..])
                .fetch_optional(self.pool())
                .await?;
        let rows = sqlx::query(
            "SELECT incarnation, space, lane, sequence, id, account_head, membership_heads \
             FROM chain WHERE signer = ? AND signer_kind = 0",
        )
        .bind(&device.0[..])
        .fetch_all(self.pool())
        .await?;
        let mut chains = BTreeMap::new();
        for row in &rows {
            let key = ChainKey {
                signer: Signer::Device(device),
                incarnation: row.get::<i64, _>(0) as u32,
                space: SpaceId::try_from(row.get::<&[u8], _>(1))?,
                lane: Lane::from_key(row.get(2))?,
            };
            chains.insert(key, (row.get::<i64, _>(3) as u64, chain_entry(row, 4)?));
        }
        Ok(UploadContext {
            chains,
            certificate: certificate
                .map(|hash| Hash::try_from(&hash[..]))
                .transpose()?,
        })
    }

    async fn read_device(&self, device: DeviceId) -> Result<Option<DeviceRecord>, ServerError> {
        let row = sqlx::query("SELECT account, key, revoked FROM device WHERE id = ?")
            .bind(&device.0[..])
            .fetch_optional(self.pool())
            .await?;
        let Some(row) = row else { return Ok(None) };
        let key: &[u8] = row.get(1);
        let key = key
            .try_into()
            .ok()
            .and_then(|bytes: [u8; 32]| VerifyingKey::from_bytes(&bytes).ok())
            .ok_or(ServerError::Keys("key of a device".into()))?;
        Ok(Some(DeviceRecord {
            account: AccountId::try_from(row.get::<&[u8], _>(0))?,
            key,
            revoked: row.get(2),
        }))
    }

    /// Keeps a whole pack that came otherwise, in the place of what the device sent
    /// of it.
    pub(crate) async fn keep_upload(
        &self,
        device: DeviceId,
        pack: PackId,
        bytes: Vec<u8>,
    ) -> Result<(), ServerError> {
        sqlx::query("DELETE FROM upload WHERE device = ? AND pack = ?")
            .bind(&device.0[..])
            .bind(&pack.0[..])
            .execute(self.pool())
            .await?;
        let total = bytes.len() as u32;
        self.exec_upload_slice(device, pack, total, 0, bytes).await
    }

    async fn exec_upload_slice(
        &self,
        device: DeviceId,
        pack: PackId,
        total: u32,
        offset: u32,
        bytes: Vec<u8>,
    ) -> Result<(), ServerError> {
        let held: i64 = sqlx::query_scalar(
            "SELECT COALESCE(SUM(LENGTH(bytes)), 0) FROM upload WHERE device = ?",
        )
        .bind(&device.0[..])
        .fetch_one(self.pool())
        .await?;
        if held > MAX_UPLOADS {
            sqlx::query("DELETE FROM upload WHERE device = ? AND pack != ?")
                .bind(&device.0[..])
                .bind(&pack.0[..])
                .execute(self.pool())
                .await?;
        }
        sqlx::query("INSERT OR REPLACE INTO upload VALUES (?, ?, ?, ?, ?)")
            .bind(&device.0[..])
            .bind(&pack.0[..])
            .bind(i64::from(total))
            .bind(i64::from(offset))
            .bind(bytes)
            .execute(self.pool())
            .await?;
        Ok(())
    }
}

impl RelayStore for Log {
    fn school(&self) -> SchoolId {
        self.keys().school()
    }

    fn node(&self) -> NodeId {
        self.keys().node.node_id()
    }

    fn epoch(&self) -> u64 {
        self.inner.epoch
    }

    fn now_ms(&self) -> u64 {
        self.inner.platform.now_ms()
    }

    fn sign_receipt(&self, root: &Hash) -> Signature {
        sign_root(&self.keys().node, self.keys().school(), root)
    }

    async fn device(&self, device: DeviceId) -> Result<Option<DeviceRecord>, SyncError> {
        Ok(self.read_device(device).await?)
    }

    async fn view(&self, account: AccountId) -> Result<Vec<Target>, SyncError> {
        Ok(self.read_view(account).await?)
    }

    async fn ends(&self, targets: &[Target]) -> Result<Vec<Running>, SyncError> {
        Ok(self.read_ends(targets).await?)
    }

    async fn running_at(&self, target: Target, sequence: u64) -> Result<Option<Hash>, SyncError> {
        Ok(self.read_running(target, sequence).await?)
    }

    async fn read(&self, target: Target, after: u64, max_bytes: usize) -> Result<Page, SyncError> {
        Ok(self.read_page(target, after, max_bytes).await?)
    }

    async fn cursor_log(&self, device: DeviceId) -> Result<CursorLog, SyncError> {
        let bytes: Option<Vec<u8>> =
            sqlx::query_scalar("SELECT log FROM cursor_log WHERE device = ?")
                .bind(&device.0[..])
                .fetch_optional(self.pool())
                .await
                .map_err(ServerError::from)?;
        // A log of another version is as good as none: the device is asked.
        Ok(bytes
            .and_then(|bytes| decode_cursor_log(&bytes).ok())
            .unwrap_or_default())
    }

    async fn save_cursor_log(&self, device: DeviceId, log: CursorLog) -> Result<(), SyncError> {
        sqlx::query("INSERT OR REPLACE INTO cursor_log VALUES (?, ?)")
            .bind(&device.0[..])
            .bind(encode_cursor_log(&log))
            .execute(self.pool())
            .await
            .map_err(ServerError::from)?;
        Ok(())
    }

    async fn upload_context(&self, device: DeviceId) -> Result<UploadContext, SyncError> {
        Ok(self.read_upload_context(device).await?)
    }

    async fn upload_held(&self, device: DeviceId, pack: PackId) -> Result<u32, SyncError> {
        let held: i64 = sqlx::query_scalar(
            "SELECT COALESCE(MAX(offset + LENGTH(bytes)), 0) FROM upload WHERE device = ? AND pack = ?",
        )
        .bind(&device.0[..])
        .bind(&pack.0[..])
        .fetch_one(self.pool())
        .await
        .map_err(ServerError::from)?;
        Ok(held as u32)
    }

    async fn save_upload_slice(
        &self,
        device: DeviceId,
        pack: PackId,
        total: u32,
        offset: u32,
        bytes: Vec<u8>,
    ) -> Result<(), SyncError> {
        Ok(self
            .exec_upload_slice(device, pack, total, offset, bytes)
            .await?)
    }

    async fn load_upload(&self, device: DeviceId, pack: PackId) -> Result<Vec<u8>, SyncError> {
        let parts: Vec<Vec<u8>> = sqlx::query_scalar(
            "SELECT bytes FROM upload WHERE device = ? AND pack = ? ORDER BY offset",
        )
        .bind(&device.0[..])
        .bind(&pack.0[..])
        .fetch_all(self.pool())
        .await
        .map_err(ServerError::from)?;
        Ok(parts.concat())
    }

    async fn append(&self, from: DeviceId, entries: Vec<Entry>) -> Result<Vec<Outcome>, SyncError> {
        Ok(self.append_entries(Some(from), entries).await?)
    }

    async fn save_download(&self, device: DeviceId, download: Download) -> Result<(), SyncError> {
        sqlx::query("INSERT OR REPLACE INTO download VALUES (?, ?, ?)")
            .bind(&device.0[..])
            .bind(download.pack.0.to_vec())
            .bind(encode_download(&download))
            .execute(self.pool())
            .await
            .map_err(ServerError::from)?;
        Ok(())
    }

    async fn load_download(
        &self,
        device: DeviceId,
        pack: PackId,
    ) -> Result<Option<Download>, SyncError> {
        let bytes: Option<Vec<u8>> =
            sqlx::query_scalar("SELECT download FROM download WHERE device = ? AND pack = ?")
                .bind(&device.0[..])
                .bind(&pack.0[..])
                .fetch_optional(self.pool())
                .await
                .map_err(ServerError::from)?;
        Ok(bytes.and_then(|bytes| decode_download(&bytes).ok()))
    }

    async fn account_logs(&self, accounts: &[AccountId]) -> Result<Vec<Entry>, SyncError> {
        let mut out = Vec::new();
        for account in accounts {
            let keys = Target {
                space: account.space(),
                lane: Some(Lane::Keys),
            };
            let page = self.read_page(keys, 0, 256 * 1024).await?;
            out.extend(page.items.into_iter().map(|item| item.entry));
        }
        Ok(out)
    }
}

fn write_target(w: &mut Writer, target: &Target) {
    w.bytes(&target.space.0).bytes(&lane_key(*target));
}

fn read_target(r: &mut Reader<'_>) -> Result<Target, DecodeError> {
    let space = SpaceId(r.fixed()?);
    let lane = r.bytes()?;
    Ok(Target {
        space,
        lane: if lane.is_empty() {
            None
        } else {
            Some(Lane::from_key(lane)?)
        },
    })
}

fn write_cursors(w: &mut Writer, cursors: &[Cursor]) {
    w.array(cursors.len());
    for cursor in cursors {
        w.array(5);
        write_target(w, &cursor.target);
        w.uint(cursor.at.epoch)
            .uint(cursor.at.sequence)
            .bytes(&cursor.at.hash.0);
    }
}

fn read_cursors(r: &mut Reader<'_>) -> Result<Vec<Cursor>, DecodeError> {
    (0..r.array()?)
        .map(|_| {
            r.array_of(5)?;
            Ok(Cursor {
                target: read_target(r)?,
                at: Running {
                    epoch: r.uint()?,
                    sequence: r.uint()?,
                    hash: Hash(r.fixed()?),
                },
            })
        })
        .collect()
}

fn encode_cursor_log(log: &CursorLog) -> Vec<u8> {
    let mut w = Writer::new();
    w.array(2);
    write_cursors(&mut w, &log.acknowledged);
    w.array(log.sent.len());
    for (cursors, removed) in &log.sent {
        w.array(2);
        write_cursors(&mut w, cursors);
        w.array(removed.len());
        for target in removed {
            w.array(2);
            write_target(&mut w, target);
        }
    }
    w.into_bytes()
}

fn decode_cursor_log(bytes: &[u8]) -> Result<CursorLog, DecodeError> {
    let mut r = Reader::new(bytes);
    r.array_of(2)?;
    let acknowledged = read_cursors(&mut r)?;
    let mut sent = Vec::new();
    for _ in 0..r.array()? {
        r.array_of(2)?;
        let cursors = read_cursors(&mut r)?;
        let removed = (0..r.array()?)
            .map(|_| {
                r.array_of(2)?;
                read_target(&mut r)
            })
            .collect::<Result<_, _>>()?;
        sent.push((cursors, removed));
    }
    r.finish()?;
    Ok(CursorLog { acknowledged, sent })
}

fn encode_download(download: &Download) -> Vec<u8> {
    let mut w = Writer::new();
    w.array(5).bytes(&download.pack.0).bytes(&download.bytes);
    let leaves: Vec<u8> = download.leaves.iter().flat_map(|leaf| leaf.0).collect();
    w.bytes(&leaves);
    write_cursors(&mut w, &download.cursors);
    w.bytes(&download.base);
    w.into_bytes()
}

fn decode_download(bytes: &[u8]) -> Result<Download, DecodeError> {
    let mut r = Reader::new(bytes);
    r.array_of(5)?;
    let download = Download {
        pack: PackId(r.fixed()?),
        bytes: r.bytes()?.to_vec(),
        leaves: r
            .bytes()?
            .chunks(32)
            .map(Hash::try_from)
            .collect::<Result<_, _>>()?,
        cursors: read_cursors(&mut r)?,
        base: r.fixed()?,
    };
    r.finish()?;
    Ok(download)
}
