//! Names and passwords by which a person signs in. They open an API session or bind
//! the first root of a pupil's account; nothing that a device signs rests on them.
use argon2::Argon2;
use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use stunity_proto::AccountId;

use crate::db::{Statement, sql};
use crate::error::ServerError;
use crate::log::Log;

/// Bytes of a name.
const MAX_NAME: usize = 254;
/// Characters of a password. Pupils type it on a phone.
const MIN_PASSWORD: usize = 6;
/// Bytes of a password.
const MAX_PASSWORD: usize = 1024;

/// What kind of name somebody signs in by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i64)]
pub enum NameKind {
    /// An address of mail, verified by a letter.
    Email = 0,
    /// A number of a phone.
    Phone = 1,
    /// A name that the person chose.
    Username = 2,
    /// A code that the school gave.
    SchoolCode = 3,
}

/// A name as it is compared: without spaces around it, in lower case; of a phone the
/// digits alone, with the country's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginName {
    /// What kind.
    pub kind: NameKind,
    /// The text.
    pub text: String,
}

impl LoginName {
    /// # Errors
    /// `login.malformed`: empty, too long, or not of that kind.
    pub fn new(kind: NameKind, text: &str) -> Result<Self, ServerError> {
        let malformed = ServerError::Refused("login.malformed");
        let text = text.trim().to_lowercase();
        let is_text = |c: char| !c.is_whitespace() && !c.is_control();
        let text = match kind {
            _ if text.is_empty() || text.len() > MAX_NAME => return Err(malformed),
            NameKind::Email => {
                let Some((local, domain)) = text.rsplit_once('@') else {
                    return Err(malformed);
                };
                let whole = !local.is_empty() && domain.contains('.');
                let dots = domain.starts_with('.') || domain.ends_with('.');
                if !whole || dots || local.contains('@') || !text.chars().all(is_text) {
                    return Err(malformed);
                }
                text
            }
            NameKind::Phone => phone(&text).ok_or(malformed)?,
            NameKind::Username | NameKind::SchoolCode => {
                // What looks like the other kinds would be taken for them.
                if text.contains('@') || phone(&text).is_some() || !text.chars().all(is_text) {
                    return Err(malformed);
                }
                text
            }
        };
        Ok(Self { kind, text })
    }

    /// What a person typed into the one field of a sign-in.
    #[must_use]
    pub fn typed(text: &str) -> String {
        let text = text.trim().to_lowercase();
        phone(&text).unwrap_or(text)
    }
}

/// A number of at least eight digits; Khmer digits count, a leading 0 is Cambodia's.
fn phone(text: &str) -> Option<String> {
    let digits = |c: char| match c {
        '0'..='9' => Some(c),
        '\u{17e0}'..='\u{17e9}' => char::from_digit(c as u32 - 0x17e0, 10),
        _ => None,
    };
    let separates = |c: &char| matches!(c, ' ' | '-' | '.' | '(' | ')');
    let (abroad, rest) = match text.strip_prefix('+') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let number: Option<String> = rest.chars().filter(|c| !separates(c)).map(digits).collect();
    let number = number.filter(|number| (8..=15).contains(&number.len()))?;
    match (abroad, number.strip_prefix('0')) {
        (true, _) => Some(format!("+{number}")),
        (false, Some(local)) => Some(format!("+855{local}")),
        (false, None) => None,
    }
}

/// Who signed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignedIn {
    /// The account.
    pub account: AccountId,
    /// Rises when all sessions of the account end.
    pub token_version: u64,
}

impl Log {
    /// A new account with its names and its password.
    ///
    /// # Errors
    /// `password.short`, `password.long`, `login.taken` if one of the names is,
    /// `account.registered` if the account has a password: then nothing of it stays.
    pub async fn register(
        &self,
        account: AccountId,
        names: &[LoginName],
        password: &str,
    ) -> Result<(), ServerError> {
        let hash = self.hash(password).await?;
        // Names first: a credential comes only with all of them.
        for (index, name) in names.iter().enumerate() {
            let insert =
                sql("INSERT INTO login_name VALUES ($1, $2, $3, NULL) ON CONFLICT DO NOTHING")
                    .bind(name.text.as_str())
                    .bind(name.kind as i64)
                    .bind(account.0);
            if self.run(insert).await? == 0 {
                self.give_back(account, &names[..index]).await?;
                return Err(ServerError::Refused("login.taken"));
            }
        }
        let insert = sql("INSERT INTO credential VALUES ($1, $2, 0, $3) ON CONFLICT DO NOTHING")
            .bind(account.0)
            .bind(hash)
            .bind(self.now());
        if self.run(insert).await? == 0 {
            self.give_back(account, names).await?;
            return Err(ServerError::Refused("account.registered"));
        }
        Ok(())
    }

    /// Names that were taken for nothing.
    async fn give_back(&self, account: AccountId, names: &[LoginName]) -> Result<(), ServerError> {
        for name in names {
            let delete = sql("DELETE FROM login_name WHERE name = $1 AND account = $2")
                .bind(name.text.as_str())
                .bind(account.0);
            self.run(delete).await?;
        }
        Ok(())
    }

    /// Sets a login with its password for an account, as somebody who holds the
    /// relay does.
    ///
    /// # Errors
    /// `login.malformed`, `password.short`, `password.long`, `login.taken`.
    pub async fn set_login(
        &self,
        login: &str,
        password: &str,
        account: AccountId,
    ) -> Result<(), ServerError> {
        let hash = self.hash(password).await?;
        self.set_login_hash(login, hash, account).await
    }

    /// As [`Log::set_login`], with a password that another system hashed by bcrypt or
    /// Argon2id. At the first sign-in it is hashed anew.
    ///
    /// # Errors
    /// `password.foreign` for another kind of hash; as [`Log::set_login`].
    pub async fn import_login(
        &self,
        login: &str,
        hash: &str,
        account: AccountId,
    ) -> Result<(), ServerError> {
        let known = PasswordHash::new(hash).is_ok() || hash.parse::<bcrypt::HashParts>().is_ok();
        if !known {
            return Err(ServerError::Refused("password.foreign"));
        }
        self.set_login_hash(login, hash.to_owned(), account).await
    }

    async fn set_login_hash(
        &self,
        login: &str,
        hash: String,
        account: AccountId,
    ) -> Result<(), ServerError> {
        let kind = match LoginName::typed(login) {
            name if name.contains('@') => NameKind::Email,
            name if name.starts_with('+') => NameKind::Phone,
            _ => NameKind::Username,
        };
        let name = LoginName::new(kind, login)?;
        let insert = sql(
            "INSERT INTO login_name VALUES ($1, $2, $3, NULL) ON CONFLICT (name) \
             DO UPDATE SET kind = excluded.kind WHERE login_name.account = excluded.account",
        )
        .bind(name.text)
        .bind(kind as i64)
        .bind(account.0);
        if self.run(insert).await? == 0 {
            return Err(ServerError::Refused("login.taken"));
        }
        self.run(credential(account, hash, self.now())).await?;
        Ok(())
    }

    /// Gives an account another password; its sessions end.
    ///
    /// # Errors
    /// `password.short`, `password.long`, `account.unknown`.
    pub async fn change_password(
        &self,
        account: AccountId,
        password: &str,
    ) -> Result<(), ServerError> {
        let hash = self.hash(password).await?;
        let update = sql(
            "UPDATE credential SET password = $2, token_version = token_version + 1 \
             WHERE account = $1",
        )
        .bind(account.0)
        .bind(hash);
        match self.run(update).await? {
            0 => Err(ServerError::Refused("account.unknown")),
            _ => Ok(()),
        }
    }

    /// Who has this name and this password. An unknown name takes as long as a wrong
    /// password. A hash of another system is made anew by ours.
    ///
    /// # Errors
    /// `login.wrong`, or a database that fails.
    pub async fn check_password(
        &self,
        login: &str,
        password: String,
    ) -> Result<SignedIn, ServerError> {
        /// Argon2id of nothing that anybody types.
        const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$c3R1bml0eS1ub2JvZHk$3WzwiMpVLsCzwJ0n0JxQ5dH0bVQjgTZfVnbJfmsnUYk";
        let row = sql(
            "SELECT c.account, c.password, c.token_version FROM login_name n \
             JOIN credential c ON c.account = n.account WHERE n.name = $1",
        )
        .bind(LoginName::typed(login))
        .optional(self.database())
        .await?;
        let (found, hash) = match &row {
            Some(row) => {
                let found = SignedIn {
                    account: AccountId::try_from(row.get::<&[u8]>(0)?)?,
                    token_version: row.get(2)?,
                };
                (Some(found), row.get::<String>(1)?)
            }
            None => (None, NOBODY.to_owned()),
        };
        let is_foreign = hash.starts_with("$2");
        let typed = password.clone();
        let right = tokio::task::spawn_blocking(move || verifies(&hash, &typed))
            .await
            .map_err(|_| ServerError::Stopping)?;
        let found = found
            .filter(|_| right)
            .ok_or(ServerError::Refused("login.wrong"))?;
        if is_foreign {
            let hash = self.hash_any(password).await?;
            let update = sql("UPDATE credential SET password = $2 WHERE account = $1");
            self.run(update.bind(found.account.0).bind(hash)).await?;
        }
        Ok(found)
    }

    fn now(&self) -> u64 {
        stunity_sync::RelayStore::now_ms(self)
    }

    async fn hash(&self, password: &str) -> Result<String, ServerError> {
        check(password)?;
        self.hash_any(password.to_owned()).await
    }

    async fn hash_any(&self, password: String) -> Result<String, ServerError> {
        let mut random = self.random();
        tokio::task::spawn_blocking(move || {
            Argon2::default()
                .hash_password(password.as_bytes(), &SaltString::generate(&mut random))
                .map(|hash| hash.to_string())
        })
        .await
        .map_err(|_| ServerError::Stopping)?
        .map_err(|_| ServerError::Refused("password.long"))
    }
}

/// Whether a password may be chosen.
///
/// # Errors
/// `password.short`, `password.long`.
pub fn check(password: &str) -> Result<(), ServerError> {
    if password.chars().count() < MIN_PASSWORD {
        return Err(ServerError::Refused("password.short"));
    }
    if password.len() > MAX_PASSWORD {
        return Err(ServerError::Refused("password.long"));
    }
    Ok(())
}

fn credential(account: AccountId, hash: String, now_ms: u64) -> Statement {
    sql(
        "INSERT INTO credential VALUES ($1, $2, 0, $3) ON CONFLICT (account) DO UPDATE \
         SET password = excluded.password, token_version = credential.token_version + 1",
    )
    .bind(account.0)
    .bind(hash)
    .bind(now_ms)
}

fn verifies(hash: &str, password: &str) -> bool {
    if hash.starts_with("$2") {
        return bcrypt::verify(password, hash).unwrap_or(false);
    }
    PasswordHash::new(hash).is_ok_and(|hash| {
        Argon2::default()
            .verify_password(password.as_bytes(), &hash)
            .is_ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_compared_as_people_mean_it() {
        let same = |kind, text: &str| LoginName::new(kind, text).map(|name| name.text);
        for (kind, text, stored) in [
            (NameKind::Email, " Dara@School.KH ", "dara@school.kh"),
            (NameKind::Phone, "012 345 678", "+85512345678"),
            (
                NameKind::Phone,
                "\u{17e0}\u{17e1}\u{17e2}-345-678",
                "+85512345678",
            ),
            (NameKind::Phone, "+855 12 345 678", "+85512345678"),
            (NameKind::Username, "Sok", "sok"),
        ] {
            assert_eq!(same(kind, text).unwrap(), stored, "{text}");
            assert_eq!(LoginName::typed(text), stored, "{text}");
        }
        for (kind, text) in [
            (NameKind::Email, "dara"),
            (NameKind::Email, "@school.kh"),
            (NameKind::Email, "a@b@school.kh"),
            (NameKind::Email, "dara@kh."),
            (NameKind::Phone, "12"),
            (NameKind::Phone, "number"),
            (NameKind::Username, "012345678"),
            (NameKind::Username, "so k"),
            (NameKind::SchoolCode, ""),
        ] {
            assert!(LoginName::new(kind, text).is_err(), "{text}");
        }
    }

    #[test]
    fn hashes_of_bcrypt_are_read() {
        let hash = bcrypt::hash("a long word", 4).unwrap();
        assert!(verifies(&hash, "a long word"));
        assert!(!verifies(&hash, "another word"));
    }
}
