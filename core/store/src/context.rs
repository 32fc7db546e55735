//! What packs may leave out, since the other side can look it up.
use rusqlite::{Connection, ToSql, params};
use stunity_proto::pack::{ChainEntry, ChainKey, IdRole, PackContext};
use stunity_proto::{Body, DeviceId, DocId, Entry, EntryId, Hash, Kind, SchoolId, Signer, SpaceId};
use stunity_sync::certificates_in;

use crate::{Store, StoreError, entries, order, trust};

/// Decoding looks up what this store holds. A failing read is like a gap: the
/// pack is asked for in explicit form.
impl PackContext for Store {
    fn school(&self) -> SchoolId {
        self.owner.school
    }

    fn chain_entry(&self, chain: &ChainKey, sequence: u64) -> Option<ChainEntry> {
        entries::chain_entry(&self.conn, chain, sequence, true)
            .ok()
            .flatten()
    }

    fn certificate(&self, signer: Signer) -> Option<Hash> {
        trust::known_certificate(&self.conn, signer).ok().flatten()
    }

    fn entry_at(&self, space: SpaceId, sequence: u64) -> Option<EntryId> {
        order::entry_at(&self.conn, space, sequence).ok().flatten()
    }

    fn sequence_of(&self, space: SpaceId, id: &EntryId) -> Option<u64> {
        order::sequence_of(&self.conn, space, id).ok().flatten()
    }

    fn held_at(&self, space: SpaceId, sequence: u64) -> Option<Entry> {
        order::load_at(&self.conn, space, sequence).ok().flatten()
    }

    fn certificates_in(&self, kinds: &[Kind], body: &Body) -> Vec<(Signer, Hash)> {
        certificates_in(kinds, body)
    }

    fn expand_id(&self, role: IdRole, prefix: [u8; 4]) -> Option<[u8; 16]> {
        let sql = match role {
            IdRole::Space => {
                "SELECT space FROM chains WHERE space BETWEEN ?1 AND ?2
                 UNION SELECT space FROM cursors WHERE space BETWEEN ?1 AND ?2 LIMIT 2"
            }
            IdRole::Author => {
                "SELECT DISTINCT author FROM entries WHERE author BETWEEN ?1 AND ?2 LIMIT 2"
            }
            IdRole::Signer => {
                "SELECT DISTINCT signer FROM signers WHERE signer BETWEEN ?1 AND ?2 LIMIT 2"
            }
            IdRole::Document => "SELECT doc FROM documents WHERE doc BETWEEN ?1 AND ?2 LIMIT 2",
            IdRole::Lane | IdRole::Key | IdRole::Actor => return None,
        };
        let (first, last) = range::<16>(prefix);
        only(&self.conn, sql, params![first, last]).ok().flatten()
    }

    fn expand_change(&self, doc: DocId, prefix: [u8; 4]) -> Option<[u8; 32]> {
        let (first, last) = range::<32>(prefix);
        let sql = "SELECT hash FROM changes WHERE doc = ?3 AND hash BETWEEN ?1 AND ?2 LIMIT 2";
        only(&self.conn, sql, params![first, last, &doc.0])
            .ok()
            .flatten()
    }
}

/// The least and the greatest name of `N` bytes that begins so.
fn range<const N: usize>(prefix: [u8; 4]) -> ([u8; N], [u8; N]) {
    let (mut first, mut last) = ([0; N], [0xff; N]);
    first[..4].copy_from_slice(&prefix);
    last[..4].copy_from_slice(&prefix);
    (first, last)
}

/// The only row, if there is one and not two.
fn only<const N: usize>(
    conn: &Connection,
    sql: &str,
    bound: &[&dyn ToSql],
) -> Result<Option<[u8; N]>, StoreError> {
    let mut statement = conn.prepare_cached(sql)?;
    let mut rows = statement.query(bound)?;
    let Some(row) = rows.next()? else {
        return Ok(None);
    };
    let name = row.get(0)?;
    Ok(rows.next()?.is_none().then_some(name))
}

fn exists(conn: &Connection, sql: &str, bound: &[&dyn ToSql]) -> bool {
    let found = conn
        .prepare_cached(sql)
        .and_then(|mut statement| statement.exists(bound));
    found.unwrap_or(false)
}

/// What the relay can look up in an upload: this device's chains, and its
/// certificate once an entry of it was accepted.
pub(crate) struct UploadContext<'a> {
    pub conn: &'a Connection,
    pub school: SchoolId,
    pub device: DeviceId,
    pub certificate: Option<Hash>,
}

impl PackContext for UploadContext<'_> {
    fn school(&self) -> SchoolId {
        self.school
    }

    fn chain_entry(&self, chain: &ChainKey, sequence: u64) -> Option<ChainEntry> {
        if chain.signer != Signer::Device(self.device) {
            return None;
        }
        entries::chain_entry(self.conn, chain, sequence, false)
            .ok()
            .flatten()
    }

    fn certificate(&self, signer: Signer) -> Option<Hash> {
        (signer == Signer::Device(self.device))
            .then_some(self.certificate)
            .flatten()
    }

    fn entry_at(&self, _: SpaceId, _: u64) -> Option<EntryId> {
        None
    }

    fn sequence_of(&self, _: SpaceId, _: &EntryId) -> Option<u64> {
        None
    }

    fn expands_id(&self, role: IdRole, id: &[u8; 16]) -> bool {
        match role {
            // The session has said who speaks.
            IdRole::Author | IdRole::Signer => self.certificate.is_some(),
            // It looks among the chains of this device.
            IdRole::Space => exists(
                self.conn,
                "SELECT 1 FROM chains c JOIN entries e USING (chain)
                 WHERE c.space = ?1 AND c.signer = ?2 AND c.signer_kind = 0
                 AND e.send IN (1, 2) LIMIT 1",
                params![id, &self.device.0],
            ),
            IdRole::Document => exists(
                self.conn,
                "SELECT 1 FROM changes c JOIN numbering n USING (entry) WHERE c.doc = ?1 LIMIT 1",
                params![id],
            ),
            IdRole::Lane | IdRole::Key | IdRole::Actor => false,
        }
    }

    fn expands_change(&self, doc: DocId, hash: &[u8; 32]) -> bool {
        exists(
            self.conn,
            "SELECT 1 FROM changes c JOIN numbering n USING (entry)
             WHERE c.doc = ?1 AND c.hash = ?2 LIMIT 1",
            params![&doc.0, hash],
        )
    }

    fn certificates_in(&self, kinds: &[Kind], body: &Body) -> Vec<(Signer, Hash)> {
        certificates_in(kinds, body)
    }
}
