//! Every hash and every derived key has a label of its own: computed under any other
//! label of the registry, from the same bytes, it is another. What a signature covers
//! is the transplant matrix's.
use hkdf::Hkdf;
use sha2::{Digest, Sha256};
use stunity_proto::blob::blob_id;
use stunity_proto::frame::{Flight, Frame, flags, pack_id};
use stunity_proto::receipt::{
    Leaf, cursor_list_hash, merkle_root, next_lane_hash, next_space_hash,
};
use stunity_proto::{DeviceId, Op, Salts, Signature, SpaceId, labels};

use super::transplants::{self, all_labels};
use super::*;

/// Something that is computed under a label.
struct Derived {
    label: &'static str,
    value: Vec<u8>,
    how: How,
}

/// How, from which bytes.
enum How {
    /// SHA-256(label ‖ bytes), or its beginning.
    Hash(Vec<u8>),
    /// HKDF-SHA256 of a key, with info = label ‖ bytes.
    Expand(Vec<u8>, Vec<u8>),
}

impl Derived {
    fn hash(label: &'static str, value: impl AsRef<[u8]>, bytes: &[&[u8]]) -> Self {
        Self {
            label,
            value: value.as_ref().to_vec(),
            how: How::Hash(bytes.concat()),
        }
    }

    fn under(&self, label: &str) -> Vec<u8> {
        match &self.how {
            How::Hash(bytes) => {
                let hash = Sha256::new_with_prefix(label)
                    .chain_update(bytes)
                    .finalize();
                hash[..self.value.len()].to_vec()
            }
            How::Expand(key, bytes) => {
                let mut value = vec![0; self.value.len()];
                Hkdf::<Sha256>::new(None, key)
                    .expand_multi_info(&[label.as_bytes(), bytes], &mut value)
                    .unwrap();
                value
            }
        }
    }
}

/// The salt and the hash of the first operation, [1, 2], under a master salt of sevens:
/// what erasing leaves of the one when another is erased, and of the other itself.
fn first_op() -> (Vec<u8>, Vec<u8>) {
    let body = Body::new([7; 16], vec![vec![1, 2], vec![3]]);
    let (mut with_salt, mut with_hash) = (body.clone(), body);
    with_salt.erase(&[1]);
    with_hash.erase(&[0]);
    match (&with_salt.salts, &with_hash.ops[0]) {
        (Salts::Each(salts), Op::Erased(hash)) => (salts[0].unwrap().to_vec(), hash.0.to_vec()),
        _ => unreachable!("something was erased of each"),
    }
}

/// The hash of a flight, which ends what its signature covers, and the frame without
/// signature.
fn flight_hash() -> (Vec<u8>, Vec<u8>) {
    let flight = Flight {
        version: stunity_proto::frame::VERSION,
        device: DeviceId([1; 16]),
        capabilities: 0,
        cursors: [2; 8],
        partials: Vec::new(),
        outbox: None,
        flags: flags::LIVE,
        signature: Signature::ZERO,
    };
    let signed = flight.signing_input(SchoolId([3; 16]), "relay.example", &[4; 32]);
    let mut frame = Frame::Flight(flight).encode();
    frame.truncate(frame.len() - 2 - Signature::LEN);
    frame.push(0x40);
    (signed[signed.len() - 32..].to_vec(), frame)
}

fn derived() -> Vec<Derived> {
    let (a, b) = (Hash([0xa; 32]), Hash([0xb; 32]));
    let two = [&a.0[..], &b.0].concat();
    let body = Body {
        salts: Salts::Each(vec![None, None]),
        ops: vec![Op::Erased(a), Op::Erased(b)],
    };
    let (salt, op) = first_op();
    let (flight, unsigned) = flight_hash();
    let id = EntryId([9; 32]);
    let running = [&a.0[..], &5u64.to_be_bytes(), &id.0, &6u64.to_be_bytes()];
    let leaf = Leaf::Tombstone(a);
    let public = key(1).verifying_key();
    let certificate = Certificate::sign(
        LinkRequest {
            keys: DeviceKeys {
                sign: public,
                kex: kex(5).public(),
                leaf: None,
            },
            nonce: [1; 16],
        },
        &key(1),
    );
    let (school, code) = (SchoolId([3; 16]), [8; 16]);
    let recovery = RecoveryCode::from_bytes(code);
    vec![
        Derived::hash(labels::ENTRY, EntryId::of_header(&two).0, &[&two]),
        Derived::hash(labels::OP, op, &[&salt, &[1, 2]]),
        Derived::hash(labels::BODY_ROOT, body.root().unwrap().0, &[&two]),
        Derived {
            label: labels::SALT,
            value: salt,
            how: How::Expand(vec![7; 16], 0u32.to_be_bytes().to_vec()),
        },
        Derived::hash(labels::DEVICE, public.device_id().0, &[public.as_bytes()]),
        Derived::hash(labels::SCHOOL, SchoolId::of_root(&a.0, &b).0, &[&two]),
        Derived::hash(
            labels::ROOT_COMMIT,
            root_commitment(&public).0,
            &[public.as_bytes()],
        ),
        Derived::hash(
            labels::IMPORT_ACCOUNT,
            AccountId::imported(school, "a", "b").0,
            &[&school.0, b"a\0b"],
        ),
        Derived::hash(
            labels::DIRECT,
            SpaceId::of_direct(school, AccountId([5; 16]), AccountId([4; 16])).0,
            &[&school.0, &[4; 16], &[5; 16]],
        ),
        Derived::hash(
            labels::GROUP,
            SpaceId::of_group(school, ACCOUNT, 7).0,
            &[&school.0, &ACCOUNT.0, &7u64.to_be_bytes()],
        ),
        Derived::hash(
            labels::CERTIFICATE,
            certificate.hash().0,
            &[certificate.body_bytes()],
        ),
        Derived::hash(labels::LANE, next_lane_hash(&a, 5, &id, 6).0, &running),
        Derived::hash(labels::SPACE, next_space_hash(&a, 5, &id, 6).0, &running),
        Derived::hash(labels::RECEIPT_LEAF, leaf.hash().0, &[&leaf.encode()]),
        Derived::hash(labels::RECEIPT_NODE, merkle_root(&[a, b]).0, &[&two]),
        Derived::hash(labels::CURSORS, cursor_list_hash(&two), &[&two]),
        Derived::hash(labels::PACK, pack_id(&two).0, &[&two]),
        Derived::hash(labels::FLIGHT, flight, &[&unsigned]),
        Derived::hash(labels::BLOB, blob_id(&[a, b]).0, &[&two]),
        Derived {
            label: crate::labels::RECOVERY_KEY,
            value: recovery
                .derive_key(school, ACCOUNT)
                .to_bytes_secret()
                .to_vec(),
            how: How::Expand(code.to_vec(), [school.0, ACCOUNT.0].concat()),
        },
        Derived::hash(
            crate::labels::RECOVERY_CHECK,
            &recovery.number()[16..],
            &[&code],
        ),
        Derived::hash(
            crate::labels::INVITATION_CODE,
            Invitation::hash_code(&code).0,
            &[&code],
        ),
    ]
}

#[test]
fn what_is_derived_under_one_label_is_nothing_under_another() {
    for derived in derived() {
        for label in all_labels() {
            let same = derived.under(label) == derived.value;
            assert_eq!(same, label == derived.label, "{} as {label}", derived.label);
        }
    }
}

#[test]
fn every_label_is_for_a_signature_a_derivation_or_a_parcel() {
    let derived: Vec<&str> = derived().iter().map(|derived| derived.label).collect();
    let signing = transplants::signing_labels();
    // What they seal opens under nothing else: see the tests of parcels.
    let sealing = [labels::PARCEL, crate::labels::PARCEL_CONTENT];
    for label in all_labels() {
        let uses = derived.iter().chain(&signing).chain(&sealing);
        assert_eq!(uses.filter(|used| **used == label).count(), 1, "{label}");
    }
}

/// The files with code of the core and the relay, save registries and tests.
fn sources(folder: &std::path::Path, found: &mut Vec<(std::path::PathBuf, String)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() && name != "tests" {
            sources(&path, found);
        } else if name.ends_with(".rs") && name != "labels.rs" {
            let text = std::fs::read_to_string(&path).unwrap();
            found.push((path, text));
        }
    }
}

#[test]
fn each_label_is_used_in_one_place_and_none_stands_outside_the_registries() {
    let root = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let mut files = Vec::new();
    for crate_folder in ["proto", "identity", "model", "documents", "sync", "store"] {
        sources(
            &root.join("core").join(crate_folder).join("src"),
            &mut files,
        );
    }
    sources(&root.join("core/src"), &mut files);
    sources(&root.join("sync-server/src"), &mut files);
    for (path, text) in &files {
        // Comments may name them.
        let code = text
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"));
        for line in code {
            assert!(!line.contains("\"stunity/"), "{}: {line}", path.display());
        }
    }
    let registries = [
        include_str!("../labels.rs"),
        include_str!("../../../proto/src/labels.rs"),
    ];
    let names = registries
        .iter()
        .flat_map(|text| text.lines())
        .filter_map(|line| {
            let (name, _) = line.split_once("= \"stunity/")?;
            let name = name.trim().trim_start_matches("pub const ");
            Some(name.split(':').next().unwrap_or(name).trim().to_owned())
        });
    let names: Vec<String> = names.collect();
    assert_eq!(names.len(), all_labels().count());
    for name in names {
        let named = format!("labels::{name}");
        let is_end = |rest: &str| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_');
        let uses = |text: &str| text.split(&named).skip(1).any(is_end);
        let users = files.iter().filter(|(_, text)| uses(text)).count();
        // The frame lays out what the session signs.
        assert_eq!(users, if name == "AUTH" { 2 } else { 1 }, "{name}");
    }
}
