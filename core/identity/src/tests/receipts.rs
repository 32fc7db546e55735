use stunity_proto::receipt::{Leaf, Tombstone};
use stunity_proto::{EntryId, Lane, Signature, SpaceId};

use super::*;

fn entry_leaf(sequence: u64, id: u8) -> Leaf {
    Leaf::Entry {
        space: SpaceId([1; 16]),
        lane: Lane::Staff,
        epoch: 1,
        sequence,
        id: EntryId([id; 32]),
        received_ms: NOW,
    }
}

fn flush(ids: &[u8]) -> (Vec<Leaf>, Signature) {
    let mut leaves: Vec<Leaf> = (1..).zip(ids).map(|(n, id)| entry_leaf(n, *id)).collect();
    leaves.push(Leaf::Time {
        nonce: [3; 32],
        relay_ms: NOW,
    });
    let signature = sign_root(&key(4), school().id(), &Receipt::root_of(&leaves));
    (leaves, signature)
}

#[test]
fn every_leaf_of_a_flush_is_evidence_by_itself() {
    let node = school().node();
    let (leaves, signature) = flush(&[1, 2, 3, 4, 5]);
    let root = Receipt::root_of(&leaves);
    assert_eq!(node.verify_root(&root, &signature, NOW), Ok(()));
    for index in 0..leaves.len() {
        let receipt = Receipt::extract(&leaves, index, node.id(), signature).unwrap();
        let read = Receipt::decode(&receipt.encode()).unwrap();
        assert_eq!(read, receipt);
        assert_eq!(read.verify(&node, NOW), Ok(()));
        assert_eq!(read.verify(&node, 1_900), Err(IdentityError::Expired));
        let mut moved = receipt.clone();
        moved.leaf = entry_leaf(9, 9);
        assert!(moved.verify(&node, NOW).is_err());
        let mut cut = receipt;
        cut.path.pop();
        assert_eq!(cut.verify(&node, NOW), Err(IdentityError::NotCovered));
    }
    assert!(Receipt::extract(&leaves, leaves.len(), node.id(), signature).is_none());
}

#[test]
fn the_lowest_place_counts() {
    let place = |epoch, sequence| Position { epoch, sequence };
    assert!(place(1, 9) < place(2, 1) && place(2, 1) < place(2, 2));
    let (leaves, signature) = flush(&[1]);
    let receipt = |index| {
        Receipt::extract(&leaves, index, key(4).node_id(), signature)
            .unwrap()
            .position()
    };
    assert_eq!(receipt(0), Some(place(1, 1)));
    assert_eq!(receipt(1), None);
}

#[test]
fn two_stories_of_a_relay_are_a_proof_and_one_is_none() {
    let node = school().node();
    let told = |ids: &[u8]| {
        let (leaves, signature) = flush(ids);
        Receipt::extract(&leaves, 1, node.id(), signature).unwrap()
    };
    let verify = |one, other| Equivocation { one, other }.verify((&node, NOW), (&node, NOW));
    assert_eq!(verify(told(&[1, 2]), told(&[1, 3])), Ok(()));
    assert!(verify(told(&[1, 2]), told(&[1, 2, 3])).is_err());
    let mut forged = told(&[1, 3]);
    forged.signature.0[0] ^= 1;
    assert!(verify(told(&[1, 2]), forged).is_err());
}

#[test]
fn a_tombstone_is_its_nodes_and_its_schools() {
    let node = school().node();
    let tombstone = Tombstone {
        school: school().id(),
        entry: EntryId([1; 32]),
        signer: Signer::Device(key(20).device_id()),
        incarnation: 0,
        space: SpaceId([1; 16]),
        lane: Lane::All,
        sequence: 3,
        code: "event.not-member".into(),
        received_ms: NOW,
        node: node.id(),
    };
    let signature = sign_tombstone(&key(4), &tombstone).unwrap();
    assert_eq!(node.verify_tombstone(&tombstone, &signature, NOW), Ok(()));
    assert!(node.verify_tombstone(&tombstone, &signature, 1).is_err());
    assert!(sign_tombstone(&key(3), &tombstone).is_err());
    for change in [
        |t: &mut Tombstone| t.school.0[0] ^= 1,
        |t: &mut Tombstone| t.node.0[0] ^= 1,
        |t: &mut Tombstone| t.sequence += 1,
        |t: &mut Tombstone| t.code.push('!'),
    ] {
        let mut other = tombstone.clone();
        change(&mut other);
        assert!(node.verify_tombstone(&other, &signature, NOW).is_err());
    }
}

#[test]
fn a_vouched_entry_is_verified_through_its_node() {
    let node = school().node();
    let body = Body::new([1; 16], vec![vec![1]]);
    let mut header = Chain::new(20, &by_root(20, 6)).header(Lane::Public, None);
    header.signer = Signer::Node(node.id());
    header.certificate = node.certificate();
    header.kinds = vec![Kind::Event(40)];
    header.body_root = body.root().unwrap();
    let entry = sign_entry(&header, body.clone(), &key(4)).unwrap();
    assert_eq!(node.verify_vouched(&entry, NOW), Ok(()));
    assert_eq!(
        node.verify_vouched(&entry, 5_000),
        Err(IdentityError::Expired)
    );
    let (log, ..) = begin(None);
    assert!(log.verify(&entry).is_err());
    header.certificate = Hash::ZERO;
    let other = sign_entry(&header, body, &key(4)).unwrap();
    assert!(node.verify_vouched(&other, NOW).is_err());
}
