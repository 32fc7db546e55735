//! Parcels: files, heads, contents, and one sealed whole.
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use stunity_identity::{KexSecret, Recipient, open_parcel, seal_parcel};
use stunity_proto::DecodeError;
use stunity_proto::parcel::{MAGIC, Part, Parts, open_file};

use crate::Case;
use crate::values::*;

fn parts() -> Vec<Part> {
    vec![
        Part::Node(vec![1; 10]),
        Part::Pack(vec![2; 300]),
        Part::Tombstone(vec![3; 80]),
        Part::Receipt(vec![4; 40]),
        Part::Chunk(vec![5; 20]),
    ]
}

// The case's value is a `Vec`.
#[allow(clippy::ptr_arg)]
fn encode_parts(parts: &Vec<Part>) -> Vec<u8> {
    let mut out = Vec::new();
    parts.iter().for_each(|part| part.encode(&mut out));
    out
}

fn decode_parts(bytes: &[u8]) -> Result<Vec<Part>, DecodeError> {
    let mut reader = Parts::new();
    reader.push(bytes);
    let mut parts = Vec::new();
    while let Some(part) = reader.next_part()? {
        if matches!(part, Part::Unknown(_)) {
            // Skipped by receivers; a golden content has none.
            return Err(DecodeError::Unknown("part"));
        }
        parts.push(part);
    }
    reader.finish()?;
    Ok(parts)
}

fn kex(byte: u8) -> KexSecret {
    KexSecret::from_seed(&[byte; 32])
}

/// A file for two recipients, sealed with fixed randomness.
fn file(content: &[u8]) -> Vec<u8> {
    let mut rng = ChaCha20Rng::from_seed([0x71; 32]);
    let recipients = [7, 8].map(|byte| Recipient {
        id: [byte; 16],
        key: kex(byte).public(),
    });
    let sealed = seal_parcel(&mut rng, SCHOOL, &recipients, content).unwrap();
    [&MAGIC[..], &sealed].concat()
}

fn open(bytes: &[u8]) -> Result<Vec<u8>, String> {
    let parcel = open_file(bytes).map_err(|error| error.to_string())?;
    open_parcel(SCHOOL, &[8; 16], &kex(8), parcel).map_err(|error| error.to_string())
}

pub fn cases() -> Vec<Case> {
    let sealed = |content: &Vec<u8>| file(content);
    vec![
        Case::new("parcel/content", parts(), encode_parts, decode_parts),
        Case::new("parcel/file", encode_parts(&parts()), sealed, open),
    ]
}
