//! What a device shows, as facts that other devices show too.
use std::collections::BTreeMap;

use stunity_client::{Client, ClientError};
use stunity_model::Roles;
use stunity_proto::{AccountId, Lane, ObjectId, SpaceId};

use crate::truth::Truth;

/// Where a fact is known: who reads the lane shows it.
pub type Place = (SpaceId, Lane);

/// Facts by place and name.
pub type Dump = BTreeMap<(Place, String), String>;

/// Everything that a device shows of the courses; the relay's times, and what follows
/// from them, only where they are all from one order.
///
/// # Errors
/// The client's.
pub fn dump(client: &mut Client, truth: &Truth, with_times: bool) -> Result<Dump, ClientError> {
    let mut dump = Dump::new();
    for space in &truth.courses {
        course(client, truth, *space, with_times, &mut dump)?;
    }
    if let (Some(doc), Some(space)) = (truth.lesson, truth.courses.first())
        && client.store().document(doc)?.is_some()
    {
        let text = client.document_view(doc)?.text("body").map(str::to_owned);
        let place = (*space, Lane::Staff);
        dump.insert((place, "lesson text".into()), text.unwrap_or_default());
    }
    Ok(dump)
}

fn course(
    client: &Client,
    truth: &Truth,
    space: SpaceId,
    with_times: bool,
    dump: &mut Dump,
) -> Result<(), ClientError> {
    let time = |received_ms: Option<u64>| received_ms.filter(|_| with_times);
    let store = client.store();
    let all = (space, Lane::All);
    let mut put = |place: Place, name: String, value: String| {
        // Two rows with one name must not hide each other.
        let all = dump.entry((place, name)).or_default();
        if !all.is_empty() {
            all.push_str(" AND ");
        }
        all.push_str(&value);
    };
    let Some(row) = store.course(space)? else {
        return Ok(());
    };
    put(
        all,
        "course".into(),
        format!("{} by {} open {}", row.title, row.owner, row.open),
    );
    for member in store.class_list(space, Roles(15))? {
        let place = if member.roles.any(Roles::STAFF) {
            all
        } else {
            (space, Lane::One(member.account))
        };
        put(
            place,
            format!("member {}", member.account),
            format!("{:?}", member.roles),
        );
    }
    for row in store.lessons(space)? {
        put(
            all,
            format!("lesson {}", row.lesson),
            format!("{} {} {}", row.place, row.title, row.text),
        );
    }
    for row in store.assignments(space)? {
        put(
            all,
            format!("assignment {}", row.assignment),
            format!("{} due {:?} of {}", row.title, row.due_ms, row.max_points),
        );
    }
    for row in store.submissions(space, None)? {
        let place = (space, Lane::One(row.student));
        put(
            place,
            format!("work {}", row.entry),
            format!(
                "{} attempt {} {} at {:?}: {}",
                row.assignment,
                row.attempt,
                row.text,
                time(row.received_ms),
                if with_times {
                    row.timeliness.code()
                } else {
                    ""
                }
            ),
        );
    }
    for mut row in store.grades(space, None)? {
        for grade in &mut row.grades {
            grade.received_ms = time(grade.received_ms);
        }
        put(
            (space, Lane::Staff),
            format!("grades {} {}", row.assignment, row.student),
            format!(
                "{:?} {:?} {}",
                row.standing, row.grades, row.handed_in_again
            ),
        );
    }
    for row in store.releases(space, None)? {
        put(
            (space, Lane::One(row.student)),
            format!("release {} {}", row.assignment, row.student),
            format!("{} {} {}", row.grade, row.points, row.feedback),
        );
    }
    let pupils = truth
        .pupils
        .iter()
        .chain(&truth.left)
        .filter(|(course, _)| *course == space)
        .map(|(_, pupil)| *pupil);
    let pupils: std::collections::BTreeSet<AccountId> = pupils.collect();
    for row in store.comments(ObjectId(space.0))? {
        let words = comment(&row, time(row.received_ms));
        put(all, format!("comment {}", row.comment), words);
    }
    for pupil in pupils {
        for row in store.comments(ObjectId(pupil.0))? {
            let place = (space, Lane::One(pupil));
            // Of one pupil in both courses: told apart by whether the deed was here.
            let here = crate::truth::tokens(&row.text).iter().any(|token| {
                truth
                    .deeds
                    .iter()
                    .any(|deed| deed.token == *token && deed.space == space)
            });
            if here {
                let words = comment(&row, time(row.received_ms));
                put(place, format!("comment {}", row.comment), words);
            }
        }
    }
    Ok(())
}

fn comment(row: &stunity_store::CommentRow, received_ms: Option<u64>) -> String {
    format!("{} by {} at {received_ms:?}", row.text, row.author)
}
