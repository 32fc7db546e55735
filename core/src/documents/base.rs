//! The first row of a journal, and the document that its steps are done again on.
use std::collections::{BTreeMap, BTreeSet};

use stunity_documents::{ChangeHash, DocType, change_links, genesis_hash};
use stunity_proto::{DocId, Lane, SpaceId};
use stunity_store::DocumentPlace;

/// A journal begins with a row that says where the document belongs and which heads
/// its first step followed: after a crash the steps are done again on that document,
/// whatever arrived since. The byte that begins it begins no CBOR array, as steps do.
const BASE: u8 = 0;

/// The first row of a journal: `BASE`, type (2 bytes), space (16), length of the
/// lane's key (1), the key, heads (32 each).
pub(super) fn base_row(place: &DocumentPlace, heads: &[ChangeHash]) -> Vec<u8> {
    let lane = place.lane.to_key();
    let mut row = vec![BASE];
    row.extend_from_slice(&place.doc_type.to_be_bytes());
    row.extend_from_slice(&place.space.0);
    row.push(lane.len() as u8);
    row.extend_from_slice(&lane);
    heads.iter().for_each(|head| row.extend_from_slice(&head.0));
    row
}

pub(super) fn read_base(doc: DocId, row: &[u8]) -> Option<(DocumentPlace, Vec<ChangeHash>)> {
    let (&BASE, rest) = row.split_first()? else {
        return None;
    };
    let (doc_type, rest) = rest.split_first_chunk::<2>()?;
    let (space, rest) = rest.split_first_chunk::<16>()?;
    let (len, rest) = rest.split_first()?;
    let (lane, heads) = rest.split_at_checked(usize::from(*len))?;
    let (heads, []) = heads.as_chunks::<32>() else {
        return None;
    };
    let place = DocumentPlace {
        doc,
        doc_type: u16::from_be_bytes(*doc_type),
        space: SpaceId(*space),
        lane: Lane::from_key(lane).ok()?,
    };
    Some((place, heads.iter().map(|head| ChangeHash(*head)).collect()))
}

/// The changes that `heads` are or follow from, in no order; none if a head is not
/// held.
pub(super) fn history_of<'a>(
    changes: &'a [Vec<u8>],
    heads: &[ChangeHash],
) -> Option<Vec<&'a [u8]>> {
    let mut links: BTreeMap<ChangeHash, (&[u8], Vec<ChangeHash>)> = BTreeMap::new();
    for bytes in changes {
        if let Some((hash, deps)) = change_links(bytes) {
            links.insert(hash, (bytes, deps));
        }
    }
    let mut seen = BTreeSet::new();
    let mut todo: Vec<ChangeHash> = heads.to_vec();
    let mut out = Vec::new();
    while let Some(hash) = todo.pop() {
        if !seen.insert(hash) {
            continue;
        }
        match links.get(&hash) {
            Some((bytes, deps)) => {
                out.push(*bytes);
                todo.extend(deps);
            }
            // The genesis is in no entry.
            None if DocType::ALL
                .into_iter()
                .any(|known| genesis_hash(known) == hash) => {}
            None => return None,
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_row_of_a_journal_reads_back() {
        let place = DocumentPlace {
            doc: DocId([1; 16]),
            doc_type: 3,
            space: SpaceId([2; 16]),
            lane: Lane::Private,
        };
        let heads = vec![ChangeHash([3; 32]), ChangeHash([4; 32])];
        let row = base_row(&place, &heads);
        assert_eq!(read_base(place.doc, &row), Some((place, heads)));
        assert_eq!(read_base(place.doc, &row[..row.len() - 1]), None);
        assert_eq!(read_base(place.doc, &[0x82, 1]), None);
    }
}
