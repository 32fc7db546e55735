//! Who a socket is: by an access token in the payload with which it connects, never by
//! its address.
use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use axum::http::HeaderMap;
use axum::http::header::ORIGIN;
use serde::Deserialize;
use socketioxide::extract::{SocketRef, State, TryData};
use stunity_proto::AccountId;
use stunity_server::accounts::from_hex;
use stunity_server::db::sql;
use stunity_server::error::ServerError;
use stunity_sync::RelayStore;
use tokio::sync::oneshot;

use super::Live;
use crate::people::{bind_ids, id_list};
use crate::problem::Problem;
use crate::state::Api;
use crate::tokens::Access;

/// Sessions that one statement looks for.
const AT_ONCE: usize = 256;

/// With what a client connects, and goes on before its token ends.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Auth {
    /// An access token.
    token: String,
    /// Whether others see that the account is there. If it is not said, a grown-up's is
    /// seen and a minor's is not.
    presence: Option<bool>,
}

/// Who a socket is.
pub(super) struct Session {
    pub account: AccountId,
    /// The session that the token is of.
    pub sid: [u8; 16],
    /// Others see that the account is there.
    pub is_shown: bool,
    /// When the token ends, seconds since 1970; 0 once the socket was let go.
    ends: AtomicU64,
    /// When what came before is done.
    pub(super) last: Mutex<Option<oneshot::Receiver<()>>>,
}

impl Session {
    async fn open(api: &Api, auth: &Auth) -> Result<Self, Problem> {
        let claims: Access = api.tokens.verify(&auth.token, "access", api.log.now_ms())?;
        let invalid = || Problem::unauthorized("token.invalid");
        let account = claims.user_id.parse().map_err(|_| invalid())?;
        let sid = from_hex(&claims.sid).and_then(|sid| sid.try_into().ok());
        let sid = sid.ok_or_else(invalid)?;
        if api.going_on(&BTreeSet::from([sid])).await?.is_empty() {
            return Err(Problem::unauthorized("session.ended"));
        }
        let is_shown = match auth.presence {
            Some(shown) => shown,
            None => !api.is_minor(account).await?,
        };
        Ok(Self {
            account,
            sid,
            is_shown,
            ends: claims.exp.into(),
            last: Mutex::default(),
        })
    }

    /// Whether its token is over.
    pub fn is_over(&self, api: &Api) -> bool {
        api.log.now_ms() / 1000 >= self.ends.load(Ordering::Relaxed)
    }

    /// That its token is not over.
    ///
    /// # Errors
    /// `token.expired`.
    pub fn goes_on(&self, api: &Api) -> Result<(), Problem> {
        match self.is_over(api) {
            true => Err(Problem::unauthorized("token.expired")),
            false => Ok(()),
        }
    }

    /// From now on it is over.
    pub fn end(&self) {
        self.ends.store(0, Ordering::Relaxed);
    }

    /// Goes on by a newer token of the same session.
    ///
    /// # Errors
    /// `token.…`, `session.ended`, `session.other`.
    pub async fn go_on(&self, api: &Api, auth: &Auth) -> Result<(), Problem> {
        let newer = Self::open(api, auth).await?;
        if (newer.account, newer.sid) != (self.account, self.sid) {
            return Err(Problem::forbidden("session.other"));
        }
        let ends = newer.ends.load(Ordering::Relaxed);
        let later = |now: u64| (now > 0).then_some(now.max(ends));
        // What was let go meanwhile does not go on.
        let went_on = self
            .ends
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, later);
        went_on.map_err(|_| Problem::unauthorized("session.ended"))?;
        Ok(())
    }

    /// Takes a place behind what came before; who waits for it is told when it is left.
    pub fn line_up(&self) -> (Option<oneshot::Receiver<()>>, oneshot::Sender<()>) {
        let (leave, left) = oneshot::channel();
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        (last.replace(left), leave)
    }
}

/// Why a client is not let in: a stable code.
#[derive(Debug)]
pub(super) struct Refused(String);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        Self(problem.code)
    }
}

/// Whether a page of the relay's own asks, or no page at all: another site's page would
/// speak with what its visitor is signed in by.
fn is_own_page(headers: &HeaderMap, public_url: &str) -> bool {
    let Some(origin) = headers.get(ORIGIN) else {
        return true;
    };
    let own = public_url.splitn(4, '/').take(3).collect::<Vec<_>>();
    origin.as_bytes() == own.join("/").as_bytes()
}

/// Lets a client in.
pub(super) async fn authenticate(
    socket: SocketRef,
    TryData(auth): TryData<Auth>,
    State(live): State<Arc<Live>>,
) -> Result<(), Refused> {
    let api = live.api()?;
    if !is_own_page(&socket.req_parts().headers, &api.settings.public_url) {
        return Err(Refused("origin.other".into()));
    }
    let auth = auth.map_err(|_| Refused("token.missing".into()))?;
    let session = Session::open(&api, &auth).await?;
    if live.online.is_full(session.account) {
        return Err(Refused("limit.sockets".into()));
    }
    socket.extensions.insert(Arc::new(session));
    Ok(())
}

impl Api {
    /// Those of `sessions` that go on.
    pub(super) async fn going_on(
        &self,
        sessions: &BTreeSet<[u8; 16]>,
    ) -> Result<BTreeSet<[u8; 16]>, ServerError> {
        let mut going_on = BTreeSet::new();
        let all: Vec<[u8; 16]> = sessions.iter().copied().collect();
        for some in all.chunks(AT_ONCE) {
            let text = format!(
                "SELECT id FROM session WHERE expires_ms > $1 AND id IN {}",
                id_list(2, some.len())
            );
            let statement = sql(text).bind(self.log.now_ms());
            let ids: Vec<Vec<u8>> = bind_ids(statement, some.iter().copied())
                .scalars(self.log.database())
                .await?;
            going_on.extend(
                ids.into_iter()
                    .filter_map(|id| <[u8; 16]>::try_from(id).ok()),
            );
        }
        Ok(going_on)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)] // A failed step fails the test.
    use super::*;

    #[test]
    fn pages_of_other_sites_are_not_the_relays() {
        let page = |origin: &str| HeaderMap::from_iter([(ORIGIN, origin.parse().unwrap())]);
        let url = "https://school.example:8443/stunity";
        assert!(is_own_page(&HeaderMap::new(), url));
        assert!(is_own_page(&page("https://school.example:8443"), url));
        for other in [
            "https://school.example",
            "http://school.example:8443",
            "https://school.example:8443.evil.example",
            "https://evil.example",
            "null",
            "",
        ] {
            assert!(!is_own_page(&page(other), url), "{other}");
        }
    }
}
