//! Parcels of others on their way to a relay: kept as they came.
use rusqlite::{OptionalExtension, params};
use stunity_identity::ParcelHead;
use stunity_proto::parcel::open_file;
use stunity_proto::receipt::sha256;
use stunity_proto::{DecodeError, Hash, limits};

use crate::database::{Durability, int, uint};
use crate::{Store, StoreError};

/// Bytes that a device carries for others at most: a class's week of text, or a
/// video. A weak phone gives no more of its space away.
const MAX_CARRIED: u64 = 64 * 1024 * 1024;

/// A sealed file that this device carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CarriedParcel {
    /// SHA-256 of the file.
    pub name: Hash,
    /// Its length, bytes.
    pub size: u64,
    /// When it was taken, by this device's clock.
    pub taken_ms: u64,
}

impl Store {
    /// Takes a file to a relay along. It stays until [`Store::drop_carried`].
    ///
    /// # Errors
    /// A file that is cut, none of ours, or sealed to no relay of the school;
    /// [`StoreError::TooLarge`] beyond 64 MiB in all; [`StoreError::NoSpace`].
    pub fn carry(&mut self, file: &[u8], now_ms: u64) -> Result<Hash, StoreError> {
        let (head, _) = ParcelHead::read(open_file(file)?)?.ok_or(DecodeError::Truncated)?;
        if file.len() as u64 != crate::parcels::export::file_len(&head) {
            return Err(DecodeError::Truncated.into());
        }
        let nodes = self.trusted_nodes()?;
        let is_to_relay = |id: &[u8; 16]| nodes.iter().any(|node| node.id().0 == *id);
        if !head.recipients().any(is_to_relay) {
            return Err(StoreError::NotAllowed("parcel to no relay of this school"));
        }
        let name = sha256(file);
        let held: u64 = self.carried()?.iter().map(|parcel| parcel.size).sum();
        if held + file.len() as u64 > MAX_CARRIED {
            return Err(StoreError::TooLarge("parcels carried for others"));
        }
        self.write(Durability::Sealed, |conn| {
            let inserted = conn
                .prepare_cached(
                    "INSERT OR IGNORE INTO carried (parcel, size, taken_ms) VALUES (?1, ?2, ?3)",
                )?
                .execute(params![&name.0, int(file.len() as u64), int(now_ms)])?;
            if inserted > 0 {
                let mut insert = conn.prepare_cached(
                    "INSERT INTO carried_pieces (parcel, start, bytes) VALUES (?1, ?2, ?3)",
                )?;
                for (index, piece) in file.chunks(limits::CHUNK).enumerate() {
                    insert.execute(params![&name.0, (index * limits::CHUNK) as i64, piece])?;
                }
            }
            Ok(())
        })?;
        Ok(name)
    }

    /// The files carried, those carried longest first.
    ///
    /// # Errors
    /// A database error.
    pub fn carried(&self) -> Result<Vec<CarriedParcel>, StoreError> {
        let mut statement = self
            .conn
            .prepare_cached("SELECT parcel, size, taken_ms FROM carried ORDER BY taken_ms")?;
        let rows = statement.query_map([], |row| {
            Ok(CarriedParcel {
                name: Hash(row.get(0)?),
                size: uint(row.get(1)?),
                taken_ms: uint(row.get(2)?),
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Up to 64 KiB of a carried file from `start`, a multiple of 64 KiB; none
    /// beyond its end.
    ///
    /// # Errors
    /// A database error.
    pub fn carried_piece(&self, name: Hash, start: u64) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self
            .conn
            .prepare_cached("SELECT bytes FROM carried_pieces WHERE parcel = ?1 AND start = ?2")?
            .query_row(params![&name.0, int(start)], |row| row.get(0))
            .optional()?)
    }

    /// A relay has the file, or its carrier will not carry it on.
    ///
    /// # Errors
    /// A database error.
    pub fn drop_carried(&mut self, name: Hash) -> Result<(), StoreError> {
        self.write(Durability::Draft, |conn| {
            conn.prepare_cached("DELETE FROM carried WHERE parcel = ?1")?
                .execute([&name.0])?;
            Ok(())
        })
    }
}
