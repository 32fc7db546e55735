//! Ids, running hashes and what is signed.
use stunity_proto::blob::{blob_id, chunk_hash};
use stunity_proto::frame::{cursors_hash, pack_id};
use stunity_proto::receipt::{
    Leaf, merkle_path, merkle_root, next_lane_hash, next_space_hash, sha256,
};
use stunity_proto::{AccountId, ActorId, DeviceId, EntryId, Hash, SchoolId, SpaceId};

use crate::Case;
use crate::entries::{leaves, tombstone};
use crate::frames::{cursor_list, flight};
use crate::values::*;

/// The static dictionary 1 of packs.
const DICTIONARY_1: &[u8] = include_bytes!("../../../core/proto/dictionary/1.zdict");

pub fn cases() -> Vec<Case> {
    let key = [0x42; 32];
    let hash = |name: &str, bytes: &[u8]| Case::hash(format!("hash/{name}"), bytes);
    let leaves: Vec<Hash> = leaves().iter().map(|(_, leaf)| Leaf::hash(leaf)).collect();
    let path: Vec<u8> = merkle_path(&leaves, 2)
        .unwrap()
        .iter()
        .flat_map(|hash| hash.0)
        .collect();
    vec![
        hash("dictionary-1", &sha256(DICTIONARY_1).0),
        hash("device", &DeviceId::of_key(&key).0),
        hash("school", &SchoolId::of_root(&key, &Hash([0x43; 32])).0),
        hash(
            "imported-account",
            &AccountId::imported(SCHOOL, "OULAD", "11391").0,
        ),
        hash(
            "direct-conversation",
            &SpaceId::of_direct(SCHOOL, AccountId([0x34; 16]), ACCOUNT).0,
        ),
        hash(
            "group-conversation",
            &SpaceId::of_group(SCHOOL, ACCOUNT, 0x0102_0304).0,
        ),
        hash("actor", &ActorId::new(DEVICE, 0x01_0203, 4).0),
        hash("entry", &EntryId::of_header(&header().encode()).0),
        hash("body-root", &body().root().unwrap().0),
        hash("chunk", &chunk_hash(b"chunk").0),
        hash("blob", &blob_id(&[Hash([1; 32]), Hash([2; 32])]).0),
        hash("pack", &pack_id(b"pack").0),
        hash(
            "lane",
            &next_lane_hash(&Hash::ZERO, 5, &entry_id(0x99), MS).0,
        ),
        hash(
            "space",
            &next_space_hash(&Hash::ZERO, 5, &entry_id(0x99), MS).0,
        ),
        hash("leaf", &leaves[0].0),
        hash("receipt-root", &merkle_root(&leaves).0),
        hash("receipt-path", &path),
        hash("tombstone", &sha256(&tombstone().encode()).0),
        hash("cursors", &cursors_hash(&cursor_list())),
        hash(
            "flight-signing-input",
            &flight().signing_input(SCHOOL, "relay.example:8443", &[0xee; 32]),
        ),
    ]
}
