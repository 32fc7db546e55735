//! Applying the operations of an accepted entry, and taking them out again.
use rusqlite::{Connection, params};
use stunity_identity::{Position as LogPosition, StaffAdmission, VerifyingKey};
use stunity_model::events::{AcceptPending, Erase, RosterBind, StaffAdmit};
use stunity_model::membership::Change;
use stunity_model::{Event, judge};
use stunity_proto::blob::Manifest;
use stunity_proto::{AccountId, Entry, Kind};

use crate::blobs;
use crate::database::{int, uint};
use crate::documents::{self, DocumentPlace, Source};
use crate::entries::{self, Class};
use crate::fold::{self, Origin};
use crate::process::{Touched, Work, reconsider_author};
use crate::sabotage::folds_by_arrival;
use crate::trust::{self, Rank};
use crate::{Store, StoreError, cut_off, decode, domain};

impl Store {
    /// Admissions to the staff carry their proof inside: they count whoever
    /// brings them, and before anything else, since keys follow from them.
    pub(crate) fn apply_admissions(
        &self,
        conn: &Connection,
        entry: &Entry,
    ) -> Result<(), StoreError> {
        for (kind, op) in entry.ops() {
            let (Kind::Event(StaffAdmit::CODE), Some(op)) = (kind, op) else {
                continue;
            };
            let Ok(Event::StaffAdmit(event)) = Event::decode(op) else {
                continue;
            };
            let admission = {
                let mut facts = self.facts.borrow_mut();
                domain::admission(facts.anchor(conn)?, &event.certificate.0)
            };
            if let Some(admission) = admission {
                self.save_admission(conn, &admission, &event.certificate.0, entry)?;
            }
        }
        Ok(())
    }

    fn save_admission(
        &self,
        conn: &Connection,
        admission: &StaffAdmission,
        certificate: &[u8],
        entry: &Entry,
    ) -> Result<(), StoreError> {
        let account = admission.account;
        let inserted = conn
            .prepare_cached(
                "INSERT OR IGNORE INTO staff (account, certificate, serial, roles)
                 VALUES (?1, ?2, ?3, ?4)",
            )?
            .execute(params![
                &account.0,
                certificate,
                int(admission.serial),
                admission.roles.bits()
            ])?;
        if inserted > 0 {
            self.facts.borrow_mut().forget_staff(account);
            // The school's latest word first: positions rise, and serials with time.
            let place = LogPosition {
                epoch: 0,
                sequence: i64::MAX.unsigned_abs() - admission.serial.min(i64::MAX.unsigned_abs()),
            };
            let place = Some(place);
            self.bind(
                conn,
                account,
                &admission.root,
                Rank::Admission,
                entry,
                place,
            )?;
            entries::release(conn, &account.0)?;
        }
        Ok(())
    }

    /// Binds a root; if another one counts now, what the account wrote is
    /// verified again.
    fn bind(
        &self,
        conn: &Connection,
        account: AccountId,
        root: &VerifyingKey,
        rank: Rank,
        entry: &Entry,
        place: Option<LogPosition>,
    ) -> Result<(), StoreError> {
        if trust::save_root(conn, account, root, rank, &entry.id(), place)? {
            self.logs.borrow_mut().forget(account);
            conn.prepare_cached(
                "UPDATE entries SET state = 0 WHERE author = ?1 AND class = 0 AND state <> 4",
            )?
            .execute([&account.0])?;
            reconsider_author(conn, account)?;
            entries::release(conn, &account.0)?;
        }
        Ok(())
    }

    pub(crate) fn apply_entry(
        &self,
        conn: &Connection,
        work: &Work,
        touched: &mut Touched,
    ) -> Result<(), StoreError> {
        let entry = self.erased_by_earlier(conn, work, touched)?;
        let entry = entry.as_ref().unwrap_or(&work.entry);
        let header = entry.header();
        let number = match folds_by_arrival() {
            true => work.number.map(|_| uint(work.row)),
            false => work.number,
        };
        let origin = Origin {
            entry: entry.id(),
            space: header.space,
            lane: header.lane,
            author: header.author,
            vouched: header.signer.is_vouched(),
            number,
            received_ms: work.position.map(|position| position.received_ms),
        };
        for (index, (kind, op)) in entry.ops().enumerate() {
            let Some(op) = op else { continue };
            match kind {
                Kind::Event(_) => {
                    // Judged before: what does not decode was rejected.
                    let Ok(event) = Event::decode(op) else {
                        continue;
                    };
                    self.apply_event(conn, work, &event, touched)?;
                    fold::save_event(conn, &origin, index, &event)?;
                }
                Kind::Change { doc_type, doc } => {
                    let place = DocumentPlace {
                        doc,
                        doc_type,
                        space: header.space,
                        lane: header.lane,
                    };
                    if let Some(hash) = decode::hash(op) {
                        let source = Source::Entry(work.row, index);
                        documents::save_change(conn, &place, &hash, source)?;
                        entries::release(conn, &hash.0)?;
                    }
                }
                Kind::Manifest => {
                    if let Ok(manifest) = Manifest::decode(op) {
                        blobs::save_manifest(conn, &manifest, false)?;
                        blobs::note_use(conn, &manifest.blob, work.row)?;
                    }
                }
                Kind::Handshake => {}
            }
        }
        if Class::of(header) == Class::Membership && domain::is_of_members(entry) {
            self.facts.borrow_mut().insert(conn, entry)?;
            touch_members(entry, touched);
            // What those who are removed wrote may lie beyond.
            if !work.folded {
                let removed = judge::facts(entry).into_iter();
                let removed = removed.filter(|f| f.change == Change::Remove && f.by != f.account);
                let accounts = removed.map(|fact| fact.account).collect();
                cut_off::reconsider_members(conn, entry, &accounts)?;
            }
        }
        Ok(())
    }

    fn apply_event(
        &self,
        conn: &Connection,
        work: &Work,
        event: &Event,
        touched: &mut Touched,
    ) -> Result<(), StoreError> {
        match event {
            Event::RosterBind(RosterBind {
                account,
                root,
                in_person,
            }) => {
                // A root that is no key binds nothing.
                let Ok(root) = VerifyingKey::from_bytes(root) else {
                    return Ok(());
                };
                let rank = if *in_person && !work.entry.header().signer.is_vouched() {
                    Rank::InPerson
                } else {
                    Rank::Relay
                };
                let place = work.position.map(|position| LogPosition {
                    epoch: position.epoch,
                    sequence: position.sequence,
                });
                self.bind(conn, *account, &root, rank, &work.entry, place)
            }
            Event::AcceptPending(AcceptPending { entry: target }) => {
                conn.prepare_cached(
                    "INSERT OR IGNORE INTO accepted (target, entry) VALUES (?1, ?2)",
                )?
                .execute(params![&target.0, work.row])?;
                entries::release(conn, &target.0)?;
                Ok(())
            }
            Event::Erase(Erase { entry, ops, .. }) => {
                self.apply_erasure(conn, work, entry, ops, touched)
            }
            _ => Ok(()),
        }
    }

    /// Takes what an entry added out of the projections and documents.
    pub(crate) fn withdraw(
        &self,
        conn: &Connection,
        work: &Work,
        touched: &mut Touched,
    ) -> Result<(), StoreError> {
        let entry = &work.entry;
        let is_membership =
            Class::of(entry.header()) == Class::Membership && domain::is_of_members(entry);
        if !work.folded {
            // An own statement counted from when it was sealed: it is cited no more.
            if is_membership && work.sent.is_some() {
                self.facts.borrow_mut().forget_course(entry.header().space);
            }
            return Ok(());
        }
        for (index, (kind, op)) in entry.ops().enumerate() {
            if let (Kind::Event(_), Some(op)) = (kind, op)
                && let Ok(event) = Event::decode(op)
            {
                fold::drop_event(conn, &entry.id(), index, &event)?;
            }
        }
        documents::void_changes(conn, work.row, None)?;
        blobs::drop_uses(conn, work.row)?;
        // What it gave effect to has none of its own.
        conn.prepare_cached(
            "UPDATE entries SET state = 0 WHERE state = 1 AND id IN
             (SELECT target FROM accepted WHERE entry = ?1)",
        )?
        .execute([work.row])?;
        conn.prepare_cached("DELETE FROM accepted WHERE entry = ?1")?
            .execute([work.row])?;
        let bound = conn
            .prepare_cached("DELETE FROM roots WHERE entry = ?1 AND rank > 1")?
            .execute([&entry.id().0])?;
        if bound > 0 {
            self.logs.borrow_mut().clear();
        }
        if is_membership {
            self.facts.borrow_mut().forget_course(entry.header().space);
            touched.courses.insert(entry.header().space);
            touch_members(entry, touched);
            let accounts = judge::facts(entry).into_iter().map(|fact| fact.account);
            cut_off::reconsider_members(conn, entry, &accounts.collect())?;
        }
        Ok(())
    }

    /// Writes who is in the courses that a batch touched.
    pub(crate) fn refresh_members(
        &self,
        conn: &Connection,
        touched: &Touched,
    ) -> Result<(), StoreError> {
        let mut facts = self.facts.borrow_mut();
        for space in &touched.courses {
            // Entries whose state changed since it was read.
            facts.forget_course(*space);
        }
        for (space, account) in &touched.members {
            let roles = facts.course(conn, *space)?.membership.roles_now(*account);
            conn.prepare_cached(
                "INSERT OR REPLACE INTO members (space, account, roles) VALUES (?1, ?2, ?3)",
            )?
            .execute(params![&space.0, &account.0, int(roles.0)])?;
        }
        Ok(())
    }
}

fn touch_members(entry: &Entry, touched: &mut Touched) {
    let space = entry.header().space;
    for fact in judge::facts(entry) {
        touched.members.insert((space, fact.account));
    }
}
