//! Who syncs: a school, two teachers of twelve courses, their documents.
use std::sync::atomic::Ordering;

use stunity_client::{Client, NewCourse};
use stunity_documents::{ActorParts, DocType, Document};
use stunity_e2e::School;
use stunity_identity::StaffRoles;
use stunity_model::Roles;
use stunity_model::events::GroupSet;
use stunity_proto::{DocId, GroupId, Lane, SpaceId};

use super::workload::Generator;

/// Spaces that the documents lie in.
pub const SPACES: usize = 12;
/// Documents in all.
pub const DOCUMENTS: usize = 300;
/// Documents that change on each side while they are apart, each in a space of its own.
pub const CHANGED: usize = 10;

/// Whatever went wrong, in words.
pub type Fallible<T> = Result<T, Box<dyn std::error::Error>>;

/// Teachers of the same courses.
pub struct Class {
    /// The school, with its relay.
    pub school: School,
    /// Here.
    pub here: Client,
    /// There; the first is who edits.
    pub there: Vec<Client>,
    /// The documents, space by space.
    pub documents: Vec<DocId>,
    generator: Generator,
}

impl Class {
    /// A class whose documents were written here; nothing of it was sent. So many
    /// others are to read it.
    ///
    /// # Errors
    /// What a client says.
    pub async fn new(seed: u64, documents: usize, readers: usize) -> Fallible<Self> {
        let school = School::new().await;
        let mut here = school.join("here", StaffRoles::TEACHER).await;
        school.sync(&mut here).await;
        let mut there = Vec::new();
        for reader in 0..readers {
            let name = format!("there {reader}");
            there.push(school.join(&name, StaffRoles::TEACHER).await);
        }
        let mut generator = Generator::new(seed);
        let mut ids = Vec::new();
        for space in 0..SPACES {
            let course = here.create_course(NewCourse {
                title: format!("Course {space}"),
                ..NewCourse::default()
            })?;
            for reader in &there {
                here.add_staff(course, reader.store().account(), Roles::TEACHER)?;
            }
            for _ in 0..documents / SPACES {
                let mut editing = here.create_document(DocType::Lesson, course, Lane::Staff)?;
                ids.push(editing.place().doc);
                generator.write(&mut here, &mut editing)?;
                here.close_document(editing)?;
            }
        }
        Ok(Self {
            school,
            here,
            there,
            documents: ids,
            generator,
        })
    }

    /// How many packs the relay had at hand, made for an earlier session.
    #[must_use]
    pub fn packs_shared(&self) -> u64 {
        (self.school.log.metrics().packs_shared).load(Ordering::Relaxed)
    }

    /// Ten documents change here, ten others there, in ten spaces each. Gives the
    /// documents of both sides.
    ///
    /// # Errors
    /// What a client says.
    pub fn edit_apart(&mut self) -> Fallible<(Vec<DocId>, Vec<DocId>)> {
        let each = self.documents.len() / SPACES;
        let pick = |nth: usize, first: usize| -> Vec<DocId> {
            (0..CHANGED)
                .map(|space| self.documents[((space + first) % SPACES) * each + nth])
                .collect()
        };
        let (ours, theirs) = (pick(0, 0), pick(1, 2));
        for (client, docs) in [(&mut self.here, &ours), (&mut self.there[0], &theirs)] {
            for doc in docs {
                let mut editing = client.open_document(*doc)?;
                self.generator.edit(client, &mut editing)?;
                client.close_document(editing)?;
            }
        }
        Ok((ours, theirs))
    }
}

/// The change that a device made last to each document, raw: what a direction cannot
/// do without.
///
/// # Errors
/// What the store says.
pub fn last_changes(client: &Client, documents: &[DocId]) -> Fallible<Vec<u8>> {
    let mut all = Vec::new();
    for doc in documents {
        let changes = client.store().document_changes(*doc)?;
        all.extend(changes.last().ok_or("a document without changes")?);
    }
    Ok(all)
}

/// The documents' saves, uncompressed, in one piece.
///
/// # Errors
/// What the store says.
pub fn saves(client: &Client, documents: &[DocId]) -> Fallible<Vec<u8>> {
    let actor = ActorParts::from_bytes(client.store().actor(0)?.0);
    let mut all = Vec::new();
    for doc in documents {
        let changes = client.store().document_changes(*doc)?;
        let changes = changes.iter().map(Vec::as_slice);
        let loaded = Document::load_changes(DocType::Lesson, actor, None, changes)?;
        all.extend(loaded.document.save());
    }
    Ok(all)
}

/// A student with 12 courses of three lanes each and 8 further spaces that she reads
/// as she will conversations; in sync.
///
/// # Errors
/// What a client says.
pub async fn student(school: &School) -> Fallible<Client> {
    let mut teacher = school.join("their teacher", StaffRoles::TEACHER).await;
    let mut student = school.join("student", StaffRoles::default()).await;
    school.sync(&mut teacher).await;
    let account = student.store().account();
    for course in 0..SPACES + 8 {
        let space: SpaceId = teacher.create_course(NewCourse {
            title: format!("Course {course}"),
            ..NewCourse::default()
        })?;
        teacher.enrol(space, account)?;
        if course < SPACES {
            let group = GroupId([course as u8 + 1; 16]);
            let members = vec![account];
            let name = "group".to_owned();
            teacher.state(
                space,
                Lane::All,
                GroupSet {
                    group,
                    name,
                    members,
                },
            )?;
        }
    }
    school.sync(&mut teacher).await;
    school.sync(&mut student).await;
    Ok(student)
}
