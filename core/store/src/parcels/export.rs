//! Making parcels.
use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, params};
use stunity_identity::{
    AccountLog, ContentSealer, Device, DeviceStatus, NodeChain, ParcelHead, Recipient, StaffRoles,
    TrustedNode, begin_parcel,
};
use stunity_model::Roles;
use stunity_model::permit::SpaceKind;
use stunity_proto::pack::{Effort, Explicit, Item, PackOptions, encode_packs};
use stunity_proto::parcel::{MAGIC, Part};
use stunity_proto::{AccountId, DeviceId, EntryId, Hash, Lane, NodeId, SpaceId, limits};

use crate::database::{Durability, int};
use crate::entries::{self, Class, EntryRow};
use crate::{Store, StoreError, covers, order, process, transfer, trust};

/// What a parcel is to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    /// Own entries that no relay has answered: what the next session would send.
    Waiting,
    /// What is held of a space or of a lane of it.
    Held {
        /// The space.
        space: SpaceId,
        /// The lane; all that are held if none.
        lane: Option<Lane>,
        /// Only what the relay numbered after this.
        after: u64,
        /// Only what the relay numbered up to this; if none, also what it has
        /// not numbered.
        to: Option<u64>,
    },
}

/// Whom a parcel is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParcelTo {
    /// The school's relays.
    Relay,
    /// One device.
    Device(DeviceId),
    /// Every live device of an account.
    Account(AccountId),
}

/// What was exported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exported {
    /// Entries of the span.
    pub entries: u64,
    /// Receipts.
    pub receipts: u64,
    /// Chunks of files.
    pub chunks: u64,
    /// Length of the file, bytes.
    pub bytes: u64,
}

/// The length of the file with this head.
pub(super) fn file_len(head: &ParcelHead) -> u64 {
    MAGIC.len() as u64 + head.parcel_len()
}

/// Recipients of a parcel, and the accounts of the devices among them.
struct Recipients {
    sealed_to: Vec<Recipient>,
    accounts: BTreeSet<AccountId>,
}

/// The content, before it is sealed. Chunks of files are read when they are
/// written: a phone's memory does not hold a video.
#[derive(Default)]
struct Content {
    parts: Vec<u8>,
    chunks: Vec<(Hash, u64)>,
    exported: Exported,
}

/// Kind and length before a part.
const PART_HEAD: u64 = 5;

impl Content {
    fn push(&mut self, part: &Part) {
        part.encode(&mut self.parts);
    }

    fn len(&self) -> u64 {
        let chunks = self.chunks.iter().map(|(_, len)| PART_HEAD + len);
        self.parts.len() as u64 + chunks.sum::<u64>()
    }
}

impl Store {
    /// Writes a `.stunity` file. What goes to devices is limited to what all of
    /// their accounts may read; a relay may be given anything.
    ///
    /// Own waiting entries stay queued: the next session asks the relay about
    /// them before it sends them again.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if there is nothing to send, or a recipient is not
    /// known; [`StoreError::NoSpace`]; what `write` gives.
    pub fn export_parcel(
        &mut self,
        span: Span,
        to: &[ParcelTo],
        write: &mut dyn FnMut(&[u8]) -> Result<(), StoreError>,
    ) -> Result<Exported, StoreError> {
        let to = self.recipients(to)?;
        let content = match span {
            Span::Waiting if to.accounts.is_empty() => self.waiting_content()?,
            span => self.held_content(span, &to.accounts)?,
        };
        if content.exported.entries + content.exported.chunks == 0 {
            return Err(StoreError::NotFound("entries for these recipients"));
        }
        let mut out = MAGIC.to_vec();
        let mut sealer = begin_parcel(
            &mut *self.rng.borrow_mut(),
            self.owner.school,
            &to.sealed_to,
            content.len(),
            &mut out,
        )?;
        let mut exported = content.exported;
        let mut flush = |out: &mut Vec<u8>| {
            exported.bytes += out.len() as u64;
            let done = write(out);
            out.clear();
            done
        };
        seal(&mut sealer, &content.parts, &mut out, &mut flush)?;
        for (hash, len) in &content.chunks {
            let bytes = self.chunk(*hash)?.ok_or(StoreError::NotFound("chunk"))?;
            if bytes.len() as u64 != *len {
                return Err(StoreError::Damaged("length of a chunk"));
            }
            let mut part = Vec::with_capacity(bytes.len() + PART_HEAD as usize);
            Part::Chunk(bytes).encode(&mut part);
            seal(&mut sealer, &part, &mut out, &mut flush)?;
        }
        sealer.finish(&mut out)?;
        flush(&mut out)?;
        Ok(exported)
    }

    /// The relay nodes that lead to the pinned root and are valid now.
    pub(super) fn trusted_nodes(&self) -> Result<Vec<TrustedNode>, StoreError> {
        let nodes = self
            .conn
            .prepare_cached("SELECT DISTINCT node FROM nodes ORDER BY node")?
            .query_map([], |row| Ok(NodeId(row.get(0)?)))?
            .collect::<Result<Vec<_>, _>>()?;
        let at_ms = process::last_relay_ms(&self.conn)?;
        let mut trusted = Vec::new();
        for node in nodes {
            let chains = trust::load_trusted(&self.conn, node)?;
            // Without any relay time yet, what the relay itself showed counts.
            let valid = |node: &TrustedNode| at_ms.is_none_or(|ms| node.check_time(ms).is_ok());
            trusted.extend(chains.into_iter().find(valid));
        }
        Ok(trusted)
    }

    fn recipients(&self, to: &[ParcelTo]) -> Result<Recipients, StoreError> {
        let mut sealed_to: BTreeMap<[u8; 16], Recipient> = BTreeMap::new();
        let mut accounts = BTreeSet::new();
        for to in to {
            match to {
                ParcelTo::Relay => {
                    let nodes = self.trusted_nodes()?;
                    if nodes.is_empty() {
                        return Err(StoreError::NotFound("relay"));
                    }
                    sealed_to.extend(
                        nodes
                            .iter()
                            .map(|node| (node.id().0, Recipient::node(node))),
                    );
                }
                ParcelTo::Account(account) => {
                    let devices = self.live_devices(*account)?;
                    if devices.is_empty() {
                        return Err(StoreError::NotFound("devices of the account"));
                    }
                    sealed_to.extend(devices.iter().map(|d| (d.id().0, Recipient::device(d))));
                    accounts.insert(*account);
                }
                ParcelTo::Device(id) => {
                    let device = self.find_device(*id)?;
                    sealed_to.insert(id.0, Recipient::device(&device));
                    accounts.insert(device.account);
                }
            }
        }
        Ok(Recipients {
            sealed_to: sealed_to.into_values().collect(),
            accounts,
        })
    }

    fn live_devices(&self, account: AccountId) -> Result<Vec<Device>, StoreError> {
        let mut logs = self.logs.borrow_mut();
        Ok(logs
            .get(&self.conn, account)?
            .map(live_devices)
            .unwrap_or_default())
    }

    /// A live device by its id, of whichever account whose log is held.
    fn find_device(&self, id: DeviceId) -> Result<Device, StoreError> {
        let accounts = self
            .conn
            .prepare_cached("SELECT DISTINCT author FROM entries WHERE class = ?1")?
            .query_map([Class::AccountLog as i64], |row| Ok(AccountId(row.get(0)?)))?
            .collect::<Result<Vec<_>, _>>()?;
        for account in accounts {
            let mut devices = self.live_devices(account)?.into_iter();
            if let Some(device) = devices.find(|device| device.id() == id) {
                return Ok(device);
            }
        }
        Err(StoreError::NotFound("live device"))
    }

    /// What waits goes as the very packs that a session would send, so that the
    /// relay knows them by name when this device asks.
    fn waiting_content(&mut self) -> Result<Content, StoreError> {
        if self.is_forked()? {
            return Err(StoreError::NotAllowed("export before this copy has synced"));
        }
        self.seal()?;
        self.write(Durability::Sealed, |conn| {
            transfer::drop_settled_uploads(conn)?;
            transfer::drop_leaning_uploads(conn)?;
            while self.pack_waiting(conn, true)?.is_some() {}
            let mut content = Content::default();
            for (bytes, entries) in transfer::hand_over_uploads(conn)? {
                content.exported.entries += entries;
                content.push(&Part::Pack(bytes));
            }
            self.push_own_chunks(conn, &mut content)?;
            Ok(content)
        })
    }

    /// Chunks of own files that no relay has: their manifests go before them, or
    /// went earlier.
    fn push_own_chunks(&self, conn: &Connection, content: &mut Content) -> Result<(), StoreError> {
        content.chunks = conn
            .prepare_cached(
                "SELECT DISTINCT k.chunk, length(k.bytes) FROM blobs b JOIN blob_chunks c USING (blob)
                 JOIN chunks k USING (chunk) WHERE b.own = 1 ORDER BY b.blob, c.place",
            )?
            .query_map([], |row| {
                Ok((Hash(row.get(0)?), row.get::<_, u32>(1)?.into()))
            })?
            .collect::<Result<_, _>>()?;
        content.exported.chunks = content.chunks.len() as u64;
        Ok(())
    }

    /// What is held of the files that these entries name.
    fn push_chunks_of(&self, rows: &[EntryRow], content: &mut Content) -> Result<(), StoreError> {
        let mut statement = self.conn.prepare_cached(
            "SELECT k.chunk, length(k.bytes) FROM blob_uses u JOIN blob_chunks c USING (blob)
             JOIN chunks k USING (chunk) WHERE u.entry = ?1 ORDER BY u.blob, c.place",
        )?;
        let mut seen = BTreeSet::new();
        for row in rows {
            let found = statement.query_map([row], |row| {
                Ok((Hash(row.get(0)?), row.get::<_, u32>(1)?.into()))
            })?;
            for chunk in found {
                let chunk = chunk?;
                if seen.insert(chunk.0) {
                    content.chunks.push(chunk);
                }
            }
        }
        content.exported.chunks = content.chunks.len() as u64;
        Ok(())
    }

    fn held_content(
        &mut self,
        span: Span,
        readers: &BTreeSet<AccountId>,
    ) -> Result<Content, StoreError> {
        self.seal()?;
        let mut chosen = Vec::new();
        for (row, space, lane) in self.rows_of(span)? {
            let mut readable = true;
            for reader in readers {
                readable = readable && self.may_read(*reader, space, lane)?;
            }
            if readable {
                chosen.push(row);
            }
        }
        let mut content = Content::default();
        content.exported.entries = chosen.len() as u64;
        if chosen.is_empty() {
            return Ok(content);
        }
        for chain in self.node_chains()? {
            content.push(&Part::Node(chain.encode()));
        }
        let chosen = covers::with_covers(&self.conn, chosen)?;
        // Keys first: who takes the parcel verifies everything by them.
        let keys = self.keys_for(&chosen)?;
        let rows: Vec<EntryRow> = keys.iter().chain(&chosen).copied().collect();
        self.push_entries(&rows, &mut content)?;
        self.push_chunks_of(&chosen, &mut content)?;
        Ok(content)
    }

    fn rows_of(&self, span: Span) -> Result<Vec<(EntryRow, SpaceId, Lane)>, StoreError> {
        // What was refused, written again or invalid is nobody else's.
        const ROWS: &str =
            "SELECT e.entry, c.space, c.lane FROM entries e JOIN chains c USING (chain)
             LEFT JOIN numbering n ON n.entry = e.entry AND n.space = c.space
             WHERE e.state < 3 AND coalesce(e.send, 0) < 3 AND e.class > 0";
        let read = |row: &rusqlite::Row<'_>| {
            Ok((row.get(0)?, SpaceId(row.get(1)?), row.get::<_, Vec<u8>>(2)?))
        };
        let rows: Vec<(EntryRow, SpaceId, Vec<u8>)> = match span {
            Span::Waiting => self
                .conn
                .prepare_cached(&format!("{ROWS} AND e.send = 0 ORDER BY e.entry"))?
                .query_map([], read)?
                .collect::<Result<_, _>>()?,
            Span::Held {
                space,
                lane,
                after,
                to,
            } => self
                .conn
                .prepare_cached(&format!(
                    "{ROWS} AND c.space = ?1 AND (?2 = x'' OR c.lane = ?2)
                     AND coalesce(n.sequence > ?3 AND (?4 IS NULL OR n.sequence <= ?4), ?4 IS NULL)
                     GROUP BY e.entry ORDER BY e.entry"
                ))?
                .query_map(
                    params![&space.0, order::lane_key(lane), int(after), to.map(int)],
                    read,
                )?
                .collect::<Result<_, _>>()?,
        };
        rows.into_iter()
            .map(|(row, space, lane)| Ok((row, space, Lane::from_key(&lane)?)))
            .collect()
    }

    /// Whether an account may read a lane, by what is held here.
    fn may_read(&self, account: AccountId, space: SpaceId, lane: Lane) -> Result<bool, StoreError> {
        let conn = &self.conn;
        Ok(match SpaceKind::of(self.owner.school, space, lane) {
            SpaceKind::Account => {
                space == account.space() || matches!(lane, Lane::Keys | Lane::Public)
            }
            SpaceKind::School => {
                lane == Lane::All
                    || self.facts.borrow_mut().staff(conn, account)? != StaffRoles::default()
            }
            SpaceKind::Course => {
                let roles = self.roles_of(account, space)?;
                match lane {
                    _ if roles.any(Roles::STAFF) => true,
                    Lane::All => roles.0 != 0,
                    Lane::One(of) => roles.0 != 0 && of == account,
                    Lane::Group(group) => conn
                        .prepare_cached(
                            "SELECT EXISTS (SELECT 1 FROM p_course_group
                             WHERE space = ?1 AND group_id = ?2 AND account = ?3)",
                        )?
                        .query_row(params![&space.0, &group.0, &account.0], |row| row.get(0))?,
                    _ => false,
                }
            }
            SpaceKind::Conversation => self.roles_of(account, space)?.any(Roles::TALKER),
        })
    }

    fn roles_of(&self, account: AccountId, space: SpaceId) -> Result<Roles, StoreError> {
        let roles: i64 = self
            .conn
            .prepare_cached(
                "SELECT coalesce(max(roles), 0) FROM members WHERE space = ?1 AND account = ?2",
            )?
            .query_row(params![&space.0, &account.0], |row| row.get(0))?;
        Ok(Roles(roles.unsigned_abs()))
    }

    fn node_chains(&self) -> Result<Vec<NodeChain>, StoreError> {
        let chains = self
            .conn
            .prepare_cached("SELECT chain FROM nodes ORDER BY node, chain")?
            .query_map([], |row| row.get::<_, Vec<u8>>(0))?
            .collect::<Result<Vec<_>, _>>()?;
        Ok(chains
            .iter()
            .map(|chain| NodeChain::decode(chain))
            .collect::<Result<_, _>>()?)
    }

    /// The account logs of those who wrote these entries, after what binds each to
    /// its first root.
    fn keys_for(&self, rows: &[EntryRow]) -> Result<Vec<EntryRow>, StoreError> {
        let mut author = self
            .conn
            .prepare_cached("SELECT author FROM entries WHERE entry = ?1")?;
        let mut authors: BTreeSet<[u8; 16]> = BTreeSet::new();
        for row in rows {
            authors.insert(author.query_row([row], |row| row.get(0))?);
        }
        let mut statement = self.conn.prepare_cached(
            "SELECT e.entry FROM roots r JOIN entries e ON e.id = r.entry
             WHERE r.account = ?1 AND e.state = 1
             UNION SELECT entry FROM entries WHERE author = ?1 AND class = 0 AND state < 3
             AND coalesce(send, 0) < 3 ORDER BY 1",
        )?;
        let mut keys = BTreeSet::new();
        for account in authors {
            let found = statement.query_map([account], |row| row.get::<_, EntryRow>(0))?;
            for row in found {
                keys.insert(row?);
            }
        }
        Ok(keys.into_iter().filter(|row| !rows.contains(row)).collect())
    }

    /// Entries in packs, each followed by the receipts of its entries.
    fn push_entries(&self, rows: &[EntryRow], content: &mut Content) -> Result<(), StoreError> {
        let mut receipts: BTreeMap<EntryId, Vec<u8>> = BTreeMap::new();
        let mut items = Vec::with_capacity(rows.len());
        for row in rows {
            let entry = entries::load(&self.conn, *row)?;
            if let Some(receipt) = order::load_receipt(&self.conn, &entry.id())? {
                receipts.insert(entry.id(), receipt.encode());
            }
            items.push(Item { entry, place: None });
        }
        let explicit = Explicit(self.owner.school);
        let options = PackOptions {
            explicit: true,
            places: false,
            effort: Effort::Full,
            target: limits::PACK_TARGET,
        };
        for pack in encode_packs(&items, &explicit, options) {
            let packed = stunity_proto::pack::decode_pack(&pack, &explicit)?;
            content.push(&Part::Pack(pack));
            for item in packed {
                if let Some(receipt) = receipts.remove(&item.entry.id()) {
                    content.exported.receipts += 1;
                    content.push(&Part::Receipt(receipt));
                }
            }
        }
        Ok(())
    }
}

fn live_devices(log: &AccountLog) -> Vec<Device> {
    log.devices()
        .filter(|(_, device)| device.status == DeviceStatus::Live)
        .map(|(_, device)| device.certificate().body().clone())
        .collect()
}

/// Seals `bytes` and hands on what is sealed, so that memory holds little.
fn seal(
    sealer: &mut ContentSealer,
    bytes: &[u8],
    out: &mut Vec<u8>,
    flush: &mut impl FnMut(&mut Vec<u8>) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    for piece in bytes.chunks(stunity_identity::PARCEL_CHUNK) {
        sealer.push(piece, out)?;
        flush(out)?;
    }
    Ok(())
}
