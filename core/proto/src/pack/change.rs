//! Automerge changes taken apart: what the receiver can compute is left out
//! (docs/protocol/03-packs.md, "Changes").
//!
//! Only the head of a chunk is understood, never its operations; a chunk that
//! this module would not restore byte for byte travels as it is.
use sha2::{Digest, Sha256};

use super::columns::{Stream, put_varint};
use crate::{ActorId, DecodeError, Hash, limits};

/// What every chunk of Automerge's binary format begins with.
const MAGIC: [u8; 4] = [0x85, 0x6f, 0x4a, 0x83];
/// The chunk type of one uncompressed change.
const CHANGE: u8 = 1;

/// Columns of a change that is taken apart; Automerge writes at most 16.
pub(super) const MAX_COLUMNS: usize = 32;

/// An uncompressed change chunk in parts.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Parts {
    pub deps: Vec<[u8; 32]>,
    pub actor: ActorId,
    /// The other actors whose operations the change refers to.
    pub others: Vec<ActorId>,
    /// Sequence, first operation, time and message; then all after the actors.
    pub rest: Vec<u8>,
}

/// Length of sequence, first operation, time and message at the start of `rest`.
fn middle_len(rest: &[u8]) -> Option<usize> {
    let mut at = 0;
    let mut integer = || {
        let start = at;
        while rest.get(at)? & 0x80 != 0 {
            at += 1;
        }
        at += 1;
        Some(start..at)
    };
    for _ in 0..3 {
        integer()?;
    }
    let mut message = Stream(&rest[integer()?]);
    let len = usize::try_from(message.varint().ok()?).ok()?;
    at.checked_add(len).filter(|end| *end <= rest.len())
}

fn actor(stream: &mut Stream<'_>) -> Option<ActorId> {
    if stream.varint().ok()? != ActorId::LEN as u64 {
        return None;
    }
    stream.array().ok().map(ActorId)
}

/// The hash of an uncompressed change chunk and those of the changes that it follows;
/// none if the bytes are no such chunk as packs take apart. Its operations are not
/// looked at.
#[must_use]
pub fn change_names(chunk: &[u8]) -> Option<(Hash, Vec<Hash>)> {
    let (parts, hash) = split(chunk)?;
    Some((Hash(hash), parts.deps.into_iter().map(Hash).collect()))
}

/// Takes a chunk apart and returns its hash; none if it is not one that
/// [`join`] restores.
pub(super) fn split(chunk: &[u8]) -> Option<(Parts, [u8; 32])> {
    let hashed = chunk.strip_prefix(&MAGIC)?.get(4..)?;
    let mut r = Stream(hashed.strip_prefix(&[CHANGE])?);
    if r.varint().ok()? != r.0.len() as u64 {
        return None;
    }
    let count = r.count(limits::MAX_CHANGE_DEPS, "deps").ok()?;
    let deps = (0..count)
        .map(|_| r.array())
        .collect::<Result<_, _>>()
        .ok()?;
    let own = actor(&mut r)?;
    let mut rest = r.take(middle_len(r.0)?).ok()?.to_vec();
    let count = r.count(limits::MAX_CHANGE_DEPS, "actors").ok()?;
    let others = (0..count).map(|_| actor(&mut r)).collect::<Option<_>>()?;
    rest.extend_from_slice(r.0);
    let parts = Parts {
        deps,
        actor: own,
        others,
        rest,
    };
    let (joined, hash) = join(&parts).ok()?;
    (joined == chunk).then_some((parts, hash))
}

/// The chunk of parts, and its hash.
///
/// # Errors
/// Parts that are none of a change.
pub(super) fn join(parts: &Parts) -> Result<(Vec<u8>, [u8; 32]), DecodeError> {
    let middle = middle_len(&parts.rest).ok_or(DecodeError::Unexpected("head of a change"))?;
    let (middle, tail) = parts.rest.split_at(middle);
    let mut body = Vec::with_capacity(parts.rest.len() + 64);
    put_varint(&mut body, parts.deps.len() as u64);
    for dep in &parts.deps {
        body.extend_from_slice(dep);
    }
    let put_actor = |body: &mut Vec<u8>, actor: &ActorId| {
        put_varint(body, ActorId::LEN as u64);
        body.extend_from_slice(&actor.0);
    };
    put_actor(&mut body, &parts.actor);
    body.extend_from_slice(middle);
    put_varint(&mut body, parts.others.len() as u64);
    for other in &parts.others {
        put_actor(&mut body, other);
    }
    body.extend_from_slice(tail);

    let mut chunk = MAGIC.to_vec();
    chunk.extend_from_slice(&[0; 4]);
    chunk.push(CHANGE);
    put_varint(&mut chunk, body.len() as u64);
    chunk.extend_from_slice(&body);
    let hash: [u8; 32] = Sha256::digest(&chunk[8..]).into();
    chunk[4..8].copy_from_slice(&hash[..4]);
    Ok((chunk, hash))
}

/// All of a change after its actors, by column.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Columns<'a> {
    /// Sequence, first operation, time and message.
    pub head: &'a [u8],
    /// The columns by their specification, rising.
    pub columns: Vec<(u64, &'a [u8])>,
}

/// Takes apart what [`Parts::rest`] holds; none if it is not what [`join_columns`]
/// restores.
pub(super) fn split_columns(rest: &[u8]) -> Option<Columns<'_>> {
    let (head, tail) = rest.split_at(middle_len(rest)?);
    let mut r = Stream(tail);
    let count = r.count(MAX_COLUMNS, "columns").ok()?;
    let mut specs = Vec::with_capacity(count);
    for _ in 0..count {
        let (spec, len) = (r.varint().ok()?, r.varint().ok()?);
        if specs.last().is_some_and(|(before, _)| *before >= spec) {
            return None;
        }
        specs.push((spec, usize::try_from(len).ok()?));
    }
    let columns = specs
        .into_iter()
        .map(|(spec, len)| Some((spec, r.take(len).ok()?)))
        .collect::<Option<_>>()?;
    r.is_empty().then_some(Columns { head, columns })
}

/// The bytes of a change after its actors.
pub(super) fn join_columns(parts: &Columns<'_>) -> Vec<u8> {
    let mut rest = parts.head.to_vec();
    put_varint(&mut rest, parts.columns.len() as u64);
    for (spec, bytes) in &parts.columns {
        put_varint(&mut rest, *spec);
        put_varint(&mut rest, bytes.len() as u64);
    }
    for (_, bytes) in &parts.columns {
        rest.extend_from_slice(bytes);
    }
    rest
}

/// Reads the head of a change, see [`Columns::head`].
pub(super) fn head<'a>(stream: &mut Stream<'a>) -> Result<&'a [u8], DecodeError> {
    let len = middle_len(stream.0).ok_or(DecodeError::Unexpected("head of a change"))?;
    stream.take(len)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts() -> Parts {
        Parts {
            deps: vec![[3; 32], [4; 32]],
            actor: ActorId([5; 16]),
            others: vec![ActorId::GENESIS],
            // Sequence 7, operation 300, time −1, message "hi", columns.
            rest: vec![7, 0xac, 2, 0x7f, 2, b'h', b'i', 9, 8, 7],
        }
    }

    #[test]
    fn a_chunk_taken_apart_is_restored() {
        let (chunk, hash) = join(&parts()).unwrap();
        assert_eq!(split(&chunk), Some((parts(), hash)));
        assert_eq!(chunk[4..8], hash[..4]);
    }

    #[test]
    fn what_would_not_be_restored_is_not_taken_apart() {
        let (chunk, _) = join(&parts()).unwrap();
        for index in 0..chunk.len() {
            assert_eq!(split(&chunk[..index]), None);
            for bit in 0..8 {
                let mut flipped = chunk.clone();
                flipped[index] ^= 1 << bit;
                assert_eq!(split(&flipped), None, "bit {bit} of byte {index}");
            }
        }
    }

    /// A head, two columns, their bytes.
    const REST: [u8; 14] = [7, 0xac, 2, 0, 1, b'm', 2, 17, 2, 66, 3, 9, 8, 7];

    #[test]
    fn columns_taken_apart_are_restored() {
        let rest = [&REST[..], &[6, 5]].concat();
        let parts = split_columns(&rest).unwrap();
        assert_eq!(parts.head, &REST[..6]);
        assert_eq!(parts.columns, [(17, &[9, 8][..]), (66, &[7, 6, 5])]);
        assert_eq!(join_columns(&parts), rest);
    }

    #[test]
    fn columns_that_would_not_be_restored_are_not_taken_apart() {
        let rest = [&REST[..], &[6, 5]].concat();
        for len in 0..rest.len() {
            assert_eq!(split_columns(&rest[..len]), None, "{len} bytes");
        }
        let trailing = [&rest[..], &[0]].concat();
        assert_eq!(split_columns(&trailing), None);
        let mut falling = rest.clone();
        falling.swap(7, 9);
        assert_eq!(split_columns(&falling), None);
    }
}
