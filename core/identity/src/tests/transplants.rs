//! The transplant matrix: every signature of this crate is presented as every
//! other, under every other label, and in another school, account and session.
//! One key signs everything, so that only labels and contents can tell them apart.
use std::cell::RefCell;

use stunity_proto::frame::Flight;
use stunity_proto::receipt::Tombstone;
use stunity_proto::{EntryId, Lane, Signature, SpaceId, labels};

use super::*;

std::thread_local! {
    static LAST_SIGNED: RefCell<(String, Vec<u8>)> = const { RefCell::new((String::new(), Vec::new())) };
}

/// Notes what was signed last on this thread.
pub(crate) fn record(label: &str, message: &[u8]) {
    LAST_SIGNED.with_borrow_mut(|last| *last = (label.to_owned(), message.to_vec()));
}

/// Where something is signed and presented.
#[derive(Clone)]
struct World {
    anchor: SchoolAnchor,
    account: AccountId,
    host: &'static str,
    nonce: [u8; 32],
}

fn world() -> World {
    World {
        anchor: school().anchor,
        account: ACCOUNT,
        host: "relay.example",
        nonce: [1; 32],
    }
}

/// The key of everybody.
fn one() -> SigningKey {
    key(1)
}

impl World {
    fn school(&self) -> SchoolId {
        self.anchor.school
    }

    fn operator(&self) -> Operator {
        Operator {
            school: self.school(),
            key: one().verifying_key(),
            not_before: 1000,
            not_after: 2000,
            serial: 1,
        }
    }

    fn node(&self) -> Node {
        Node {
            school: self.school(),
            key: one().verifying_key(),
            parcel: kex(5).public(),
            operator: Certificate::sign(self.operator(), &one()).hash(),
            not_before: 1000,
            not_after: 2000,
            serial: 1,
        }
    }

    fn trusted(&self) -> TrustedNode {
        let chain = NodeChain {
            operator: Certificate::sign(self.operator(), &one()),
            node: Certificate::sign(self.node(), &one()),
        };
        self.anchor.verify_node(&chain, NOW).unwrap()
    }

    fn keys(&self) -> DeviceKeys {
        DeviceKeys {
            sign: one().verifying_key(),
            kex: kex(5).public(),
            leaf: None,
        }
    }

    fn device(&self) -> Device {
        Device {
            school: self.school(),
            account: self.account,
            keys: self.keys(),
            issuer: Issuer::Root(one().verifying_key()),
            serial: 1,
        }
    }

    fn succession(&self) -> RootSuccession {
        RootSuccession {
            school: self.school(),
            index: 1,
            root: one().verifying_key(),
            next_commitment: Hash([3; 32]),
        }
    }

    fn staff(&self) -> StaffAdmission {
        StaffAdmission {
            school: self.school(),
            account: self.account,
            root: one().verifying_key(),
            roles: StaffRoles::TEACHER,
            serial: 1,
            date: 1,
        }
    }

    fn invitation(&self) -> Invitation {
        Invitation {
            school: self.school(),
            root: self.anchor.root,
            next_commitment: self.anchor.next_commitment,
            host: self.host.into(),
            space: None,
            role: 1,
            code_hash: Invitation::hash_code(&[1; 16]),
            expires: 2000,
        }
    }

    fn link(&self) -> LinkRequest {
        LinkRequest {
            keys: self.keys(),
            nonce: [1; 16],
        }
    }

    fn entry(&self) -> Entry {
        let certificate = Certificate::sign(self.device(), &one());
        let body = Body::new([1; 16], vec![vec![1]]);
        let mut header = Chain {
            key: one(),
            certificate: certificate.hash(),
            incarnation: 0,
            last: None,
        }
        .header(Lane::All, None);
        header.school = self.school();
        header.author = self.account;
        header.kinds = vec![Kind::Event(40)];
        header.body_root = body.root().unwrap();
        sign_entry(&header, body, &one()).unwrap()
    }

    fn tombstone(&self) -> Tombstone {
        Tombstone {
            school: self.school(),
            entry: EntryId([1; 32]),
            signer: Signer::Device(one().device_id()),
            incarnation: 0,
            space: SpaceId([1; 16]),
            lane: Lane::All,
            sequence: 1,
            code: "code".into(),
            received_ms: 1,
            node: one().node_id(),
        }
    }

    fn flight(&self) -> Flight {
        Flight {
            version: 1,
            device: one().device_id(),
            capabilities: 0,
            cursors: [0; 8],
            partials: Vec::new(),
            outbox: None,
            flags: 0,
            signature: Signature::ZERO,
        }
    }

    fn session(&self) -> Session<'_> {
        Session {
            school: self.school(),
            host: self.host,
            nonce: self.nonce,
        }
    }

    fn revocation(&self) -> Revocation {
        Revocation::new(one().device_id(), Vec::new(), 1).unwrap()
    }

    fn rotation(&self) -> RootRotation {
        let (old, new) = (one().verifying_key(), key(2).verifying_key());
        let by = RotatedBy::OldRoot;
        RootRotation::sign(self.school(), self.account, old, new, by, vec![], &one()).unwrap()
    }

    fn recovery(&self) -> RecoveryChange {
        let (old, new) = (Some(one().verifying_key()), key(2).verifying_key());
        RecoveryChange::sign(self.school(), self.account, old, new, vec![], &one()).unwrap()
    }
}

fn certificate<T: Statement>(body: T, signature: &Signature) -> Certificate<T> {
    let mut certificate = Certificate::sign(body, &one());
    certificate.signature = *signature;
    certificate
}

/// One kind of signature.
struct Case {
    label: &'static str,
    /// Signs last what it returns.
    sign: fn(&World) -> Signature,
    verify: fn(&World, &Signature) -> bool,
    /// What it is bound to: school, account, session.
    bound: [bool; 3],
}

fn cases() -> Vec<Case> {
    vec![
        Case {
            label: labels::SIGN_ENTRY,
            sign: |w| w.entry().signature,
            verify: |w, s| {
                let mut entry = w.entry();
                entry.signature = *s;
                verify_entry(&entry, &one().verifying_key()).is_ok()
            },
            bound: [true, true, false],
        },
        Case {
            label: labels::SIGN_ROOT,
            sign: |w| Certificate::sign(w.succession(), &one()).signature,
            verify: |w, s| {
                let mut anchor = w.anchor.clone();
                anchor.next_commitment = root_commitment(&one().verifying_key());
                let chain = Succession {
                    certificate: certificate(w.succession(), s),
                    old_root: None,
                };
                anchor.succeed(&chain).is_ok()
            },
            bound: [true, false, false],
        },
        Case {
            label: labels::SIGN_OPERATOR,
            sign: |w| Certificate::sign(w.operator(), &one()).signature,
            verify: |w, s| {
                w.anchor
                    .verify_operator(&certificate(w.operator(), s), NOW)
                    .is_ok()
            },
            bound: [true, false, false],
        },
        Case {
            label: labels::SIGN_NODE,
            sign: |w| Certificate::sign(w.node(), &one()).signature,
            verify: |w, s| {
                let chain = NodeChain {
                    operator: Certificate::sign(w.operator(), &one()),
                    node: certificate(w.node(), s),
                };
                w.anchor.verify_node(&chain, NOW).is_ok()
            },
            bound: [true, false, false],
        },
        Case {
            label: labels::SIGN_DEVICE,
            sign: |w| Certificate::sign(w.device(), &one()).signature,
            verify: |w, s| {
                certificate(w.device(), s)
                    .verify(&one().verifying_key())
                    .is_ok()
            },
            bound: [true, true, false],
        },
        Case {
            label: labels::SIGN_STAFF,
            sign: |w| Certificate::sign(w.staff(), &one()).signature,
            verify: |w, s| w.anchor.verify_staff(&certificate(w.staff(), s)).is_ok(),
            bound: [true, true, false],
        },
        Case {
            label: labels::SIGN_RECEIPT,
            sign: |w| sign_root(&one(), w.school(), &Hash([1; 32])),
            verify: |w, s| w.trusted().verify_root(&Hash([1; 32]), s, NOW).is_ok(),
            bound: [true, false, false],
        },
        Case {
            label: labels::SIGN_TOMBSTONE,
            sign: |w| sign_tombstone(&one(), &w.tombstone()).unwrap(),
            verify: |w, s| w.trusted().verify_tombstone(&w.tombstone(), s, NOW).is_ok(),
            bound: [true, false, false],
        },
        Case {
            label: labels::SIGN_LINK,
            sign: |w| Certificate::sign(w.link(), &one()).signature,
            verify: |w, s| {
                let request = certificate(w.link(), s);
                let issuer = Issuer::Root(key(2).verifying_key());
                LinkRequest::answer(&request, w.school(), w.account, issuer, 1, &key(2)).is_ok()
            },
            // A device that asks knows neither school nor account yet.
            bound: [false, false, false],
        },
        Case {
            label: labels::SIGN_INVITATION,
            sign: |w| Certificate::sign(w.invitation(), &one()).signature,
            verify: |w, s| {
                let link = InvitationLink {
                    invitation: certificate(w.invitation(), s),
                    signer: Signer::Node(one().node_id()),
                    code: None,
                };
                link.verify(w.school(), &one().verifying_key(), &[1; 16], NOW)
                    .is_ok()
            },
            bound: [true, false, false],
        },
        Case {
            label: labels::AUTH,
            sign: |w| {
                let mut flight = w.flight();
                w.session().sign_flight(&mut flight, &one()).unwrap();
                flight.signature
            },
            verify: |w, s| {
                let mut flight = w.flight();
                flight.signature = *s;
                w.session()
                    .verify_flight(&flight, &one().verifying_key())
                    .is_ok()
            },
            bound: [true, false, true],
        },
        Case {
            label: crate::labels::SIGN_ACCOUNT_ROOT,
            sign: |w| w.rotation().signature,
            verify: |w, s| {
                let mut rotation = w.rotation();
                rotation.signature = *s;
                rotation
                    .verify(w.school(), w.account, &one().verifying_key())
                    .is_ok()
            },
            bound: [true, true, false],
        },
        Case {
            label: crate::labels::SIGN_ACCOUNT_REVOKE,
            sign: |w| w.revocation().sign(w.school(), w.account, &one()),
            verify: |w, s| {
                w.revocation()
                    .verify(w.school(), w.account, &one().verifying_key(), s)
                    .is_ok()
            },
            bound: [true, true, false],
        },
        Case {
            label: crate::labels::SIGN_ACCOUNT_RECOVERY,
            sign: |w| w.recovery().signature,
            verify: |w, s| {
                let mut change = w.recovery();
                change.signature = *s;
                change
                    .verify(w.school(), w.account, &one().verifying_key())
                    .is_ok()
            },
            bound: [true, true, false],
        },
    ]
}

pub(super) fn all_labels() -> impl Iterator<Item = &'static str> {
    labels::ALL.iter().chain(crate::labels::ALL).copied()
}

/// The labels of signatures.
pub(super) fn signing_labels() -> Vec<&'static str> {
    cases().iter().map(|case| case.label).collect()
}

#[test]
fn every_signing_label_has_its_case() {
    let cases = cases();
    for label in all_labels().filter(|l| l.starts_with("stunity/sign/") || *l == labels::AUTH) {
        let count = cases.iter().filter(|case| case.label == label).count();
        assert_eq!(count, 1, "{label}");
    }
    for case in &cases {
        assert!(all_labels().any(|label| label == case.label));
    }
}

#[test]
fn a_signature_is_good_as_itself_and_as_nothing_else() {
    let world = world();
    let cases = cases();
    for case in &cases {
        let signature = (case.sign)(&world);
        for other in &cases {
            assert_eq!(
                (other.verify)(&world, &signature),
                other.label == case.label,
                "{} as {}",
                case.label,
                other.label
            );
        }
    }
}

#[test]
fn the_same_message_under_another_label_is_refused() {
    let world = world();
    for case in cases() {
        let signature = (case.sign)(&world);
        let (label, message) = LAST_SIGNED.with_borrow(Clone::clone);
        assert_eq!(label, case.label);
        assert_eq!(one().sign(&label, &message), signature);
        for other in all_labels().filter(|other| *other != case.label) {
            let transplanted = one().sign(other, &message);
            assert!(
                !(case.verify)(&world, &transplanted),
                "{} under {other}",
                case.label
            );
        }
    }
}

#[test]
fn a_signature_of_another_school_account_or_session_is_refused() {
    let here = world();
    let school = World {
        anchor: SchoolAnchor::genesis(one().verifying_key(), Hash([7; 32])),
        ..here.clone()
    };
    let account = World {
        account: AccountId([7; 16]),
        ..here.clone()
    };
    let nonce = World {
        nonce: [7; 32],
        ..here.clone()
    };
    let host = World {
        host: "other.example",
        ..here.clone()
    };
    for case in cases() {
        let signature = (case.sign)(&here);
        assert!((case.verify)(&here, &signature), "{}", case.label);
        let worlds = [(&school, 0), (&account, 1), (&nonce, 2), (&host, 2)];
        for (there, bound) in worlds {
            if case.bound[bound] {
                assert!(!(case.verify)(there, &signature), "{}", case.label);
            }
        }
    }
}

#[test]
fn a_sealed_key_opens_in_its_school_for_its_recipient_under_its_label_only() {
    let here = world();
    let to = Recipient {
        id: [1; 16],
        key: kex(5).public(),
    };
    // The same key under another id: a node that is also a device.
    let twin = Recipient { id: [2; 16], ..to };
    let parcel = seal_parcel(&mut rng(1), here.school(), &[to, twin], b"essay").unwrap();
    let other_parcel = seal_parcel(&mut rng(2), here.school(), &[to, twin], b"other").unwrap();
    let open = |school, id: [u8; 16], secret, parcel: &[u8]| {
        open_parcel(school, &id, &kex(secret), parcel).is_ok()
    };
    assert!(open(here.school(), to.id, 5, &parcel));
    assert!(!open(SchoolId([7; 16]), to.id, 5, &parcel));
    assert!(!open(here.school(), [3; 16], 5, &parcel));
    assert!(!open(here.school(), to.id, 6, &parcel));
    let (_, at) = ParcelHead::read(&parcel).unwrap().unwrap();
    let crossed = [&parcel[..at], &other_parcel[at..]].concat();
    assert!(!open(here.school(), to.id, 5, &crossed));
    for label in all_labels() {
        let info = [label.as_bytes(), &here.school().0].concat();
        let sealed = hpke_seal(&mut rng(3), &to.key, &info, &to.id, &[9; 32]).unwrap();
        for other in all_labels() {
            let info = [other.as_bytes(), &here.school().0].concat();
            let opened = hpke_open(&kex(5), &info, &to.id, &sealed).is_ok();
            assert_eq!(opened, label == other, "{label} as {other}");
        }
        assert!(hpke_open(&kex(5), &info, &twin.id, &sealed).is_err());
    }
}
