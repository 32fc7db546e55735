//! Known answers. Those of certificates, events, codes and parcels were computed
//! by an independent implementation (Python's hashlib and cryptography).
use stunity_proto::cbor::Writer;
use stunity_proto::{EntryId, Hash, Lane, Signer};

use super::*;
use stunity_proto::receipt::sha256;

fn same(bytes: &[u8], expected: &str) {
    assert_eq!(sha256(bytes).to_string(), expected);
}

#[test]
fn rfc_8032_section_7_1() {
    for (seed, public, message, signature) in [
        (
            "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            "",
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
        ),
        (
            "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
            "72",
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
        ),
        (
            "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
            "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
            "af82",
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
        ),
    ] {
        let key = SigningKey::from_seed(&hex(seed).try_into().unwrap());
        assert_eq!(key.verifying_key().as_bytes().to_vec(), hex(public));
        let made = key.sign("", &hex(message));
        assert_eq!(made.0.to_vec(), hex(signature));
        assert_eq!(key.verifying_key().verify("", &hex(message), &made), Ok(()));
    }
}

#[test]
fn points_of_small_order_and_no_points_are_no_keys() {
    let mut one = [0; 32];
    one[0] = 1;
    let mut no_point = [0; 32];
    no_point[0] = 2;
    for bad in [[0; 32], one, no_point, [0xff; 32]] {
        assert_eq!(VerifyingKey::from_bytes(&bad), Err(IdentityError::BadKey));
    }
}

#[test]
fn rfc_7748_section_6_1() {
    let alice = hex("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a");
    let alice = KexSecret::from_seed(&alice.try_into().unwrap());
    assert_eq!(
        alice.public().0.to_vec(),
        hex("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a")
    );
}

#[test]
fn certificates_have_their_bytes() {
    let school = school();
    assert_eq!(school.id().to_string(), "03e6853af22c190cb26012adb3dd1f55");
    same(
        &school.chain.operator.encode(),
        "109561044b628ae5eb4e0314f2cdf4352df8274f8c8521dd18ce5c4268c0a12c",
    );
    same(
        &school.chain.node.encode(),
        "e171d61be83bf4048df665cfa45b9343fc0916f52737b65f65c8b3ba203fb31e",
    );
    same(
        &device().encode(),
        "0dd0bedf166abe0b50c743c3398e45772b022416d97de9ec12b09d9ac31d9343",
    );
    same(
        &by_device(9, 7).encode(),
        "42e0525cef1b31bc9ec6bf9d266464fb7fcf8bdac4c1b199722616e3f96fa2fa",
    );
    let succession = RootSuccession {
        school: school.id(),
        index: 1,
        root: key(2).verifying_key(),
        next_commitment: Hash([0x33; 32]),
    };
    same(
        &Certificate::sign(succession, &key(2)).encode(),
        "6f083334507a450c90b0dfa894906443674dc7dd744944ac50d55e064d8773ca",
    );
    let staff = StaffAdmission {
        school: school.id(),
        account: ACCOUNT,
        root: key(6).verifying_key(),
        roles: StaffRoles::TEACHER.and(StaffRoles::ADMIN),
        serial: 1,
        date: 1_700_000_000_000,
    };
    same(
        &Certificate::sign(staff, &key(1)).encode(),
        "d6eb9384489337395b56543cc80cfb9fadfcfa54657085286cfaba0a10ad26c4",
    );
    same(
        &invitation().encode(),
        "64f47c0a8847c51b815309fda3b74e8531340704eae581464a9a7e09830fba01",
    );
    let link = LinkRequest {
        keys: by_device(9, 7).body().keys,
        nonce: [0x0f; 16],
    };
    same(
        &Certificate::sign(link, &key(9)).encode(),
        "400f6cea6921673e35e5361f9b673f37d8ff70d95202c605bed96e02fbed74de",
    );
}

fn device() -> Certificate<Device> {
    let mut body = by_root(7, 6).body().clone();
    body.keys.leaf = Some([0x4c; 32]);
    Certificate::sign(body, &key(6))
}

const CODE: [u8; 16] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

fn invitation() -> Certificate<Invitation> {
    let school = school();
    let body = Invitation {
        school: school.id(),
        root: school.anchor.root,
        next_commitment: school.anchor.next_commitment,
        host: "relay.example:8443".into(),
        space: None,
        role: 1,
        code_hash: Invitation::hash_code(&CODE),
        expires: 1_800_000_000_000,
    };
    Certificate::sign(body, &key(4))
}

#[test]
fn account_events_have_their_bytes() {
    let known = [EntryId([0x77; 32])];
    let cut_off = CutOff {
        space: ACCOUNT.space(),
        lane: Lane::Keys,
        incarnation: 0,
        sequence: 2,
        id: known[0],
    };
    let revocation = Revocation::new(key(7).device_id(), vec![cut_off], 2).unwrap();
    let signature = revocation.sign(school().id(), ACCOUNT, &key(11));
    let root = AccountEvent::Root {
        root: key(6).verifying_key(),
        recovery: Some(key(11).verifying_key()),
        device: Box::new(device()),
    };
    for (event, expected) in [
        (
            root,
            "efb0e6fefc603a1c9a2ea45f7d62412478e90a6c90299bda7c113fc945c8efbf",
        ),
        (
            add(by_device(9, 7)),
            "8e4ec37b115b5f3327a49713da8710504f08f204e8b3b54a6fed6af8cf863189",
        ),
        (
            AccountEvent::RevokeDevice(revocation, Some(signature)),
            "e7181117a873896dac0a840f59821c5d1f5b9d05dba5dea0561bbb606736ed10",
        ),
        (
            rotate(6, 12, RotatedBy::Recovery, 11, &known),
            "965fd0fde570e864127614d59840fc1a6792620bc886d9e6dc48d6fe85069139",
        ),
        (
            set_recovery(Some(11), 13, 11, &known),
            "4d86f6c4b065f9dd59030c818962e70af91a395206e9111b8f50d285701f903c",
        ),
    ] {
        same(&event.encode(), expected);
        assert_eq!(AccountEvent::decode(&event.encode()), Ok(event));
    }
}

#[test]
fn a_recovery_code_has_its_digits_text_and_key() {
    let code = RecoveryCode::from_bytes(CODE);
    assert_eq!(
        *code.to_digits_secret(),
        "00000 22475 99596 04906 25424 12433 42209 34765 50332 72124"
    );
    assert_eq!(
        *code.to_text_secret(),
        "stunity:1:qiefaaabaibqibiga4eascqlbqgq4dy"
    );
    assert_eq!(
        code.derive_key(school().id(), ACCOUNT)
            .verifying_key()
            .as_bytes()
            .to_vec(),
        hex("674829bf9f5eae64906d52c3397fd35ae45c2fa7398887a1a31cceb585b363cc")
    );
}

#[test]
fn an_invitation_has_its_text() {
    let link = InvitationLink {
        invitation: invitation(),
        signer: Signer::Node(key(4).node_id()),
        code: Some(CODE),
    };
    let text = link.to_text();
    assert_eq!(text.len(), 423);
    same(
        text.as_bytes(),
        "07a6b94def1835915d382f660e22a3d981088e7ac8d81bc58832e2194003a523",
    );
}

#[test]
fn parcel_contents_have_their_bytes() {
    let mut secret = [0; 32];
    (0..).zip(&mut secret).for_each(|(i, byte)| *byte = i);
    for (len, sealed_bytes, expected) in [
        (
            0,
            1040,
            "ffbc98280c7b338ee7c17819403926d235421379cbf111b67aba57add1ec44d1",
        ),
        (
            1023,
            1040,
            "fee7bc1a5e02b463a5678bcc95a66eb38c18ed3d5263da8f0e68927612795e6c",
        ),
        (
            65_535,
            65_552,
            "974d3f60968e23d83ee528c3ba748e64942a2b01c0beca53c942e224a4cf07b7",
        ),
        (
            200_000,
            213_056,
            "471ff2800a91024ed9ed718617229c44eb2f63ea6bb4d9909f481e0726f4e9cb",
        ),
    ] {
        let content: Vec<u8> = (0..len).map(|i| (i % 251) as u8).collect();
        let mut sealer = ContentSealer::new(&ContentKey::from_slice(&secret).unwrap(), b"head");
        let mut sealed = Vec::new();
        sealer.push(&content, &mut sealed).unwrap();
        sealer.finish(&mut sealed).unwrap();
        assert_eq!(sealed.len(), sealed_bytes);
        assert_eq!(sealed.len() as u64, sealed_len(len));
        same(&sealed, expected);
    }
}

/// Sealed by the independent implementation, HPKE written out from RFC 9180.
#[test]
fn a_parcel_of_another_implementation_opens() {
    let parcel = hex(&include_str!("parcel.hex").replace('\n', ""));
    for (id, secret) in [(key(4).node_id().0, 5), (key(20).device_id().0, 21)] {
        let content = open_parcel(school().id(), &id, &kex(secret), &parcel).unwrap();
        assert_eq!(content, "សៀវភៅ forty essays".as_bytes());
    }
}

#[test]
fn a_certificate_on_the_wire_is_body_and_signature() {
    let certificate = school().chain.operator;
    let mut w = Writer::new();
    w.array(2)
        .bytes(certificate.body_bytes())
        .bytes(&certificate.signature.0);
    assert_eq!(certificate.encode(), w.into_bytes());
}
