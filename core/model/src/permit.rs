//! The one table of who may write what in which lane, signed or vouched. The
//! relay and every client judge by it; `docs/protocol/07-events.md` shows it.
use stunity_proto::{Lane, SchoolId, SpaceId};

use crate::Roles;
use crate::events::TYPES;

/// What kind of space an entry is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpaceKind {
    /// The school itself.
    School,
    /// A course.
    Course,
    /// An account.
    Account,
}

impl SpaceKind {
    /// The kind, from the ids and the lane alone. Conversations come with their
    /// own lanes.
    #[must_use]
    pub fn of(school: SchoolId, space: SpaceId, lane: Lane) -> Self {
        match lane {
            Lane::Private | Lane::Connections | Lane::Public | Lane::Keys => Self::Account,
            _ if space == school.space() => Self::School,
            _ => Self::Course,
        }
    }
}

/// Who may write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// The account whose space or `one:` lane it is.
    Self_,
    /// That account, as a pupil of the course.
    Student,
    /// Owner or teacher of the course.
    Teacher,
    /// Any staff of the course.
    Staff,
    /// Any member who reads the lane.
    Member,
    /// Any account of the school.
    Account,
    /// Staff of the school with the registrar or administrator role.
    Registrar,
    /// Staff of the school with the teacher or administrator role.
    SchoolTeacher,
    /// Whoever carries it: the school root's signature inside decides.
    RootSigned,
    /// A relay node for an account that signed in by password or invitation.
    Relay,
}

/// Lanes as bits, by [`Lane::kind`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lanes(pub u16);

const ALL: u16 = 1;
const STAFF: u16 = 1 << 1;
const ONE: u16 = 1 << 2;
const GROUP: u16 = 1 << 3;
const PRIVATE: u16 = 1 << 4;
const CONNECTIONS: u16 = 1 << 5;
const PUBLIC: u16 = 1 << 6;
const ACCOUNT: u16 = PRIVATE | CONNECTIONS | PUBLIC;

/// One row: this event, in these lanes of such a space, by these people.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// The event's type code.
    pub event: u16,
    /// The kind of space.
    pub space: SpaceKind,
    /// The lanes.
    pub lanes: Lanes,
    /// Who.
    pub who: Who,
    /// Whether a relay node may sign for the author.
    pub vouched: bool,
}

const fn rule(event: u16, space: SpaceKind, lanes: u16, who: Who, vouched: bool) -> Rule {
    Rule {
        event,
        space,
        lanes: Lanes(lanes),
        who,
        vouched,
    }
}

use SpaceKind::{Account, Course, School};
use Who::{Member, Registrar, Relay, RootSigned, SchoolTeacher, Self_, Staff, Student, Teacher};

/// The table for events.
pub const RULES: &[Rule] = &[
    rule(20, School, ALL, Registrar, false),
    rule(21, School, ALL, RootSigned, true),
    rule(22, School, STAFF, Registrar, false),
    rule(22, School, STAFF, Relay, true),
    rule(23, School, STAFF, Registrar, false),
    rule(23, Course, STAFF, Teacher, false),
    rule(24, School, STAFF | ONE, Registrar, false),
    rule(25, School, STAFF | ONE, Registrar, false),
    rule(26, Course, STAFF, Teacher, false),
    rule(27, School, ONE, Self_, false),
    rule(27, School, ONE, Registrar, false),
    rule(40, Course, ALL, SchoolTeacher, false),
    rule(41, Course, ALL, Teacher, true),
    rule(42, Course, ALL | ONE, Teacher, false),
    rule(43, Course, ALL | ONE, Teacher, false),
    rule(44, Course, ONE, Teacher, false),
    rule(44, Course, ONE, Self_, true),
    rule(45, Course, ONE, Teacher, false),
    rule(45, Course, ONE, Student, true),
    rule(46, Course, ALL | STAFF, Teacher, false),
    rule(60, Course, ALL, Teacher, true),
    rule(61, Course, ONE, Student, true),
    rule(62, Course, ALL, Teacher, true),
    rule(63, Course, STAFF, Teacher, true),
    rule(64, Course, ONE, Teacher, true),
    rule(65, Course, ONE, Student, true),
    rule(66, Course, ONE, Student, true),
    rule(67, Course, STAFF | ONE, Teacher, true),
    rule(68, Course, STAFF, Teacher, true),
    rule(69, Course, ONE, Teacher, true),
    rule(70, Course, ONE, Teacher, true),
    rule(71, Course, STAFF, Teacher, true),
    rule(72, Course, ALL | STAFF | ONE | GROUP, Member, true),
    rule(72, Account, CONNECTIONS | PUBLIC, Self_, true),
    rule(73, Course, ONE, Teacher, false),
    rule(74, Course, STAFF, Teacher, false),
    rule(75, Course, ALL, Teacher, false),
    rule(90, Account, CONNECTIONS | PUBLIC, Self_, true),
    rule(90, Course, ALL | GROUP, Member, true),
    rule(91, Account, ACCOUNT, Self_, true),
    rule(91, Course, ALL | ONE | GROUP, Member, true),
    rule(92, Account, ACCOUNT, Self_, true),
    rule(93, Account, PRIVATE, Self_, true),
    rule(94, Account, PRIVATE, Self_, true),
    rule(94, Course, ONE, Student, true),
    rule(94, School, STAFF, Who::Account, true),
    rule(95, Course, ALL, Teacher, false),
    rule(95, School, ALL, Registrar, false),
    rule(96, Account, PUBLIC | CONNECTIONS, Self_, true),
    rule(96, Course, ALL | GROUP, Member, true),
    rule(97, Account, PUBLIC | CONNECTIONS, Self_, true),
    rule(97, Course, ALL | GROUP, Member, true),
    rule(98, Course, ALL | ONE, Member, true),
    rule(98, Account, ACCOUNT, Self_, true),
    rule(140, Account, PRIVATE, Self_, true),
    rule(150, Course, ALL | STAFF | ONE | GROUP, Member, false),
    rule(150, Account, ACCOUNT, Self_, false),
    rule(151, Course, STAFF | GROUP, Member, false),
    rule(151, Account, ACCOUNT, Self_, false),
];

/// The table for document changes: document type, as in `stunity-documents`.
pub const DOCUMENTS: &[Rule] = &[
    // 1 lesson, 6 course description, 7 assignment description
    rule(1, Course, STAFF, Staff, false),
    rule(6, Course, STAFF, Staff, false),
    rule(7, Course, STAFF, Staff, false),
    // 2 article, 3 draft, 5 profile
    rule(2, Account, ACCOUNT, Self_, false),
    rule(3, Account, PRIVATE, Self_, false),
    rule(5, Account, ACCOUNT, Self_, false),
    // 4 group draft
    rule(4, Course, GROUP, Member, false),
];

/// What is known of the author where an entry is judged.
#[derive(Clone, Copy, Debug, Default)]
pub struct Standing {
    /// The author is the account of the space or of the `one:` lane.
    pub is_self: bool,
    /// Roles in the course at the cited heads.
    pub roles: Roles,
    /// Staff roles in the school, bits of `stunity_identity::StaffRoles`.
    pub teaches_at_school: bool,
    /// Administrator or registrar of the school.
    pub registers: bool,
    /// A valid root signature is inside.
    pub root_signed: bool,
    /// The author can read the lane.
    pub reads_lane: bool,
    /// A node binds the author's own root, not as seen in person.
    pub relay_bind: bool,
}

impl Who {
    fn allows(self, standing: &Standing) -> bool {
        let roles = standing.roles;
        match self {
            Self::Self_ => standing.is_self,
            Self::Student => standing.is_self && roles.any(Roles::STUDENT),
            Self::Teacher => roles.any(Roles(Roles::OWNER.0 | Roles::TEACHER.0)),
            Self::Staff => roles.any(Roles::STAFF),
            Self::Member => standing.reads_lane,
            Self::Account => true,
            Self::Registrar => standing.registers,
            Self::SchoolTeacher => standing.teaches_at_school,
            Self::RootSigned => standing.root_signed,
            Self::Relay => standing.relay_bind,
        }
    }
}

/// Whether the table allows an operation.
///
/// # Errors
/// The stable code of the first reason: the lane, vouching, the role.
pub fn permit(
    rules: &[Rule],
    code: u16,
    space: SpaceKind,
    lane: Lane,
    vouched: bool,
    standing: &Standing,
) -> Result<(), &'static str> {
    let bit = 1u16 << lane.kind();
    let mut in_lane = rules
        .iter()
        .filter(|rule| rule.event == code && rule.space == space && rule.lanes.0 & bit != 0)
        .peekable();
    if in_lane.peek().is_none() {
        return Err("lane.mismatch");
    }
    let mut refused = "vouched.never";
    for rule in in_lane {
        if vouched && !rule.vouched {
            continue;
        }
        if rule.who.allows(standing) {
            return Ok(());
        }
        refused = "role.missing";
    }
    Err(refused)
}

fn lane_names(lanes: Lanes) -> String {
    const NAMES: [&str; 8] = [
        "all",
        "staff",
        "one:",
        "group:",
        "private",
        "connections",
        "public",
        "keys",
    ];
    let names: Vec<&str> = NAMES
        .iter()
        .enumerate()
        .filter(|(bit, _)| lanes.0 & 1 << bit != 0)
        .map(|(_, name)| *name)
        .collect();
    names.join(", ")
}

/// The table for events as its page shows it.
#[must_use]
pub fn render() -> String {
    let mut out = String::from(
        "| code | event | space | lanes | who | vouched |\n|---|---|---|---|---|---|\n",
    );
    for rule in RULES {
        let name = TYPES
            .iter()
            .find(|(code, _)| *code == rule.event)
            .map_or("?", |(_, name)| *name);
        let who = format!("{:?}", rule.who);
        out.push_str(&format!(
            "| {} | {} | {:?} | {} | {} | {} |\n",
            rule.event,
            name,
            rule.space,
            lane_names(rule.lanes),
            who.trim_end_matches('_'),
            if rule.vouched { "yes" } else { "no" },
        ));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::*;

    #[test]
    fn the_page_shows_the_table() {
        let page = include_str!("../../../docs/protocol/07-events.md");
        assert!(
            page.contains(&render()),
            "the page should have:\n{}",
            render()
        );
    }

    #[test]
    fn every_event_has_a_rule() {
        for (code, name) in TYPES {
            assert!(RULES.iter().any(|rule| rule.event == *code), "{name}");
        }
    }

    #[test]
    fn answer_keys_and_grades_never_reach_a_lane_that_pupils_read() {
        for code in [AnswerKey::CODE, Grade::CODE, ChooseGrade::CODE] {
            for rule in RULES.iter().filter(|rule| rule.event == code) {
                assert_eq!(rule.lanes.0, STAFF);
            }
        }
    }

    #[test]
    fn membership_and_keys_are_never_vouched_save_enrolling_and_leaving_oneself() {
        for rule in RULES.iter().filter(|rule| (20..=46).contains(&rule.event)) {
            let own = matches!(rule.event, Enrol::CODE | Leave::CODE);
            let public_face = rule.event == CoursePublish::CODE;
            // The proof is inside, or the binding says that nobody was seen.
            let proven = matches!(rule.who, RootSigned | Relay);
            assert!(
                !rule.vouched
                    || proven
                    || public_face
                    || (own && matches!(rule.who, Self_ | Student)),
                "{rule:?}"
            );
        }
    }

    #[test]
    fn a_pupil_may_not_grade_and_a_teacher_may() {
        let course = |roles| Standing {
            roles,
            is_self: true,
            reads_lane: true,
            ..Standing::default()
        };
        let grade =
            |standing: &Standing| permit(RULES, Grade::CODE, Course, Lane::Staff, false, standing);
        assert_eq!(grade(&course(Roles::STUDENT)), Err("role.missing"));
        assert_eq!(grade(&course(Roles::TEACHER)), Ok(()));
        assert_eq!(
            permit(
                RULES,
                Grade::CODE,
                Course,
                Lane::All,
                false,
                &course(Roles::TEACHER)
            ),
            Err("lane.mismatch")
        );
    }
}
