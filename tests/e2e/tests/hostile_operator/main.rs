//! An operator who holds every key of the relay, the school's root moved out, makes
//! no native client believe in a grade, a teacher, another due date or a device that
//! was revoked.
#![allow(clippy::unwrap_used)] // A failed step fails the test.

mod evidence;
mod order;
mod vouching;

use std::collections::BTreeMap;

use stunity_client::Client;
use stunity_e2e::HostileClass;
use stunity_e2e::hand::{self, Op, sign};
use stunity_identity::{SigningKey, sign_root};
use stunity_proto::receipt::{Leaf, merkle_root};
use stunity_proto::{AccountId, Entry, EntryId, Hash, Header, Heads, Lane, Signer, SpaceId};
use stunity_sync::replica::{Applied, Delivered, Flush, FlushReceipt};
use stunity_sync::{Position, Replica};

/// Everything that lies on the relay's disk.
struct Operator {
    node: SigningKey,
    operator: SigningKey,
    certificate: Hash,
    next: BTreeMap<(SpaceId, Lane), (u64, EntryId)>,
}

impl Operator {
    /// Takes the keys; the root is elsewhere.
    fn of(class: &HostileClass) -> Self {
        let keys = class.school.log.keys();
        keys.move_root(&class.school.path("safe")).unwrap();
        assert!(!keys.has_root());
        let file = class.school.path("relay").join("keys").join("operator.key");
        let seed: [u8; 32] = std::fs::read(file).unwrap().try_into().unwrap();
        Self {
            node: SigningKey::from_seed(&keys.node.to_bytes_secret()),
            operator: SigningKey::from_seed(&seed),
            certificate: keys.chain.node.hash(),
            next: Default::default(),
        }
    }

    /// A vouched entry in somebody's name.
    fn vouch(
        &mut self,
        class: &HostileClass,
        author: AccountId,
        (space, lane): (SpaceId, Lane),
        heads: &[EntryId],
        ops: Vec<Op>,
    ) -> Entry {
        let last = self.next.get(&(space, lane)).copied();
        let header = Header {
            school: class.mallory.school,
            space,
            lane,
            author,
            signer: Signer::Node(self.node.node_id()),
            certificate: self.certificate,
            // The honest relay's own chain is incarnation 0.
            incarnation: 7,
            sequence: last.map_or(1, |(sequence, _)| sequence + 1),
            previous: last.map(|(_, id)| id),
            heads: Heads {
                account: None,
                membership: heads.to_vec(),
            },
            kinds: ops.iter().map(|(kind, _)| *kind).collect(),
            seal: None,
            body_root: Hash::ZERO,
        };
        let entry = sign(header, ops, &self.node);
        self.next
            .insert((space, lane), (entry.header().sequence, entry.id()));
        entry
    }

    /// A flush with a good receipt for entries at places that the operator chooses.
    fn deliver(&self, client: &mut Client, entries: &[(Entry, u64, u64)]) -> Applied {
        let school = client.store().owner().school;
        let place = |(entry, epoch, sequence): &(Entry, u64, u64)| Position {
            space: entry.header().space,
            lane: entry.header().lane,
            epoch: *epoch,
            sequence: *sequence,
            received_ms: class_ms(),
        };
        let leaves: Vec<Hash> = entries
            .iter()
            .map(|item| {
                let at = place(item);
                Leaf::Entry {
                    space: at.space,
                    lane: at.lane,
                    epoch: at.epoch,
                    sequence: at.sequence,
                    id: item.0.id(),
                    received_ms: at.received_ms,
                }
                .hash()
            })
            .collect();
        let root = merkle_root(&leaves);
        let signature = sign_root(&self.node, school, &root);
        let store = client.store_mut();
        let node = self.node.node_id();
        assert!(
            store
                .verify_receipt(node, class_ms(), &root, &signature)
                .unwrap()
        );
        let flush = Flush {
            delivered: entries
                .iter()
                .map(|item| Delivered {
                    entry: item.0.clone(),
                    position: Some(place(item)),
                })
                .collect(),
            receipt: Some(FlushReceipt {
                node,
                epoch: 1,
                signature,
                leaves,
                entries: entries
                    .iter()
                    .enumerate()
                    .map(|(index, item)| (index as u32, item.0.id()))
                    .collect(),
                relay_ms: class_ms(),
            }),
            ..Flush::default()
        };
        store.apply(flush).unwrap()
    }
}

/// The relay's clock: its certificates hold.
fn class_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.unwrap().as_millis() as u64
}

fn judged(applied: &Applied, entry: &Entry) -> &'static str {
    (applied.held.iter().chain(&applied.rejected))
        .find(|(id, _)| *id == entry.id())
        .map_or("", |(_, code)| *code)
}

fn grade(class: &HostileClass) -> Op {
    hand::grade(7, class.assignment, class.pupil.store().account())
}
