//! Erasure: what an `Erase` names is replaced by its hash, with everything that
//! was made of it. Carried out when the rows of a batch are written, since the
//! batch may have brought both.
use std::collections::BTreeSet;

use stunity_model::events::{Erase, Event};
use stunity_model::permit::SpaceKind;
use stunity_model::{Roles, erasure, rows};
use stunity_proto::{DeviceId, Entry, EntryId, Kind};

use super::Writer;
use super::project::searchable_row;
use crate::db::{Connection, Dialect, insert_rows, sql};
use crate::error::ServerError;
use crate::log::authority;
use crate::log::changes;

/// What a batch has to erase.
#[derive(Debug, Default)]
pub(super) struct Erasures {
    /// Entries that erase something.
    by: Vec<(i64, Entry)>,
    /// Entries that came after their erasure.
    late: Vec<EntryId>,
    /// Devices whose packs have brought again what was erased before.
    again: BTreeSet<DeviceId>,
    /// What was erased came again: the pack that had it is not kept.
    pub came_again: bool,
    /// Something was erased: old pages and the WAL have it until they are cleaned.
    pub done: bool,
}

impl Writer<'_> {
    /// Notes an entry that erases something.
    pub(super) fn note_erasure(&mut self, n: i64, entry: &Entry) {
        if self
            .batch
            .erasures
            .by
            .last()
            .is_none_or(|(last, _)| *last != n)
        {
            self.batch.erasures.by.push((n, entry.clone()));
        }
    }

    /// Notes an entry that an erasure waits for.
    pub(super) async fn note_if_awaited(&mut self, id: EntryId) -> Result<(), ServerError> {
        let awaited = match self.authority.awaited() {
            Some(awaited) => awaited,
            None => {
                let targets: Vec<Vec<u8>> = sql("SELECT target FROM erasure")
                    .scalars(&mut self.db)
                    .await?;
                let ids = targets.iter().map(|id| EntryId::try_from(&id[..]));
                self.authority.set_awaited(ids.collect::<Result<_, _>>()?)
            }
        };
        if awaited.contains(&id) {
            self.batch.erasures.late.push(id);
        }
        Ok(())
    }

    /// Notes that an entry which is stored already has come with something that was
    /// erased in it.
    pub(super) async fn note_if_erased(
        &mut self,
        from: Option<DeviceId>,
        entry: &Entry,
    ) -> Result<(), ServerError> {
        if let Some((_, stored)) = self.find(entry.id()).await?
            && (stored.ops().zip(entry.ops()))
                .any(|((_, kept), (_, came))| kept.is_none() && came.is_some())
        {
            self.batch.erasures.came_again = true;
            self.batch.erasures.again.extend(from);
        }
        Ok(())
    }

    /// Carries out what was noted; all rows of the batch are written.
    pub(super) async fn erase_noted(&mut self) -> Result<(), ServerError> {
        for (n, by) in std::mem::take(&mut self.batch.erasures.by) {
            for erase in erases(&by) {
                match self.find(erase.entry).await? {
                    Some((place, target)) => self.erase(&by, place, target, &erase.ops).await?,
                    None => {
                        sql("INSERT INTO erasure VALUES ($1, $2) ON CONFLICT DO NOTHING")
                            .bind(erase.entry.0)
                            .bind(n)
                            .execute(&mut self.db)
                            .await?;
                        self.authority.await_entry(erase.entry);
                    }
                }
            }
        }
        for id in std::mem::take(&mut self.batch.erasures.late) {
            let found = sql(
                "SELECT e.header, e.signature, e.body FROM erasure x JOIN entry e ON e.n = x.entry \
                 WHERE x.target = $1",
            )
            .bind(id.0)
            .all(&mut self.db)
            .await?;
            for row in found {
                let by = authority::entry(row.get(0)?, row.get(1)?, row.get(2)?)?;
                for erase in erases(&by).filter(|erase| erase.entry == id) {
                    if let Some((place, target)) = self.find(id).await? {
                        self.erase(&by, place, target, &erase.ops).await?;
                    }
                }
            }
        }
        if self.batch.erasures.done {
            self.clean_up().await?;
        }
        for device in std::mem::take(&mut self.batch.erasures.again) {
            self.log.inner.keep.forget_uploads_of(device);
            sql("DELETE FROM upload WHERE device = $1")
                .bind(device.0)
                .execute(&mut self.db)
                .await?;
        }
        Ok(())
    }

    async fn find(&mut self, id: EntryId) -> Result<Option<(i64, Entry)>, ServerError> {
        let row = sql("SELECT n, header, signature, body FROM entry WHERE id = $1")
            .bind(id.0)
            .optional(&mut self.db)
            .await?;
        row.map(|row| {
            let entry = authority::entry(row.get(1)?, row.get(2)?, row.get(3)?)?;
            Ok((row.get(0)?, entry))
        })
        .transpose()
    }

    async fn erase(
        &mut self,
        by: &Entry,
        n: i64,
        mut target: Entry,
        ops: &[u64],
    ) -> Result<(), ServerError> {
        let (header, space) = (by.header(), target.header().space);
        let school = self.log.keys().school();
        let mut roles = Roles::default();
        if SpaceKind::of(school, space, target.header().lane).has_members() {
            self.authority.load_course(&mut self.db, space).await?;
            if let Some(course) = self.authority.course(space) {
                let heads = &header.heads.membership;
                roles = course.membership.roles_at(heads, header.author);
            }
        }
        if !erasure::has_effect(header, target.header(), roles) {
            return Ok(());
        }
        let before = target.clone();
        let places = erasure::erase(&mut target, ops);
        if places.is_empty() {
            return Ok(());
        }
        sql("UPDATE entry SET body = $1 WHERE n = $2")
            .bind(target.body().encode())
            .bind(n)
            .execute(&mut self.db)
            .await?;
        // A hash would tell whoever guesses what was erased that the guess is right.
        changes::forget(&mut self.db, n, &before, &target).await?;
        for place in places {
            let op = before.body().op(place).unwrap_or_default();
            if before.header().kinds[place] == Kind::Manifest {
                self.forget_manifest(n, op).await?;
            }
            if let Kind::Event(_) = before.header().kinds[place]
                && let Ok(event) = Event::decode(op)
            {
                self.drop_projected(n, place, &event).await?;
            }
        }
        self.index_again(n, &target).await?;
        self.batch.erasures.done = true;
        Ok(())
    }

    pub(super) async fn drop_projected(
        &mut self,
        n: i64,
        place: usize,
        event: &Event,
    ) -> Result<(), ServerError> {
        let tables: BTreeSet<&str> = rows::rows(event).iter().map(|row| row.table).collect();
        for table in tables {
            sql(format!(
                "DELETE FROM p_{table} WHERE entry = $1 AND op = $2"
            ))
            .bind(n)
            .bind(place as i64)
            .execute(&mut self.db)
            .await?;
        }
        Ok(())
    }

    /// A search row does not say of which operation it was made: all of the entry
    /// are made again of what is left.
    async fn index_again(&mut self, n: i64, entry: &Entry) -> Result<(), ServerError> {
        self.forget_index(n).await?;
        for (_, op) in entry.ops() {
            let event = op.map(Event::decode).transpose().ok().flatten();
            let Some((about, keys)) = event.and_then(|e| searchable_row(&e, entry.id())) else {
                continue;
            };
            let row = self.row_number().await?;
            let values = vec![row.into(), n.into(), about.into()];
            insert_rows(&mut self.db, "search_entry", vec![values], "").await?;
            insert_rows(
                &mut self.db,
                "search",
                vec![vec![row.into(), keys.into()]],
                "",
            )
            .await?;
        }
        Ok(())
    }

    /// Takes an entry out of the search.
    pub(super) async fn forget_index(&mut self, n: i64) -> Result<(), ServerError> {
        let key = match self.db.dialect() {
            Dialect::Sqlite => "rowid",
            Dialect::Postgres => "n",
        };
        for statement in [
            format!(
                "DELETE FROM search WHERE {key} IN (SELECT n FROM search_entry WHERE entry = $1)"
            ),
            "DELETE FROM search_entry WHERE entry = $1".to_owned(),
        ] {
            sql(statement).bind(n).execute(&mut self.db).await?;
        }
        Ok(())
    }

    /// Packs of sessions that were cut may hold what was erased: they are made,
    /// and sent, again.
    async fn clean_up(&mut self) -> Result<(), ServerError> {
        self.log.inner.keep.forget_packs();
        for table in ["upload", "download"] {
            sql(format!("DELETE FROM {table}"))
                .execute(&mut self.db)
                .await?;
        }
        if self.db.dialect() == Dialect::Sqlite {
            // A deleted row's words stay in the index until its segments are merged.
            sql("INSERT INTO search (search) VALUES ('optimize')")
                .execute(&mut self.db)
                .await?;
        }
        Ok(())
    }
}

fn erases(entry: &Entry) -> impl Iterator<Item = Erase> {
    entry.ops().filter_map(|(kind, op)| match (kind, op) {
        (Kind::Event(Erase::CODE), Some(op)) => match Event::decode(op) {
            Ok(Event::Erase(erase)) => Some(erase),
            _ => None,
        },
        _ => None,
    })
}

/// Writes SQLite's WAL into the file and cuts it: erased bytes are in old frames
/// until then. Answers whether it is done: a reader may still need a frame.
/// PostgreSQL keeps old versions of rows until it is told.
///
/// # Errors
/// The database's.
pub(crate) async fn finish_erasure(
    db: &mut Connection,
    at_start: bool,
) -> Result<bool, ServerError> {
    match db.dialect() {
        // Its own vacuum runs by itself.
        Dialect::Postgres if at_start => Ok(true),
        Dialect::Sqlite => {
            let busy: i64 = sql("PRAGMA wal_checkpoint(TRUNCATE)")
                .one(db)
                .await?
                .get(0)?;
            Ok(busy == 0)
        }
        Dialect::Postgres => {
            sql("VACUUM").execute(db).await?;
            Ok(true)
        }
    }
}
