//! Devices that do not play by the rules: what they send is refused or held with its
//! code, by the relay and by a device that is handed the same bytes, and leaves no
//! trace in anybody's projections.
#![allow(clippy::unwrap_used)] // A failed step fails the test.

mod attacks;
mod chains;
mod cut_off;
mod orphans;

use stunity_e2e::hand::{self, Op};
use stunity_e2e::{Hand, HostileClass};
use stunity_identity::StaffRoles;
use stunity_proto::{EntryId, Lane, ObjectId, SpaceId};

/// What an attacker knows.
struct Scene {
    mallory: Hand,
    colleague: Hand,
    /// Somebody of the school who is not in the course.
    outsider: Hand,
    teacher: stunity_proto::AccountId,
    teacher_device: stunity_proto::DeviceId,
    pupil: stunity_proto::AccountId,
    course: SpaceId,
    assignment: ObjectId,
    /// Heads that staff cite, from before the colleague was removed.
    staff: Vec<EntryId>,
    /// Heads that mallory cites in her own lane.
    own: Vec<EntryId>,
}

async fn scene(class: &HostileClass) -> Scene {
    let outsider = Hand::join(&class.school, 70, StaffRoles::default()).await;
    Scene {
        mallory: class.mallory.clone(),
        colleague: class.colleague.clone(),
        outsider,
        teacher: class.teacher.store().account(),
        teacher_device: class.teacher.store().device(),
        pupil: class.pupil.store().account(),
        course: class.course,
        assignment: class.assignment,
        staff: class.heads(Lane::Staff).await,
        own: class.heads(Lane::One(class.mallory.account)).await,
    }
}

fn grade(scene: &Scene) -> Op {
    hand::grade(7, scene.assignment, scene.pupil)
}
