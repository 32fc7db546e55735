//! Every frame of a session.
use stunity_proto::frame::{
    Content, CursorRef, Flight, Frame, FullCursor, Part, ResultItem, SignedRoot, VERSION, flags,
};
use stunity_proto::{AccountId, BlobId, Lane, PackId, Signature, SpaceId};

use crate::Case;
use crate::case::Strictness;
use crate::values::*;

fn part(offset: u32) -> Part {
    Part {
        pack: PackId([0x61; 32]),
        total: 2060,
        offset,
        bytes: vec![0x62; 12],
    }
}

pub fn flight() -> Flight {
    Flight {
        version: VERSION,
        device: DEVICE,
        capabilities: 0,
        cursors: [0x63; 8],
        partials: vec![(PackId([0x64; 32]), 4096), (PackId([0x65; 32]), 0)],
        outbox: Some(part(0)),
        flags: flags::LIVE | flags::EXPLICIT,
        signature: Signature([0x66; 64]),
    }
}

pub fn cursor_list() -> Vec<FullCursor> {
    let cursor = |space, lane, sequence| FullCursor {
        space,
        lane,
        epoch: 1,
        sequence,
        hash: [0x67; 8],
    };
    vec![
        cursor(SPACE, None, 12),
        cursor(SPACE, Some(Lane::One(ACCOUNT)), 300),
        cursor(SpaceId([0x23; 16]), Some(Lane::All), 70_000),
    ]
}

fn root() -> SignedRoot {
    SignedRoot {
        node: NODE,
        epoch: 2,
        relay_ms: MS,
        signature: Signature([0x68; 64]),
    }
}

fn results() -> Vec<ResultItem> {
    vec![
        ResultItem::Refused {
            code: "role.missing".into(),
            tombstone: vec![0x69; 100],
        },
        ResultItem::Accepted {
            sequence: 900,
            received_ms: MS,
        },
        ResultItem::Accepted {
            sequence: 70_001,
            received_ms: MS + 2,
        },
        ResultItem::Pending {
            sequence: 3,
            received_ms: MS - 1,
            code: "device.cut-off".into(),
        },
    ]
}

fn frames() -> Vec<(&'static str, Frame)> {
    vec![
        (
            "00-hello",
            Frame::Hello {
                nonce: [0x6a; 32],
                min_version: 1,
                max_version: 300,
            },
        ),
        ("01-flight", Frame::Flight(flight())),
        (
            "01-flight-least",
            Frame::Flight(Flight {
                partials: Vec::new(),
                outbox: None,
                flags: 0,
                ..flight()
            }),
        ),
        (
            "02-offer",
            Frame::Offer {
                stream: 2,
                content: Content::Entries,
                part: part(2048),
            },
        ),
        (
            "02-offer-snapshots",
            Frame::Offer {
                stream: 3,
                content: Content::Snapshots,
                part: part(0),
            },
        ),
        (
            "02-offer-chunk",
            Frame::Offer {
                stream: 300,
                content: Content::Chunk,
                part: part(0),
            },
        ),
        (
            "03-slice",
            Frame::Slice {
                stream: 2,
                offset: 1024,
                bytes: vec![0x6b; 40],
            },
        ),
        (
            "04-stored",
            Frame::Stored {
                stream: 2,
                offset: 2060,
            },
        ),
        (
            "05-results",
            Frame::Results {
                pack: [0x6c; 8],
                items: results(),
            },
        ),
        (
            "05-results-refused",
            Frame::Results {
                pack: [0x6c; 8],
                items: results()[..1].to_vec(),
            },
        ),
        ("06-receipt", Frame::Receipt(root())),
        (
            "07-cursors",
            Frame::Cursors(vec![
                (CursorRef::Known(0), 13),
                (CursorRef::New(SPACE, None), 1),
                (CursorRef::New(SPACE, Some(Lane::Staff)), 70_002),
            ]),
        ),
        ("08-need-cursors", Frame::NeedCursors),
        ("09-cursor-list", Frame::CursorList(cursor_list())),
        (
            "10-removed",
            Frame::Removed(vec![(SPACE, None), (SPACE, Some(Lane::All))]),
        ),
        (
            "11-live",
            Frame::Live {
                space: SPACE,
                lane: Some(Lane::All),
                from: 41,
                to: 42,
                pack: vec![0x6d; 90],
                root: root(),
            },
        ),
        (
            "12-keys-wanted",
            Frame::KeysWanted(vec![ACCOUNT, AccountId([0x34; 16])]),
        ),
        (
            "13-blob-wanted",
            Frame::BlobWanted {
                blob: BlobId([0x6e; 32]),
                chunks: vec![0, 7, 16_383],
                held: 0,
            },
        ),
        (
            "13-blob-wanted-on",
            Frame::BlobWanted {
                blob: BlobId([0x6e; 32]),
                chunks: vec![7],
                held: 63 * 1024,
            },
        ),
        (
            "14-ephemeral",
            Frame::Ephemeral {
                space: SPACE,
                lane: Lane::Group(GROUP),
                bytes: b"typing".to_vec(),
            },
        ),
        (
            "15-error",
            Frame::Error {
                code: "device.revoked".into(),
                retry_after_ms: None,
            },
        ),
        (
            "15-error-later",
            Frame::Error {
                code: "busy".into(),
                retry_after_ms: Some(30_000),
            },
        ),
        ("16-goodbye", Frame::Goodbye),
        (
            "17-resend-explicit",
            Frame::ResendExplicit(PackId([0x6f; 32])),
        ),
        ("18-done", Frame::Done),
        ("19-acknowledge", Frame::Acknowledge([0x70; 8])),
        (
            "20-blob-absent",
            Frame::BlobAbsent {
                blob: BlobId([0x6e; 32]),
                chunks: vec![7, 300],
            },
        ),
    ]
}

pub fn cases() -> Vec<Case> {
    frames()
        .into_iter()
        .map(|(name, frame)| {
            Case::new(format!("frame/{name}"), frame, Frame::encode, Frame::decode)
                .strictness(Strictness::Frame)
        })
        .collect()
}
