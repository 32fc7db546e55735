//! Whatever the order in which entries come, the log says the same.
use std::collections::BTreeMap;

use proptest::prelude::*;
use stunity_proto::EntryId;

use super::*;

/// What a person's devices, and a thief, may do next.
#[derive(Clone, Debug)]
enum Step {
    Add {
        by: usize,
        device: u8,
    },
    AddByRoot {
        carrier: usize,
        device: u8,
        root: u8,
    },
    Revoke {
        by: usize,
        device: u8,
        cut: usize,
    },
    RevokeByCode {
        carrier: usize,
        device: u8,
        cut: usize,
        code: u8,
    },
    Rotate {
        carrier: usize,
        old: u8,
        new: u8,
        code: Option<u8>,
        known: usize,
    },
    SetRecovery {
        carrier: usize,
        old: u8,
        new: u8,
        known: usize,
    },
}

/// Devices have keys 20, 22, …; roots 6, 40, 41; recovery keys 11, 12, 13.
fn device() -> impl Strategy<Value = u8> {
    (0..5u8).prop_map(|n| 20 + 2 * n)
}

fn step() -> impl Strategy<Value = Step> {
    let root = || prop::sample::select(vec![6u8, 40, 41]);
    let code = || prop::sample::select(vec![11u8, 12, 13]);
    let any = any::<usize>;
    prop_oneof![
        3 => (any(), device()).prop_map(|(by, device)| Step::Add { by, device }),
        1 => (any(), device(), root())
            .prop_map(|(carrier, device, root)| Step::AddByRoot { carrier, device, root }),
        3 => (any(), device(), any())
            .prop_map(|(by, device, cut)| Step::Revoke { by, device, cut }),
        1 => (any(), device(), any(), code())
            .prop_map(|(carrier, device, cut, code)| Step::RevokeByCode { carrier, device, cut, code }),
        1 => (any(), root(), root(), prop::option::of(code()), any())
            .prop_map(|(carrier, old, new, code, known)| Step::Rotate { carrier, old, new, code, known }),
        1 => (any(), code(), code(), any())
            .prop_map(|(carrier, old, new, known)| Step::SetRecovery { carrier, old, new, known }),
    ]
}

/// Plays steps into entries; forks where `fork` says so.
fn play(steps: &[(Step, bool)]) -> Vec<Entry> {
    let (_, first, genesis) = begin(Some(11));
    let mut entries = vec![genesis];
    let mut chains: Vec<Chain> = vec![first];
    for (step, fork) in steps {
        let head = entries.last().map(Entry::id);
        let known = |n: usize| vec![entries[n % entries.len()].id()];
        let cut_of = |device: u8, n: usize| -> Vec<CutOff> {
            let own: Vec<&Entry> = entries
                .iter()
                .filter(|e| e.header().signer.id() == key(device).device_id().0)
                .collect();
            if own.is_empty() {
                return Vec::new();
            }
            let entry = own[n % own.len()];
            vec![CutOff {
                space: ACCOUNT.space(),
                lane: Lane::Keys,
                incarnation: 0,
                sequence: entry.header().sequence,
                id: entry.id(),
            }]
        };
        let count = chains.len();
        let (carrier, event, added) = match step {
            Step::Add { by, device } => {
                let issuer = chains[by % count].key.device_id();
                if issuer == key(*device).device_id() {
                    continue;
                }
                let body = Device {
                    issuer: Issuer::Device(issuer),
                    ..by_root(*device, 6).body().clone()
                };
                let certificate = Certificate::sign(body, &chains[by % count].key);
                (by, add(certificate.clone()), Some((*device, certificate)))
            }
            Step::AddByRoot {
                carrier,
                device,
                root,
            } => {
                let certificate = by_root(*device, *root);
                (
                    carrier,
                    add(certificate.clone()),
                    Some((*device, certificate)),
                )
            }
            Step::Revoke { by, device, cut } => (by, revoke(*device, cut_of(*device, *cut)), None),
            Step::RevokeByCode {
                carrier,
                device,
                cut,
                code,
            } => (
                carrier,
                revoke_by_code(*device, cut_of(*device, *cut), *code),
                None,
            ),
            Step::Rotate { old, new, .. } if old == new => continue,
            Step::Rotate {
                carrier,
                old,
                new,
                code,
                known: n,
            } => {
                let (by, signer) = match code {
                    Some(code) => (RotatedBy::Recovery, *code),
                    None => (RotatedBy::OldRoot, *old),
                };
                (carrier, rotate(*old, *new, by, signer, &known(*n)), None)
            }
            Step::SetRecovery { old, new, .. } if old == new => continue,
            Step::SetRecovery {
                carrier,
                old,
                new,
                known: n,
            } => (
                carrier,
                set_recovery(Some(*old), *new, *old, &known(*n)),
                None,
            ),
        };
        let chain = &mut chains[carrier % count];
        entries.push(if *fork {
            chain.draft(head, &[event])
        } else {
            chain.write(head, &[event])
        });
        if let Some((device, certificate)) = added {
            chains.push(Chain::new(device, &certificate));
        }
    }
    entries
}

type Shown = (
    Vec<(stunity_proto::DeviceId, AccountDevice)>,
    VerifyingKey,
    Option<VerifyingKey>,
    BTreeMap<EntryId, Option<Effect>>,
    Vec<EntryId>,
    Option<EntryId>,
);

fn shown(log: &AccountLog, entries: &[Entry]) -> Shown {
    (
        log.devices()
            .map(|(id, device)| (id, device.clone()))
            .collect(),
        *log.root(),
        log.recovery().copied(),
        entries
            .iter()
            .map(|e| (e.id(), log.effect(&e.id())))
            .collect(),
        log.heads().to_vec(),
        log.head(),
    )
}

fn place(index: usize) -> Option<Position> {
    // Every third entry has no receipt yet.
    (index % 3 != 2).then_some(Position {
        epoch: 1,
        sequence: index as u64,
    })
}

proptest! {
    #![proptest_config(cases(48))]

    #[test]
    fn logs_converge_in_every_order_of_delivery(
        steps in prop::collection::vec((step(), prop::bool::weighted(0.15)), 1..14),
        order in any::<u64>(),
    ) {
        let entries = play(&steps);
        let mut at_once = AccountLog::new(school().id(), ACCOUNT, key(6).verifying_key());
        let refused = at_once.extend(entries.iter().enumerate().map(|(i, e)| (e, place(i))));
        prop_assert!(refused.is_empty());
        let mut shuffled: Vec<usize> = (0..entries.len()).collect();
        let mut rng = rng(order);
        for i in (1..shuffled.len()).rev() {
            let j = (rand_core::RngCore::next_u64(&mut rng) % (i as u64 + 1)) as usize;
            shuffled.swap(i, j);
        }
        let mut one_by_one = AccountLog::new(school().id(), ACCOUNT, key(6).verifying_key());
        for index in &shuffled {
            // The place may come later than the entry, as receipts do.
            one_by_one.apply(&entries[*index], None).unwrap();
        }
        for index in shuffled {
            one_by_one.apply(&entries[index], place(index)).unwrap();
        }
        prop_assert_eq!(shown(&at_once, &entries), shown(&one_by_one, &entries));
    }

    #[test]
    fn who_was_revoked_by_code_is_never_live_again(
        steps in prop::collection::vec((step(), prop::bool::weighted(0.15)), 1..12),
        after in prop::collection::vec((step(), Just(false)), 0..6),
    ) {
        // The code revokes device 20 and everything it is known to have signed.
        let mut entries = play(&steps);
        let owner = by_root(44, 6);
        let revoked = Chain::new(44, &owner).write(
            None,
            &[add(owner), revoke_by_code(20, vec![], 11)],
        );
        entries.push(revoked);
        entries.extend(play(&after).into_iter().skip(1));
        let mut log = AccountLog::new(school().id(), ACCOUNT, key(6).verifying_key());
        log.extend(entries.iter().map(|e| (e, None)));
        // Unless the code itself was replaced by its owner, who did not know.
        if log.recovery() == Some(&key(11).verifying_key()) {
            let first = log.device(key(20).device_id());
            prop_assert!(first.is_none_or(|d| d.status != DeviceStatus::Live));
        }
    }

    #[test]
    fn a_peers_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = AccountEvent::decode(&bytes);
        let _ = Certificate::<Device>::decode(&bytes);
        let _ = Certificate::<Invitation>::decode(&bytes);
        let _ = NodeChain::decode(&bytes);
        let _ = Succession::decode(&bytes);
        let _ = Receipt::decode(&bytes);
        let _ = SchoolAnchor::decode(&bytes);
        let text = String::from_utf8_lossy(&bytes);
        let _ = Scanned::parse(&text);
        let _ = Scanned::parse(&format!("stunity:1:{text}"));
        let _ = RecoveryCode::parse_digits(&text);
    }

    #[test]
    fn changed_events_are_refused_or_read_as_they_stand(
        index in any::<prop::sample::Index>(),
        bit in 0..8u8,
    ) {
        let event = rotate(6, 12, RotatedBy::Recovery, 11, &[EntryId([7; 32])]).encode();
        let mut changed = event;
        let at = index.index(changed.len());
        changed[at] ^= 1 << bit;
        if let Ok(read) = AccountEvent::decode(&changed) {
            prop_assert_eq!(read.encode(), changed);
        }
    }
}
