//! Frames are small, bound to their session, and open to later versions.
use super::*;
use crate::{DeviceId, SchoolId};

fn flight() -> Flight {
    Flight {
        version: VERSION,
        device: DeviceId([3; 16]),
        capabilities: 0,
        cursors: [4; 8],
        partials: vec![(PackId([5; 32]), 2048)],
        outbox: Some(Part {
            pack: PackId([6; 32]),
            total: 1500,
            offset: 1024,
            bytes: vec![7; 476],
        }),
        flags: flags::LIVE,
        signature: Signature([8; 64]),
    }
}

#[test]
fn frames_read_back_and_later_elements_are_skipped() {
    let frame = Frame::Flight(flight());
    let bytes = frame.encode();
    assert_eq!(Frame::decode(&bytes), Ok(frame.clone()));
    let mut longer = bytes;
    longer[0] += 1;
    longer.push(0x81);
    longer.push(0x05);
    assert_eq!(Frame::decode(&longer), Ok(frame));
}

#[test]
fn an_unknown_frame_is_named_not_refused() {
    assert_eq!(
        Frame::decode(&[0x82, 0x18, 200, 0x41, 9]),
        Ok(Frame::Unknown(200))
    );
}

#[test]
fn a_flight_is_bound_to_school_host_and_nonce() {
    let flight = flight();
    let input =
        |school, host, nonce| flight.signing_input(SchoolId([school; 16]), host, &[nonce; 32]);
    let one = input(1, "a.example", 1);
    assert_ne!(one, input(2, "a.example", 1));
    assert_ne!(one, input(1, "b.example", 1));
    assert_ne!(one, input(1, "a.example", 2));
    let mut other = flight.clone();
    other.signature = Signature([0; 64]);
    assert_eq!(
        one,
        other.signing_input(SchoolId([1; 16]), "a.example", &[1; 32])
    );
}

#[test]
fn ten_accepted_entries_take_about_forty_bytes() {
    let frame = Frame::Results {
        pack: [1; 8],
        items: (0..10)
            .map(|i| ResultItem::Accepted {
                sequence: 60 + i,
                received_ms: 1_700_000_000_000,
            })
            .collect(),
    };
    let bytes = frame.encode();
    assert!(bytes.len() <= 41, "{} bytes", bytes.len());
    assert_eq!(Frame::decode(&bytes), Ok(frame));
}

#[test]
fn a_refusal_beside_accepted_entries_reads_back() {
    let frame = Frame::Results {
        pack: [1; 8],
        items: vec![
            ResultItem::Refused {
                code: "role.missing".into(),
                tombstone: vec![1; 200],
            },
            ResultItem::Accepted {
                sequence: 1,
                received_ms: 5,
            },
            ResultItem::Accepted {
                sequence: 2,
                received_ms: 6,
            },
            ResultItem::Pending {
                sequence: 3,
                received_ms: 6,
                code: "device.revoked".into(),
            },
        ],
    };
    assert_eq!(Frame::decode(&frame.encode()), Ok(frame));
}

#[test]
fn a_cursor_list_has_one_order() {
    let cursor = |space: u8, lane| FullCursor {
        space: SpaceId([space; 16]),
        lane,
        epoch: 1,
        sequence: 70_000,
        hash: [9; 8],
    };
    let list = vec![
        cursor(1, None),
        cursor(1, Some(Lane::Staff)),
        cursor(2, Some(Lane::All)),
    ];
    let frame = Frame::CursorList(list.clone());
    let bytes = frame.encode();
    assert_eq!(Frame::decode(&bytes), Ok(frame));
    assert!(bytes.ends_with(&encode_cursors(&list)));
    let swapped = Frame::CursorList(vec![list[1], list[0]]).encode();
    assert_eq!(Frame::decode(&swapped), Err(DecodeError::NotCanonical));
}

#[test]
fn chunks_are_asked_for_in_rising_order() {
    let wanted = |chunks| Frame::BlobWanted {
        blob: BlobId([1; 32]),
        chunks,
        held: 2048,
    };
    let frame = wanted(vec![0, 3, 16_383]);
    assert_eq!(Frame::decode(&frame.encode()), Ok(frame));
    assert!(Frame::decode(&wanted(vec![3, 3]).encode()).is_err());
    assert!(Frame::decode(&wanted(vec![16_384]).encode()).is_err());
}
