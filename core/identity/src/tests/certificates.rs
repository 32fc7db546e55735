use stunity_proto::{Hash, Signer};

use super::*;

#[test]
fn a_node_is_trusted_within_both_periods_only() {
    let school = school();
    for (at, expected) in [
        (999, Some(IdentityError::NotYetValid)),
        (1099, Some(IdentityError::NotYetValid)),
        (1100, None),
        (1899, None),
        (1900, Some(IdentityError::Expired)),
        (2000, Some(IdentityError::Expired)),
    ] {
        let result = school.anchor.verify_node(&school.chain, at);
        assert_eq!(result.err(), expected, "at {at}");
    }
}

#[test]
fn a_node_needs_its_own_operator_and_the_operator_the_root() {
    let school = school();
    let mut other = school.chain.operator.body().clone();
    other.serial = 2;
    let other = NodeChain {
        operator: Certificate::sign(other, &key(1)),
        node: school.chain.node.clone(),
    };
    assert!(matches!(
        school.anchor.verify_node(&other, NOW),
        Err(IdentityError::WrongSigner(_))
    ));
    let forged = NodeChain {
        operator: Certificate::sign(school.chain.operator.body().clone(), &key(3)),
        node: school.chain.node.clone(),
    };
    assert_eq!(
        school.anchor.verify_node(&forged, NOW).err(),
        Some(IdentityError::BadSignature)
    );
    let mut eternal = school.chain.operator.body().clone();
    eternal.not_after = eternal.not_before + MAX_OPERATOR_LIFETIME_MS + 1;
    assert_eq!(
        school
            .anchor
            .verify_operator(&Certificate::sign(eternal, &key(1)), NOW),
        Err(IdentityError::BadPeriod)
    );
}

fn succession(index: u64, root: u8) -> Certificate<RootSuccession> {
    let body = RootSuccession {
        school: school().id(),
        index,
        root: key(root).verifying_key(),
        next_commitment: root_commitment(&key(30).verifying_key()),
    };
    Certificate::sign(body, &key(root))
}

#[test]
fn a_root_is_succeeded_by_the_one_committed_to_and_no_other() {
    let school = school();
    let certificate = succession(1, 2);
    let mut chain = Succession {
        old_root: Some(certificate.cosign(&key(1))),
        certificate,
    };
    assert_eq!(Succession::decode(&chain.encode()), Ok(chain.clone()));
    let next = school.anchor.succeed(&chain).unwrap();
    assert_eq!((next.index, next.root), (1, key(2).verifying_key()));
    assert_eq!(next.school, school.id());
    assert_eq!(SchoolAnchor::decode(&next.encode()), Ok(next.clone()));
    assert!(
        next.verify_operator(&school.chain.operator, NOW).is_err(),
        "the old root's operators end with it"
    );
    chain.old_root = None;
    assert!(school.anchor.succeed(&chain).is_ok());
    chain.old_root = Some(chain.certificate.cosign(&key(3)));
    assert_eq!(
        school.anchor.succeed(&chain),
        Err(IdentityError::BadSignature)
    );
    for (index, root, error) in [
        (1, 30, IdentityError::NotCommitted),
        (2, 2, IdentityError::NotAllowed("index of a root")),
    ] {
        let chain = Succession {
            certificate: succession(index, root),
            old_root: None,
        };
        assert_eq!(school.anchor.succeed(&chain), Err(error));
    }
}

#[test]
fn an_anchor_with_another_first_root_is_refused() {
    let mut anchor = school().anchor;
    anchor.root = key(9).verifying_key();
    assert_eq!(
        SchoolAnchor::decode(&anchor.encode()),
        Err(IdentityError::WrongSchool)
    );
}

fn invitation(anchor: &SchoolAnchor, code: &[u8; 16]) -> InvitationLink {
    let body = Invitation {
        school: anchor.school,
        root: anchor.root,
        next_commitment: anchor.next_commitment,
        host: "សាលា.example".into(),
        space: Some(stunity_proto::SpaceId([4; 16])),
        role: 2,
        code_hash: Invitation::hash_code(code),
        expires: 1_700,
    };
    InvitationLink {
        invitation: Certificate::sign(body, &key(4)),
        signer: Signer::Node(key(4).node_id()),
        code: Some(*code),
    }
}

#[test]
fn an_invitation_is_scanned_pinned_and_redeemed() {
    let school = school();
    let code = Invitation::generate_code(&mut rng(1));
    let link = invitation(&school.anchor, &code);
    let Ok(Scanned::Invitation(read)) = Scanned::parse(&link.to_text().to_uppercase()) else {
        panic!("an invitation");
    };
    assert_eq!(*read, link);
    assert_eq!(read.invitation.body().anchor(), Ok(school.anchor.clone()));
    let relay = key(4).verifying_key();
    let redeem = |code, at| link.verify(school.id(), &relay, code, at).err();
    assert_eq!(redeem(&code, 1_699), None);
    assert_eq!(redeem(&code, 1_700), Some(IdentityError::Expired));
    assert!(redeem(&[0; 16], 1_699).is_some());
    assert!(
        link.verify(school.id(), &key(5).verifying_key(), &code, 1)
            .is_err()
    );
}

#[test]
fn an_invitation_after_a_succession_is_followed_from_the_first_root() {
    let school = school();
    let chain = Succession {
        certificate: succession(1, 2),
        old_root: None,
    };
    let second = school.anchor.succeed(&chain).unwrap();
    let link = invitation(&second, &[1; 16]);
    let body = link.invitation.body();
    assert_eq!(body.anchor(), Err(IdentityError::NeedsSuccession));
    let first = (school.anchor.root, school.anchor.next_commitment);
    let chain = [chain];
    assert_eq!(body.anchor_through(first, &chain), Ok(second.clone()));
    assert!(body.anchor_through(first, &[]).is_err());
    let stranger = (key(9).verifying_key(), second.next_commitment);
    assert_eq!(
        body.anchor_through(stranger, &chain),
        Err(IdentityError::WrongSchool)
    );
}

#[test]
fn a_new_device_is_answered_with_a_certificate_of_its_keys() {
    let request = LinkRequest::make(&mut rng(2), &key(9), &kex(10), Some([3; 32]));
    let Ok(Scanned::LinkRequest(read)) = Scanned::parse(&request.to_text()) else {
        panic!("a link request");
    };
    assert_eq!(*read, request);
    let answer =
        |issuer, by| LinkRequest::answer(&read, school().id(), ACCOUNT, issuer, 7, &key(by));
    let issuer = Issuer::Device(key(7).device_id());
    let certificate = answer(issuer, 7).unwrap();
    assert_eq!(certificate.body().keys, request.body().keys);
    assert_eq!(certificate.body().id(), key(9).device_id());
    assert_eq!(certificate.verify(&key(7).verifying_key()), Ok(()));
    assert!(answer(issuer, 8).is_err());
    assert!(answer(Issuer::Device(key(9).device_id()), 9).is_err());
    let mut unsigned = request.clone();
    unsigned.signature = key(8).sign("", b"");
    assert_eq!(
        LinkRequest::answer(&unsigned, school().id(), ACCOUNT, issuer, 7, &key(7)).err(),
        Some(IdentityError::BadSignature)
    );
}

#[test]
fn a_device_key_serves_one_purpose_and_certifies_not_itself() {
    let mut body = by_root(7, 6).body().clone();
    body.keys.leaf = Some(*body.keys.sign.as_bytes());
    let encoded = Certificate::sign(body, &key(6)).encode();
    assert!(Certificate::<Device>::decode(&encoded).is_err());
    let own = by_device(7, 7).encode();
    assert!(Certificate::<Device>::decode(&own).is_err());
}

#[test]
fn no_changed_byte_of_a_certificate_verifies() {
    let certificate = by_root(7, 6);
    let bytes = certificate.encode();
    for index in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[index] ^= 1;
        let verified = Certificate::<Device>::decode(&changed)
            .and_then(|changed| changed.verify(&key(6).verifying_key()));
        assert!(verified.is_err(), "byte {index}");
        assert!(Certificate::<Device>::decode(&bytes[..index]).is_err());
    }
}

#[test]
fn secrets_and_errors_show_nothing() {
    let shown = format!(
        "{:?} {:?} {:?} {:?} {}",
        key(0x41),
        kex(0x41),
        RecoveryCode::from_bytes([0x41; 16]),
        ContentKey::generate(&mut rng(1)),
        IdentityError::BadSignature
    );
    assert!(!shown.contains("41") && !shown.contains("65"), "{shown}");
    assert_eq!(IdentityError::BadSignature.code(), "identity.bad-signature");
}

#[test]
fn many_entries_are_verified_one_by_one() {
    let (_, mut chain, first) = begin(None);
    let entries = [first, chain.write(None, &[add(by_device(22, 20))])];
    let (good, bad) = (key(20).verifying_key(), key(21).verifying_key());
    let pairs = [
        (&entries[0], &good),
        (&entries[1], &bad),
        (&entries[1], &good),
    ];
    let results: Vec<bool> = verify_entries(pairs).map(|r| r.is_ok()).collect();
    assert_eq!(results, [true, false, true]);
    let mut forged = entries[1].clone();
    forged.signature = entries[0].signature;
    assert_eq!(
        verify_entry(&forged, &good),
        Err(IdentityError::BadSignature)
    );
    let mut header = chain.header(stunity_proto::Lane::Keys, None);
    header.body_root = Hash::ZERO;
    let body = entries[1].body().clone();
    assert!(sign_entry(&header, body.clone(), &key(21)).is_err());
    assert!(sign_entry(&header, body, &key(20)).is_err());
}
