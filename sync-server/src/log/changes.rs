//! The changes of documents, by name: an upload names what the relay holds by its first
//! bytes, and a download what its reader holds.
use std::collections::BTreeSet;
use std::sync::OnceLock;

use stunity_documents::{DocType, change_links, genesis_hash};
use stunity_proto::pack::change_names;
use stunity_proto::{DocId, Entry, Hash, Kind};
use stunity_sync::relay_store::ChangeNames;

use super::Log;
use crate::db::{Transaction, sql};
use crate::error::ServerError;

/// Whether it is a change that everybody has.
pub(crate) fn is_genesis(hash: &Hash) -> bool {
    static KNOWN: OnceLock<BTreeSet<Hash>> = OnceLock::new();
    let of = |doc_type| Hash(genesis_hash(doc_type).0);
    let known = KNOWN.get_or_init(|| DocType::ALL.into_iter().map(of).collect());
    known.contains(hash)
}

/// The changes in an entry.
pub(crate) fn changes(entry: &Entry) -> Vec<ChangeNames> {
    entry
        .ops()
        .filter_map(|(kind, bytes)| {
            let (Kind::Change { doc, .. }, Some(bytes)) = (kind, bytes) else {
                return None;
            };
            let (hash, mut follows) = change_names(bytes)?;
            follows.retain(|hash| !is_genesis(hash));
            Some(ChangeNames { doc, hash, follows })
        })
        .collect()
}

/// The changes in an entry and what each follows, also those that packs do not take
/// apart.
pub(crate) fn links(entry: &Entry) -> Vec<(DocId, Hash, Vec<Hash>)> {
    let link = |bytes: &[u8]| {
        change_names(bytes).or_else(|| {
            let (hash, deps) = change_links(bytes)?;
            Some((
                Hash(hash.0),
                deps.into_iter().map(|dep| Hash(dep.0)).collect(),
            ))
        })
    };
    entry
        .ops()
        .filter_map(|(kind, bytes)| {
            let (Kind::Change { doc, .. }, Some(bytes)) = (kind, bytes) else {
                return None;
            };
            let (hash, follows) = link(bytes)?;
            Some((doc, hash, follows))
        })
        .collect()
}

/// Keeps the names of the changes in an entry.
pub(crate) async fn save(
    db: &mut Transaction<'_>,
    n: i64,
    entry: &Entry,
) -> Result<(), ServerError> {
    for (doc, hash, _) in links(entry) {
        sql("INSERT INTO document_change VALUES ($1, $2, $3) ON CONFLICT DO NOTHING")
            .bind(doc.0)
            .bind(hash.0)
            .bind(n)
            .execute(&mut *db)
            .await?;
    }
    Ok(())
}

/// Forgets the names of the changes in an entry of which only `left` is left.
pub(crate) async fn forget(
    db: &mut Transaction<'_>,
    n: i64,
    before: &Entry,
    left: &Entry,
) -> Result<(), ServerError> {
    sql("DELETE FROM document_change WHERE entry = $1")
        .bind(n)
        .execute(&mut *db)
        .await?;
    let kept = links(left);
    for (doc, hash, _) in links(before) {
        if kept.iter().any(|(of, kept, _)| (*of, *kept) == (doc, hash)) {
            continue;
        }
        sql("DELETE FROM waiting_change WHERE doc = $1 AND hash = $2")
            .bind(doc.0)
            .bind(hash.0)
            .execute(&mut *db)
            .await?;
    }
    save(db, n, left).await
}

/// The least and the greatest name of `N` bytes that begins so.
fn range<const N: usize>(prefix: [u8; 4]) -> ([u8; N], [u8; N]) {
    let (mut first, mut last) = ([0; N], [0xff; N]);
    first[..4].copy_from_slice(&prefix);
    last[..4].copy_from_slice(&prefix);
    (first, last)
}

impl Log {
    pub(super) async fn read_documents(
        &self,
        prefixes: &[[u8; 4]],
    ) -> Result<Vec<Option<DocId>>, ServerError> {
        let mut found = Vec::with_capacity(prefixes.len());
        for prefix in prefixes {
            let (first, last) = range::<16>(*prefix);
            let rows =
                sql("SELECT DISTINCT doc FROM document_change WHERE doc BETWEEN $1 AND $2 LIMIT 2")
                    .bind(first)
                    .bind(last)
                    .all(self.database())
                    .await?;
            found.push(match &rows[..] {
                [row] => Some(DocId::try_from(row.get::<&[u8]>(0)?)?),
                _ => None,
            });
        }
        Ok(found)
    }

    pub(super) async fn read_changes(
        &self,
        names: &[(DocId, [u8; 4])],
    ) -> Result<Vec<Option<Hash>>, ServerError> {
        let mut found = Vec::with_capacity(names.len());
        for (doc, prefix) in names {
            let (first, last) = range::<32>(*prefix);
            let rows = sql(
                "SELECT hash FROM document_change WHERE doc = $1 AND hash BETWEEN $2 AND $3 LIMIT 2",
            )
            .bind(doc.0)
            .bind(first)
            .bind(last)
            .all(self.database())
            .await?;
            found.push(match &rows[..] {
                [row] => Some(Hash::try_from(row.get::<&[u8]>(0)?)?),
                _ => None,
            });
        }
        Ok(found)
    }
}
