//! Entries without a signature count as far as a signature over a later one of their
//! chain reaches.
use stunity_proto::{DocId, Seal, Signature};

use super::*;
use crate::sabotage::Sabotage;

/// A chain of changes in a private lane, of which only the last is signed.
fn run(first: &Chain, log: &AccountLog, count: usize) -> Vec<Entry> {
    let mut chain = Chain {
        key: first.key.clone(),
        certificate: first.certificate,
        incarnation: 0,
        last: None,
    };
    let mut entries: Vec<Entry> = (0..count)
        .map(|n| write(&mut chain, log, n as u8, |_| {}))
        .collect();
    for entry in &mut entries[..count - 1] {
        entry.signature = Signature::ZERO;
    }
    entries
}

fn write(chain: &mut Chain, log: &AccountLog, n: u8, with: impl Fn(&mut Header)) -> Entry {
    let body = Body::new([n; 16], vec![vec![n]]);
    let mut header = chain.header(Lane::Private, log.head());
    header.kinds = vec![Kind::Change {
        doc_type: 1,
        doc: DocId([1; 16]),
    }];
    header.body_root = body.root().unwrap();
    with(&mut header);
    let entry = sign_entry(&header, body, &chain.key).unwrap();
    chain.last = Some((header.sequence, entry.id()));
    entry
}

/// What else a header says.
type With<'a> = &'a dyn Fn(&mut Header);

fn covers(entries: &[Entry]) -> Covers {
    let mut covers = Covers::default();
    for entry in entries.iter().rev() {
        covers.note(entry);
    }
    covers
}

#[test]
fn one_signature_speaks_for_all_that_came_before_it() {
    let (log, first, _) = begin(None);
    let entries = run(&first, &log, 5);
    let held = covers(&entries);
    for entry in &entries {
        assert_eq!(log.verify_covered(entry, &held), Ok(Standing::Good));
    }
    assert_eq!(log.verify(&entries[0]), Err(IdentityError::Unsigned));
    // Without one in between, nothing speaks for those before it.
    let held = covers(&[&entries[..2], &entries[3..]].concat());
    assert_eq!(
        log.verify_covered(&entries[1], &held),
        Err(IdentityError::Unsigned)
    );
    assert_eq!(log.verify_covered(&entries[3], &held), Ok(Standing::Good));
}

#[test]
fn a_bad_signature_speaks_for_nothing() {
    let (log, first, _) = begin(None);
    let mut entries = run(&first, &log, 3);
    entries[2].signature.0[3] ^= 1;
    let held = covers(&entries);
    for entry in &entries {
        assert_eq!(
            log.verify_covered(entry, &held),
            Err(IdentityError::BadSignature)
        );
    }
}

#[test]
fn nobody_speaks_for_an_entry_of_another_kind_place_or_certificate() {
    let (log, first, _) = begin(None);
    let chain = || Chain {
        key: first.key.clone(),
        certificate: first.certificate,
        incarnation: 0,
        last: None,
    };
    let unsigned = |before: With<'_>, after: With<'_>| {
        let mut chain = chain();
        let mut entry = write(&mut chain, &log, 1, before);
        let next = write(&mut chain, &log, 2, after);
        entry.signature = Signature::ZERO;
        log.verify_covered(&entry, &covers(&[entry.clone(), next]))
    };
    assert_eq!(unsigned(&|_| {}, &|_| {}), Ok(Standing::Good));
    let refused: [(With<'_>, With<'_>); 6] = [
        (&|header| header.kinds = vec![Kind::Event(40)], &|_| {}),
        (
            &|header| {
                header.seal = Some(Seal {
                    suite: 1,
                    key: stunity_proto::KeyId([1; 16]),
                });
            },
            &|_| {},
        ),
        (&|_| {}, &|header| header.certificate = Hash([1; 32])),
        (&|_| {}, &|header| header.incarnation = 1),
        (&|_| {}, &|header| header.lane = Lane::Public),
        (&|_| {}, &|header| header.sequence = 3),
    ];
    for (at, (before, after)) in refused.into_iter().enumerate() {
        assert_eq!(
            unsigned(before, after),
            Err(IdentityError::Unsigned),
            "{at}"
        );
    }
}

#[test]
fn covered_entries_of_a_revoked_device_lie_beyond_its_cut_off() {
    let (mut log, mut first, _) = begin(None);
    let entries = run(&first, &log, 4);
    let held = covers(&entries);
    let cut_off = CutOff {
        space: ACCOUNT.space(),
        lane: Lane::Private,
        incarnation: 0,
        sequence: 2,
        id: entries[1].id(),
    };
    let own = first.write(None, &[revoke(20, vec![cut_off])]);
    log.apply(&own, None).unwrap();
    let standing = |at: usize| log.verify_covered(&entries[at], &held).unwrap();
    assert_eq!([0, 1].map(standing), [Standing::Good; 2]);
    assert_eq!([2, 3].map(standing), [Standing::BeyondCutOff; 2]);
}

#[test]
fn believing_the_unsigned_lets_a_forgery_pass() {
    let (log, first, _) = begin(None);
    let mut forged = run(&first, &log, 1).remove(0);
    forged.signature = Signature::ZERO;
    {
        let _broken = Sabotage::believe_unsigned();
        assert_eq!(log.verify(&forged), Ok(Standing::Good));
    }
    assert_eq!(log.verify(&forged), Err(IdentityError::Unsigned));
}
