//! Joining, where the host carries requests and answers.
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use stunity_client::{Join, Joining as How, Platform};

use crate::{Account, StunityError};

/// What lets an account join, shown to the relay once.
#[derive(Clone)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Enum))]
#[cfg_attr(
    feature = "json",
    derive(serde::Deserialize),
    serde(tag = "by", rename_all = "camelCase")
)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub enum Ticket {
    /// An invitation's code: a new account.
    Invitation {
        /// The code, hexadecimal.
        code: String,
    },
    /// An invitation's code for an account that exists by import.
    Claim {
        /// The code, hexadecimal.
        code: String,
        /// The account.
        account: String,
    },
    /// First sign-in of an account that has no device yet.
    Password {
        /// The login.
        login: String,
        /// The password.
        password: String,
    },
}

/// A request to the relay.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
#[cfg_attr(
    feature = "json",
    derive(serde::Serialize),
    serde(rename_all = "camelCase")
)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct JoinRequest {
    /// Where.
    pub url: String,
    /// JSON to POST; none for a GET.
    pub body: Option<String>,
}

/// An account that joins.
#[cfg_attr(feature = "uniffi", derive(uniffi::Object))]
pub struct Joining {
    join: Mutex<Join>,
}

pub(crate) fn how(ticket: Ticket) -> Result<How, StunityError> {
    Ok(match ticket {
        Ticket::Invitation { code } => How::Invitation(code),
        Ticket::Claim { code, account } => {
            let account = account
                .parse()
                .map_err(|_| StunityError::invalid("id.malformed"))?;
            How::Claim(code, account)
        }
        Ticket::Password { login, password } => How::Password(login, password),
    })
}

/// Begins to join a school through its relay.
///
/// # Errors
/// `account.exists`, or the store's.
pub fn begin_join(
    folder: &Path,
    relay: &str,
    ticket: Ticket,
    platform: Arc<dyn Platform>,
) -> Result<Arc<Joining>, StunityError> {
    let join = Join::new(folder, relay, how(ticket)?, None, platform)?;
    Ok(Arc::new(Joining {
        join: Mutex::new(join),
    }))
}

#[cfg_attr(feature = "uniffi", uniffi::export)]
impl Joining {
    /// What to ask the relay now; none once it is over.
    pub fn request(&self) -> Option<JoinRequest> {
        let join = self.join.lock().unwrap_or_else(PoisonError::into_inner);
        join.request().map(|request| JoinRequest {
            url: format!("{}{}", join.relay(), request.path),
            body: request.body,
        })
    }

    /// Takes the relay's answer: the account, or none if there is more to ask.
    pub fn on_answer(
        &self,
        status: u16,
        body: Vec<u8>,
    ) -> Result<Option<Arc<Account>>, StunityError> {
        let mut join = self.join.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(join.on_answer(status, &body)?.map(Account::new))
    }
}
