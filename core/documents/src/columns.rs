//! Counts what the columns of a chunk claim, without expanding them.
//!
//! Columns are run-length encoded: a few bytes can claim 2⁶³ rows, and Automerge
//! expands each while it reads. So they are counted first. Format: the Automerge
//! binary format, <https://automerge.org/automerge-binary-format-spec/>.
use crate::Error;
use crate::limits::MAX_COLUMNS;

/// Reads a chunk from its start; every end is an error.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a>(&'a [u8]);

const ENDED: Error = Error::Malformed("ends early");

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn take(&mut self, n: u64) -> Result<&'a [u8], Error> {
        let n = usize::try_from(n).map_err(|_| ENDED)?;
        let (taken, rest) = self.0.split_at_checked(n).ok_or(ENDED)?;
        self.0 = rest;
        Ok(taken)
    }

    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(ENDED)?;
        self.0 = rest;
        Ok(*taken)
    }

    fn byte(&mut self) -> Result<u8, Error> {
        self.array().map(|[byte]| byte)
    }

    /// An unsigned LEB128 number of at most 64 bits.
    pub fn unsigned(&mut self) -> Result<u64, Error> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let part = u64::from(byte & 0x7f);
            if shift == 63 && part > 1 {
                break;
            }
            value |= part << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Error::Malformed("number too long"))
    }

    /// A signed LEB128 number of at most 64 bits.
    pub fn signed(&mut self) -> Result<i64, Error> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let part = i64::from(byte & 0x7f);
            if shift == 63 && part != 0 && part != 0x7f {
                break;
            }
            value |= part << shift;
            if byte & 0x80 == 0 {
                let used = shift + 7;
                if used < 64 && byte & 0x40 != 0 {
                    value |= -1 << used;
                }
                return Ok(value);
            }
        }
        Err(Error::Malformed("number too long"))
    }
}

/// The kinds of columns, as the low three bits of their specification say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ColumnKind {
    Group,
    Actor,
    Integer,
    Delta,
    Boolean,
    String,
    ValueMeta,
    Value,
}

/// A column as the head of a chunk announces it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Column {
    pub id: u32,
    pub kind: ColumnKind,
    pub len: u64,
}

/// The announcements of columns; a deflated one is refused, since who inflates it
/// learns its size too late.
pub(crate) fn read_columns(reader: &mut Reader<'_>) -> Result<Vec<Column>, Error> {
    let count = reader.unsigned()?;
    if count > MAX_COLUMNS {
        return Err(Error::TooLarge("columns"));
    }
    (0..count)
        .map(|_| {
            let spec = reader.unsigned()?;
            if spec & 0b1000 != 0 {
                return Err(Error::Unsupported("deflated column"));
            }
            Ok(Column {
                id: u32::try_from(spec >> 4).map_err(|_| Error::Malformed("column"))?,
                kind: match spec & 0b111 {
                    0 => ColumnKind::Group,
                    1 => ColumnKind::Actor,
                    2 => ColumnKind::Integer,
                    3 => ColumnKind::Delta,
                    4 => ColumnKind::Boolean,
                    5 => ColumnKind::String,
                    6 => ColumnKind::ValueMeta,
                    _ => ColumnKind::Value,
                },
                len: reader.unsigned()?,
            })
        })
        .collect()
}

/// What one column claims.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Claim {
    /// Rows.
    pub rows: u64,
    /// The sum of the values of a group column: the rows of its members.
    pub sum: u64,
    /// The largest value of a column of unsigned numbers, or the longest string.
    pub largest: u64,
}

/// Counts a column. Errors if it claims more than `max` rows, or if a group sums up
/// to more, so that nothing here can overflow.
pub(crate) fn count(column: Column, data: &[u8], max: u64) -> Result<Claim, Error> {
    let mut reader = Reader::new(data);
    let mut claim = Claim::default();
    match column.kind {
        ColumnKind::Value => {}
        ColumnKind::Boolean => {
            while !reader.is_empty() {
                claim.add(reader.unsigned()?, 0, max)?;
            }
        }
        kind => {
            while !reader.is_empty() {
                let run = reader.signed()?;
                match run {
                    0 => claim.add(reader.unsigned()?, 0, max)?,
                    1.. => {
                        let value = read_value(kind, &mut reader)?;
                        claim.add(run.unsigned_abs(), value, max)?;
                    }
                    // A literal value takes at least a byte: this ends.
                    _ => {
                        for _ in 0..run.unsigned_abs() {
                            let value = read_value(kind, &mut reader)?;
                            claim.add(1, value, max)?;
                        }
                    }
                }
            }
        }
    }
    Ok(claim)
}

fn read_value(kind: ColumnKind, reader: &mut Reader<'_>) -> Result<u64, Error> {
    match kind {
        ColumnKind::Delta => reader.signed().map(|_| 0),
        ColumnKind::String => {
            let len = reader.unsigned()?;
            reader.take(len)?;
            Ok(len)
        }
        _ => reader.unsigned(),
    }
}

impl Claim {
    fn add(&mut self, rows: u64, value: u64, max: u64) -> Result<(), Error> {
        const TOO_LARGE: Error = Error::TooLarge("rows");
        self.rows = self.rows.checked_add(rows).ok_or(TOO_LARGE)?;
        let sum = rows.checked_mul(value).ok_or(TOO_LARGE);
        // Only groups are summed up; lengths of values and strings may be large.
        self.sum = self.sum.saturating_add(sum.unwrap_or(u64::MAX));
        self.largest = self.largest.max(value);
        if self.rows > max {
            return Err(TOO_LARGE);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(kind: ColumnKind) -> Column {
        Column {
            id: 0,
            kind,
            len: 0,
        }
    }

    #[test]
    fn numbers_read_as_leb128_says() {
        assert_eq!(Reader::new(&[0xe5, 0x8e, 0x26]).unsigned(), Ok(624_485));
        assert_eq!(Reader::new(&[0xc0, 0xbb, 0x78]).signed(), Ok(-123_456));
        assert_eq!(Reader::new(&[0x7f]).signed(), Ok(-1));
        let max = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1];
        assert_eq!(Reader::new(&max).unsigned(), Ok(u64::MAX));
        let min = [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x7f];
        assert_eq!(Reader::new(&min).signed(), Ok(i64::MIN));
        assert!(Reader::new(&[0xff; 12]).unsigned().is_err());
        assert!(Reader::new(&[0x80; 12]).signed().is_err());
        assert!(Reader::new(&[0x80]).unsigned().is_err());
    }

    #[test]
    fn runs_literals_and_nulls_are_counted() {
        // five times 7, literally 1 and 2, three nulls
        let data = [5, 7, 0x7e, 1, 2, 0, 3];
        let claim = count(column(ColumnKind::Group), &data, 100);
        assert_eq!(
            claim,
            Ok(Claim {
                rows: 10,
                sum: 38,
                largest: 7
            })
        );
    }

    #[test]
    fn a_column_that_claims_billions_is_refused_at_once() {
        // 2⁶² times 1
        let run = [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0xc0, 0, 1];
        let huge = count(column(ColumnKind::Integer), &run, 65_536);
        assert_eq!(huge, Err(Error::TooLarge("rows")));
        // i64::MIN literals, of which none is there
        let literal = [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x7f];
        assert!(count(column(ColumnKind::Actor), &literal, 65_536).is_err());
        let nulls = [0, 0xff, 0xff, 0xff, 0xff, 0x7f];
        assert!(count(column(ColumnKind::String), &nulls, 65_536).is_err());
        assert!(count(column(ColumnKind::Boolean), &nulls[1..], 65_536).is_err());
    }
}
