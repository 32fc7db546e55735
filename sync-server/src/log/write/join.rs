//! Accounts that join.
use stunity_identity::{Certificate, StaffAdmission, StaffRoles};
use stunity_model::events::{Event, RosterBind, StaffAdmit};
use stunity_proto::{AccountId, Entry, Lane};
use stunity_sync::replica::Outcome;

use super::Writer;
use crate::db::sql;
use crate::error::ServerError;
use crate::log::{Join, Proof};

impl Writer<'_> {
    /// Binds an account's first root, then stores the first entry of its log.
    pub(super) async fn join(&mut self, join: Join) -> Result<(), ServerError> {
        let genesis = &join.genesis;
        let account = genesis.header().author;
        let root = stunity_identity::AccountLog::claimed_root(genesis)
            .ok_or(ServerError::Refused("account-log.invalid"))?;
        self.authority.load_account(&mut self.db, account).await?;
        if self
            .authority
            .account(account)
            .is_some_and(|standing| standing.root != root)
        {
            return Err(ServerError::Refused("root.exists"));
        }
        // The log must stand on its own before anything is written for it.
        let mut log = stunity_identity::AccountLog::new(self.log.keys().school(), account, root);
        if !matches!(
            log.apply(genesis, None),
            Ok(stunity_identity::Effect::Counts)
        ) {
            return Err(ServerError::Refused("account-log.invalid"));
        }
        let is_bound = self.authority.account(account).is_some();
        let roles = self.redeem(&join.proof, account).await?;
        if is_bound && roles == 0 {
            // The answer was lost on its way.
            return self.must_append(genesis).await;
        }
        let event = if roles == 0 {
            Event::from(RosterBind {
                account,
                root: *root.as_bytes(),
                in_person: false,
            })
        } else {
            let keys = self.log.keys();
            let offices = StaffRoles::from_bits(roles);
            let admission = keys.admit(account, root, offices, self.now_ms)?;
            Event::from(StaffAdmit {
                certificate: stunity_model::events::Opaque(admission.encode()),
            })
        };
        let lane = if roles == 0 { Lane::Staff } else { Lane::All };
        let school = self.log.keys().school().space();
        let place = (school, lane);
        let statement = self.vouched(account, place, Vec::new(), &[event]).await?;
        self.must_append(&statement).await?;
        self.must_append(genesis).await?;
        if roles != 0 {
            self.mirror(school, Lane::All, account).await?;
        }
        Ok(())
    }

    /// Takes an account into the staff: states it to all, with the account's keys.
    pub(super) async fn take_into_staff(
        &mut self,
        admission: &Certificate<StaffAdmission>,
    ) -> Result<(), ServerError> {
        let account = admission.body().account;
        self.authority.load_account(&mut self.db, account).await?;
        match self.authority.account(account) {
            None => return Err(ServerError::Refused("account.unknown")),
            Some(standing) if standing.root != admission.body().root => {
                return Err(ServerError::Refused("root.other"));
            }
            Some(_) => {}
        }
        let event = Event::from(StaffAdmit {
            certificate: stunity_model::events::Opaque(admission.encode()),
        });
        let school = self.log.keys().school().space();
        let place = (school, Lane::All);
        let statement = self.vouched(account, place, Vec::new(), &[event]).await?;
        self.must_append(&statement).await?;
        self.mirror(school, Lane::All, account).await
    }

    /// Stores what the relay states itself; that it is refused is an error.
    async fn must_append(&mut self, entry: &Entry) -> Result<(), ServerError> {
        match self.append(None, entry).await? {
            Outcome::Accepted(_) => Ok(()),
            _ => Err(ServerError::Keys("an entry of this node".into())),
        }
    }

    /// Uses up what lets an account join; answers the offices that it gives.
    pub(super) async fn redeem(
        &mut self,
        proof: &Proof,
        account: AccountId,
    ) -> Result<u8, ServerError> {
        let code = match proof {
            Proof::Login(_, named) if *named == account => return Ok(0),
            Proof::Login(..) => return Err(ServerError::Refused("login.other-account")),
            Proof::Code(code) => stunity_identity::Invitation::hash_code(code),
        };
        let row =
            sql("SELECT roles, account, expires_ms, used_by FROM invitation WHERE code_hash = $1")
                .bind(code.0)
                .optional(&mut self.db)
                .await?
                .ok_or(ServerError::Refused("invitation.unknown"))?;
        if row.get::<i64>(2)? < self.now_ms as i64 {
            return Err(ServerError::Refused("invitation.expired"));
        }
        let used: Option<Vec<u8>> = row.get(3)?;
        if used.is_some_and(|by| by != account.0) {
            return Err(ServerError::Refused("invitation.used"));
        }
        let named: Option<Vec<u8>> = row.get(1)?;
        if named.is_some_and(|named| named != account.0) {
            return Err(ServerError::Refused("invitation.other-account"));
        }
        let roles = row.get::<i64>(0)? as u8;
        if roles != 0 && !self.log.keys().has_root() {
            // Joins as anybody does; the root's holder then signs for the staff.
            return Err(ServerError::Refused("root.absent"));
        }
        sql("UPDATE invitation SET used_by = $1 WHERE code_hash = $2")
            .bind(account.0)
            .bind(code.0)
            .execute(&mut self.db)
            .await?;
        Ok(roles)
    }
}
