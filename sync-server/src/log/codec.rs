//! How the relay keeps cursors and downloads of devices in its database.
use stunity_proto::cbor::{Reader, Writer};
use stunity_proto::{DecodeError, Hash, Lane, PackId, SpaceId};
use stunity_sync::relay_store::{CursorLog, Download};
use stunity_sync::{Cursor, Running, Target};

use super::read::lane_key;

fn write_target(w: &mut Writer, target: &Target) {
    w.bytes(&target.space.0).bytes(&lane_key(*target));
}

fn read_target(r: &mut Reader<'_>) -> Result<Target, DecodeError> {
    let space = SpaceId(r.fixed()?);
    let lane = r.bytes()?;
    Ok(Target {
        space,
        lane: if lane.is_empty() {
            None
        } else {
            Some(Lane::from_key(lane)?)
        },
    })
}

fn write_cursors(w: &mut Writer, cursors: &[Cursor]) {
    w.array(cursors.len());
    for cursor in cursors {
        w.array(5);
        write_target(w, &cursor.target);
        w.uint(cursor.at.epoch)
            .uint(cursor.at.sequence)
            .bytes(&cursor.at.hash.0);
    }
}

fn read_cursors(r: &mut Reader<'_>) -> Result<Vec<Cursor>, DecodeError> {
    (0..r.array()?)
        .map(|_| {
            r.array_of(5)?;
            Ok(Cursor {
                target: read_target(r)?,
                at: Running {
                    epoch: r.uint()?,
                    sequence: r.uint()?,
                    hash: Hash(r.fixed()?),
                },
            })
        })
        .collect()
}

pub(super) fn encode_cursor_log(log: &CursorLog) -> Vec<u8> {
    let mut w = Writer::new();
    w.array(2);
    write_cursors(&mut w, &log.acknowledged);
    w.array(log.sent.len());
    for (cursors, removed) in &log.sent {
        w.array(2);
        write_cursors(&mut w, cursors);
        w.array(removed.len());
        for target in removed {
            w.array(2);
            write_target(&mut w, target);
        }
    }
    w.into_bytes()
}

pub(super) fn decode_cursor_log(bytes: &[u8]) -> Result<CursorLog, DecodeError> {
    let mut r = Reader::new(bytes);
    r.array_of(2)?;
    let acknowledged = read_cursors(&mut r)?;
    let mut sent = Vec::new();
    for _ in 0..r.array()? {
        r.array_of(2)?;
        let cursors = read_cursors(&mut r)?;
        let removed = (0..r.array()?)
            .map(|_| {
                r.array_of(2)?;
                read_target(&mut r)
            })
            .collect::<Result<_, _>>()?;
        sent.push((cursors, removed));
    }
    r.finish()?;
    Ok(CursorLog { acknowledged, sent })
}

pub(super) fn encode_download(download: &Download) -> Vec<u8> {
    let mut w = Writer::new();
    w.array(5).bytes(&download.pack.0).bytes(&download.bytes);
    let leaves: Vec<u8> = download.leaves.iter().flat_map(|leaf| leaf.0).collect();
    w.bytes(&leaves);
    write_cursors(&mut w, &download.cursors);
    w.bytes(&download.base);
    w.into_bytes()
}

pub(super) fn decode_download(bytes: &[u8]) -> Result<Download, DecodeError> {
    let mut r = Reader::new(bytes);
    r.array_of(5)?;
    let download = Download {
        pack: PackId(r.fixed()?),
        bytes: r.bytes()?.to_vec(),
        leaves: r
            .bytes()?
            .chunks(32)
            .map(Hash::try_from)
            .collect::<Result<_, _>>()?,
        cursors: read_cursors(&mut r)?,
        base: r.fixed()?,
    };
    r.finish()?;
    Ok(download)
}
