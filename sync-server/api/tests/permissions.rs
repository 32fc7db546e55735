//! The permission table, rule by rule, as the log applies it to what a relay signs for
//! somebody: counted, a proposal, or refused, exactly as the table says.
#![allow(clippy::unwrap_used)] // A failed step fails the test.

use std::collections::BTreeSet;

use stunity_client::{Between, Client, NewCourse};
use stunity_e2e::School;
use stunity_identity::StaffRoles;
use stunity_model::events::*;
use stunity_model::permit::{RULES, SpaceKind, Vouched, Who};
use stunity_model::sabotage::{Check, Sabotage};
use stunity_model::talk::{Kind, space_of};
use stunity_model::{Event, Roles};
use stunity_proto::{AccountId, GroupId, Lane, SpaceId};
use stunity_server::Log;
use stunity_server::log::Vouch;
use stunity_sync::replica::Outcome;
use tokio::task::JoinHandle;

/// Somebody, and what they are.
#[derive(Clone, Copy)]
struct Persona {
    name: &'static str,
    account: AccountId,
    /// In the course.
    roles: Roles,
    /// In the conversation.
    talks: Roles,
}

impl Persona {
    /// Whether they are who a rule means. Offices in the school are in no rule by which a
    /// relay may sign, so nobody's matter here.
    fn is(&self, who: Who, place: Place) -> bool {
        let own_lane = place.lane == Lane::One(self.account);
        let own_space = place.space == self.account.space();
        let student = self.roles.any(Roles::STUDENT);
        let staff = self.roles.any(Roles::STAFF);
        match who {
            Who::Self_ => own_lane || own_space,
            Who::Student => own_lane && student,
            Who::Teacher => self.roles.any(Roles(Roles::OWNER.0 | Roles::TEACHER.0)),
            Who::Staff => staff,
            Who::Member => match place.lane {
                Lane::All | Lane::Group(_) => staff || student,
                Lane::One(_) => staff || (own_lane && student),
                Lane::Talk => self.talks.any(Roles::TALKER),
                _ => staff,
            },
            Who::Host => self.talks.any(Roles::HOST),
            Who::Account | Who::Relay => true,
            Who::RootSigned => false,
            Who::Registrar | Who::SchoolTeacher => panic!("no relay signs for {who:?}"),
        }
    }
}

/// Where something is said.
#[derive(Clone, Copy, Debug)]
struct Place {
    kind: SpaceKind,
    space: SpaceId,
    lane: Lane,
}

/// What the table says of an event through an API: its code, or none where it counts.
fn expected(code: u16, place: Place, who: &Persona, counts: bool) -> Option<&'static str> {
    let rules: Vec<_> = (RULES.iter())
        .filter(|rule| rule.event == code && rule.space == place.kind)
        .filter(|rule| rule.lanes.0 & (1 << place.lane.kind()) != 0)
        .collect();
    if rules.is_empty() {
        return Some("lane.mismatch");
    }
    let vouched: Vec<_> = (rules.iter())
        .filter(|rule| rule.vouched != Vouched::No)
        .collect();
    if vouched.is_empty() {
        return Some("vouched.never");
    }
    match vouched.iter().find(|rule| who.is(rule.who, place)) {
        None => Some("role.missing"),
        Some(rule) if rule.vouched == Vouched::ByPolicy && !counts => Some("vouched.proposal"),
        Some(_) => None,
    }
}

/// The golden event of a type.
fn golden(code: u16) -> Event {
    let prefix = format!("event/{code:03}-");
    let name = (stunity_compat::golden::names().into_iter())
        .find(|name| name.starts_with(&prefix))
        .unwrap();
    Event::decode(&stunity_compat::golden::load(&name).unwrap()).unwrap()
}

/// An event of a type that is right in itself: golden bytes, about whom the lane is.
fn event(code: u16, who: AccountId, place: Place) -> Event {
    let account = match place.lane {
        Lane::One(whose) => whose,
        _ => who,
    };
    match golden(code) {
        Event::Enrol(_) => Enrol { account }.into(),
        Event::Leave(_) => Leave { account }.into(),
        // Everybody may leave; hosts may say anything.
        Event::ConversationMember(_) => ConversationMember {
            account: who,
            standing: 0,
        }
        .into(),
        Event::Read(e) => Read {
            conversation: place.space,
            ..e
        }
        .into(),
        // Binds nothing: accounts with devices have a root.
        Event::RosterBind(e) => RosterBind {
            account: who,
            in_person: false,
            ..e
        }
        .into(),
        other => other,
    }
}

/// The code with which the log answers; none where it counts.
async fn said(log: Log, who: Persona, place: Place, event: Event) -> Option<String> {
    let vouch = Vouch {
        author: who.account,
        space: place.space,
        lane: place.lane,
        events: vec![event],
        once: None,
    };
    match log.vouch(vouch).await.unwrap().1 {
        Outcome::Accepted(_) => None,
        Outcome::Pending { code, .. } | Outcome::Refused { code, .. } => Some(code),
    }
}

/// A school with one course, and somebody of each kind.
struct Cast {
    school: School,
    course: SpaceId,
    conversation: SpaceId,
    personas: Vec<Persona>,
}

impl Cast {
    async fn new(counts_api_grades: bool) -> Self {
        let school = School::new().await;
        let mut owner = school.join("owner", StaffRoles::TEACHER).await;
        let course = owner
            .create_course(NewCourse {
                open: true,
                counts_api_grades,
                ..NewCourse::default()
            })
            .unwrap();
        let mut personas = vec![persona("owner", &owner, Roles::OWNER)];
        for (name, offices, roles) in [
            ("teacher", StaffRoles::default(), Roles::TEACHER),
            ("assistant", StaffRoles::default(), Roles::ASSISTANT),
            ("student", StaffRoles::default(), Roles::STUDENT),
            ("nobody", StaffRoles::default(), Roles::default()),
            ("registrar", StaffRoles::REGISTRAR, Roles::default()),
            ("administrator", StaffRoles::ADMIN, Roles::default()),
        ] {
            let device = school.join(name, offices).await;
            let account = device.store().account();
            match roles {
                Roles::STUDENT => owner.enrol(course, account).unwrap(),
                Roles(0) => {}
                roles => owner.add_staff(course, account, roles).unwrap(),
            }
            personas.push(persona(name, &device, roles));
        }
        personas[0].talks = Kind::Group.starter();
        for member in &mut personas[2..5] {
            member.talks = Roles::TALKER;
        }
        let members = personas[2..5].iter().map(|member| member.account);
        let members = Between::Group(members.collect());
        let conversation = owner.start_conversation(members).unwrap();
        school.sync(&mut owner).await;
        Self {
            school,
            course,
            conversation,
            personas,
        }
    }

    /// Every lane of every kind of space in which somebody could say something.
    fn places(&self, who: AccountId) -> Vec<Place> {
        let other = self.personas.iter().find(|other| other.account != who);
        let other = other.unwrap().account;
        let school = self.school.log.keys().school().space();
        let mut places = Vec::new();
        let group = Lane::Group(GroupId([5; 16]));
        for lane in [
            Lane::All,
            Lane::Staff,
            Lane::One(who),
            Lane::One(other),
            group,
        ] {
            for (kind, space) in [
                (SpaceKind::School, school),
                (SpaceKind::Course, self.course),
            ] {
                places.push(Place { kind, space, lane });
            }
        }
        for lane in [Lane::Private, Lane::Connections, Lane::Public] {
            for account in [who, other] {
                places.push(Place {
                    kind: SpaceKind::Account,
                    space: account.space(),
                    lane,
                });
            }
        }
        places.push(Place {
            kind: SpaceKind::Conversation,
            space: self.conversation,
            lane: Lane::Talk,
        });
        places
    }

    /// Says every event of these types everywhere, as everybody: each answer is the one
    /// of the table. Gives all that came.
    async fn say(&mut self, codes: &[u16], counts: bool) -> BTreeSet<Option<&'static str>> {
        let mut answers = BTreeSet::new();
        for code in codes {
            let mut waiting = Vec::new();
            for n in 0..self.personas.len() {
                let who = self.personas[n];
                for place in self.places(who.account) {
                    // A course and a group's conversation begin once: in a space of
                    // their own.
                    let place = match (*code, place.kind) {
                        (ConversationStart::CODE, SpaceKind::Conversation) => Place {
                            space: self.begun_by(who.account),
                            ..place
                        },
                        (CourseGenesis::CODE, SpaceKind::Course) => Place {
                            space: SpaceId([n as u8 + 1; 16]),
                            ..place
                        },
                        _ => place,
                    };
                    let expected = expected(*code, place, &who, counts);
                    let event = event(*code, who.account, place);
                    let log = self.school.log.clone();
                    let answer = tokio::spawn(said(log, who, place, event.clone()));
                    waiting.push((who, place, expected, answer));
                    // In turn, where it changes who somebody is.
                    if expected.is_none() && is_membership(&event) {
                        self.check(*code, &mut waiting).await;
                        self.follow(n, &event);
                    }
                    answers.insert(expected);
                }
            }
            self.check(*code, &mut waiting).await;
        }
        answers
    }

    /// The space of a conversation that somebody begins with the golden event.
    fn begun_by(&self, who: AccountId) -> SpaceId {
        let Event::ConversationStart(start) = golden(ConversationStart::CODE) else {
            panic!("its code is its own");
        };
        space_of(self.school.log.keys().school(), who, &start).unwrap()
    }

    async fn check(&self, code: u16, waiting: &mut Vec<Waiting>) {
        for (who, place, expected, answer) in waiting.drain(..) {
            let (name, kind, lane) = (who.name, place.kind, place.lane);
            let answer = answer.await.unwrap();
            assert_eq!(
                answer.as_deref(),
                expected,
                "{code} by {name} in {kind:?} {lane:?}"
            );
        }
    }

    /// Who enrols or leaves is something else from then on.
    fn follow(&mut self, n: usize, event: &Event) {
        match event {
            Event::Enrol(_) => self.personas[n].roles.0 |= Roles::STUDENT.0,
            Event::Leave(_) => self.personas[n].roles = Roles::default(),
            Event::ConversationMember(_) => self.personas[n].talks = Roles::default(),
            _ => {}
        }
    }
}

/// What was said, what the table says of it, and the answer.
type Waiting = (
    Persona,
    Place,
    Option<&'static str>,
    JoinHandle<Option<String>>,
);

fn is_membership(event: &Event) -> bool {
    matches!(
        event,
        Event::Enrol(_) | Event::Leave(_) | Event::ConversationMember(_)
    )
}

fn persona(name: &'static str, device: &Client, roles: Roles) -> Persona {
    Persona {
        name,
        account: device.store().account(),
        roles,
        talks: Roles::default(),
    }
}

/// Every type of event; those that change who somebody is last.
fn codes() -> Vec<u16> {
    let last = [ConversationMember::CODE, Enrol::CODE, Leave::CODE];
    let known = TYPES.iter().map(|(code, _)| *code);
    known
        .filter(|code| !last.contains(code))
        .chain(last)
        .collect()
}

#[tokio::test]
async fn what_comes_through_an_api_counts_waits_or_is_refused_as_the_table_says() {
    let mut cast = Cast::new(false).await;
    let answers = cast.say(&codes(), false).await;
    let every = [
        None,
        Some("lane.mismatch"),
        Some("role.missing"),
        Some("vouched.never"),
        Some("vouched.proposal"),
    ];
    assert_eq!(answers, every.into());
}

#[tokio::test]
async fn where_the_course_counts_it_what_pupils_are_marked_by_counts_too() {
    let mut cast = Cast::new(true).await;
    let by_policy: Vec<u16> = (RULES.iter())
        .filter(|rule| rule.vouched == Vouched::ByPolicy)
        .map(|rule| rule.event)
        .collect();
    assert!(by_policy.contains(&Grade::CODE));
    let answers = cast.say(&by_policy, true).await;
    assert!(answers.contains(&None));
    assert!(!answers.contains(&Some("vouched.proposal")));
}

#[tokio::test]
async fn each_check_that_is_left_out_gives_another_answer_than_the_table() {
    for (check, code, lane, who) in [
        (Check::Policy, Grade::CODE, Lane::Staff, "owner"),
        (Check::NeverVouched, MemberAdd::CODE, Lane::All, "owner"),
        (Check::Role, Grade::CODE, Lane::Staff, "student"),
    ] {
        let cast = Cast::new(false).await;
        let who = cast.personas.iter().find(|persona| persona.name == who);
        let who = *who.unwrap();
        let place = Place {
            kind: SpaceKind::Course,
            space: cast.course,
            lane,
        };
        let expected = expected(code, place, &who, false);
        let event = event(code, who.account, place);
        let log = cast.school.log.clone();
        {
            let _broken = Sabotage::skip(check);
            let answer = said(log.clone(), who, place, event.clone()).await;
            assert_ne!(answer.as_deref(), expected, "{check:?}");
        }
        assert_eq!(said(log, who, place, event).await.as_deref(), expected);
    }
}
