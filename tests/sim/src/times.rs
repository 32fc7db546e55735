//! What is true of work by the world's own clock, and of who was removed by the relay's own
//! order: nothing here shares a rule with the product.
use std::collections::{BTreeMap, BTreeSet};

use stunity_model::Event as Stated;
use stunity_model::timeliness::Timeliness;
use stunity_proto::{AccountId, EntryId, SpaceId};
use stunity_sync::{RelayStore, Target};

use crate::failure::{Failure, OrFail};
use crate::truth::{What, tokens};
use crate::world::World;

impl World {
    /// Work is late only if it was made after the due time, and in time only if it was
    /// made before: whatever a phone's clock said.
    pub fn check_times(&self) -> Result<(), Failure> {
        let by_token = self.truth.by_token();
        for device in &self.devices {
            let (Some(client), None) = (&device.client, device.revoked_ms) else {
                continue;
            };
            for space in &self.truth.courses {
                let works = client
                    .store()
                    .submissions(*space, None)
                    .or_fail("the app shows its data")?;
                for work in works {
                    let Some(deed) = tokens(&work.text)
                        .first()
                        .and_then(|token| by_token.get(token.as_str()).copied())
                    else {
                        continue;
                    };
                    let What::Submission { assignment, .. } = deed.what else {
                        continue;
                    };
                    let dues = self.dues(*space, assignment, work.student);
                    let is_true = match work.timeliness {
                        Timeliness::OnTime | Timeliness::Attested => dues
                            .iter()
                            .any(|due| due.is_none_or(|due| deed.at_ms <= due)),
                        Timeliness::Late => dues
                            .iter()
                            .any(|due| due.is_some_and(|due| deed.at_ms > due)),
                        _ => true,
                    };
                    if !is_true {
                        return Err(Failure::new(
                            "no clock makes work late or in time",
                            format!(
                                "{} shows {} of {} ms as {}, due {dues:?}",
                                device.name,
                                deed.token,
                                deed.at_ms,
                                work.timeliness.code()
                            ),
                        ));
                    }
                }
            }
        }
        Ok(())
    }

    /// The due times that a pupil's work may ever have had.
    fn dues(
        &self,
        space: SpaceId,
        of: stunity_proto::ObjectId,
        pupil: AccountId,
    ) -> Vec<Option<u64>> {
        let titles: BTreeMap<String, Option<u64>> = (self.truth.deeds.iter())
            .filter_map(|deed| match deed.what {
                What::Assignment { due_ms } => Some((deed.token.clone(), due_ms)),
                _ => None,
            })
            .collect();
        let published = self.devices.iter().find_map(|device| {
            let rows = device.client.as_ref()?.store().assignments(space).ok()?;
            let row = rows.into_iter().find(|row| row.assignment == of)?;
            titles.get(&row.title).copied()
        });
        let extended = self.truth.deeds.iter().filter_map(|deed| match deed.what {
            What::Extension {
                assignment,
                student,
                due_ms,
            } if assignment == of && student == pupil => Some(Some(due_ms)),
            _ => None,
        });
        published.into_iter().chain(extended).collect()
    }

    /// Words in entries that the relay numbered after their author had been removed from
    /// a course, and that do not know of it. Nothing is said of a relay that was restored: the
    /// old order is known to those who have its receipts.
    pub fn words_beyond_removal(&self) -> Result<BTreeSet<(SpaceId, String)>, Failure> {
        let mut words = BTreeSet::new();
        let Some(log) = self.relay.log().filter(|_| !self.relay.was_restored()) else {
            return Ok(words);
        };
        for space in &self.truth.courses {
            let whole = Target {
                space: *space,
                lane: None,
            };
            let page = self
                .relay
                .wait(log.read(whole, 0, usize::MAX))
                .or_fail("the relay reads its log")?;
            let mut cited: BTreeMap<EntryId, Vec<EntryId>> = BTreeMap::new();
            let mut removed: Vec<(EntryId, AccountId)> = Vec::new();
            for item in &page.items {
                let header = item.entry.header();
                let known = ancestors(&cited, &header.heads.membership);
                let is_beyond = removed
                    .iter()
                    .any(|(id, account)| *account == header.author && !known.contains(id));
                for op in item.entry.ops().filter_map(|(_, op)| op) {
                    if is_beyond {
                        let text = String::from_utf8_lossy(op);
                        words.extend(tokens(&text).into_iter().map(|token| (*space, token)));
                    } else if let Ok(Stated::MemberRemove(removal)) = Stated::decode(op) {
                        removed.push((item.entry.id(), removal.account));
                    }
                }
                cited.insert(item.entry.id(), header.heads.membership.clone());
            }
        }
        Ok(words)
    }
}

/// All that these entries follow from, and they themselves.
fn ancestors(cited: &BTreeMap<EntryId, Vec<EntryId>>, heads: &[EntryId]) -> BTreeSet<EntryId> {
    let mut known = BTreeSet::new();
    let mut todo = heads.to_vec();
    while let Some(id) = todo.pop() {
        if known.insert(id) {
            todo.extend(cited.get(&id).into_iter().flatten());
        }
    }
    known
}
