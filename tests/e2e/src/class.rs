//! The smallest class: a teacher, a pupil, a course with an assignment.
use stunity_client::{Client, NewAssignment, NewCourse, NewGrade, Work};
use stunity_identity::StaffRoles;
use stunity_proto::{ObjectId, SpaceId};

use crate::School;

/// Devices of a class, in sync.
pub struct Class {
    /// The school.
    pub school: School,
    /// Owns the course.
    pub teacher: Client,
    /// Learns.
    pub pupil: Client,
    /// The course.
    pub course: SpaceId,
    /// Its essay, of 1,000 points.
    pub assignment: ObjectId,
}

impl Class {
    /// A new school with this class.
    ///
    /// # Panics
    /// If a device has no space.
    pub async fn new() -> Self {
        let school = School::new().await;
        let mut teacher = school.join("teacher", StaffRoles::TEACHER).await;
        school.sync(&mut teacher).await;
        let course = teacher.create_course(NewCourse {
            title: "Physics".into(),
            title_km: Some("រូបវិទ្យា".into()),
            ..NewCourse::default()
        });
        let course = course.expect("there is space");
        let essay = NewAssignment {
            title: "Essay".into(),
            max_points: 1000,
            ..NewAssignment::default()
        };
        let assignment = teacher.publish_assignment(course, essay);
        let mut pupil = school.join("pupil", StaffRoles::default()).await;
        enrol(&school, &mut teacher, course, &mut pupil).await;
        Self {
            school,
            teacher,
            pupil,
            course,
            assignment: assignment.expect("there is space"),
        }
    }

    /// One more pupil of the course, in sync.
    pub async fn classmate(&mut self, name: &str) -> Client {
        let mut pupil = self.school.join(name, StaffRoles::default()).await;
        enrol(&self.school, &mut self.teacher, self.course, &mut pupil).await;
        pupil
    }

    /// An attempt at the essay.
    #[must_use]
    pub fn essay(&self, text: &str) -> Work {
        Work {
            course: self.course,
            assignment: self.assignment,
            attempt: 1,
            text: text.into(),
            blobs: Vec::new(),
        }
    }

    /// Points for the pupil's essay.
    #[must_use]
    pub fn mark(&self, points: u64) -> NewGrade {
        NewGrade {
            course: self.course,
            assignment: self.assignment,
            student: self.pupil.store().account(),
            attempt: None,
            points,
            feedback: "good".into(),
            supersedes: Vec::new(),
        }
    }
}

async fn enrol(school: &School, teacher: &mut Client, course: SpaceId, pupil: &mut Client) {
    let enrolled = teacher.enrol(course, pupil.store().account());
    enrolled.expect("there is space");
    school.sync(teacher).await;
    school.sync(pupil).await;
}

/// Text that nothing makes much shorter: so many words of about 16 digits, others for
/// every seed.
#[must_use]
pub fn noise(seed: u64, words: u64) -> String {
    (1..=words)
        .map(|n| {
            let word = (n * (2 * seed + 1)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            format!("{word:x} ")
        })
        .collect()
}
