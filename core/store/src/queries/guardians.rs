//! Guardians and their children.
use std::collections::BTreeMap;

use rusqlite::params;
use stunity_model::Roles;
use stunity_model::guardians::{self, Access, Consent};
use stunity_proto::{AccountId, SpaceId};

use super::{LATEST_LAST, WorkRow};
use crate::database::uint;
use crate::{Store, StoreError, process};

/// A guardianship that is known here: to the school's staff, the child and the
/// guardian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GuardianRow {
    /// The guardian.
    pub guardian: AccountId,
    /// The child.
    pub child: AccountId,
    /// Until when, milliseconds since 1970; 0 once it was ended.
    pub until_ms: u64,
    /// What the child and the school say of it.
    pub consent: Consent,
    /// Whether the guardian reads, at the last relay time known here.
    pub access: Access,
}

impl Store {
    /// Every guardianship that is known here, by guardian and child.
    ///
    /// # Errors
    /// A database error.
    pub fn guardianships(&self) -> Result<Vec<GuardianRow>, StoreError> {
        let now_ms = process::last_relay_ms(&self.conn)?.unwrap_or(0);
        let mut links: BTreeMap<(AccountId, AccountId), (u64, Consent)> = BTreeMap::new();
        let mut statement = self.conn.prepare_cached(&format!(
            "SELECT guardian, child, until_ms FROM p_guardianship ORDER BY {LATEST_LAST}"
        ))?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let pair = (AccountId(row.get(0)?), AccountId(row.get(1)?));
            links.entry(pair).or_default().0 = uint(row.get(2)?);
        }
        let mut statement = self.conn.prepare_cached(&format!(
            "SELECT guardian, child, open, author FROM p_guardian_access ORDER BY {LATEST_LAST}"
        ))?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let pair = (AccountId(row.get(0)?), AccountId(row.get(1)?));
            let Some((_, consent)) = links.get_mut(&pair) else {
                continue;
            };
            let open = Some(row.get(2)?);
            match AccountId(row.get(3)?) == pair.1 {
                true => consent.child = open,
                false => consent.school = open,
            }
        }
        Ok(links
            .into_iter()
            .map(|((guardian, child), (until_ms, consent))| GuardianRow {
                guardian,
                child,
                until_ms,
                consent,
                access: guardians::access(until_ms, consent, now_ms),
            })
            .collect())
    }

    /// The work and grades of a child of this account, course by course.
    ///
    /// # Errors
    /// [`StoreError::NotAllowed`] while the guardianship is not open.
    pub fn child_work(&self, child: AccountId) -> Result<Vec<(SpaceId, WorkRow)>, StoreError> {
        let me = self.owner.account;
        let open = (self.guardianships()?.iter())
            .any(|row| row.guardian == me && row.child == child && row.access == Access::Open);
        if !open {
            return Err(StoreError::NotAllowed("guardianship that is not open"));
        }
        let mut statement = self.conn.prepare_cached(
            "SELECT space FROM members WHERE account = ?1 AND roles & ?2 <> 0 ORDER BY space",
        )?;
        let spaces = statement
            .query_map(params![&child.0, Roles::STUDENT.0 as i64], |row| {
                row.get(0).map(SpaceId)
            })?
            .collect::<Result<Vec<_>, _>>()?;
        let mut out = Vec::new();
        for space in spaces {
            let work = self.work(space, Some(child))?;
            out.extend(work.into_iter().map(|row| (space, row)));
        }
        Ok(out)
    }
}
