//! Whom somebody reaches: whose profile they see, whom they find, follow and write to.
//! The one place that decides it: one set of accounts, in SQL, so that a list is filtered
//! by the statement that reads it.
use stunity_proto::{AccountId, Lane};
use stunity_server::db::{Statement, sql};
use stunity_server::error::ServerError;
use stunity_sync::RelayStore;

use crate::state::Api;

/// Grown-ups, as far as the school knows: staff, and guardians now; `$2` is now.
const ADULTS: &str = "SELECT s.id AS account FROM account s WHERE s.staff_roles <> 0 \
     UNION ALL SELECT g.guardian FROM p_guardianship g WHERE g.until_ms > $2 \
     AND NOT EXISTS (SELECT 1 FROM p_guardianship l WHERE l.guardian = g.guardian \
     AND l.child = g.child AND (l.sequence, l.op) > (g.sequence, g.op))";

/// Whom `$1` meets: members of the same courses, and children whose guardian `$1` is
/// by last words that are all for it, see `stunity_model::guardians`.
const MET: &str = "SELECT o.account FROM membership m JOIN membership o ON o.space = m.space \
     WHERE m.account = $1 AND m.roles <> 0 AND o.roles <> 0 \
     UNION ALL SELECT g.child FROM p_guardianship g WHERE g.guardian = $1 AND g.until_ms > $2 \
     AND NOT EXISTS (SELECT 1 FROM p_guardianship l WHERE l.guardian = g.guardian \
     AND l.child = g.child AND (l.sequence, l.op) > (g.sequence, g.op)) \
     AND (SELECT MIN(w.open) FROM p_guardian_access w WHERE w.guardian = g.guardian \
     AND w.child = g.child AND NOT EXISTS (SELECT 1 FROM p_guardian_access l \
     WHERE l.guardian = w.guardian AND l.child = w.child \
     AND (l.author = l.child) = (w.author = w.child) \
     AND (l.sequence, l.op) > (w.sequence, w.op))) = 1";

/// Whether `$1` is a registrar or an administrator of the school (bits of
/// `StaffRoles`), who reach everybody.
const OVERSEES: &str =
    "EXISTS (SELECT 1 FROM account s WHERE s.id = $1 AND (s.staff_roles & 10) <> 0)";

/// Whether `a` blocks `b` by the last word.
fn blocks(a: &str, b: &str) -> String {
    last_word("p_blocked", a, b)
}

/// Whether the last word of `a` about `b` is yes. An account's space has the account's
/// own bytes.
fn last_word(table: &str, a: &str, b: &str) -> String {
    format!(
        "EXISTS (SELECT 1 FROM {table} w WHERE w.space = {a} AND w.account = {b} AND w.given = 1 \
         AND NOT EXISTS (SELECT 1 FROM {table} l WHERE l.space = w.space \
         AND l.account = w.account AND (l.sequence, l.op) > (w.sequence, w.op)))"
    )
}

/// Whether `$1` reaches the account of a column, as a condition of a statement of
/// [`Api::reading`].
pub(crate) fn reaches(account: &str) -> String {
    format!("({OVERSEES} OR {account} IN (SELECT account FROM reached))")
}

impl Api {
    /// A statement about what `caller` may see, which goes on with `$7`.
    pub(crate) fn reading(&self, caller: AccountId, select: &str) -> Statement {
        let (mine, theirs) = (blocks("$1", "k.account"), blocks("k.account", "$1"));
        sql(format!(
            "WITH reached (account) AS (SELECT k.account FROM ({ADULTS} UNION ALL {MET}) k \
             WHERE k.account <> $1 AND NOT {mine} AND NOT {theirs} UNION ALL SELECT $1) {select}"
        ))
        .bind(caller.0)
        .bind(self.log.now_ms())
        .bind(Lane::All.to_key())
        .bind(Lane::Connections.to_key())
        .bind(Lane::Public.to_key())
        .bind(self.log.keys().school().space().0)
    }

    /// Whether somebody may see, find, follow and write to an account. Who may not gets
    /// the answer that an unknown account gives.
    ///
    /// # Errors
    /// A database that fails.
    pub async fn may_reach(
        &self,
        caller: AccountId,
        account: AccountId,
    ) -> Result<bool, ServerError> {
        let reaches = reaches("a.id");
        let select = format!(
            "SELECT 1 FROM (SELECT $7 AS id) a WHERE {reaches} AND (a.id = $1 \
             OR EXISTS (SELECT 1 FROM account k WHERE k.id = a.id) \
             OR EXISTS (SELECT 1 FROM credential k WHERE k.account = a.id) \
             OR EXISTS (SELECT 1 FROM membership k WHERE k.account = a.id) \
             OR EXISTS (SELECT 1 FROM p_person k WHERE k.account = a.id))"
        );
        let found = self.reading(caller, &select).bind(account.0);
        Ok(found.optional(self.log.database()).await?.is_some())
    }

    /// Whether an account is treated as a minor's.
    ///
    /// # Errors
    /// A database that fails.
    pub async fn is_minor(&self, account: AccountId) -> Result<bool, ServerError> {
        let adult = sql(format!("SELECT 1 FROM ({ADULTS}) k WHERE k.account = $1"));
        let adult = adult.bind(account.0).bind(self.log.now_ms());
        Ok(adult.optional(self.log.database()).await?.is_none())
    }
}
