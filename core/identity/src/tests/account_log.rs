use stunity_proto::{EntryId, Lane, Signer, SpaceId};

use super::*;

fn status(log: &AccountLog, device: u8) -> Option<bool> {
    log.device(key(device).device_id())
        .map(|device| device.status == DeviceStatus::Live)
}

const LIVE: Option<bool> = Some(true);
const REVOKED: Option<bool> = Some(false);

#[test]
fn a_live_device_adds_devices_and_revokes_those_it_added() {
    let (mut log, mut first, genesis) = begin(Some(11));
    let added = first.write(None, &[add(by_device(22, 20))]);
    assert_eq!(log.apply(&added, None), Ok(Effect::Counts));
    assert_eq!((status(&log, 20), status(&log, 22)), (LIVE, LIVE));
    assert_eq!(log.head(), Some(added.id()));
    assert_eq!(log.genesis(), Some(genesis.id()));
    let revoked = first.write(None, &[revoke(22, vec![])]);
    assert_eq!(log.apply(&revoked, None), Ok(Effect::Counts));
    assert_eq!((status(&log, 20), status(&log, 22)), (LIVE, REVOKED));
}

#[test]
fn nobody_is_revoked_from_below_or_from_beside() {
    let (mut log, mut first, _) = begin(Some(11));
    let second = by_device(22, 20);
    let third = by_device(24, 20);
    let added = first.write(None, &[add(second.clone()), add(third)]);
    log.apply(&added, None).unwrap();
    let mut chain = Chain::new(22, &second);
    for target in [20, 24] {
        let attempt = chain.write(None, &[revoke(target, vec![])]);
        assert_eq!(log.apply(&attempt, None), Ok(Effect::None));
        assert_eq!(status(&log, target), LIVE);
    }
    // Adding its elder does not give it the right either.
    let attempt = chain.write(None, &[add(by_device(20, 22)), revoke(20, vec![])]);
    assert_eq!(log.apply(&attempt, None), Ok(Effect::None));
    assert_eq!(status(&log, 20), LIVE);
}

#[test]
fn a_device_revokes_itself_and_what_it_did_before_stays() {
    let (mut log, mut first, _) = begin(None);
    let second = by_device(22, 20);
    let added = first.write(None, &[add(second.clone())]);
    log.apply(&added, None).unwrap();
    let mut chain = Chain::new(22, &second);
    let grandchild = chain.write(None, &[add(by_device(24, 22))]);
    let cut = chain.cut_off();
    log.apply(&grandchild, None).unwrap();
    let own = chain.write(None, &[revoke(22, vec![cut])]);
    assert_eq!(log.apply(&own, None), Ok(Effect::Counts));
    assert_eq!((status(&log, 22), status(&log, 24)), (REVOKED, LIVE));
    let late = chain.write(None, &[add(by_device(26, 22))]);
    assert_eq!(log.apply(&late, None), Ok(Effect::None));
    assert_eq!(status(&log, 26), None);
}

#[test]
fn a_thief_adds_nothing_beyond_the_cut_off_in_any_order() {
    let (_, mut first, genesis) = begin(Some(11));
    let second = by_device(22, 20);
    let added = first.write(None, &[add(second.clone())]);
    let mut chain = Chain::new(22, &second);
    let honest = chain.write(None, &[add(by_device(24, 22))]);
    let cut = chain.cut_off();
    let theft = chain.write(None, &[add(by_device(26, 22))]);
    let revoked = first.write(None, &[revoke(22, vec![cut])]);
    for order in [
        [&genesis, &added, &honest, &theft, &revoked],
        [&revoked, &theft, &honest, &added, &genesis],
        [&theft, &revoked, &genesis, &honest, &added],
    ] {
        let mut log = AccountLog::new(school().id(), ACCOUNT, key(6).verifying_key());
        for entry in order {
            log.apply(entry, None).unwrap();
        }
        assert_eq!((status(&log, 22), status(&log, 24)), (REVOKED, LIVE));
        assert_eq!(status(&log, 26), None);
        assert_eq!(log.effect(&theft.id()), Some(Effect::None));
    }
}

#[test]
fn places_up_to_the_cut_off_are_good_and_no_others() {
    let (mut log, mut first, _) = begin(Some(11));
    let second = by_device(22, 20);
    let course = CutOff {
        space: SpaceId([5; 16]),
        lane: Lane::All,
        incarnation: 1,
        sequence: 4,
        id: EntryId([4; 32]),
    };
    let added = first.write(None, &[add(second)]);
    log.apply(&added, None).unwrap();
    let place = |lane, incarnation, sequence, id| ChainPosition {
        space: SpaceId([5; 16]),
        lane,
        incarnation,
        sequence,
        id: EntryId([id; 32]),
    };
    let device = key(22).device_id();
    let far = place(Lane::Staff, 9, 99, 1);
    assert_eq!(log.may_sign(device, &far), Standing::Good);
    assert_eq!(log.may_sign(key(50).device_id(), &far), Standing::Unknown);
    let revoked = first.write(None, &[revoke(22, vec![course])]);
    log.apply(&revoked, None).unwrap();
    for (place, expected) in [
        (place(Lane::All, 1, 3, 3), Standing::Good),
        (place(Lane::All, 1, 4, 4), Standing::Good),
        (place(Lane::All, 1, 4, 5), Standing::BeyondCutOff),
        (place(Lane::All, 1, 5, 5), Standing::BeyondCutOff),
        (place(Lane::All, 2, 1, 1), Standing::BeyondCutOff),
        (place(Lane::Staff, 1, 1, 1), Standing::BeyondCutOff),
    ] {
        assert_eq!(log.may_sign(device, &place), expected, "{place:?}");
    }
}

#[test]
fn of_several_revocations_each_chain_keeps_the_lowest() {
    let (mut log, mut first, _) = begin(Some(11));
    let second = by_device(22, 20);
    let cut = |lane, sequence| CutOff {
        space: SpaceId([5; 16]),
        lane,
        incarnation: 0,
        sequence,
        id: EntryId([sequence as u8; 32]),
    };
    let added = first.write(None, &[add(second)]);
    let one = first.write(
        None,
        &[revoke(22, vec![cut(Lane::All, 7), cut(Lane::Staff, 2)])],
    );
    let other = first.write(None, &[revoke_by_code(22, vec![cut(Lane::All, 4)], 11)]);
    log.extend([(&added, None), (&one, None), (&other, None)]);
    let device = log.device(key(22).device_id()).unwrap();
    let DeviceStatus::Revoked { cut_offs, reason } = &device.status else {
        panic!("revoked");
    };
    assert_eq!(cut_offs.len(), 1);
    assert_eq!(
        cut_offs.get(&(SpaceId([5; 16]), Lane::All, 0)),
        Some(&(4, EntryId([4; 32])))
    );
    assert_eq!(*reason, 2);
}

#[test]
fn the_recovery_code_takes_an_account_back_from_a_thief_with_root_and_phone() {
    let (mut log, mut first, genesis) = begin(Some(11));
    let cut = first.cut_off();
    // The thief rotates the root, adds a device, and tries for the recovery key.
    let theft = first.write(
        None,
        &[
            rotate(6, 40, RotatedBy::OldRoot, 6, &[genesis.id()]),
            set_recovery(Some(11), 41, 40, &[]),
            add(by_root(42, 40)),
        ],
    );
    log.apply(&theft, None).unwrap();
    assert_eq!(log.root(), &key(40).verifying_key());
    assert_eq!(log.recovery(), Some(&key(11).verifying_key()));
    assert_eq!(status(&log, 42), LIVE);
    // The owner, with paper and a new phone, goes on from before the theft.
    let certificate = by_root(44, 12);
    let mut new = Chain::new(44, &certificate);
    let recovered = new.write(
        Some(genesis.id()),
        &[
            rotate(6, 12, RotatedBy::Recovery, 11, &[genesis.id()]),
            add(certificate),
            revoke_by_code(20, vec![cut], 11),
        ],
    );
    assert_eq!(log.apply(&recovered, None), Ok(Effect::Counts));
    assert_eq!(log.root(), &key(12).verifying_key());
    assert_eq!((status(&log, 20), status(&log, 44)), (REVOKED, LIVE));
    assert_eq!(status(&log, 42), None);
    assert_eq!(log.effect(&theft.id()), Some(Effect::None));
}

#[test]
fn a_replaced_root_speaks_only_in_what_its_replacement_knew() {
    let (mut log, mut first, genesis) = begin(Some(11));
    let known = first.write(None, &[add(by_root(22, 6))]);
    let rotated = first.write(None, &[rotate(6, 12, RotatedBy::OldRoot, 6, &[known.id()])]);
    let late = first.write(None, &[add(by_root(24, 6))]);
    let fresh = first.write(None, &[add(by_root(26, 12))]);
    let all = [&known, &rotated, &late, &fresh];
    log.extend(all.map(|entry| (entry, None)));
    assert_eq!(status(&log, 20), LIVE, "{genesis:?}");
    assert_eq!(status(&log, 22), LIVE);
    assert_eq!(status(&log, 24), None);
    assert_eq!(status(&log, 26), LIVE);
}

#[test]
fn a_replaced_recovery_code_revokes_nothing_any_more() {
    let (mut log, mut first, genesis) = begin(Some(11));
    let second = by_device(22, 20);
    let added = first.write(None, &[add(second)]);
    let changed = first.write(None, &[set_recovery(Some(11), 13, 11, &[genesis.id()])]);
    log.extend([(&added, None), (&changed, None)]);
    assert_eq!(log.recovery(), Some(&key(13).verifying_key()));
    let photographed = first.write(None, &[revoke_by_code(22, vec![], 11)]);
    assert_eq!(log.apply(&photographed, None), Ok(Effect::None));
    assert_eq!(status(&log, 22), LIVE);
    let owner = first.write(None, &[revoke_by_code(22, vec![], 13)]);
    log.apply(&owner, None).unwrap();
    assert_eq!(status(&log, 22), REVOKED);
}

#[test]
fn the_root_sets_the_first_recovery_key_and_no_other() {
    let (mut log, mut first, _) = begin(None);
    let device_tries = first.write(None, &[set_recovery(None, 13, 20, &[])]);
    assert_eq!(log.apply(&device_tries, None), Ok(Effect::None));
    let set = first.write(None, &[set_recovery(None, 13, 6, &[])]);
    assert_eq!(log.apply(&set, None), Ok(Effect::Counts));
    let again = first.write(None, &[set_recovery(Some(13), 14, 6, &[])]);
    assert_eq!(log.apply(&again, None), Ok(Effect::None));
    assert_eq!(log.recovery(), Some(&key(13).verifying_key()));
}

#[test]
fn two_staff_revoke_any_device() {
    let (mut log, first, _) = begin(None);
    let revocation = Revocation::new(key(20).device_id(), vec![first.cut_off()], 2).unwrap();
    log.revoke_by_staff(EntryId([1; 32]), revocation);
    assert_eq!(status(&log, 20), REVOKED);
}

#[test]
fn an_entry_waits_for_its_signers_certificate() {
    let (full, mut first, genesis) = begin(None);
    let added = first.write(None, &[add(by_device(22, 20))]);
    let mut log = AccountLog::new(full.school(), ACCOUNT, *full.root());
    assert_eq!(log.apply(&added, None), Ok(Effect::Waiting));
    assert_eq!(log.apply(&genesis, None), Ok(Effect::Counts));
    assert_eq!(log.effect(&added.id()), Some(Effect::Counts));
}

#[test]
fn a_forged_copy_does_not_keep_the_true_entry_out() {
    let (full, mut first, genesis) = begin(None);
    let added = first.write(None, &[add(by_device(22, 20))]);
    let mut forged = added.clone();
    forged.signature = genesis.signature;
    let mut log = AccountLog::new(full.school(), ACCOUNT, *full.root());
    assert_eq!(log.apply(&forged, None), Ok(Effect::Waiting));
    assert_eq!(log.apply(&added, None), Ok(Effect::Waiting));
    log.apply(&genesis, None).unwrap();
    assert_eq!(status(&log, 22), LIVE);
    let mut other = full;
    assert_eq!(other.apply(&forged, None), Err(IdentityError::BadSignature));
    assert_eq!(other.apply(&added, None), Ok(Effect::Counts));
    assert_eq!(other.apply(&forged, None), Err(IdentityError::BadSignature));
    assert_eq!(other.effect(&added.id()), Some(Effect::Counts));
}

#[test]
fn the_earlier_branch_of_a_fork_adds_and_both_revoke() {
    let (_, mut first, genesis) = begin(None);
    let added = first.write(None, &[add(by_device(22, 20))]);
    let one = first.draft(None, &[add(by_device(24, 20))]);
    let other = first.draft(None, &[add(by_device(26, 20)), revoke(22, vec![])]);
    let at = |sequence| Some(Position { epoch: 1, sequence });
    for (one_at, other_at, live) in [(at(7), at(9), 24), (at(9), at(7), 26), (None, at(9), 26)] {
        let mut log = AccountLog::new(school().id(), ACCOUNT, key(6).verifying_key());
        log.extend([
            (&other, other_at),
            (&one, one_at),
            (&added, at(2)),
            (&genesis, at(1)),
        ]);
        assert_eq!(log.forks().len(), 1);
        assert_eq!(status(&log, live), LIVE);
        assert_eq!(status(&log, 50 - live), None);
        assert_eq!(status(&log, 22), REVOKED);
    }
}

#[test]
fn another_school_lane_author_or_kind_is_refused() {
    let (log, first, genesis) = begin(None);
    let refused = |change: &dyn Fn(&mut stunity_proto::Header)| {
        let mut header = genesis.header().clone();
        change(&mut header);
        let entry = sign_entry(&header, genesis.body().clone(), &first.key);
        log.clone().apply(&entry.unwrap(), None).err()
    };
    assert_eq!(refused(&|_| ()), None);
    assert!(refused(&|h| h.school.0[0] ^= 1).is_some());
    assert!(refused(&|h| h.author.0[0] ^= 1).is_some());
    assert!(refused(&|h| h.space.0[0] ^= 1).is_some());
    assert!(refused(&|h| h.lane = Lane::Private).is_some());
    assert!(refused(&|h| h.kinds = vec![stunity_proto::Kind::Event(2)]).is_some());
    assert!(refused(&|h| h.kinds = vec![stunity_proto::Kind::Event(40)]).is_some());
    assert!(
        refused(&|h| h.seal = Some(stunity_proto::Seal {
            suite: 1,
            key: stunity_proto::KeyId([1; 16]),
        }))
        .is_some()
    );
    let mut erased = genesis.clone();
    erased.erase(&[0]);
    let mut empty = AccountLog::new(school().id(), ACCOUNT, key(6).verifying_key());
    assert!(empty.apply(&erased, None).is_err());
}

#[test]
fn events_of_a_later_build_are_kept_without_effect() {
    let (mut log, mut first, _) = begin(None);
    let mut header = first.header(Lane::Keys, None);
    let body = Body::new([1; 16], vec![vec![0x81, 0x0c]]);
    header.kinds = vec![Kind::Event(12)];
    header.body_root = body.root().unwrap();
    let later = sign_entry(&header, body, &first.key).unwrap();
    assert_eq!(log.apply(&later, None), Ok(Effect::Counts));
    first.last = Some((2, later.id()));
    let added = first.write(None, &[add(by_device(22, 20))]);
    assert_eq!(log.apply(&added, None), Ok(Effect::Counts));
}

#[test]
fn a_log_of_another_root_counts_for_nothing() {
    let (_, _, genesis) = begin(None);
    assert_eq!(
        AccountLog::claimed_root(&genesis),
        Some(key(6).verifying_key())
    );
    let mut log = AccountLog::new(school().id(), ACCOUNT, key(7).verifying_key());
    assert_eq!(log.apply(&genesis, None), Ok(Effect::None));
    assert_eq!(log.devices().count(), 0);
}

#[test]
fn entries_of_other_lanes_are_verified_through_the_log() {
    let (mut log, mut first, _) = begin(None);
    let mut header = first.header(Lane::Private, log.head());
    let body = Body::new([1; 16], vec![vec![1]]);
    header.kinds = vec![Kind::Event(40)];
    header.body_root = body.root().unwrap();
    let entry = sign_entry(&header, body.clone(), &first.key).unwrap();
    assert_eq!(log.verify(&entry), Ok(Standing::Good));
    let mut forged = entry.clone();
    forged.signature.0[5] ^= 1;
    assert_eq!(log.verify(&forged), Err(IdentityError::BadSignature));
    header.certificate = Hash::ZERO;
    let other = sign_entry(&header, body, &first.key).unwrap();
    assert!(log.verify(&other).is_err());
    let own = first.write(None, &[revoke(20, vec![])]);
    log.apply(&own, None).unwrap();
    assert_eq!(log.verify(&entry), Ok(Standing::BeyondCutOff));
}

#[test]
fn the_certificates_of_an_entry_are_found_before_it_is_believed() {
    let (_, mut first, genesis) = begin(None);
    let brought = |entry: &Entry| certificates_in(&entry.header().kinds, entry.body());
    let device = |device| Signer::Device(key(device).device_id());
    assert_eq!(brought(&genesis), [(device(20), first.certificate)]);
    let second = by_device(22, 20);
    let added = first.write(None, &[revoke(30, vec![]), add(second.clone())]);
    assert_eq!(brought(&added), [(device(22), second.hash())]);
}
