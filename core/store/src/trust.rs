//! Whose signatures count: the school's relays, and the devices of accounts.
use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;

use rusqlite::{Connection, OptionalExtension, params};
use stunity_identity::{
    AccountLog, Covers, IdentityError, NodeChain, Position as LogPosition, SchoolAnchor, Standing,
    TrustedNode, VerifyingKey,
};
use stunity_proto::{AccountId, Entry, EntryId, Hash, NodeId, Signature, Signer};

use crate::database::{int, uint};
use crate::entries::EntryRow;
use crate::{StoreError, entries, meta};

pub(crate) fn load_anchor(conn: &Connection) -> Result<SchoolAnchor, StoreError> {
    let bytes: Vec<u8> =
        meta::load(conn, meta::SCHOOL_ANCHOR)?.ok_or(StoreError::Damaged("school anchor"))?;
    Ok(SchoolAnchor::decode(&bytes)?)
}

pub(crate) fn save_node(conn: &Connection, chain: &NodeChain) -> Result<(), StoreError> {
    let node = chain.node.body().id();
    conn.prepare_cached("INSERT OR IGNORE INTO nodes (node, chain) VALUES (?1, ?2)")?
        .execute(params![&node.0, chain.encode()])?;
    entries::release(conn, &node.0)?;
    Ok(())
}

/// The chains held for a node; several after a renewal.
fn load_nodes(conn: &Connection, node: NodeId) -> Result<Vec<NodeChain>, StoreError> {
    let mut statement = conn.prepare_cached("SELECT chain FROM nodes WHERE node = ?1")?;
    let rows = statement.query_map([&node.0], |row| row.get::<_, Vec<u8>>(0))?;
    let mut chains = Vec::new();
    for row in rows {
        chains.push(NodeChain::decode(&row?)?);
    }
    Ok(chains)
}

/// The chains of a node that lead to the pinned root, each within its period.
pub(crate) fn load_trusted(
    conn: &Connection,
    node: NodeId,
) -> Result<Vec<TrustedNode>, StoreError> {
    let anchor = load_anchor(conn)?;
    Ok(load_nodes(conn, node)?
        .iter()
        .filter_map(|chain| {
            let begin = (chain.operator.body().not_before).max(chain.node.body().not_before);
            anchor.verify_node(chain, begin).ok()
        })
        .collect())
}

pub(crate) fn verify_receipt(
    conn: &Connection,
    node: NodeId,
    relay_ms: u64,
    root: &Hash,
    signature: &Signature,
) -> Result<bool, StoreError> {
    Ok(load_trusted(conn, node)?
        .iter()
        .any(|node| node.verify_root(root, signature, relay_ms).is_ok()))
}

/// The certificate that a signer's entries name here: of the pack codec, which
/// verifies nothing.
pub(crate) fn known_certificate(
    conn: &Connection,
    signer: Signer,
) -> Result<Option<Hash>, StoreError> {
    Ok(conn
        .prepare_cached("SELECT certificate FROM signers WHERE signer = ?1 AND signer_kind = ?2")?
        .query_row(params![&signer.id(), signer.kind()], |row| row.get(0))
        .optional()?
        .map(Hash))
}

/// Remembers the certificate of a signer; with `verified` it replaces what an
/// unverified entry claimed.
pub(crate) fn save_certificate(
    conn: &Connection,
    signer: Signer,
    certificate: &Hash,
    verified: bool,
) -> Result<(), StoreError> {
    let sql = if verified {
        "INSERT INTO signers (signer, signer_kind, certificate) VALUES (?1, ?2, ?3)
         ON CONFLICT DO UPDATE SET certificate = excluded.certificate
         WHERE certificate <> excluded.certificate"
    } else {
        "INSERT OR IGNORE INTO signers (signer, signer_kind, certificate) VALUES (?1, ?2, ?3)"
    };
    conn.prepare_cached(sql)?
        .execute(params![&signer.id(), signer.kind(), &certificate.0])?;
    Ok(())
}

/// How a root was bound to an account; the lowest rank counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rank {
    /// This device's own account.
    Own = 0,
    /// Admitted to the staff by the school root.
    Admission = 1,
    /// Seen in person.
    InPerson = 2,
    /// By password at the relay.
    Relay = 3,
}

/// The root that counts for an account: by rank, then by the relay's order,
/// then by entry, so that it is the same in whatever order bindings come.
pub(crate) fn root_of(
    conn: &Connection,
    account: AccountId,
) -> Result<Option<VerifyingKey>, StoreError> {
    let root: Option<[u8; 32]> = conn
        .prepare_cached(
            "SELECT root FROM roots WHERE account = ?1
             ORDER BY rank, epoch IS NULL, epoch, sequence, entry LIMIT 1",
        )?
        .query_row([&account.0], |row| row.get(0))
        .optional()?;
    Ok(root
        .map(|root| VerifyingKey::from_bytes(&root))
        .transpose()?)
}

/// Another entry that binds the account, with its root: the first that counts.
fn before_of(
    conn: &Connection,
    account: AccountId,
    entry: &EntryId,
) -> Result<Option<(EntryId, [u8; 32])>, StoreError> {
    Ok(conn
        .prepare_cached(
            "SELECT entry, root FROM roots WHERE account = ?1 AND entry <> ?2
             ORDER BY rank, epoch IS NULL, epoch, sequence, entry LIMIT 1",
        )?
        .query_row(params![&account.0, &entry.0], |row| {
            Ok((EntryId(row.get(0)?), row.get(1)?))
        })
        .optional()?)
}

/// Notes a binding. True if another root counts now than before. Once something
/// binds an account, no relay's word binds another root to it, wherever the relay
/// says that it stood: the pair is evidence.
pub(crate) fn save_root(
    conn: &Connection,
    account: AccountId,
    root: &VerifyingKey,
    rank: Rank,
    entry: &EntryId,
    place: Option<LogPosition>,
) -> Result<bool, StoreError> {
    let before = root_of(conn, account)?;
    if rank == Rank::Relay
        && let Some((other, _)) =
            before_of(conn, account, entry)?.filter(|(_, r)| r != root.as_bytes())
    {
        entries::save_evidence(conn, "root.exists", &other.0, &entry.0)?;
        return Ok(false);
    }
    conn.prepare_cached(
        "INSERT OR REPLACE INTO roots (account, entry, root, rank, epoch, sequence)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?
    .execute(params![
        &account.0,
        &entry.0,
        root.as_bytes(),
        rank as i64,
        place.map(|place| int(place.epoch)),
        place.map(|place| int(place.sequence)),
    ])?;
    Ok(root_of(conn, account)? != before)
}

/// The account logs that were needed since opening. They hold verified
/// signatures, so an entry costs one check however many it has.
#[derive(Default)]
pub(crate) struct Logs {
    held: HashMap<AccountId, AccountLog>,
}

/// What is known of an entry's signature.
pub(crate) enum Signed {
    /// It counts, by a device of the author.
    ByDevice,
    /// It counts, by a relay node that vouches for the author.
    ByNode,
    /// Signed by a device of the author beyond its cut-off.
    BeyondCutOff,
    /// The author's keys, or the node's certificates, are not here yet.
    Unknown {
        /// What would help.
        wants: [u8; 16],
    },
    /// It never counts.
    Invalid(IdentityError),
}

impl Logs {
    /// The log of an account, from the entries held; none while nothing binds
    /// the account to a root.
    pub fn get(
        &mut self,
        conn: &Connection,
        account: AccountId,
    ) -> Result<Option<&AccountLog>, StoreError> {
        Ok(match self.held.entry(account) {
            Slot::Occupied(held) => Some(held.into_mut()),
            Slot::Vacant(slot) => match root_of(conn, account)? {
                None => None,
                Some(root) => Some(slot.insert(load_log(conn, account, root)?)),
            },
        })
    }

    /// A log that is loaded already, without touching the database: for threads.
    pub fn loaded(&self, account: AccountId) -> Option<&AccountLog> {
        self.held.get(&account)
    }

    /// Takes new entries of an account's log. Gives those that can never count;
    /// none of them if the account's root is not known yet.
    pub fn extend(
        &mut self,
        conn: &Connection,
        account: AccountId,
        new: &[(EntryRow, Entry)],
    ) -> Result<Option<Vec<(EntryId, IdentityError)>>, StoreError> {
        self.get(conn, account)?;
        let Some(log) = self.held.get_mut(&account) else {
            return Ok(None);
        };
        let mut placed = Vec::with_capacity(new.len());
        for (row, entry) in new {
            placed.push((entry, log_position(conn, *row)?));
        }
        Ok(Some(log.extend(placed)))
    }

    /// Forgets a log: its root or its entries changed.
    pub fn forget(&mut self, account: AccountId) {
        self.held.remove(&account);
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.held.clear();
    }
}

fn log_position(conn: &Connection, row: EntryRow) -> Result<Option<LogPosition>, StoreError> {
    Ok(conn
        .prepare_cached(
            "SELECT n.epoch, n.sequence FROM numbering n JOIN entries e USING (entry)
             WHERE e.entry = ?1 AND n.space = e.author ORDER BY n.epoch, n.sequence LIMIT 1",
        )?
        .query_row([row], |row| {
            Ok(LogPosition {
                epoch: uint(row.get(0)?),
                sequence: uint(row.get(1)?),
            })
        })
        .optional()?)
}

fn load_log(
    conn: &Connection,
    account: AccountId,
    root: VerifyingKey,
) -> Result<AccountLog, StoreError> {
    let school = load_anchor(conn)?.school;
    let mut log = AccountLog::new(school, account, root);
    let rows = conn
        .prepare_cached(
            "SELECT entry FROM entries WHERE author = ?1 AND class = 0 AND state = 1
             ORDER BY entry",
        )?
        .query_map([&account.0], |row| row.get::<_, EntryRow>(0))?
        .collect::<Result<Vec<_>, _>>()?;
    let mut placed = Vec::with_capacity(rows.len());
    for row in rows {
        placed.push((entries::load(conn, row)?, log_position(conn, row)?));
    }
    log.extend(placed.iter().map(|(entry, position)| (entry, *position)));
    Ok(log)
}

/// Verifies an entry by logs that are loaded. `covers`: what speaks for entries without
/// a signature. `node`: the vouching node, if its certificates cover the time.
pub(crate) fn verify(
    entry: &Entry,
    covers: &Covers,
    log: Option<&AccountLog>,
    node: Option<(&TrustedNode, u64)>,
) -> Signed {
    let header = entry.header();
    match header.signer {
        Signer::Node(id) => match node {
            None => Signed::Unknown { wants: id.0 },
            Some((node, relay_ms)) => match node.verify_vouched(entry, relay_ms) {
                Ok(()) => Signed::ByNode,
                Err(error) => Signed::Invalid(error),
            },
        },
        Signer::Device(_) => {
            let unknown = Signed::Unknown {
                wants: header.author.0,
            };
            let Some(log) = log else { return unknown };
            match log.verify_covered(entry, covers) {
                Ok(Standing::Good) => Signed::ByDevice,
                Ok(Standing::BeyondCutOff) => Signed::BeyondCutOff,
                Ok(Standing::Unknown) => unknown,
                Err(error) => Signed::Invalid(error),
            }
        }
    }
}
