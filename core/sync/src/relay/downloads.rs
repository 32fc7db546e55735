//! Packs of what a client lacks, and those of them that are the same for others.
//!
//! Whoever reads a target from its start gets the same entries as everybody else who
//! does. Such targets go into packs of their own, apart from what one account alone
//! reads, and are written for a reader of whom no more is assumed than that it took
//! these targets, and those of the school that many read, up to where the pack begins.
//! So a pack depends on where it begins and on the log, and the relay may keep it for
//! the next reader who begins there.
use std::collections::BTreeSet;
use std::sync::Arc;

use stunity_proto::frame::{Content, Frame, Part, pack_id};
use stunity_proto::pack::Effort;
use stunity_proto::receipt::sha256;
use stunity_proto::{AccountId, Hash, Lane, PackId, SchoolId, limits};

use super::flush::{Form, encode, item_leaves};
use super::{Effect, Session, send};
use crate::client::entry_leaf;
use crate::reader::Reader;
use crate::relay_store::{Download, LogItem, SharedPack};
use crate::sabotage::{self, goes_by_what_is_lacking};
use crate::{Cursor, RelayStore, Running, SyncError, Target, cursors};

/// How much of a target is read at a time, uncompressed bytes.
const READ_BYTES: usize = 128 * 1024;
/// Who lacks so much of some target, in sequences of its space, is as far behind as who
/// begins: a further flush, of some 250 bytes, is small beside it.
const FAR_BEHIND: u64 = 64;

impl Session {
    /// Sets what is to be sent, and in which order: what is shared first, then the
    /// school's own space, as courses are judged by who is of the staff: what comes
    /// before it would be looked at twice.
    pub(super) fn line_up(
        &mut self,
        school: SchoolId,
        account: AccountId,
        behind: &[(Target, u64)],
    ) {
        let others = || (behind.iter()).filter(|(target, _)| is_for_many(account, *target));
        let is_far = |(target, behind): &(Target, u64)| {
            cursors::position(&self.list, *target).sequence == 0 || *behind >= FAR_BEHIND
        };
        let any_far = others().any(is_far);
        // What was begun so goes on so, here or after a cut: its end may be near.
        let was_far = !self.partials.is_empty();
        let far: BTreeSet<Target> = (behind.iter())
            .filter(|(target, behind)| {
                is_far(&(*target, *behind)) || was_far || self.far.contains(target)
            })
            .map(|(target, _)| *target)
            .collect();
        let shared: BTreeSet<Target> = (others().map(|(target, _)| *target))
            .filter(|target| any_far || was_far || self.shared.contains(target))
            .collect();
        self.todo = behind.iter().map(|(target, _)| *target).collect();
        (self.todo.make_contiguous())
            .sort_by_key(|target| (!shared.contains(target), target.space != school.space()));
        self.shared = shared;
        self.far = far;
    }

    /// The next pack: as it was made for another reader, if it was.
    pub(super) async fn next_download<S: RelayStore>(
        &mut self,
        store: &S,
        base: [u8; 8],
    ) -> Result<Download, SyncError> {
        if !self.advanced.is_empty() {
            let mut cursors = std::mem::take(&mut self.advanced);
            cursors.sort_by_key(|cursor| cursor.target);
            return Ok(Download {
                pack: PackId::ZERO,
                bytes: Vec::new(),
                leaves: Vec::new(),
                cursors,
                base,
            });
        }
        loop {
            let is_shared = (self.todo.front()).is_some_and(|target| self.shared.contains(target));
            let run: Vec<Target> = (self.todo.iter())
                .take_while(|target| self.shared.contains(target) == is_shared)
                .copied()
                .collect();
            let pack = self.next_of(store, &run, is_shared).await?;
            if !self.explicit && !goes_by_what_is_lacking() && self.put_first(store, &pack).await? {
                continue;
            }
            self.finished(&pack.finished);
            return Ok(Download {
                base,
                ..pack.download.clone()
            });
        }
    }

    /// The pack that a run of targets begins with.
    async fn next_of<S: RelayStore>(
        &self,
        store: &S,
        run: &[Target],
        is_shared: bool,
    ) -> Result<Arc<SharedPack>, SyncError> {
        // What the device has just sent is left out for it alone.
        let has_own = run.iter().any(|target| self.has_own_in(*target));
        if !is_shared || self.explicit || has_own {
            let context = self.reader(store, is_shared.then_some(run));
            return Ok(Arc::new(self.make(store, run, context).await?));
        }
        let name = self.name_shared(store, run);
        if let Some(pack) = self.find_shared(store, &name).await? {
            return Ok(pack);
        }
        let erasures = store.erasures();
        let context = self.reader(store, Some(run));
        let pack = Arc::new(self.make(store, run, context).await?);
        store.keep_shared(name, erasures, pack.clone());
        Ok(pack)
    }

    /// Lanes cite what stands in `all` of their space. If that has grown since it was
    /// sent, it goes first: true if a pack would go before it.
    async fn put_first<S: RelayStore>(
        &mut self,
        store: &S,
        pack: &SharedPack,
    ) -> Result<bool, SyncError> {
        let moved = &pack.download.cursors;
        let position = |target: Target| {
            let moved = moved.iter().find(|cursor| cursor.target == target);
            moved.map_or_else(|| cursors::position(&self.list, target), |cursor| cursor.at)
        };
        let lanes = (moved.iter())
            .filter(|cursor| !matches!(cursor.target.lane, None | Some(Lane::All)))
            .map(|cursor| (all_of(cursor.target), cursor.at.sequence));
        let lacking: BTreeSet<Target> = lanes
            .filter(|(all, at)| position(*all).sequence < *at)
            .filter(|(all, _)| self.view.binary_search(all).is_ok())
            .map(|(all, _)| all)
            .collect();
        let lacking: Vec<Target> = lacking.into_iter().collect();
        let ends = store.ends(&lacking).await?;
        let mut is_before = false;
        for (all, end) in lacking.into_iter().zip(ends) {
            if position(all).sequence < end.sequence {
                self.todo.retain(|target| *target != all);
                self.todo.push_front(all);
                self.shared.remove(&all);
                is_before = true;
            }
        }
        Ok(is_before)
    }

    /// By where it begins, and whether names are short: everything else that a shared
    /// pack depends on is the log.
    fn name_shared<S: RelayStore>(&self, store: &S, run: &[Target]) -> Hash {
        let run = (run.iter()).map(|target| Cursor {
            target: *target,
            at: if self.log.sent.is_empty() && sabotage::forgets_positions() {
                Running::START
            } else {
                cursors::position(&self.list, *target)
            },
        });
        let mut begins: Vec<Cursor> = run.chain(self.of_school(store.school())).collect();
        // A lane cites what stands in `all`.
        let alls: Vec<Target> = begins.iter().map(|cursor| all_of(cursor.target)).collect();
        begins.extend(alls.into_iter().map(|target| Cursor {
            target,
            at: cursors::position(&self.list, target),
        }));
        begins.sort_by_key(|cursor| cursor.target);
        begins.dedup_by_key(|cursor| cursor.target);
        let mut bytes = store.epoch().to_be_bytes().to_vec();
        bytes.push(u8::from(self.takes_covered) | u8::from(self.short_names) << 1);
        bytes.extend(cursors::encode_list(&begins));
        sha256(&bytes)
    }

    /// A pack kept under this name, if the targets that it finishes have not grown.
    async fn find_shared<S: RelayStore>(
        &self,
        store: &S,
        name: &Hash,
    ) -> Result<Option<Arc<SharedPack>>, SyncError> {
        let Some(pack) = store.find_shared(name) else {
            return Ok(None);
        };
        let ends = store.ends(&pack.finished).await?;
        let is_current = pack.finished.iter().zip(&ends).all(|(target, end)| {
            let cursor = (pack.download.cursors.iter()).find(|cursor| cursor.target == *target);
            cursor.is_some_and(|cursor| cursor.at == *end)
        });
        Ok(is_current.then_some(pack))
    }

    fn finished(&mut self, finished: &[Target]) {
        self.todo.retain(|target| !finished.contains(target));
        self.shared.retain(|target| !finished.contains(target));
        self.far.retain(|target| !finished.contains(target));
    }

    /// Reads past the cursors of these targets, in order, until a pack is full. An
    /// empty pack may still move cursors: over the device's own entries.
    async fn make<S: RelayStore>(
        &self,
        store: &S,
        run: &[Target],
        mut context: Reader,
    ) -> Result<SharedPack, SyncError> {
        let mut chosen: Vec<LogItem> = Vec::new();
        let mut moved: Vec<Cursor> = Vec::new();
        let mut finished = Vec::new();
        let mut size = 0;
        for target in run.iter().copied() {
            let begin = cursors::position(&self.list, target);
            let mut at = begin;
            let mut more = true;
            // Uncompressed entries are about half of a header that the pack leaves
            // out; the writer's own estimate decides.
            while more && size < READ_BYTES && chosen.len() < limits::MAX_PACK_ENTRIES / 2 {
                let page = store.read(target, at.sequence, READ_BYTES - size).await?;
                for mut item in page.items {
                    at = item.running(target);
                    self.forget_own(&mut item);
                    let own = (item.position.space, item.position.sequence);
                    if !self.own.contains_key(&own) {
                        size += item.entry.len();
                        context.note(&item);
                        chosen.push(item);
                    }
                }
                more = page.more;
            }
            if at.sequence > begin.sequence {
                moved.push(Cursor { target, at });
            }
            if more {
                break;
            }
            finished.push(target);
        }
        moved.sort_by_key(|cursor| cursor.target);
        let bytes = if chosen.is_empty() {
            Vec::new()
        } else {
            encode(&context, &chosen, self.form(run), Effort::Full)
        };
        let download = Download {
            pack: if bytes.is_empty() {
                PackId::ZERO
            } else {
                pack_id(&bytes)
            },
            leaves: item_leaves(&chosen),
            bytes,
            cursors: moved,
            base: [0; 8],
        };
        Ok(SharedPack { download, finished })
    }

    /// How packs of these targets are written. Signatures are left out where a first
    /// sync has many: who is near the end keeps the entries as signed.
    fn form(&self, run: &[Target]) -> Form {
        let is_far = |target| self.far.contains(target) || self.shared.contains(target);
        match self.explicit {
            true => Form::Explicit,
            false if self.takes_covered && run.iter().any(is_far) => Form::Covered,
            false => Form::InContext,
        }
    }

    /// What the device has sent it reads the numbers of in this very flush: they name
    /// nothing yet.
    fn forget_own(&self, item: &mut LogItem) {
        if self.own.is_empty() || goes_by_what_is_lacking() {
            return;
        }
        let space = item.position.space;
        let is_known = |sequence: u64| !self.own.contains_key(&(space, sequence));
        item.head_sequences.retain(|(_, at)| is_known(*at));
        item.named.retain(|named| is_known(named.sequence));
    }

    /// What many hold of the school's own space, as far as this client does.
    fn of_school(&self, school: SchoolId) -> impl Iterator<Item = Cursor> {
        let school = school.space();
        let cursors = self.list.iter().filter(move |cursor| {
            let lane = cursor.target.lane;
            cursor.target.space == school && matches!(lane, None | Some(Lane::All | Lane::Staff))
        });
        cursors.copied()
    }

    /// The client as a reader: of a target that it reads it holds the space's id at
    /// least. For a pack of shared targets only those count that are in it.
    fn reader<S: RelayStore>(&self, store: &S, shared: Option<&[Target]>) -> Reader {
        let cursors = (self.list.iter()).map(|cursor| cursor.target);
        let known = cursors.filter(|target| shared.is_none_or(|run| run.contains(target)));
        let of_school = self.of_school(store.school()).collect();
        Reader::new(store.school(), known.map(|target| target.space))
            .with_school(of_school)
            .with_short_names(self.short_names)
    }

    /// What a resumed pack leaves out, though its cursors pass over it: own entries
    /// whose results went with the pack before the cut, and were lost with its
    /// receipt.
    pub(super) async fn left_out<S: RelayStore>(
        &self,
        store: &S,
        download: &Download,
    ) -> Result<Vec<LogItem>, SyncError> {
        let known: BTreeSet<&Hash> = download.leaves.iter().collect();
        let mut left_out = Vec::new();
        for cursor in &download.cursors {
            let mut at = cursors::position(&self.list, cursor.target).sequence;
            while at < cursor.at.sequence {
                let page = store.read(cursor.target, at, READ_BYTES).await?;
                for item in page.items {
                    at = item.position.sequence;
                    let leaf = entry_leaf(&item.position, item.entry.id()).hash();
                    let has_result = self.own.contains_key(&(item.position.space, at));
                    if at <= cursor.at.sequence && !has_result && !known.contains(&leaf) {
                        left_out.push(item);
                    }
                }
                if !page.more {
                    break;
                }
            }
        }
        Ok(left_out)
    }

    /// A pack of these items, which moves no cursor. It is read before what comes in the
    /// same flush is stored, so that it goes by nothing.
    pub(super) fn pack_of<S: RelayStore>(&self, store: &S, items: &[LogItem]) -> Download {
        let context = self.reader(store, None);
        let bytes = encode(&context, items, Form::Explicit, Effort::Full);
        Download {
            pack: pack_id(&bytes),
            bytes,
            leaves: Vec::new(),
            cursors: Vec::new(),
            base: [0; 8],
        }
    }

    /// How much the client holds of a pack, by its own word: the same log makes the
    /// same pack again, when the one kept is another.
    pub(super) fn held_of(&self, download: &Download) -> u32 {
        let found = (self.partials.iter()).find(|(pack, _)| *pack == download.pack);
        found.map_or(0, |(_, held)| *held)
    }

    pub(super) fn send_pack(&mut self, download: &Download, held: u32, effects: &mut Vec<Effect>) {
        let stream = self.next_stream;
        self.next_stream += 2;
        // Whole or not, at least the last slice crosses again.
        let held = (held as usize).min(download.bytes.len().saturating_sub(1));
        let start = held - held % limits::SLICE;
        let mut slices = download.bytes[start..].chunks(limits::SLICE);
        let mut offset = start as u32;
        if let Some(first) = slices.next() {
            effects.push(send(&Frame::Offer {
                stream,
                content: Content::Entries,
                part: Part {
                    pack: download.pack,
                    total: download.bytes.len() as u32,
                    offset,
                    bytes: first.to_vec(),
                },
            }));
            offset += first.len() as u32;
        }
        for bytes in slices {
            effects.push(send(&Frame::Slice {
                stream,
                offset,
                bytes: bytes.to_vec(),
            }));
            offset += bytes.len() as u32;
        }
    }
}

/// The lane of a target's space that all of its readers read.
fn all_of(target: Target) -> Target {
    Target {
        lane: Some(Lane::All),
        ..target
    }
}

/// Whether others read the target too, as courses are read: not what is about one
/// person, which is another's for each.
fn is_for_many(account: AccountId, target: Target) -> bool {
    match target.lane {
        None => target.space != account.space(),
        Some(lane) => matches!(
            lane,
            Lane::All | Lane::Public | Lane::Staff | Lane::Group(_) | Lane::Talk
        ),
    }
}
