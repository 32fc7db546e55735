use proptest::prelude::*;

use super::*;

fn seal(key: &ContentKey, head: &[u8], content: &[u8], piece: usize) -> Vec<u8> {
    let mut sealer = ContentSealer::new(key, head);
    let mut sealed = Vec::new();
    for piece in content.chunks(piece) {
        sealer.push(piece, &mut sealed).unwrap();
    }
    sealer.finish(&mut sealed).unwrap();
    sealed
}

fn open(
    key: &ContentKey,
    head: &[u8],
    sealed: &[u8],
    piece: usize,
) -> Result<Vec<u8>, IdentityError> {
    let mut opener = ContentOpener::new(key, head);
    let mut content = Vec::new();
    for piece in sealed.chunks(piece) {
        opener.push(piece, &mut content)?;
    }
    opener.finish(&mut content)?;
    Ok(content)
}

#[test]
fn cut_reordered_repeated_and_changed_contents_do_not_open() {
    let key = ContentKey::generate(&mut rng(1));
    let content = vec![5; 3 * PARCEL_CHUNK];
    let sealed = seal(&key, b"head", &content, 1000);
    let opened = |bytes: &[u8]| open(&key, b"head", bytes, SEALED_CHUNK);
    assert_eq!(opened(&sealed), Ok(content));
    let chunks: Vec<&[u8]> = sealed.chunks(SEALED_CHUNK).collect();
    let mut repeated = chunks.clone();
    repeated.insert(1, chunks[0]);
    let mut reordered = chunks.clone();
    reordered.swap(0, 1);
    let cut = chunks[..chunks.len() - 1].to_vec();
    let gap = [&chunks[..1], &chunks[2..]].concat();
    for bad in [repeated, reordered, cut, gap, vec![]] {
        assert_eq!(opened(&bad.concat()), Err(IdentityError::NotSealedSo));
    }
    assert!(opened(&sealed[..sealed.len() - 1]).is_err());
    let mut longer = sealed.clone();
    longer.push(0);
    assert!(opened(&longer).is_err());
    for index in [0, SEALED_CHUNK - 1, SEALED_CHUNK, sealed.len() - 1] {
        let mut changed = sealed.clone();
        changed[index] ^= 1;
        assert!(opened(&changed).is_err());
    }
    assert!(open(&key, b"other", &sealed, 999).is_err());
    let other = ContentKey::generate(&mut rng(2));
    assert!(open(&other, b"head", &sealed, 999).is_err());
}

#[test]
fn padding_is_below_an_eighth_and_never_ambiguous() {
    for len in [
        0u64,
        1,
        1022,
        1023,
        1024,
        9000,
        65_535,
        65_536,
        1 << 20,
        (1 << 30) + 7,
    ] {
        let padded = padded_len(len);
        assert!(padded > len && padded - len <= (len / 8).max(1024) + 1);
    }
    let key = ContentKey::generate(&mut rng(3));
    for content in [
        vec![0x80; 1500],
        vec![0; 70_000],
        [vec![0x80], vec![0; 140_000]].concat(),
    ] {
        let sealed = seal(&key, b"", &content, 4096);
        assert_eq!(open(&key, b"", &sealed, 777), Ok(content));
    }
}

proptest! {
    #![proptest_config(cases(24))]

    #[test]
    fn contents_open_in_whatever_pieces_they_come(
        len in prop_oneof![0..3000usize, 60_000..140_000usize],
        (into, out) in (1..70_000usize, 1..70_000usize),
        fill in prop::sample::select(vec![0u8, 0x80, 7]),
        seed in any::<u64>(),
    ) {
        let key = ContentKey::generate(&mut rng(seed));
        let content = vec![fill; len];
        let sealed = seal(&key, b"head", &content, into);
        prop_assert_eq!(sealed.len() as u64, sealed_len(len as u64));
        prop_assert_eq!(open(&key, b"head", &sealed, out), Ok(content));
    }
}

#[test]
fn a_parcel_opens_for_its_recipients_and_tells_a_carrier_whom_it_is_for() {
    let school = school();
    let device = by_root(20, 6);
    let to = [
        Recipient::node(&school.node()),
        Recipient::device(device.body()),
    ];
    let parcel = seal_parcel(&mut rng(4), school.id(), &to, b"forty essays").unwrap();
    for (recipient, secret) in [(&to[0], kex(5)), (&to[1], kex(21))] {
        let opened = open_parcel(school.id(), &recipient.id, &secret, &parcel);
        assert_eq!(opened.unwrap(), b"forty essays");
    }
    let (head, taken) = ParcelHead::read(&parcel).unwrap().unwrap();
    assert_eq!(head.recipients().count(), 2);
    assert_eq!(head.parcel_len(), parcel.len() as u64);
    for len in 0..taken {
        assert_eq!(ParcelHead::read(&parcel[..len]), Ok(None));
    }
    for len in taken..parcel.len() {
        assert!(open_parcel(school.id(), &to[0].id, &kex(5), &parcel[..len]).is_err());
    }
}

#[test]
fn a_parcel_needs_recipients_each_once() {
    let seal = |to: &[Recipient]| seal_parcel(&mut rng(5), school().id(), to, b"").err();
    let one = Recipient::node(&school().node());
    assert!(seal(&[]).is_some());
    assert!(seal(&[one, one]).is_some());
    let weak = Recipient {
        key: KexPublic([0; 32]),
        ..one
    };
    assert_eq!(seal(&[weak]), Some(IdentityError::BadKey));
}

#[test]
fn no_changed_byte_of_a_parcel_opens() {
    let to = Recipient::node(&school().node());
    let parcel = seal_parcel(&mut rng(6), school().id(), &[to], b"essay").unwrap();
    for index in 0..parcel.len() {
        let mut changed = parcel.clone();
        changed[index] ^= 1;
        let opened = open_parcel(school().id(), &to.id, &kex(5), &changed);
        assert!(opened.is_err(), "byte {index}");
    }
}
