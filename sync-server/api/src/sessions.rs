//! A session of the API: begun by a password, it goes on by a refresh token that is
//! exchanged each time. A token that is presented a second time ends the session, for
//! somebody else has it too; except the one just exchanged while the new one was never
//! used: on a bad link its answer was lost.
use rand_core::RngCore;
use sha2::{Digest, Sha256};
use stunity_proto::AccountId;
use stunity_server::credentials::SignedIn;
use stunity_server::db::sql;
use stunity_server::error::ServerError;
use stunity_sync::RelayStore;

use crate::problem::Problem;
use crate::state::Api;
use crate::tokens::{REFRESH_SECONDS, Refresh};
use crate::users;

/// Characters of a client's name that are kept.
const MAX_AGENT: usize = 128;

/// What a client gets for a password or for a refresh token.
pub struct Issued {
    /// For every request, for 15 minutes.
    pub access: String,
    /// For one exchange, within seven days.
    pub refresh: String,
    /// The account.
    pub account: AccountId,
}

fn id(api: &Api) -> [u8; 16] {
    let mut id = [0; 16];
    api.log.random().fill_bytes(&mut id);
    id
}

fn hex(bytes: &[u8]) -> String {
    stunity_server::accounts::to_hex(bytes)
}

fn hash(jti: &str) -> [u8; 32] {
    Sha256::digest(jti.as_bytes()).into()
}

impl Api {
    /// Begins a session of whoever signed in.
    ///
    /// # Errors
    /// A database that fails.
    pub async fn begin_session(&self, who: SignedIn, agent: &str) -> Result<Issued, Problem> {
        let (sid, jti) = (id(self), hex(&id(self)));
        let now = self.log.now_ms();
        let expired = sql("DELETE FROM session WHERE account = $1 AND expires_ms < $2");
        self.log.run(expired.bind(who.account.0).bind(now)).await?;
        let agent: String = agent.chars().take(MAX_AGENT).collect();
        let insert = sql("INSERT INTO session VALUES ($1, $2, $3, $4, NULL, $5, $5, $6, $7)")
            .bind(sid)
            .bind(who.account.0)
            .bind(who.token_version)
            .bind(hash(&jti))
            .bind(now)
            .bind(now + REFRESH_SECONDS * 1000)
            .bind(agent);
        self.log.run(insert).await?;
        self.issue(who, &hex(&sid), &jti).await
    }

    /// Exchanges a refresh token.
    ///
    /// # Errors
    /// `token.expired`, `token.invalid`, `session.ended`, `token.reused`.
    pub async fn refresh_session(&self, token: &str) -> Result<Issued, Problem> {
        let now = self.log.now_ms();
        let claims: Refresh = self.tokens.verify(token, "refresh", now)?;
        let ended = || Problem::unauthorized("session.ended");
        let account: AccountId = claims.user_id.parse().map_err(|_| ended())?;
        let sid = stunity_server::accounts::from_hex(&claims.sid).ok_or_else(ended)?;
        let version = self.token_version(account).await?;
        if version != Some(claims.token_version) {
            self.end_session(&sid).await?;
            return Err(ended());
        }
        let (presented, jti) = (hash(&claims.jti), hex(&id(self)));
        // Also the one before, while nobody has shown the newest.
        let exchange = sql(
            "UPDATE session SET token = $3, previous = $2, seen_ms = $4, expires_ms = $5 \
             WHERE id = $1 AND (token = $2 OR previous = $2) AND expires_ms > $4",
        )
        .bind(sid.as_slice())
        .bind(presented)
        .bind(hash(&jti))
        .bind(now)
        .bind(now + REFRESH_SECONDS * 1000);
        if self.log.run(exchange).await? == 0 {
            return Err(match self.end_session(&sid).await? {
                true => Problem::unauthorized("token.reused"),
                false => ended(),
            });
        }
        let who = SignedIn {
            account,
            token_version: claims.token_version,
        };
        self.issue(who, &claims.sid, &jti).await
    }

    /// Ends one session; whether there was one.
    ///
    /// # Errors
    /// A database that fails.
    pub async fn end_session(&self, sid: &[u8]) -> Result<bool, Problem> {
        let delete = sql("DELETE FROM session WHERE id = $1").bind(sid);
        Ok(self.log.run(delete).await? > 0)
    }

    /// Ends all sessions of an account.
    ///
    /// # Errors
    /// A database that fails.
    pub async fn end_sessions(&self, account: AccountId) -> Result<(), Problem> {
        let raise =
            sql("UPDATE credential SET token_version = token_version + 1 WHERE account = $1");
        self.log.run(raise.bind(account.0)).await?;
        let delete = sql("DELETE FROM session WHERE account = $1").bind(account.0);
        self.log.run(delete).await?;
        Ok(())
    }

    async fn token_version(&self, account: AccountId) -> Result<Option<u64>, ServerError> {
        let version = sql("SELECT token_version FROM credential WHERE account = $1")
            .bind(account.0)
            .scalar(self.log.database())
            .await?;
        Ok(version)
    }

    async fn issue(&self, who: SignedIn, sid: &str, jti: &str) -> Result<Issued, Problem> {
        let now = self.log.now_ms();
        let role = users::role_of(&self.log, who.account).await?;
        let ids = (sid, jti);
        Ok(Issued {
            access: self.tokens.access(who.account, role.word(), sid, now)?,
            refresh: self
                .tokens
                .refresh(who.account, who.token_version, ids, now)?,
            account: who.account,
        })
    }
}
