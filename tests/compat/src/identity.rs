//! Certificates, events of account logs, receipts, texts to scan.
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use stunity_identity::{
    AccountEvent, Certificate, CutOff, Device, DeviceKeys, IdentityError, Invitation,
    InvitationLink, Issuer, KexSecret, LinkRequest, Node, NodeChain, Operator, Receipt,
    RecoveryChange, RecoveryCode, Revocation, RootRotation, RootSuccession, RotatedBy, Scanned,
    SchoolAnchor, SigningKey, StaffAdmission, StaffRoles, Statement, Succession, root_commitment,
    sign_root, sign_tombstone,
};
use stunity_proto::{Lane, NodeId, Signer};

use crate::Case;
use crate::case::Strictness;
use crate::entries::{leaves, tombstone};
use crate::values::*;

fn key(byte: u8) -> SigningKey {
    SigningKey::from_seed(&[byte; 32])
}

fn keys(byte: u8, leaf: bool) -> DeviceKeys {
    DeviceKeys {
        sign: key(byte).verifying_key(),
        kex: KexSecret::from_seed(&[byte; 32]).public(),
        leaf: leaf.then_some([byte; 32]),
    }
}

fn certificate_case<T>(name: &str, body: T, signer: u8) -> Case
where
    T: Statement + PartialEq + std::fmt::Debug + 'static,
    Certificate<T>: std::fmt::Debug,
{
    Case::new(
        format!("identity/{name}"),
        Certificate::sign(body, &key(signer)),
        Certificate::<T>::encode,
        Certificate::<T>::decode,
    )
}

fn anchor() -> SchoolAnchor {
    let next = root_commitment(&key(2).verifying_key());
    SchoolAnchor::genesis(key(1).verifying_key(), next)
}

fn operator() -> Operator {
    Operator {
        school: SCHOOL,
        key: key(3).verifying_key(),
        not_before: MS,
        not_after: MS + 34_000_000_000,
        serial: 1,
    }
}

fn node() -> Node {
    Node {
        school: SCHOOL,
        key: key(4).verifying_key(),
        parcel: KexSecret::from_seed(&[5; 32]).public(),
        operator: Certificate::sign(operator(), &key(1)).hash(),
        not_before: MS,
        not_after: MS + 1,
        serial: 300,
    }
}

fn device(byte: u8, issuer: Issuer) -> Device {
    Device {
        school: SCHOOL,
        account: ACCOUNT,
        keys: keys(byte, byte == 8),
        issuer,
        serial: 2,
    }
}

fn succession() -> RootSuccession {
    RootSuccession {
        school: anchor().school,
        index: 1,
        root: key(2).verifying_key(),
        next_commitment: root_commitment(&key(9).verifying_key()),
    }
}

fn invitation() -> Invitation {
    Invitation {
        school: SCHOOL,
        root: key(1).verifying_key(),
        next_commitment: root_commitment(&key(2).verifying_key()),
        host: "relay.example:8443".into(),
        space: Some(SPACE),
        role: 2,
        code_hash: Invitation::hash_code(&[0x12; 16]),
        expires: MS,
    }
}

fn certificates() -> Vec<Case> {
    let staff = StaffAdmission {
        school: SCHOOL,
        account: ACCOUNT,
        root: key(6).verifying_key(),
        roles: StaffRoles::TEACHER.and(StaffRoles::REGISTRAR),
        serial: 1,
        date: MS,
    };
    let link = LinkRequest {
        keys: keys(8, true),
        nonce: [0x13; 16],
    };
    vec![
        certificate_case("operator", operator(), 1),
        certificate_case("node", node(), 3),
        certificate_case(
            "device-by-root",
            device(7, Issuer::Root(key(6).verifying_key())),
            6,
        ),
        certificate_case(
            "device-by-device",
            device(8, Issuer::Device(key(7).device_id())),
            7,
        ),
        certificate_case("succession", succession(), 2),
        certificate_case("staff", staff, 1),
        certificate_case("invitation", invitation(), 4),
        certificate_case("link-request", link, 8),
    ]
}

fn account_events() -> Vec<(&'static str, AccountEvent)> {
    let verifying = |byte| key(byte).verifying_key();
    let first = Certificate::sign(device(7, Issuer::Root(verifying(6))), &key(6));
    let second = Certificate::sign(device(8, Issuer::Device(key(7).device_id())), &key(7));
    let cut_off = |space, lane| CutOff {
        space,
        lane,
        incarnation: 1,
        sequence: 40,
        id: entry_id(0x99),
    };
    let revocation = Revocation::new(
        key(7).device_id(),
        vec![
            cut_off(SPACE, Lane::Staff),
            cut_off(SPACE, Lane::One(ACCOUNT)),
        ],
        2,
    )
    .unwrap();
    let known = vec![entry_id(1), entry_id(2)];
    let rotation = RootRotation::sign(
        SCHOOL,
        ACCOUNT,
        verifying(6),
        verifying(10),
        RotatedBy::Recovery,
        known.clone(),
        &key(11),
    );
    let recovery = RecoveryChange::sign(SCHOOL, ACCOUNT, None, verifying(11), known, &key(6));
    let signature = revocation.sign(SCHOOL, ACCOUNT, &key(11));
    vec![
        (
            "1-root",
            AccountEvent::Root {
                root: verifying(6),
                recovery: Some(verifying(11)),
                device: Box::new(first),
            },
        ),
        ("2-add", AccountEvent::AddDevice(Box::new(second))),
        (
            "3-revoke",
            AccountEvent::RevokeDevice(revocation.clone(), None),
        ),
        (
            "3-revoke-recovery",
            AccountEvent::RevokeDevice(revocation, Some(signature)),
        ),
        ("4-rotate", AccountEvent::RotateRoot(rotation.unwrap())),
        ("5-recovery", AccountEvent::SetRecovery(recovery.unwrap())),
    ]
}

fn link() -> InvitationLink {
    InvitationLink {
        invitation: Certificate::sign(invitation(), &key(4)),
        signer: Signer::Node(key(4).node_id()),
        code: Some([0x12; 16]),
    }
}

fn text(bytes: &[u8]) -> Result<&str, IdentityError> {
    std::str::from_utf8(bytes).map_err(|_| IdentityError::Mistyped("text"))
}

fn read_link(bytes: &[u8]) -> Result<InvitationLink, IdentityError> {
    match Scanned::parse(text(bytes)?)? {
        Scanned::Invitation(link) => Ok(*link),
        _ => Err(IdentityError::Mistyped("another text")),
    }
}

fn read_digits(bytes: &[u8]) -> Result<Vec<u8>, IdentityError> {
    let code = RecoveryCode::parse_digits(text(bytes)?)?;
    Ok(code.to_digits_secret().as_bytes().to_vec())
}

pub fn cases() -> Vec<Case> {
    let mut cases = certificates();
    let chain = NodeChain {
        operator: Certificate::sign(operator(), &key(1)),
        node: Certificate::sign(node(), &key(3)),
    };
    let succession = Certificate::sign(succession(), &key(2));
    let successor = Succession {
        old_root: Some(succession.cosign(&key(1))),
        certificate: succession,
    };
    cases.extend([
        Case::new(
            "identity/anchor",
            anchor(),
            SchoolAnchor::encode,
            SchoolAnchor::decode,
        ),
        Case::new(
            "identity/node-chain",
            chain,
            NodeChain::encode,
            NodeChain::decode,
        ),
        Case::new(
            "identity/succession-chain",
            successor,
            Succession::encode,
            Succession::decode,
        ),
    ]);
    for (name, event) in account_events() {
        cases.push(Case::new(
            format!("identity/event-{name}"),
            event,
            AccountEvent::encode,
            AccountEvent::decode,
        ));
    }
    let leaves: Vec<_> = leaves().into_iter().map(|(_, leaf)| leaf).collect();
    let signature = sign_root(&key(4), SCHOOL, &Receipt::root_of(&leaves));
    let receipt = Receipt::extract(&leaves, 2, key(4).node_id(), signature).unwrap();
    cases.push(Case::new(
        "receipt/receipt",
        receipt,
        Receipt::encode,
        Receipt::decode,
    ));
    let mut stone = tombstone();
    stone.node = NodeId(key(4).node_id().0);
    let signature = sign_tombstone(&key(4), &stone).unwrap();
    cases.push(Case::hash("hash/tombstone-signature", signature));

    let code = RecoveryCode::generate(&mut ChaCha20Rng::from_seed([0x14; 32]));
    let digits = code.to_digits_secret().as_bytes().to_vec();
    cases.push(Case::hash(
        "hash/recovery-key",
        code.derive_key(SCHOOL, ACCOUNT).verifying_key().as_bytes(),
    ));
    cases.push(Case::hash(
        "hash/recovery-text",
        code.to_text_secret().as_bytes(),
    ));
    let texts = [
        Case::new(
            "identity/invitation-text",
            link(),
            |link: &InvitationLink| link.to_text().into_bytes(),
            read_link,
        ),
        Case::new(
            "identity/recovery-digits",
            digits,
            Clone::clone,
            read_digits,
        ),
    ];
    // Typed texts are read in either case and with any spaces.
    cases.extend(texts.map(|case| case.strictness(Strictness::Restored)));
    cases
}
