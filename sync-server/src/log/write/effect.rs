//! What an accepted entry changes besides the order: roles, groups, staff,
//! account logs.
use std::collections::BTreeSet;

use stunity_identity::{Certificate, Position as LogPosition, StaffAdmission, VerifyingKey};
use stunity_model::Roles;
use stunity_model::events::{Event, RosterBind};
use stunity_model::judge::facts;
use stunity_proto::{AccountId, Entry, EntryId, GroupId, Kind, Lane, SpaceId};
use stunity_sync::Position;
use stunity_sync::replica::Outcome;

use super::Writer;
use crate::db::sql;
use crate::error::ServerError;
use crate::log::authority::{Beginning, Standing};

impl Writer<'_> {
    /// What an accepted entry changes besides the order.
    pub(super) async fn take_effect(
        &mut self,
        n: i64,
        entry: &Entry,
        position: &Position,
    ) -> Result<(), ServerError> {
        let header = entry.header();
        if header.lane == Lane::Keys {
            return self.account_log_changed(n, entry, position).await;
        }
        for (index, (kind, op)) in entry.ops().enumerate() {
            let Some(op) = op else { continue };
            if kind == Kind::Manifest {
                self.note_manifest(n, header, op).await?;
            }
            if !matches!(kind, Kind::Event(_)) {
                continue;
            }
            let Ok(event) = Event::decode(op) else {
                continue;
            };
            self.event(n, entry, &event).await?;
            self.project(n, index, entry, &event, position).await?;
        }
        let changed: Vec<_> = facts(entry);
        let removed: BTreeSet<AccountId> = (changed.iter())
            .filter(|fact| fact.last.is_some() && fact.by != fact.account)
            .map(|fact| fact.account)
            .collect();
        if !changed.is_empty()
            && let Some(course) = self.authority.course_mut(header.space)
        {
            let accounts: BTreeSet<AccountId> = changed.iter().map(|f| f.account).collect();
            for fact in changed {
                course.membership.insert(fact);
            }
            let roles: Vec<(AccountId, Roles)> = accounts
                .into_iter()
                .map(|account| (account, course.membership.roles_now(account)))
                .collect();
            for (account, roles) in roles {
                match header.lane {
                    Lane::Talk => self.set_talker(header.space, account, roles).await?,
                    _ => self.set_roles(header.space, account, roles).await?,
                }
            }
        }
        for account in removed {
            Box::pin(self.judge_again(header.space, account)).await?;
        }
        Ok(())
    }

    /// What a guardian may read is looked up anew.
    fn note_guardian(&mut self, guardian: AccountId) {
        self.batch.rights.insert(guardian);
    }

    pub(super) async fn set_roles(
        &mut self,
        space: SpaceId,
        account: AccountId,
        roles: Roles,
    ) -> Result<(), ServerError> {
        sql("INSERT INTO membership VALUES ($1, $2, $3) \
             ON CONFLICT (account, space) DO UPDATE SET roles = excluded.roles")
        .bind(account.0)
        .bind(space.0)
        .bind(roles.0 as i64)
        .execute(&mut self.db)
        .await?;
        self.batch.rights.insert(account);
        Ok(())
    }

    /// Who is in a conversation: a table of its own, since being in a course opens
    /// more than what is said there.
    async fn set_talker(
        &mut self,
        space: SpaceId,
        account: AccountId,
        roles: Roles,
    ) -> Result<(), ServerError> {
        let statement = match roles.any(Roles::TALKER) {
            true => sql("INSERT INTO talker VALUES ($1, $2, $3) \
                 ON CONFLICT (account, space) DO UPDATE SET roles = excluded.roles"),
            false => sql("DELETE FROM talker WHERE account = $1 AND space = $2"),
        };
        statement
            .bind(account.0)
            .bind(space.0)
            .bind_if(roles.any(Roles::TALKER).then_some(roles.0 as i64))
            .execute(&mut self.db)
            .await?;
        self.batch.rights.insert(account);
        Ok(())
    }

    /// Events that change who may do what.
    pub(super) async fn event(
        &mut self,
        n: i64,
        entry: &Entry,
        event: &Event,
    ) -> Result<(), ServerError> {
        let header = entry.header();
        if let Some(beginning) = Beginning::of(event) {
            self.authority.begin(header.space, beginning);
        }
        match event {
            Event::StaffAdmit(e) => {
                if let Ok(admission) = Certificate::<StaffAdmission>::decode(&e.certificate.0) {
                    self.admit(n, admission.body()).await?;
                }
            }
            Event::RosterBind(e) => self.bind(n, e).await?,
            Event::Erase(_) => self.note_erasure(n, entry),
            Event::Guardianship(e) => self.note_guardian(e.guardian),
            Event::GuardianshipEnd(e) => self.note_guardian(e.guardian),
            Event::GuardianAccess(e) => self.note_guardian(e.guardian),
            Event::AcceptPending(e) => self.accept_pending(n, header.space, e.entry).await?,
            Event::GroupSet(e) => {
                let members: Vec<Vec<u8>> = e.members.iter().map(|id| id.0.to_vec()).collect();
                self.set_group(header.space, e.group, &members).await?;
            }
            _ => {}
        }
        Ok(())
    }

    /// Makes a group consist of these accounts.
    pub(super) async fn set_group(
        &mut self,
        space: SpaceId,
        group: GroupId,
        members: &[Vec<u8>],
    ) -> Result<(), ServerError> {
        sql("DELETE FROM group_member WHERE space = $1 AND group_id = $2")
            .bind(space.0)
            .bind(group.0)
            .execute(&mut self.db)
            .await?;
        for account in members {
            sql("INSERT INTO group_member VALUES ($1, $2, $3) ON CONFLICT DO NOTHING")
                .bind(account)
                .bind(space.0)
                .bind(group.0)
                .execute(&mut self.db)
                .await?;
            self.batch.rights.insert(AccountId::try_from(&account[..])?);
        }
        Ok(())
    }

    /// Staff give effect to an entry of their own space that waits, or that is still
    /// to come.
    async fn accept_pending(
        &mut self,
        n: i64,
        space: SpaceId,
        id: EntryId,
    ) -> Result<(), ServerError> {
        sql("INSERT INTO accepted VALUES ($1, $2, $3) ON CONFLICT DO NOTHING")
            .bind(id.0)
            .bind(space.0)
            .bind(n)
            .execute(&mut self.db)
            .await?;
        match self.known(id).await? {
            Some(Outcome::Pending { position, .. }) if position.space == space => {
                self.give_effect(id).await
            }
            _ => Ok(()),
        }
    }

    pub(super) async fn save_account(
        &mut self,
        account: AccountId,
        standing: Standing,
    ) -> Result<(), ServerError> {
        sql(
            "INSERT INTO account VALUES ($1, $2, $3, $4, $5) ON CONFLICT (id) DO UPDATE SET \
             root = excluded.root, staff_roles = excluded.staff_roles, \
             staff_serial = excluded.staff_serial, in_person = excluded.in_person",
        )
        .bind(account.0)
        .bind(&standing.root.as_bytes()[..])
        .bind(i64::from(standing.staff_roles))
        .bind(standing.staff_serial as i64)
        .bind(standing.in_person)
        .execute(&mut self.db)
        .await?;
        self.authority.set_account(account, standing);
        self.batch.rights.insert(account);
        Ok(())
    }

    /// A school root's admission; of several the highest serial counts.
    pub(super) async fn admit(
        &mut self,
        _n: i64,
        admission: &StaffAdmission,
    ) -> Result<(), ServerError> {
        self.authority
            .load_account(&mut self.db, admission.account)
            .await?;
        let before = self.authority.account(admission.account).copied();
        if before.is_some_and(|b| b.staff_serial >= admission.serial) {
            return Ok(());
        }
        let standing = Standing {
            root: admission.root,
            staff_roles: admission.roles.bits(),
            staff_serial: admission.serial,
            in_person: true,
        };
        self.save_account(admission.account, standing).await
    }

    /// A binding of a first root; it never replaces one that is there.
    pub(super) async fn bind(&mut self, n: i64, e: &RosterBind) -> Result<(), ServerError> {
        sql("INSERT INTO binding VALUES ($1, $2) ON CONFLICT DO NOTHING")
            .bind(e.account.0)
            .bind(n)
            .execute(&mut self.db)
            .await?;
        self.authority.load_account(&mut self.db, e.account).await?;
        let before = self.authority.account(e.account).copied();
        let standing = match before {
            Some(before) if before.root.as_bytes() != &e.root => return Ok(()),
            Some(before) => Standing {
                in_person: before.in_person || e.in_person,
                ..before
            },
            None => Standing {
                root: VerifyingKey::from_bytes(&e.root)
                    .map_err(|_| ServerError::Refused("root.invalid"))?,
                staff_roles: 0,
                staff_serial: 0,
                in_person: e.in_person,
            },
        };
        self.save_account(e.account, standing).await
    }

    pub(super) async fn account_log_changed(
        &mut self,
        n: i64,
        entry: &Entry,
        position: &Position,
    ) -> Result<(), ServerError> {
        let account = entry.header().author;
        let place = LogPosition {
            epoch: position.epoch,
            sequence: position.sequence,
        };
        let Some(log) = self.authority.log_mut(account) else {
            return Ok(());
        };
        if log.apply(entry, Some(place)).is_err() {
            return Ok(());
        }
        let devices: Vec<_> = log
            .devices()
            .map(|(id, device)| {
                let revoked = device.status != stunity_identity::DeviceStatus::Live;
                (
                    id,
                    *device.key().as_bytes(),
                    device.certificate().hash(),
                    revoked,
                )
            })
            .collect();
        for (id, key, certificate, revoked) in devices {
            sql(
                "INSERT INTO device VALUES ($1, $2, $3, $4, $5, NULL) ON CONFLICT (id) DO UPDATE SET \
                 revoked = excluded.revoked",
            )
            .bind(id.0)
            .bind(account.0)
            .bind(key)
            .bind(certificate.0)
            .bind(revoked)
            .execute(&mut self.db)
            .await?;
        }
        let spaces = sql("SELECT space, lane FROM mirrored WHERE account = $1")
            .bind(account.0)
            .all(&mut self.db)
            .await?;
        for row in spaces {
            let space = SpaceId::try_from(row.get::<&[u8]>(0)?)?;
            let lane = Lane::from_key(row.get(1)?)?;
            self.number(n, entry, space, lane, false).await?;
        }
        self.batch.rights.insert(account);
        Ok(())
    }
}
