//! Export of imported courses, in the form in which they came.
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use stunity_proto::SpaceId;

use crate::import::{ASSESSMENTS, COURSES, INFO, REGISTRATION, WORK};
use crate::{Client, ClientError, csv};

fn opt(value: Option<impl ToString>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}

impl Client {
    /// Writes imported courses into a folder as CSV files with the rows of the
    /// source: those of `courses`, or of all that are held.
    ///
    /// # Errors
    /// A course that was not imported, a file that cannot be written, or the
    /// store's.
    pub fn export_gradebook(&self, courses: &[SpaceId], folder: &Path) -> Result<(), ClientError> {
        let header = |columns: &[&str]| columns.join(",") + "\n";
        let mut course_lines = header(&COURSES);
        let mut assessments = header(&ASSESSMENTS);
        let mut info = header(&INFO);
        let mut registration = header(&REGISTRATION);
        let mut work = header(&WORK);
        for space in courses {
            let rows = self.store.import_extras(*space, "courses")?;
            let [row] = rows.as_slice() else {
                return Err(ClientError::Invalid("course.not-imported"));
            };
            let key = [row[0].clone(), row[1].clone()];
            course_lines.push_str(&csv::join(row));
            let mut listed = self.store.assignments(*space)?;
            listed.sort_by_key(|assignment| assignment.place);
            let mut foreign = BTreeMap::new();
            for assignment in &listed {
                let id = assignment.foreign_id.clone().unwrap_or_default();
                foreign.insert(assignment.assignment, id.clone());
                let mut cells = key.to_vec();
                cells.extend([
                    id,
                    assignment.source_kind.clone().unwrap_or_default(),
                    opt(assignment.due_day),
                    assignment.weight.clone().unwrap_or_default(),
                ]);
                assessments.push_str(&csv::join(&cells));
            }
            let students = self.store.historical(*space)?;
            let by_account: BTreeMap<_, _> = students
                .iter()
                .map(|student| (student.student, student.foreign_id.clone()))
                .collect();
            let result: BTreeMap<_, _> = students
                .iter()
                .map(|student| (student.foreign_id.clone(), student.result.clone()))
                .collect();
            for row in self.store.import_extras(*space, "studentInfo")? {
                let mut cells = key.to_vec();
                let last = result.get(&row[0]).cloned().unwrap_or_default();
                cells.extend(row);
                cells.push(last);
                info.push_str(&csv::join(&cells));
            }
            for student in &students {
                let mut cells = key.to_vec();
                cells.extend([
                    student.foreign_id.clone(),
                    opt(student.enrolled_day),
                    opt(student.left_day),
                ]);
                registration.push_str(&csv::join(&cells));
            }
            for piece in self.store.submissions(*space, None)? {
                let (Some(day), Some(id)) = (piece.day, by_account.get(&piece.student)) else {
                    continue;
                };
                work.push_str(&csv::join(&[
                    foreign.get(&piece.assignment).cloned().unwrap_or_default(),
                    id.clone(),
                    day.to_string(),
                    u8::from(piece.banked).to_string(),
                    opt(piece.score),
                ]));
            }
        }
        std::fs::create_dir_all(folder)?;
        for (name, text) in [
            ("courses.csv", course_lines),
            ("assessments.csv", assessments),
            ("studentInfo.csv", info),
            ("studentRegistration.csv", registration),
            ("studentAssessment.csv", work),
        ] {
            std::fs::write(folder.join(name), text)?;
        }
        Ok(())
    }

    /// Imported courses that are held here.
    ///
    /// # Errors
    /// The store's.
    pub fn imported_courses(&self) -> Result<Vec<SpaceId>, ClientError> {
        let mut out = BTreeSet::new();
        for course in self.store.courses()? {
            if !self
                .store
                .import_extras(course.space, "courses")?
                .is_empty()
            {
                out.insert(course.space);
            }
        }
        Ok(out.into_iter().collect())
    }
}
