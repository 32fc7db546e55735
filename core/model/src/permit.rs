//! The one table of who may write what in which lane, signed or vouched. The
//! relay and every client judge by it; `docs/protocol/07-events.md` shows it.
use stunity_proto::{Lane, SchoolId, SpaceId};

use crate::events::TYPES;
use crate::{Roles, sabotage};

/// What kind of space an entry is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpaceKind {
    /// The school itself.
    School,
    /// A course.
    Course,
    /// An account.
    Account,
    /// A conversation.
    Conversation,
}

impl SpaceKind {
    /// The kind, from the ids and the lane alone.
    #[must_use]
    pub fn of(school: SchoolId, space: SpaceId, lane: Lane) -> Self {
        match lane {
            Lane::Talk => Self::Conversation,
            Lane::Private | Lane::Connections | Lane::Public | Lane::Keys => Self::Account,
            _ if space == school.space() => Self::School,
            _ => Self::Course,
        }
    }

    /// Whether membership of the space itself says who may do what in it.
    #[must_use]
    pub fn has_members(self) -> bool {
        matches!(self, Self::Course | Self::Conversation)
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
    /// Who began a group's conversation, and who was named to say who is in it.
    Host,
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
const TALK: u16 = 1 << 8;
const ACCOUNT: u16 = PRIVATE | CONNECTIONS | PUBLIC;

/// What a relay node's signature for an author is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vouched {
    /// Nothing: the author's own device signs.
    No,
    /// As much as the author's own: what can be forged so is theirs to undo.
    Yes,
    /// A proposal, without effect until staff accept it, unless the course's
    /// genesis, which a teacher signed, says that it counts: what pupils are
    /// marked by is no relay's to say.
    ByPolicy,
}

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
    pub vouched: Vouched,
}

const fn rule(event: u16, space: SpaceKind, lanes: u16, who: Who, vouched: Vouched) -> Rule {
    Rule {
        event,
        space,
        lanes: Lanes(lanes),
        who,
        vouched,
    }
}

use SpaceKind::{Account, Conversation, Course, School};
use Vouched::{ByPolicy, No, Yes};
use Who::{
    Host, Member, Registrar, Relay, RootSigned, SchoolTeacher, Self_, Staff, Student, Teacher,
};

/// The table for events.
pub const RULES: &[Rule] = &[
    rule(20, School, ALL, Registrar, No),
    rule(21, School, ALL, RootSigned, Yes),
    rule(22, School, STAFF, Registrar, No),
    rule(22, School, STAFF, Relay, Yes),
    rule(23, School, STAFF, Registrar, No),
    rule(23, Course, STAFF, Teacher, No),
    rule(24, School, STAFF | ONE, Registrar, No),
    rule(25, School, STAFF | ONE, Registrar, No),
    rule(26, Course, ALL | STAFF | ONE, Teacher, No),
    rule(27, School, ONE, Self_, No),
    rule(27, School, ONE, Registrar, No),
    rule(40, Course, ALL, SchoolTeacher, No),
    rule(41, Course, ALL, Teacher, Yes),
    rule(42, Course, ALL | ONE, Teacher, No),
    rule(43, Course, ALL | ONE, Teacher, No),
    rule(44, Course, ONE, Teacher, No),
    rule(44, Course, ONE, Self_, Yes),
    rule(45, Course, ONE, Teacher, No),
    rule(45, Course, ONE, Student, Yes),
    rule(46, Course, ALL | STAFF, Teacher, No),
    rule(47, Course, ALL | ONE, Teacher, No),
    rule(60, Course, ALL, Teacher, Yes),
    rule(61, Course, ONE, Student, Yes),
    rule(62, Course, ALL, Teacher, ByPolicy),
    rule(63, Course, STAFF, Teacher, ByPolicy),
    rule(64, Course, ONE, Teacher, ByPolicy),
    rule(65, Course, ONE, Student, Yes),
    rule(66, Course, ONE, Student, Yes),
    rule(67, Course, STAFF | ONE, Teacher, ByPolicy),
    rule(68, Course, STAFF, Teacher, ByPolicy),
    rule(69, Course, ONE, Teacher, ByPolicy),
    rule(70, Course, ONE, Teacher, ByPolicy),
    rule(71, Course, STAFF, Teacher, ByPolicy),
    rule(72, Course, ALL | STAFF | ONE | GROUP, Member, Yes),
    rule(72, Account, CONNECTIONS | PUBLIC, Self_, Yes),
    rule(73, Course, ONE, Teacher, No),
    rule(74, Course, STAFF, Teacher, No),
    rule(75, Course, ALL, Teacher, No),
    rule(76, Course, ALL, Teacher, Yes),
    rule(90, Account, CONNECTIONS | PUBLIC, Self_, Yes),
    rule(90, Course, ALL | GROUP, Member, Yes),
    rule(91, Account, ACCOUNT, Self_, Yes),
    rule(91, Course, ALL | ONE | GROUP, Member, Yes),
    rule(92, Account, ACCOUNT, Self_, Yes),
    rule(93, Account, PRIVATE, Self_, Yes),
    rule(94, Account, PRIVATE, Self_, Yes),
    rule(94, Course, ONE, Student, Yes),
    rule(94, School, STAFF, Who::Account, Yes),
    rule(95, Course, ALL, Teacher, No),
    rule(95, School, ALL, Registrar, No),
    rule(96, Account, PUBLIC | CONNECTIONS, Self_, Yes),
    rule(96, Course, ALL | GROUP, Member, Yes),
    rule(97, Account, PUBLIC | CONNECTIONS, Self_, Yes),
    rule(97, Course, ALL | GROUP, Member, Yes),
    rule(98, Course, ALL | ONE, Member, Yes),
    rule(98, Account, ACCOUNT, Self_, Yes),
    rule(110, Conversation, TALK, Who::Account, Yes),
    rule(111, Conversation, TALK, Host, Yes),
    rule(111, Conversation, TALK, Member, Yes),
    rule(112, Conversation, TALK, Member, Yes),
    rule(113, Conversation, TALK, Member, Yes),
    rule(113, Account, PRIVATE, Self_, Yes),
    rule(114, Conversation, TALK, Host, Yes),
    rule(140, Account, PRIVATE, Self_, Yes),
    rule(141, Account, PRIVATE, Self_, Yes),
    rule(142, Account, PRIVATE, Self_, No),
    rule(150, Course, ALL | STAFF | ONE | GROUP, Member, No),
    rule(150, Account, ACCOUNT, Self_, No),
    rule(150, Conversation, TALK, Member, No),
    rule(151, Course, STAFF | GROUP, Member, No),
    rule(151, Account, ACCOUNT, Self_, No),
];

/// The table for document changes: document type, as in `stunity-documents`.
pub const DOCUMENTS: &[Rule] = &[
    // 1 lesson, 6 course description, 7 assignment description
    rule(1, Course, STAFF, Staff, No),
    rule(6, Course, STAFF, Staff, No),
    rule(7, Course, STAFF, Staff, No),
    // 2 article, 3 draft, 5 profile
    rule(2, Account, ACCOUNT, Self_, No),
    rule(3, Account, PRIVATE, Self_, No),
    rule(5, Account, ACCOUNT, Self_, No),
    // 4 group draft
    rule(4, Course, GROUP, Member, No),
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
            Self::Host => roles.any(Roles::HOST),
            Self::Account => true,
            Self::Registrar => standing.registers,
            Self::SchoolTeacher => standing.teaches_at_school,
            Self::RootSigned => standing.root_signed,
            Self::Relay => standing.relay_bind,
        }
    }
}

/// How the table allows an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permitted {
    /// It counts.
    Yes,
    /// It counts where the course's policy says so, and else is a proposal.
    ByPolicy,
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
) -> Result<Permitted, &'static str> {
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
        if vouched && rule.vouched == Vouched::No && !sabotage::vouches_for_anything() {
            continue;
        }
        if rule.who.allows(standing) || sabotage::allows_anybody() {
            return Ok(match rule.vouched {
                Vouched::ByPolicy if vouched => Permitted::ByPolicy,
                _ => Permitted::Yes,
            });
        }
        refused = "role.missing";
    }
    Err(refused)
}

fn lane_names(lanes: Lanes) -> String {
    const NAMES: [&str; 9] = [
        "all",
        "staff",
        "one:",
        "group:",
        "private",
        "connections",
        "public",
        "keys",
        "talk",
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
            match rule.vouched {
                Vouched::No => "no",
                Vouched::Yes => "yes",
                Vouched::ByPolicy => "by policy",
            },
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
        for rule in RULES.iter().filter(|rule| (20..=47).contains(&rule.event)) {
            let own = matches!(rule.event, Enrol::CODE | Leave::CODE);
            let public_face = rule.event == CoursePublish::CODE;
            // The proof is inside, or the binding says that nobody was seen.
            let proven = matches!(rule.who, RootSigned | Relay);
            assert!(
                rule.vouched == No
                    || proven
                    || public_face
                    || (own && matches!(rule.who, Self_ | Student)),
                "{rule:?}"
            );
        }
    }

    #[test]
    fn what_pupils_are_marked_by_is_no_relays_to_say() {
        for code in [
            AssignmentPublish::CODE,
            AnswerKey::CODE,
            Extension::CODE,
            AutoMark::CODE,
            Grade::CODE,
            Release::CODE,
            Return::CODE,
            ChooseGrade::CODE,
        ] {
            for rule in RULES.iter().filter(|rule| rule.event == code) {
                assert_eq!(rule.vouched, ByPolicy, "{rule:?}");
            }
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
        assert_eq!(grade(&course(Roles::TEACHER)), Ok(Permitted::Yes));
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
