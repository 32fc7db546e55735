//! What another system knew of an imported course.
use stunity_model::rows::split_cells;
use stunity_proto::{AccountId, Lane, SpaceId};

use crate::{Store, StoreError};

/// One enrolment of an imported course.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoricalRow {
    /// The pupil.
    pub student: AccountId,
    /// The pupil's id in the source.
    pub foreign_id: String,
    /// Day of enrolment, from the course's start.
    pub enrolled_day: Option<i64>,
    /// Day on which the pupil left.
    pub left_day: Option<i64>,
    /// Final result, verbatim.
    pub result: String,
}

impl Store {
    /// The enrolments of an imported course, those who left included, in the
    /// order of the source.
    ///
    /// # Errors
    /// A database error.
    pub fn historical(&self, space: SpaceId) -> Result<Vec<HistoricalRow>, StoreError> {
        let mut statement = self.conn.prepare_cached(
            "SELECT h.lane, h.enrolled_day, h.left_day, h.result, p.foreign_id
             FROM p_historical h
             JOIN p_person p ON p.account = substr(h.lane, 2) AND p.space = h.space
             WHERE h.space = ?1 ORDER BY p.sequence, p.entry, p.op, p.item",
        )?;
        let mut rows = statement.query([&space.0])?;
        let mut out = Vec::new();
        while let Some(row) = rows.next()? {
            let lane: Vec<u8> = row.get(0)?;
            let Lane::One(student) = Lane::from_key(&lane)? else {
                continue;
            };
            out.push(HistoricalRow {
                student,
                enrolled_day: row.get(1)?,
                left_day: row.get(2)?,
                result: row.get(3)?,
                foreign_id: row.get(4)?,
            });
        }
        Ok(out)
    }

    /// Columns of the source that have no home here: rows of one of its tables.
    ///
    /// # Errors
    /// A database error.
    pub fn import_extras(
        &self,
        space: SpaceId,
        table: &str,
    ) -> Result<Vec<Vec<String>>, StoreError> {
        let mut statement = self.conn.prepare_cached(
            "SELECT cells FROM p_import_extra WHERE space = ?1 AND name = ?2
             ORDER BY sequence, entry, op, item",
        )?;
        let rows = statement.query_map((&space.0, table), |row| row.get::<_, String>(0))?;
        rows.map(|cells| Ok(split_cells(&cells?))).collect()
    }
}
