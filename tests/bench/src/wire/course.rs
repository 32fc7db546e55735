//! A course as it is written over weeks: lessons by several teachers in turn, each pause
//! a change of its own, each change an entry, since the link was there. And who joins it.
use stunity_client::{Client, NewCourse};
use stunity_documents::DocType;
use stunity_e2e::School;
use stunity_identity::StaffRoles;
use stunity_model::Roles;
use stunity_proto::{DocId, Lane};

use super::class::Fallible;
use super::workload::Generator;

/// Lessons of the course.
pub const LESSONS: usize = 12;
/// Bursts in which each was written.
pub const BURSTS: usize = 100;
/// Who writes.
const AUTHORS: usize = 3;
/// Bursts until another goes on.
const SITTING: usize = 20;

/// The course.
pub struct Course {
    /// The school, with its relay.
    pub school: School,
    /// Who wrote it, in sync.
    pub author: Client,
    /// Teachers whose devices have nothing of it yet.
    pub readers: [Client; 2],
    /// The lessons.
    pub lessons: Vec<DocId>,
}

impl Course {
    /// A course of so many lessons, each written in so many bursts.
    ///
    /// # Errors
    /// What a client says.
    pub async fn new(seed: u64, lessons: usize, bursts: usize) -> Fallible<Self> {
        let school = School::new().await;
        let mut authors = Vec::new();
        for author in 0..AUTHORS {
            let name = format!("author {author}");
            authors.push(school.join(&name, StaffRoles::TEACHER).await);
        }
        let readers = [
            school.join("reader 0", StaffRoles::TEACHER).await,
            school.join("reader 1", StaffRoles::TEACHER).await,
        ];
        school.sync(&mut authors[0]).await;
        let course = authors[0].create_course(NewCourse {
            title: "Course".into(),
            ..NewCourse::default()
        })?;
        let others: Vec<_> = (authors[1..].iter().chain(&readers))
            .map(|other| other.store().account())
            .collect();
        for account in others {
            authors[0].add_staff(course, account, Roles::TEACHER)?;
        }
        school.sync(&mut authors[0]).await;
        let mut generator = Generator::new(seed);
        let mut ids = Vec::new();
        for lesson in 0..lessons {
            let mut doc = None;
            for sitting in 0..bursts.div_ceil(SITTING) {
                let by = &mut authors[(lesson + sitting) % AUTHORS];
                school.sync(by).await;
                let mut editing = match doc {
                    Some(doc) => by.open_document(doc)?,
                    None => by.create_document(DocType::Lesson, course, Lane::Staff)?,
                };
                doc = Some(editing.place().doc);
                for _ in 0..SITTING.min(bursts - sitting * SITTING) {
                    generator.burst(by, &mut editing)?;
                    by.commit(&mut editing)?;
                    by.store_mut().seal()?;
                }
                by.close_document(editing)?;
                school.sync(by).await;
            }
            ids.extend(doc);
        }
        let mut author = authors.swap_remove(0);
        school.sync(&mut author).await;
        Ok(Self {
            school,
            author,
            readers,
            lessons: ids,
        })
    }
}
