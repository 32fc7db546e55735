//! Letters with a code: to verify an address, to choose another password. By SMTP
//! where configured, else as files in a folder, which is enough to try everything.
use std::path::Path;

use lettre::message::Mailbox;
use lettre::transport::smtp::AsyncSmtpTransport;
use lettre::{AsyncFileTransport, AsyncTransport, Message, Tokio1Executor};
use rand_core::RngCore;
use sha2::{Digest, Sha256};
use stunity_proto::AccountId;
use stunity_server::accounts::to_hex;
use stunity_server::db::sql;
use stunity_server::error::ServerError;
use stunity_sync::RelayStore;

use crate::problem::Problem;
use crate::state::Api;

/// What a code is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i64)]
pub enum Purpose {
    /// The address is the person's.
    Verify = 0,
    /// Another password.
    Reset = 1,
}

impl Purpose {
    /// A code holds so long: two days, or an hour.
    fn life_ms(self) -> u64 {
        match self {
            Self::Verify => 48 * 3_600_000,
            Self::Reset => 3_600_000,
        }
    }
}

/// Carries letters.
pub enum Mailer {
    /// To a folder, a file each.
    Folder(AsyncFileTransport<Tokio1Executor>),
    /// To a server of mail.
    Smtp(AsyncSmtpTransport<Tokio1Executor>),
}

impl Mailer {
    /// Letters as files in a folder, which is made.
    ///
    /// # Errors
    /// A folder that cannot be made.
    pub fn in_folder(folder: &Path) -> std::io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        Ok(Self::Folder(AsyncFileTransport::new(folder)))
    }

    /// Letters by SMTP, `smtps://user:password@host`.
    ///
    /// # Errors
    /// `mail.address`.
    pub fn by_smtp(address: &str) -> Result<Self, ServerError> {
        let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(address)
            .map_err(|_| ServerError::Refused("mail.address"))?;
        Ok(Self::Smtp(transport.build()))
    }

    async fn send(&self, letter: Message) -> Result<(), String> {
        match self {
            Self::Folder(folder) => folder
                .send(letter)
                .await
                .map(drop)
                .map_err(|e| e.to_string()),
            Self::Smtp(server) => server
                .send(letter)
                .await
                .map(drop)
                .map_err(|e| e.to_string()),
        }
    }
}

/// What a code stands for.
pub struct Redeemed {
    /// Whose.
    pub account: AccountId,
    /// The address that it was sent to.
    pub name: String,
}

impl Api {
    /// Sends an account's address a code. That a letter does not leave is logged and
    /// changes no answer: who asks must not learn which addresses there are.
    ///
    /// # Errors
    /// A database that fails.
    pub async fn send_code(
        &self,
        purpose: Purpose,
        account: AccountId,
        address: &str,
    ) -> Result<(), Problem> {
        let mut code = [0; 32];
        self.log.random().fill_bytes(&mut code);
        let code = to_hex(&code);
        let now = self.log.now_ms();
        let expired = sql("DELETE FROM one_time WHERE expires_ms < $1").bind(now);
        self.log.run(expired).await?;
        let insert = sql("INSERT INTO one_time VALUES ($1, $2, $3, $4, $5)")
            .bind(<[u8; 32]>::from(Sha256::digest(code.as_bytes())))
            .bind(purpose as i64)
            .bind(account.0)
            .bind(address)
            .bind(now + purpose.life_ms());
        self.log.run(insert).await?;
        let sent = match self.letter(purpose, address, &code) {
            Ok(letter) => self.mailer.send(letter).await,
            Err(error) => Err(error),
        };
        if let Err(error) = sent {
            tracing::warn!(%error, "a letter did not leave");
        }
        Ok(())
    }

    fn letter(&self, purpose: Purpose, address: &str, code: &str) -> Result<Message, String> {
        let to: Mailbox = address.parse().map_err(|_| "address".to_owned())?;
        let base = &self.settings.public_url;
        let (subject, body) = match purpose {
            Purpose::Verify => (
                "Stunity: your address · អាសយដ្ឋានរបស់អ្នក",
                format!(
                    "Open this to verify your address:\nសូមបើកតំណនេះ ដើម្បីបញ្ជាក់អាសយដ្ឋាន៖\n\n{base}/api/auth/verify-email/{code}\n"
                ),
            ),
            Purpose::Reset => (
                "Stunity: another password · ពាក្យសម្ងាត់ថ្មី",
                format!(
                    "With this code you choose another password within an hour. If you did not ask, do nothing.\nដោយលេខកូដនេះ អ្នកអាចប្ដូរពាក្យសម្ងាត់ក្នុងមួយម៉ោង។ បើអ្នកមិនបានស្នើ សូមកុំធ្វើអ្វី។\n\n{code}\n"
                ),
            ),
        };
        Message::builder()
            .from(
                self.settings
                    .mail_from
                    .parse()
                    .map_err(|_| "sender".to_owned())?,
            )
            .to(to)
            .subject(subject)
            .body(body)
            .map_err(|error| error.to_string())
    }

    /// Uses up a code.
    ///
    /// # Errors
    /// `code.invalid`: unknown, used, or too old.
    pub async fn redeem_code(&self, purpose: Purpose, code: &str) -> Result<Redeemed, Problem> {
        let invalid = || Problem::from(ServerError::Refused("code.invalid"));
        let hash: [u8; 32] = Sha256::digest(code.as_bytes()).into();
        let row = sql("SELECT account, name FROM one_time \
             WHERE code = $1 AND purpose = $2 AND expires_ms > $3")
        .bind(hash)
        .bind(purpose as i64)
        .bind(self.log.now_ms())
        .optional(self.log.database())
        .await
        .map_err(ServerError::from)?
        .ok_or_else(invalid)?;
        let delete = sql("DELETE FROM one_time WHERE code = $1").bind(hash);
        if self.log.run(delete).await? == 0 {
            return Err(invalid());
        }
        let read = || -> Result<Redeemed, ServerError> {
            Ok(Redeemed {
                account: AccountId::try_from(row.get::<&[u8]>(0)?)?,
                name: row.get(1)?,
            })
        };
        Ok(read()?)
    }
}
