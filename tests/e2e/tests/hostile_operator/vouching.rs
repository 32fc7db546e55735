//! What a relay vouches for, in anybody's name and in every lane.
use stunity_client::{Link, driver};
use stunity_e2e::hand::{Op, code, due, op, release};
use stunity_e2e::{DUE, Hand, HostileClass};
use stunity_identity::sabotage::Sabotage as WithoutSignatures;
use stunity_identity::{Certificate, SigningKey, StaffAdmission, StaffRoles};
use stunity_model::Roles;
use stunity_model::events::*;
use stunity_model::permit::{RULES, SpaceKind, Vouched};
use stunity_model::sabotage::{Check, Sabotage};
use stunity_proto::{AccountId, Entry, EntryId, Kind, Lane, ObjectId, SpaceId};

use crate::{Operator, grade, judged};

/// An event of a type with any fields: its golden bytes.
fn any_event(code: u16) -> Op {
    let prefix = format!("event/{code:03}-");
    let name = stunity_compat::golden::names()
        .into_iter()
        .find(|name| name.starts_with(&prefix));
    let bytes = stunity_compat::golden::load(&name.unwrap()).unwrap();
    (Kind::Event(code), bytes)
}

/// Every lane of a kind of space.
fn lanes(bits: u16, pupil: AccountId) -> Vec<Lane> {
    let all = [
        Lane::All,
        Lane::Staff,
        Lane::One(pupil),
        Lane::Group(stunity_proto::GroupId([5; 16])),
        Lane::Private,
        Lane::Connections,
        Lane::Public,
        Lane::Talk,
    ];
    all.into_iter()
        .filter(|lane| bits & 1 << lane.kind() != 0)
        .collect()
}

#[tokio::test]
async fn what_a_relay_may_not_vouch_for_has_no_effect_whoever_it_names() {
    let mut class = HostileClass::new().await;
    let mut operator = Operator::of(&class);
    let (teacher, pupil) = (
        class.teacher.store().account(),
        class.pupil.store().account(),
    );
    let mut count = 0;
    let mut ids = Vec::new();
    for rule in RULES {
        for lane in lanes(rule.lanes.0, pupil) {
            let space = match rule.space {
                SpaceKind::School => class.mallory.school.space(),
                SpaceKind::Course => class.course,
                SpaceKind::Account => pupil.space(),
                SpaceKind::Conversation => SpaceId::of_direct(class.mallory.school, teacher, pupil),
            };
            let heads = match rule.space {
                SpaceKind::Course => class.heads(lane).await,
                _ => Vec::new(),
            };
            let allowed_for_somebody = RULES.iter().any(|other| {
                other.event == rule.event
                    && other.space == rule.space
                    && other.lanes.0 & 1 << lane.kind() != 0
                    && other.vouched == Vouched::Yes
            });
            for author in [teacher, pupil] {
                let ops = vec![any_event(rule.event)];
                let entry = operator.vouch(&class, author, (space, lane), &heads, ops);
                count += 1;
                let at = [(entry.clone(), 1, 10_000 + count)];
                for device in [&mut class.teacher, &mut class.pupil] {
                    let applied = operator.deliver(device, &at);
                    let judged = judged(&applied, &entry);
                    if !allowed_for_somebody {
                        assert_ne!(judged, "", "{rule:?} in {lane:?} by a node");
                    }
                    if rule.vouched == Vouched::ByPolicy && author == teacher && judged.is_empty() {
                        panic!("{rule:?} counts without a policy");
                    }
                }
                if !allowed_for_somebody {
                    ids.push(entry.id());
                }
            }
        }
    }
    assert!(count > 100, "the table has been read: {count}");
    class.leaves_no_trace_of(&ids).await;
}

/// What an operator puts into the relay's own log, by leaving out its checks, and
/// the code with which a teacher's device answers it.
async fn forgeries(class: &HostileClass, operator: &mut Operator) -> Vec<(Entry, &'static str)> {
    let (teacher, pupil) = (
        class.teacher.store().account(),
        class.pupil.store().account(),
    );
    let staff = class.heads(Lane::Staff).await;
    let mut accomplice = Hand::stranger(class.mallory.school, 100);
    let one = Lane::One(pupil);
    let course = class.course;
    let mut out = Vec::new();
    let mut add = |lane, ops, code| {
        let entry = operator.vouch(class, teacher, (course, lane), &staff, ops);
        out.push((entry, code));
    };
    add(Lane::Staff, vec![grade(class)], "vouched.proposal");
    add(one, vec![release(class.assignment)], "vouched.proposal");
    add(Lane::All, vec![due(class.assignment)], "vouched.proposal");
    let extension = Extension {
        assignment: class.assignment,
        due_ms: 2 * DUE,
    };
    add(one, vec![op(extension)], "vouched.proposal");
    let chosen = ChooseGrade {
        assignment: class.assignment,
        student: pupil,
        grade: ObjectId([7; 16]),
        over: vec![],
    };
    add(Lane::Staff, vec![op(chosen)], "vouched.proposal");
    let added = MemberAdd {
        account: accomplice.account,
        roles: Roles::TEACHER.0,
    };
    add(Lane::All, vec![op(added)], "vouched.never");
    let removed = MemberRemove { account: pupil };
    add(one, vec![op(removed)], "vouched.never");
    let any = AcceptPending {
        entry: EntryId([1; 32]),
    };
    add(Lane::Staff, vec![op(any)], "vouched.never");
    let erase = Erase {
        entry: class.log().await.last().unwrap().id(),
        ops: vec![0],
        reason: "other".into(),
    };
    add(Lane::All, vec![op(erase)], "vouched.never");
    let school = class.mallory.school.space();
    // An admission signed by whatever keys there are.
    let keys = [&operator.operator, &operator.node].map(|key| key.to_bytes_secret());
    for key in keys {
        let admission = StaffAdmission {
            school: class.mallory.school,
            account: accomplice.account,
            root: accomplice.root.verifying_key(),
            roles: StaffRoles::TEACHER,
            serial: 99,
            date: 1,
        };
        let key = SigningKey::from_seed(&key);
        let certificate = Opaque(Certificate::sign(admission, &key).encode());
        let ops = vec![op(StaffAdmit { certificate })];
        let author = accomplice.account;
        let entry = operator.vouch(class, author, (school, Lane::All), &[], ops);
        out.push((entry, "role.missing"));
    }
    // A device that no account knows signs what a teacher would.
    accomplice.account = teacher;
    let ops = vec![grade(class)];
    let entry = accomplice.draft(course, Lane::Staff, &staff, ops);
    out.push((entry, "keys.unknown"));
    out
}

#[tokio::test]
async fn a_relay_that_leaves_out_its_checks_convinces_nobody_over_the_socket() {
    let mut class = HostileClass::new().await;
    let mut operator = Operator::of(&class);
    let forgeries = forgeries(&class, &mut operator).await;
    {
        // The evil relay: nothing is checked while these are stored and numbered.
        for (entry, code_here) in &forgeries {
            let check = match *code_here {
                "vouched.proposal" => Check::Policy,
                _ => Check::NeverVouched,
            };
            let _signatures = WithoutSignatures::skip_signatures();
            let _judge = Sabotage::skip(check);
            let outcome = &class.upload(std::slice::from_ref(entry)).await[0];
            if entry.header().signer.is_vouched() {
                let kinds = &entry.header().kinds;
                assert_eq!(code(outcome), "", "the evil relay stores {kinds:?}");
            }
        }
    }
    let mut held = Vec::new();
    for device in [&mut class.teacher, &mut class.pupil] {
        let report = driver::sync(device, &Link::default()).await.unwrap();
        held.extend(report.held);
        held.extend(report.rejected);
    }
    for (_, code) in forgeries
        .iter()
        .filter(|(entry, _)| entry.header().signer.is_vouched())
    {
        assert!(held.iter().any(|held| held == code), "{code}: {held:?}");
    }
    let ids: Vec<EntryId> = forgeries.iter().map(|(entry, _)| entry.id()).collect();
    for device in [&class.teacher, &class.pupil] {
        let store = device.store();
        assert_eq!(store.grades(class.course, None).unwrap(), []);
        assert_eq!(store.releases(class.course, None).unwrap(), []);
        assert_eq!(
            store.assignments(class.course).unwrap()[0].due_ms,
            Some(DUE)
        );
        assert_eq!(
            store.class_list(class.course, Roles::STAFF).unwrap().len(),
            2
        );
    }
    assert_eq!(traces(class, &ids), Vec::<String>::new());
}

/// Rows of the forgeries on the devices; the relay itself is evil.
fn traces(class: HostileClass, ids: &[EntryId]) -> Vec<String> {
    let HostileClass {
        school,
        teacher,
        pupil,
        ..
    } = class;
    drop((teacher, pupil));
    ["teacher", "pupil"]
        .iter()
        .flat_map(|device| stunity_e2e::traces(&school.path(device).join("account.db"), ids))
        .collect()
}

#[tokio::test]
async fn each_check_that_is_left_out_lets_the_operator_through() {
    for (check, what) in [
        (Check::Policy, "a grade"),
        (Check::NeverVouched, "a teacher"),
        (Check::Removal, "a removed teacher's grade"),
    ] {
        let mut class = HostileClass::new().await;
        let mut operator = Operator::of(&class);
        let staff = class.heads(Lane::Staff).await;
        let all = class.heads(Lane::All).await;
        let teacher = class.teacher.store().account();
        let entry = match check {
            Check::Policy => {
                let place = (class.course, Lane::Staff);
                operator.vouch(&class, teacher, place, &staff, vec![grade(&class)])
            }
            Check::NeverVouched => {
                let added = MemberAdd {
                    account: AccountId([77; 16]),
                    roles: Roles::TEACHER.0,
                };
                operator.vouch(
                    &class,
                    teacher,
                    (class.course, Lane::All),
                    &all,
                    vec![op(added)],
                )
            }
            _ => {
                class.remove_colleague().await;
                let mut colleague = class.colleague.clone();
                colleague.write(class.course, Lane::Staff, &staff, vec![grade(&class)])
            }
        };
        let at = [(entry.clone(), 1, 40_000)];
        {
            let _broken = Sabotage::skip(check);
            let applied = operator.deliver(&mut class.teacher, &at);
            assert_eq!(
                judged(&applied, &entry),
                "",
                "{check:?} is not what stops {what}"
            );
        }
        let mut again = HostileClass::new().await;
        let mut operator = Operator::of(&again);
        let staff = again.heads(Lane::Staff).await;
        let place = (again.course, Lane::Staff);
        let teacher = again.teacher.store().account();
        let entry = operator.vouch(&again, teacher, place, &staff, vec![grade(&again)]);
        let applied = operator.deliver(&mut again.teacher, &[(entry.clone(), 1, 40_000)]);
        assert_eq!(judged(&applied, &entry), "vouched.proposal");
    }
}
