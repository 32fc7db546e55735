//! Joining and first sign-in over HTTP. After that a device proves itself by
//! its key in every session; no password adds a device.
use axum::extract::{DefaultBodyLimit, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use stunity_identity::{
    Certificate, Invitation, InvitationLink, MAX_HOST, StaffRoles, VerifyingKey,
};
use stunity_proto::pack::{Explicit, decode_pack};
use stunity_proto::{AccountId, Entry, Signer};
use stunity_sync::RelayStore;

use crate::db::sql;
use crate::error::ServerError;
use crate::keys::SchoolKeys;
use crate::log::{Join, Log, Proof};
use crate::run::App;

/// How long an invitation holds: a fortnight.
const INVITATION_MS: u64 = 14 * 24 * 3_600_000;
/// A first entry with its certificate, in hexadecimal.
const MAX_REQUEST: usize = 16 * 1024;

/// The routes of this file.
pub fn router() -> Router<App> {
    Router::new()
        .route("/api/school", get(school))
        .route("/api/devices/join", post(join))
        .route("/api/devices/sign-in", post(sign_in))
        .layer(DefaultBodyLimit::max(MAX_REQUEST))
}

/// What a client pins and checks the relay by, in hexadecimal.
#[derive(Serialize)]
struct SchoolAnswer {
    school: String,
    anchor: String,
    node_chain: String,
    relay_ms: u64,
}

async fn school(State(app): State<App>) -> Json<SchoolAnswer> {
    let keys = app.log.keys();
    Json(SchoolAnswer {
        school: keys.school().to_string(),
        anchor: to_hex(&keys.anchor.encode()),
        node_chain: to_hex(&keys.chain.encode()),
        relay_ms: app.log.now_ms(),
    })
}

#[derive(Deserialize)]
struct JoinRequest {
    /// The invitation's 16 bytes, hexadecimal.
    code: String,
    /// An explicit pack with the first entry of the account's log, hexadecimal.
    pack: String,
}

#[derive(Deserialize)]
struct SignInRequest {
    login: String,
    password: String,
    /// As in a join; left out to learn the account's id first.
    pack: Option<String>,
}

#[derive(Serialize)]
struct Joined {
    account: String,
}

fn first_entry(app: &App, pack: &str) -> Result<Entry, ServerError> {
    let refused = ServerError::Refused("pack.malformed");
    let Some(bytes) = from_hex(pack) else {
        return Err(refused);
    };
    let items = decode_pack(&bytes, &Explicit(app.log.keys().school()));
    match items.ok().and_then(|items| <[_; 1]>::try_from(items).ok()) {
        Some([item]) => Ok(item.entry),
        None => Err(refused),
    }
}

async fn join(
    State(app): State<App>,
    Json(request): Json<JoinRequest>,
) -> Result<Json<Joined>, ServerError> {
    let genesis = first_entry(&app, &request.pack)?;
    let code = from_hex(&request.code)
        .and_then(|code| <[u8; 16]>::try_from(code).ok())
        .ok_or(ServerError::Refused("invitation.malformed"))?;
    let account = genesis.header().author;
    app.log
        .join(Join {
            proof: Proof::Code(code),
            genesis,
        })
        .await?;
    Ok(Json(Joined {
        account: account.to_string(),
    }))
}

async fn sign_in(
    State(app): State<App>,
    Json(request): Json<SignInRequest>,
) -> Result<Json<Joined>, ServerError> {
    let account = app
        .log
        .check_password(&request.login, request.password)
        .await?
        .account;
    if let Some(pack) = request.pack {
        let genesis = first_entry(&app, &pack)?;
        let proof = Proof::Login(request.login, account);
        app.log.join(Join { proof, genesis }).await?;
    }
    Ok(Json(Joined {
        account: account.to_string(),
    }))
}

impl Log {
    /// Makes an invitation; answers its code. Offices 0 invite a pupil or parent;
    /// `account` names the one account that it is for.
    ///
    /// # Errors
    /// `root.absent` for staff whom this relay cannot admit, as the root was moved
    /// out: they join as a pupil does and are admitted by it. A database that fails.
    pub async fn invite(
        &self,
        offices: StaffRoles,
        account: Option<AccountId>,
    ) -> Result<[u8; 16], ServerError> {
        if offices != StaffRoles::default() && !self.keys().has_root() {
            return Err(ServerError::Refused("root.absent"));
        }
        let code = Invitation::generate_code(&mut self.random());
        let expires = self.now_ms() + INVITATION_MS;
        let statement = sql("INSERT INTO invitation VALUES ($1, $2, $3, $4, NULL)")
            .bind(Invitation::hash_code(&code).0)
            .bind(i64::from(offices.bits()))
            .bind(account.map(|account| account.0.to_vec()))
            .bind(expires);
        self.run(statement).await?;
        Ok(code)
    }

    /// As [`Log::invite`], as a link to show, send or draw: it names the relay at
    /// `host` and lets the guest pin the school.
    ///
    /// # Errors
    /// `host.malformed`, or as [`Log::invite`].
    pub async fn invite_by_link(
        &self,
        offices: StaffRoles,
        account: Option<AccountId>,
        host: &str,
    ) -> Result<InvitationLink, ServerError> {
        if host.is_empty() || host.len() > MAX_HOST {
            return Err(ServerError::Refused("host.malformed"));
        }
        let code = self.invite(offices, account).await?;
        let SchoolKeys { anchor, node, .. } = self.keys();
        let invitation = Invitation {
            school: anchor.school,
            root: anchor.root,
            next_commitment: anchor.next_commitment,
            host: host.to_owned(),
            space: None,
            role: offices.bits(),
            code_hash: Invitation::hash_code(&code),
            expires: self.now_ms() + INVITATION_MS,
        };
        Ok(InvitationLink {
            invitation: Certificate::sign(invitation, node),
            signer: Signer::Node(node.node_id()),
            code: Some(code),
        })
    }

    /// Uses up an invitation for an account that signs in by a password and has no
    /// device yet; the account that the invitation is for, else `account`. Staff come
    /// with a device.
    ///
    /// # Errors
    /// `invitation.unknown`, `invitation.expired`, `invitation.used`,
    /// `invitation.device`; a database that fails.
    pub async fn redeem_for_login(
        &self,
        code: [u8; 16],
        account: AccountId,
    ) -> Result<AccountId, ServerError> {
        let hash = Invitation::hash_code(&code).0;
        let row = sql("SELECT roles, account, expires_ms FROM invitation WHERE code_hash = $1")
            .bind(hash)
            .optional(self.database())
            .await?
            .ok_or(ServerError::Refused("invitation.unknown"))?;
        if row.get::<u64>(2)? < self.now_ms() {
            return Err(ServerError::Refused("invitation.expired"));
        }
        if row.get::<i64>(0)? != 0 {
            return Err(ServerError::Refused("invitation.device"));
        }
        let account = match row.get::<Option<&[u8]>>(1)? {
            Some(named) => AccountId::try_from(named)?,
            None => account,
        };
        let take =
            sql("UPDATE invitation SET used_by = $1 WHERE code_hash = $2 AND used_by IS NULL")
                .bind(account.0)
                .bind(hash);
        match self.run(take).await? {
            0 => Err(ServerError::Refused("invitation.used")),
            _ => Ok(account),
        }
    }

    /// Gives back an invitation that an account used up for nothing.
    ///
    /// # Errors
    /// A database that fails.
    pub async fn return_invitation(
        &self,
        code: [u8; 16],
        account: AccountId,
    ) -> Result<(), ServerError> {
        let update =
            sql("UPDATE invitation SET used_by = NULL WHERE code_hash = $1 AND used_by = $2")
                .bind(Invitation::hash_code(&code).0)
                .bind(account.0);
        self.run(update).await.map(drop)
    }

    /// The root that an account is bound to.
    ///
    /// # Errors
    /// `account.unknown`, or a database that fails.
    pub async fn root_of(&self, account: AccountId) -> Result<VerifyingKey, ServerError> {
        let root: Option<Vec<u8>> = sql("SELECT root FROM account WHERE id = $1")
            .bind(account.0)
            .scalar(self.database())
            .await?;
        root.and_then(|root| <[u8; 32]>::try_from(root).ok())
            .and_then(|root| VerifyingKey::from_bytes(&root).ok())
            .ok_or(ServerError::Refused("account.unknown"))
    }
}

/// Lower-case hexadecimal.
#[must_use]
pub fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Reads hexadecimal; none if it is not.
#[must_use]
pub fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    digits
        .chunks_exact(2)
        .map(|pair| {
            let high = (pair[0] as char).to_digit(16)?;
            let low = (pair[1] as char).to_digit(16)?;
            Some((high * 16 + low) as u8)
        })
        .collect()
}
