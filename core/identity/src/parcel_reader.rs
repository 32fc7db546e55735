//! Reading a `.stunity` file that arrives piece by piece: the one way in for a
//! device and for a relay (docs/protocol/08-parcels.md).
use stunity_proto::parcel::{MAGIC, Part, Parts, open_file};
use stunity_proto::{DecodeError, SchoolId};

use crate::{ContentOpener, IdentityError, KexSecret, ParcelHead};

/// Reads the parts of a parcel for one recipient. Holds the head, a sealed
/// chunk and a part at a time, however long the file is.
///
/// Give it bytes with [`ParcelReader::push`] and then take parts until there
/// are none; what it has given is good even if the file ends too early.
pub struct ParcelReader<'a> {
    school: SchoolId,
    id: [u8; 16],
    secret: &'a KexSecret,
    /// The file's beginning, until the head is whole.
    buffer: Vec<u8>,
    opener: Option<ContentOpener>,
    parts: Parts,
}

impl<'a> ParcelReader<'a> {
    /// At the start of a file, to be opened as recipient `id`.
    #[must_use]
    pub fn new(school: SchoolId, id: [u8; 16], secret: &'a KexSecret) -> Self {
        Self {
            school,
            id,
            secret,
            buffer: Vec::new(),
            opener: None,
            parts: Parts::new(),
        }
    }

    /// Takes the next bytes of the file.
    ///
    /// # Errors
    /// A file that is none of ours, [`IdentityError::NotForUs`], or sealed bytes
    /// that do not open: nothing more can be read.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), IdentityError> {
        let mut content = Vec::new();
        if let Some(opener) = &mut self.opener {
            opener.push(bytes, &mut content)?;
        } else {
            self.buffer.extend_from_slice(bytes);
            if self.buffer.len() < MAGIC.len() {
                return Ok(());
            }
            let parcel = open_file(&self.buffer)?;
            let Some((head, taken)) = ParcelHead::read(parcel)? else {
                return Ok(());
            };
            let mut opener = head.open(self.school, &self.id, self.secret)?;
            opener.push(&parcel[taken..], &mut content)?;
            self.buffer = Vec::new();
            self.opener = Some(opener);
        }
        self.parts.push(&content);
        Ok(())
    }

    /// Whether the head was there and opens: the file is for this recipient.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.opener.is_some()
    }

    /// The next part; none until more bytes are pushed.
    ///
    /// # Errors
    /// A part over its limit: nothing more can be read.
    pub fn next_part(&mut self) -> Result<Option<Part>, IdentityError> {
        Ok(self.parts.next_part()?)
    }

    /// Ends the file; gives the parts of its last chunk.
    ///
    /// # Errors
    /// The file was cut, or has something else at its end.
    pub fn finish(mut self) -> Result<Vec<Part>, IdentityError> {
        let opener = self.opener.ok_or(DecodeError::Truncated)?;
        let mut content = Vec::new();
        opener.finish(&mut content)?;
        self.parts.push(&content);
        let mut last = Vec::new();
        while let Some(part) = self.parts.next_part()? {
            last.push(part);
        }
        self.parts.finish()?;
        Ok(last)
    }
}
