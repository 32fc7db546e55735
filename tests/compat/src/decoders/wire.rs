//! What crosses a wire or is stored signed.
use stunity_identity::{
    AccountEvent, Certificate, Device, Invitation, KexSecret, LinkRequest, Node, NodeChain,
    Operator, ParcelHead, Receipt, RecoveryCode, RootSuccession, Scanned, SchoolAnchor,
    StaffAdmission, Statement, Succession, open_parcel,
};
use stunity_model::events::Event;
use stunity_proto::blob::Manifest;
use stunity_proto::frame::Frame;
use stunity_proto::pack::{Effort, Explicit, PackContext, PackWriter, decode_pack};
use stunity_proto::parcel::{Parts, open_file};
use stunity_proto::receipt::{Leaf, Tombstone};
use stunity_proto::{Body, Entry, Header, Lane, SchoolId, Signature};

use super::{context, same};
use crate::values::SCHOOL;

/// Headers of entries.
pub fn header(bytes: &[u8]) {
    if let Ok(header) = Header::decode(bytes) {
        same(bytes, &header.encode());
    }
}

/// Bodies: also their roots, and erasing them.
pub fn body(bytes: &[u8]) {
    if let Ok(mut body) = Body::decode(bytes) {
        same(bytes, &body.encode());
        assert_eq!(bytes.len(), body.encoded_len());
        let root = body.root();
        assert!(root.is_ok(), "a body that was read has its salts");
        body.erase(&[0, 2]);
        assert_eq!(root, body.root());
        assert_eq!(Body::decode(&body.encode()).as_ref(), Ok(&body));
    }
}

/// Packs, with and without context. What comes out can be stored, and goes
/// into a pack again.
pub fn pack(bytes: &[u8]) {
    let explicit = Explicit(SchoolId([0x11; 16]));
    let contexts: [&dyn PackContext; 2] = [&explicit, &context::Generous];
    for context in contexts {
        let Ok(items) = decode_pack(bytes, context) else {
            continue;
        };
        for item in &items {
            let entry = &item.entry;
            let stored = Entry::from_parts(
                entry.header_bytes().to_vec(),
                entry.signature,
                Body::decode(&entry.body().encode()).expect("a body is within its limits"),
            );
            assert_eq!(stored.as_ref(), Ok(entry));
        }
        // One pack has one school.
        let schools = items.iter().map(|item| item.entry.header().school);
        let Some(school) = schools.max() else {
            continue;
        };
        let places = items[0].place.is_some();
        let explicit = Explicit(school);
        let mut writer = PackWriter::new(&explicit, true, places, Effort::Live);
        items.iter().for_each(|item| writer.push(item));
        let again = writer.finish();
        if again.len() <= stunity_proto::limits::MAX_PACK {
            assert_eq!(decode_pack(&again, &explicit).as_ref(), Ok(&items));
        }
    }
}

/// Frames: what is skipped comes last.
pub fn frame(bytes: &[u8]) {
    let Ok(frame) = Frame::decode(bytes) else {
        return;
    };
    let again = frame.encode();
    if !matches!(frame, Frame::Unknown(_)) {
        assert_eq!(Frame::decode(&again).as_ref(), Ok(&frame));
        if again.first() == bytes.first() {
            same(bytes, &again);
        }
    }
}

/// Manifests of blobs.
pub fn manifest(bytes: &[u8]) {
    if let Ok(manifest) = Manifest::decode(bytes) {
        same(bytes, &manifest.encode());
        let lens = (0..manifest.chunks.len()).filter_map(|index| manifest.chunk_len(index));
        assert_eq!(lens.map(|len| len as u64).sum::<u64>(), manifest.size);
    }
}

/// Leaves of receipts.
pub fn leaf(bytes: &[u8]) {
    if let Ok(leaf) = Leaf::decode(bytes) {
        same(bytes, &leaf.encode());
        assert!(!leaf.contradicts(&leaf));
    }
}

/// Tombstones.
pub fn tombstone(bytes: &[u8]) {
    if let Ok(tombstone) = Tombstone::decode(bytes) {
        same(bytes, &tombstone.encode());
        assert!(bytes.len() + Signature::LEN <= stunity_proto::limits::MAX_TOMBSTONE);
    }
}

/// Files and the heads of the parcels in them.
pub fn parcel_file(bytes: &[u8]) {
    if let Ok(parcel) = open_file(bytes) {
        parcel_head(parcel);
    }
}

/// Heads of parcels: what a relay or carrier reads of strangers.
pub fn parcel_head(bytes: &[u8]) {
    if let Ok(Some((head, taken))) = ParcelHead::read(bytes) {
        assert!(taken <= bytes.len() && head.recipients().count() > 0);
        let _ = head.parcel_len();
    }
}

/// Whole files, opened with the key that the golden one is sealed to.
pub fn parcel_sealed(bytes: &[u8]) {
    if let Ok(parcel) = open_file(bytes) {
        let _ = open_parcel(SCHOOL, &[8; 16], &KexSecret::from_seed(&[8; 32]), parcel);
    }
}

/// Contents of parcels, in pieces of a length that the first byte says.
pub fn parcel_content(bytes: &[u8]) {
    let Some((step, content)) = bytes.split_first() else {
        return;
    };
    let mut reader = Parts::new();
    let mut again = Vec::new();
    for piece in content.chunks(usize::from(*step).max(1)) {
        reader.push(piece);
        loop {
            match reader.next_part() {
                Ok(Some(part)) => part.encode(&mut again),
                Ok(None) => break,
                Err(_) => return,
            }
        }
    }
    let _ = reader.finish();
    assert!(again.len() <= content.len());
}

fn certificate_of<T: Statement>(bytes: &[u8]) {
    if let Ok(certificate) = Certificate::<T>::decode(bytes) {
        same(bytes, &certificate.encode());
    }
}

/// Certificates of every kind.
pub fn certificate(bytes: &[u8]) {
    certificate_of::<Operator>(bytes);
    certificate_of::<Node>(bytes);
    certificate_of::<Device>(bytes);
    certificate_of::<RootSuccession>(bytes);
    certificate_of::<StaffAdmission>(bytes);
    certificate_of::<Invitation>(bytes);
    certificate_of::<LinkRequest>(bytes);
}

/// Chains of certificates, and what a client pins.
pub fn school(bytes: &[u8]) {
    if let Ok(anchor) = SchoolAnchor::decode(bytes) {
        same(bytes, &anchor.encode());
    }
    if let Ok(chain) = NodeChain::decode(bytes) {
        same(bytes, &chain.encode());
    }
    if let Ok(succession) = Succession::decode(bytes) {
        same(bytes, &succession.encode());
    }
}

/// Keys of lanes, as databases sort them.
pub fn lane_key(bytes: &[u8]) {
    if let Ok(lane) = Lane::from_key(bytes) {
        same(bytes, &lane.to_key());
    }
}

/// Events of account logs.
pub fn account_event(bytes: &[u8]) {
    if let Ok(event) = AccountEvent::decode(bytes) {
        same(bytes, &event.encode());
    }
}

/// Receipts as kept and passed on.
pub fn receipt(bytes: &[u8]) {
    if let Ok(receipt) = Receipt::decode(bytes) {
        same(bytes, &receipt.encode());
    }
}

/// Events of the model.
pub fn event(bytes: &[u8]) {
    if let Ok(event) = Event::decode(bytes) {
        same(bytes, &event.encode());
    }
}

/// Texts that are scanned or typed.
pub fn scanned(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = Scanned::parse(text);
        let _ = RecoveryCode::parse_digits(text);
    }
}
