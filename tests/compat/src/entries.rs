//! Headers, bodies, lanes, manifests, leaves and tombstones.
use stunity_proto::blob::Manifest;
use stunity_proto::receipt::{Leaf, Tombstone};
use stunity_proto::{Body, Hash, Header, Lane, Signer, limits};

use crate::Case;
use crate::values::*;

pub fn cases() -> Vec<Case> {
    let mut cases = vec![
        Case::new("entry/header", header(), Header::encode, Header::decode),
        Case::new(
            "entry/header-least",
            least_header(),
            Header::encode,
            Header::decode,
        ),
        Case::new("entry/body", body(), Body::encode, Body::decode),
        Case::new("entry/body-erased", erased(), Body::encode, Body::decode),
    ];
    for (name, lane) in LANES {
        let header = Header {
            lane,
            ..least_header()
        };
        cases.push(Case::new(
            format!("entry/header-in-{name}"),
            header,
            Header::encode,
            Header::decode,
        ));
        cases.push(Case::new(
            format!("entry/lane-key-{name}"),
            lane,
            Lane::to_key,
            Lane::from_key,
        ));
    }
    let bytes: Vec<u8> = (0..limits::CHUNK + 3).map(|i| i as u8).collect();
    let manifests = [
        (
            "manifest",
            Manifest::of(&bytes, "image/png", Some("រូប.png")),
        ),
        ("manifest-empty", Manifest::of(&[], "", None)),
    ];
    for (name, manifest) in manifests {
        cases.push(Case::new(
            format!("blob/{name}"),
            manifest.unwrap(),
            Manifest::encode,
            Manifest::decode,
        ));
    }
    for (name, leaf) in leaves() {
        cases.push(Case::new(
            format!("receipt/leaf-{name}"),
            leaf,
            Leaf::encode,
            Leaf::decode,
        ));
    }
    cases.push(Case::new(
        "receipt/tombstone",
        tombstone(),
        Tombstone::encode,
        Tombstone::decode,
    ));
    cases
}

fn erased() -> Body {
    let mut body = body();
    body.erase(&[0, 2]);
    body
}

pub fn leaves() -> Vec<(&'static str, Leaf)> {
    vec![
        (
            "entry",
            Leaf::Entry {
                space: SPACE,
                lane: Lane::One(ACCOUNT),
                epoch: 2,
                sequence: 1_000_000,
                id: entry_id(0x99),
                received_ms: MS,
            },
        ),
        (
            "cursor",
            Leaf::Cursor {
                space: SPACE,
                lane: Some(Lane::Staff),
                epoch: 2,
                sequence: 23,
                hash: Hash([0xdd; 32]),
            },
        ),
        (
            "cursor-of-space",
            Leaf::Cursor {
                space: SPACE,
                lane: None,
                epoch: 1,
                sequence: 24,
                hash: Hash([0xde; 32]),
            },
        ),
        (
            "time",
            Leaf::Time {
                nonce: [0xee; 32],
                relay_ms: MS,
            },
        ),
        ("tombstone", Leaf::Tombstone(Hash([0xff; 32]))),
    ]
}

pub fn tombstone() -> Tombstone {
    Tombstone {
        school: SCHOOL,
        entry: entry_id(0x99),
        signer: Signer::Device(DEVICE),
        incarnation: 1,
        space: SPACE,
        lane: Lane::Staff,
        sequence: 9,
        code: "role.missing".into(),
        received_ms: MS,
        node: NODE,
    }
}
