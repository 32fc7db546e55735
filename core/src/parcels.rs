//! Parcels: work that travels by a file, by whoever happens to pass by
//! (docs/protocol/08-parcels.md).
use std::io::{Read, Write};

use stunity_identity::{IdentityError, ParcelReader};
use stunity_proto::Hash;
use stunity_store::{Exported, ParcelImport, ParcelTo, Span, StoreError};

use crate::{Client, ClientError};

/// What became of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It was for this device.
    Opened {
        /// What was in it.
        import: ParcelImport,
        /// Whether all of it was there. What came before the cut counts.
        is_whole: bool,
    },
    /// It is sealed to a relay: this device carries it, and can read nothing of it.
    Carried(Hash),
}

/// What a relay said to a parcel that was handed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandedOver {
    /// SHA-256 of the file.
    pub name: Hash,
    /// Files sealed to those who wrote what was in it: the relay's receipts and
    /// refusals. They hear the same when they sync next.
    pub answers: Vec<Vec<u8>>,
}

/// How much of a file is read at a time.
const PIECE: usize = 64 * 1024;

impl Client {
    /// Writes a `.stunity` file, see [`stunity_store::Store::export_parcel`].
    ///
    /// # Errors
    /// As there, and what the file gives.
    pub fn export_parcel(
        &mut self,
        span: Span,
        to: &[ParcelTo],
        file: &mut impl Write,
    ) -> Result<Exported, ClientError> {
        let mut write = |bytes: &[u8]| file.write_all(bytes).map_err(StoreError::from);
        let exported = self.store.export_parcel(span, to, &mut write)?;
        file.flush()?;
        Ok(exported)
    }

    /// Takes a `.stunity` file: opens what is for this device, carries what is for
    /// a relay. Again is harmless.
    ///
    /// # Errors
    /// A file that is none of ours, or sealed to other devices; a carried file that
    /// is cut; no space.
    pub fn take_parcel(&mut self, file: &mut impl Read) -> Result<Taken, ClientError> {
        let now_ms = self.wall_ms();
        let secret = self.store.kex_secret().clone();
        let (school, device) = (self.store.school(), self.store.device());
        let mut reader = ParcelReader::new(school, device.0, &secret);
        let mut import = ParcelImport::default();
        // Kept until it is known whether the file is for this device.
        let mut seen = Some(Vec::new());
        let mut piece = vec![0; PIECE];
        let is_whole = loop {
            let len = file.read(&mut piece)?;
            if len == 0 {
                break self.end_parcel(reader, &mut import)?;
            }
            if let Some(seen) = &mut seen {
                seen.extend_from_slice(&piece[..len]);
            }
            match reader.push(&piece[..len]) {
                Ok(()) => {}
                Err(IdentityError::NotForUs) => {
                    let mut whole = seen.unwrap_or_default();
                    file.read_to_end(&mut whole)?;
                    return Ok(Taken::Carried(self.store.carry(&whole, now_ms)?));
                }
                // What was opened before a damaged place is good.
                Err(_) if reader.is_open() => break false,
                Err(error) => return Err(error.into()),
            }
            if reader.is_open() {
                seen = None;
            }
            while let Some(part) = reader.next_part()? {
                self.store.import_part(&part, now_ms, &mut import)?;
            }
        };
        self.store.finish_import(&mut import)?;
        Ok(Taken::Opened { import, is_whole })
    }

    fn end_parcel(
        &mut self,
        reader: ParcelReader<'_>,
        import: &mut ParcelImport,
    ) -> Result<bool, ClientError> {
        let now_ms = self.wall_ms();
        let is_open = reader.is_open();
        match reader.finish() {
            Ok(parts) => {
                for part in parts {
                    self.store.import_part(&part, now_ms, import)?;
                }
                Ok(true)
            }
            Err(_) if is_open => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}
