//! What sessions read and keep.
use std::collections::BTreeMap;
use std::sync::Arc;

use stunity_identity::{VerifyingKey, sign_root};
use stunity_model::Roles;
use stunity_model::guardians::{self, Access, Consent};
use stunity_proto::pack::ChainKey;
use stunity_proto::{
    AccountId, BlobId, DeviceId, DocId, Entry, GroupId, Hash, Lane, NodeId, PackId, SchoolId,
    Signature, Signer, SpaceId,
};
use stunity_sync::relay_store::{
    Appended, CursorLog, DeviceRecord, Download, Page, RelayStore, SharedPack, UploadContext,
};
use stunity_sync::{Running, SyncError, Target};

use super::Log;
use super::codec::{decode_cursor_log, decode_download};
use super::keep::Parts;
use super::write::chain_entry;
use crate::db::{Value, sql, wanted};
use crate::error::ServerError;
use crate::metrics::count;

/// Targets whose ends one statement asks for.
const ENDS_AT_ONCE: usize = 8;

pub(super) fn lane_key(target: Target) -> Vec<u8> {
    target.lane.map_or_else(Vec::new, |lane| lane.to_key())
}

impl Log {
    pub(super) async fn read_view(&self, account: AccountId) -> Result<Vec<Target>, ServerError> {
        let whole = |space| Target { space, lane: None };
        let lane = |space, lane| Target {
            space,
            lane: Some(lane),
        };
        let mut view = vec![whole(account.space())];
        let staff: Option<i64> = sql("SELECT staff_roles FROM account WHERE id = $1")
            .bind(account.0)
            .scalar(self.database())
            .await?;
        let school = self.keys().school().space();
        view.push(if staff.is_some_and(|roles| roles != 0) {
            whole(school)
        } else {
            lane(school, Lane::All)
        });
        let rows = sql("SELECT space, roles FROM membership WHERE account = $1 AND roles != 0")
            .bind(account.0)
            .all(self.database())
            .await?;
        for row in rows {
            let space = SpaceId::try_from(row.get::<&[u8]>(0)?)?;
            if Roles(row.get::<i64>(1)? as u64).any(Roles::STAFF) {
                view.push(whole(space));
                continue;
            }
            view.push(lane(space, Lane::All));
            view.push(lane(space, Lane::One(account)));
            let groups: Vec<Vec<u8>> =
                sql("SELECT group_id FROM group_member WHERE account = $1 AND space = $2")
                    .bind(account.0)
                    .bind(space.0)
                    .scalars(self.database())
                    .await?;
            for group in groups {
                view.push(lane(space, Lane::Group(GroupId::try_from(&group[..])?)));
            }
        }
        let conversations: Vec<Vec<u8>> = sql("SELECT space FROM talker WHERE account = $1")
            .bind(account.0)
            .scalars(self.database())
            .await?;
        for space in conversations {
            view.push(lane(SpaceId::try_from(&space[..])?, Lane::Talk));
        }
        self.view_as_family(account, &mut view).await?;
        // Who reads a whole space reads its lanes.
        let wholes: Vec<SpaceId> = (view.iter().filter(|target| target.lane.is_none()))
            .map(|target| target.space)
            .collect();
        view.retain(|target| target.lane.is_none() || !wholes.contains(&target.space));
        view.sort_unstable();
        view.dedup();
        Ok(view)
    }

    /// The school's lane about this account, and what guardians read of their
    /// children.
    async fn view_as_family(
        &self,
        account: AccountId,
        view: &mut Vec<Target>,
    ) -> Result<(), ServerError> {
        let lane = |space, lane| Target {
            space,
            lane: Some(lane),
        };
        let school = self.keys().school().space();
        let children = self.read_children(account).await?;
        for child in &children {
            let rows = sql("SELECT space, roles FROM membership WHERE account = $1 AND roles <> 0")
                .bind(child.0)
                .all(self.database())
                .await?;
            for row in rows {
                let space = SpaceId::try_from(row.get::<&[u8]>(0)?)?;
                if Roles(row.get(1)?).any(Roles::STUDENT) {
                    view.push(lane(space, Lane::All));
                    view.push(lane(space, Lane::One(*child)));
                }
            }
        }
        // Most people have no such lane, and no cursor for it.
        for person in children.iter().chain([&account]) {
            let about = lane(school, Lane::One(*person));
            let begun: Option<i64> =
                sql("SELECT sequence FROM target_end WHERE space = $1 AND lane = $2")
                    .bind(about.space.0)
                    .bind(lane_key(about))
                    .scalar(self.database())
                    .await?;
            if begun.is_some() {
                view.push(about);
            }
        }
        Ok(())
    }

    /// The children whose guardianship is open now.
    async fn read_children(&self, guardian: AccountId) -> Result<Vec<AccountId>, ServerError> {
        let links = sql(
            "SELECT child, until_ms FROM p_guardianship WHERE guardian = $1 ORDER BY sequence, op",
        )
        .bind(guardian.0)
        .all(self.database())
        .await?;
        let mut until: BTreeMap<AccountId, u64> = BTreeMap::new();
        for row in links {
            until.insert(AccountId::try_from(row.get::<&[u8]>(0)?)?, row.get(1)?);
        }
        if until.is_empty() {
            return Ok(Vec::new());
        }
        let words = sql(
            "SELECT child, open, author FROM p_guardian_access WHERE guardian = $1 \
             ORDER BY sequence, op",
        )
        .bind(guardian.0)
        .all(self.database())
        .await?;
        let mut consents: BTreeMap<AccountId, Consent> = BTreeMap::new();
        for row in words {
            let child = AccountId::try_from(row.get::<&[u8]>(0)?)?;
            let consent = consents.entry(child).or_default();
            let open = Some(row.get(1)?);
            match row.get::<&[u8]>(2)? == child.0 {
                true => consent.child = open,
                false => consent.school = open,
            }
        }
        let now_ms = self.inner.platform.now_ms();
        Ok(until
            .into_iter()
            .filter(|(child, until_ms)| {
                let consent = consents.get(child).copied().unwrap_or_default();
                guardians::access(*until_ms, consent, now_ms) == Access::Open
            })
            .map(|(child, _)| child)
            .collect())
    }

    async fn read_ends(&self, targets: &[Target]) -> Result<Vec<Running>, ServerError> {
        let mut found = BTreeMap::new();
        let keys: Vec<Vec<Value>> = (targets.iter())
            .map(|target| vec![target.space.0.into(), lane_key(*target).into()])
            .collect();
        for keys in keys.chunks(ENDS_AT_ONCE) {
            let statement = wanted(
                "space, lane",
                keys,
                ENDS_AT_ONCE,
                "SELECT t.space, t.lane, t.sequence, t.hash FROM wanted w \
                 CROSS JOIN target_end t WHERE t.space = w.space AND t.lane = w.lane",
            );
            for row in statement.all(self.database()).await? {
                let target = (row.get::<Vec<u8>>(0)?, row.get::<Vec<u8>>(1)?);
                let at = Running {
                    epoch: self.inner.epoch,
                    sequence: row.get(2)?,
                    hash: Hash::try_from(row.get::<&[u8]>(3)?)?,
                };
                found.insert(target, at);
            }
        }
        Ok(targets
            .iter()
            .map(|target| {
                let key = (target.space.0.to_vec(), lane_key(*target));
                found.get(&key).copied().unwrap_or(Running::START)
            })
            .collect())
    }

    async fn read_running(
        &self,
        target: Target,
        sequence: u64,
    ) -> Result<Option<Hash>, ServerError> {
        let hash: Option<Vec<u8>> = match target.lane {
            None => sql("SELECT space_hash FROM numbering WHERE space = $1 AND sequence = $2"),
            Some(_) => sql(
                "SELECT lane_hash FROM numbering WHERE space = $1 AND sequence = $2 AND lane = $3",
            ),
        }
        .bind(target.space.0)
        .bind(sequence)
        .bind_if(target.lane.map(|lane| lane.to_key()))
        .scalar(self.database())
        .await?;
        Ok(hash.map(|hash| Hash::try_from(&hash[..])).transpose()?)
    }

    async fn read_upload_context(&self, device: DeviceId) -> Result<UploadContext, ServerError> {
        let rows = sql(
            "SELECT d.certificate, c.incarnation, c.space, c.lane, c.sequence, c.id, \
             c.account_head, c.membership_heads FROM device d LEFT JOIN chain c \
             ON c.signer = d.id AND c.signer_kind = 0 WHERE d.id = $1",
        )
        .bind(device.0)
        .all(self.database())
        .await?;
        let mut context = UploadContext::default();
        for row in &rows {
            context.certificate = Some(Hash::try_from(row.get::<&[u8]>(0)?)?);
            let Some(incarnation) = row.get::<Option<i64>>(1)? else {
                continue;
            };
            let key = ChainKey {
                signer: Signer::Device(device),
                incarnation: incarnation as u32,
                space: SpaceId::try_from(row.get::<&[u8]>(2)?)?,
                lane: Lane::from_key(row.get(3)?)?,
            };
            let last = (row.get::<i64>(4)? as u64, chain_entry(row, 5)?);
            context.chains.insert(key, last);
        }
        Ok(context)
    }

    /// How many entries of a target have come after `sequence`.
    pub(crate) async fn numbered_after(
        &self,
        target: Target,
        sequence: u64,
    ) -> Result<u64, ServerError> {
        let statement = match target.lane {
            None => sql("SELECT COUNT(*) FROM numbering WHERE space = $1 AND sequence > $2"),
            Some(_) => sql(
                "SELECT COUNT(*) FROM numbering WHERE space = $1 AND sequence > $2 AND lane = $3",
            ),
        };
        Ok(statement
            .bind(target.space.0)
            .bind(sequence)
            .bind_if(target.lane.map(|lane| lane.to_key()))
            .one(self.database())
            .await?
            .get(0)?)
    }

    /// What is here of a pack from its start, in the database and before it.
    async fn read_upload(&self, device: DeviceId, pack: PackId) -> Result<Vec<u8>, ServerError> {
        // Before the database is read: the writer may move parts there meanwhile.
        let waiting = self.inner.keep.find_upload(device, pack);
        let rows = sql("SELECT \"offset\", bytes FROM upload WHERE device = $1 AND pack = $2")
            .bind(device.0)
            .bind(pack.0)
            .all(self.database())
            .await?;
        let mut parts = Parts::new();
        for row in &rows {
            parts.insert(row.get::<i64>(0)? as u32, row.get(1)?);
        }
        parts.extend(waiting);
        let mut whole = Vec::new();
        for (offset, bytes) in parts {
            // Parts may overlap: what crossed again, or came otherwise.
            let Some(new) = whole.len().checked_sub(offset as usize) else {
                break;
            };
            whole.extend_from_slice(bytes.get(new..).unwrap_or_default());
        }
        Ok(whole)
    }

    pub(super) async fn read_device(
        &self,
        device: DeviceId,
    ) -> Result<Option<DeviceRecord>, ServerError> {
        let row = sql("SELECT account, key, revoked FROM device WHERE id = $1")
            .bind(device.0)
            .optional(self.database())
            .await?;
        let Some(row) = row else { return Ok(None) };
        let key: &[u8] = row.get(1)?;
        let key = key
            .try_into()
            .ok()
            .and_then(|bytes: [u8; 32]| VerifyingKey::from_bytes(&bytes).ok())
            .ok_or(ServerError::Keys("key of a device".into()))?;
        Ok(Some(DeviceRecord {
            account: AccountId::try_from(row.get::<&[u8]>(0)?)?,
            key,
            revoked: row.get(2)?,
        }))
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

    async fn take_over(&self, device: DeviceId) {
        self.bus().take_over(device).await;
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
        if let Some(log) = self.inner.keep.find_cursors(device) {
            return Ok(log);
        }
        let bytes: Option<Vec<u8>> = sql("SELECT log FROM cursor_log WHERE device = $1")
            .bind(device.0)
            .scalar(self.database())
            .await
            .map_err(ServerError::from)?;
        // A log of another version is as good as none: the device is asked.
        Ok(bytes
            .and_then(|bytes| decode_cursor_log(&bytes).ok())
            .unwrap_or_default())
    }

    async fn save_cursor_log(&self, device: DeviceId, log: CursorLog) -> Result<(), SyncError> {
        self.inner.keep.cursors(device, log);
        Ok(())
    }

    async fn upload_context(&self, device: DeviceId) -> Result<UploadContext, SyncError> {
        Ok(self.read_upload_context(device).await?)
    }

    async fn expand_documents(
        &self,
        prefixes: &[[u8; 4]],
    ) -> Result<Vec<Option<DocId>>, SyncError> {
        Ok(self.read_documents(prefixes).await?)
    }

    async fn expand_changes(
        &self,
        names: &[(DocId, [u8; 4])],
    ) -> Result<Vec<Option<Hash>>, SyncError> {
        Ok(self.read_changes(names).await?)
    }

    async fn upload_held(&self, device: DeviceId, pack: PackId) -> Result<u32, SyncError> {
        Ok(self.read_upload(device, pack).await?.len() as u32)
    }

    async fn save_upload_slice(
        &self,
        device: DeviceId,
        pack: PackId,
        _total: u32,
        offset: u32,
        bytes: Vec<u8>,
    ) -> Result<(), SyncError> {
        self.inner.keep.upload(device, pack, offset, bytes);
        Ok(())
    }

    async fn keep_upload(&self, device: DeviceId, pack: PackId) -> Result<(), SyncError> {
        if !self.inner.keep.find_upload(device, pack).is_empty() {
            self.flush().await?;
        }
        Ok(())
    }

    async fn load_upload(&self, device: DeviceId, pack: PackId) -> Result<Vec<u8>, SyncError> {
        Ok(self.read_upload(device, pack).await?)
    }

    async fn append(&self, from: DeviceId, entries: Vec<Entry>) -> Result<Appended, SyncError> {
        Ok(self.append_from(Some(from), entries, None).await?)
    }

    async fn save_download(&self, device: DeviceId, download: Download) -> Result<(), SyncError> {
        self.inner.keep.download(device, download);
        Ok(())
    }

    async fn load_download(
        &self,
        device: DeviceId,
        pack: PackId,
    ) -> Result<Option<Download>, SyncError> {
        if let Some(download) = self.inner.keep.find_download(device, pack) {
            return Ok(Some(download));
        }
        let bytes: Option<Vec<u8>> =
            sql("SELECT download FROM download WHERE device = $1 AND pack = $2")
                .bind(device.0)
                .bind(pack.0)
                .scalar(self.database())
                .await
                .map_err(ServerError::from)?;
        Ok(bytes.and_then(|bytes| decode_download(&bytes).ok()))
    }

    async fn chunk_held(
        &self,
        device: DeviceId,
        chunk: Hash,
        total: u32,
    ) -> Result<u32, SyncError> {
        Ok(self.read_chunk_held(device, chunk, total).await?)
    }

    async fn save_chunk_slice(
        &self,
        device: DeviceId,
        chunk: Hash,
        offset: u32,
        bytes: Vec<u8>,
    ) -> Result<(), SyncError> {
        let offset = u64::from(offset);
        Ok(self
            .blobs()
            .append_part(device, chunk, offset, &bytes)
            .await?)
    }

    async fn finish_chunk(
        &self,
        device: DeviceId,
        account: AccountId,
        chunk: Hash,
    ) -> Result<(), SyncError> {
        Ok(self.take_chunk(device, account, chunk).await?)
    }

    async fn blob_chunk(
        &self,
        account: AccountId,
        blob: BlobId,
        index: u32,
    ) -> Result<Option<(Hash, Vec<u8>)>, SyncError> {
        Ok(self.read_blob_chunk(account, blob, index).await?)
    }

    fn find_shared(&self, name: &Hash) -> Option<Arc<SharedPack>> {
        let found = self.inner.shared.find(name);
        if found.is_some() {
            count(&self.inner.metrics.packs_shared);
        }
        found
    }

    fn erasures(&self) -> u64 {
        self.inner.shared.erasures()
    }

    fn keep_shared(&self, name: Hash, erasures: u64, pack: Arc<SharedPack>) {
        self.inner.shared.keep(name, erasures, pack);
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
