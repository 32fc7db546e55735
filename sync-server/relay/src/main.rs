//! `stunity-server`: the relay's command.
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Parser, Subcommand};
use stunity_api::letters::Mailer;
use stunity_api::state::Registration;
use stunity_api::{Api, Settings};
use stunity_identity::StaffRoles;
use stunity_proto::AccountId;
use stunity_server::accounts::to_hex;
use stunity_server::blobs::Blobs;
use stunity_server::db::Source;
use stunity_server::error::ServerError;
use stunity_server::keys::{SchoolKeys, read_staff, request_staff, sign_operator, sign_staff};
use stunity_server::platform::{Platform, System};
use stunity_server::{Address, Log, serve_with};

#[derive(Parser)]
#[command(version, about = "The relay of a school")]
struct Cli {
    /// Where the relay keeps its keys and its database.
    #[arg(
        long,
        env = "STUNITY_DATA_DIR",
        default_value = "stunity-data",
        global = true
    )]
    data: PathBuf,
    /// A database of PostgreSQL, `postgres://…`, instead of a file in the folder.
    #[arg(long, env = "DATABASE_URL", global = true, hide_env_values = true)]
    database: Option<String>,
    /// Logs as JSON, one object a line, to standard error.
    #[arg(long, env = "STUNITY_LOG_JSON", global = true)]
    log_json: bool,
    /// A bucket for files, `s3://…`, instead of a folder beside the database; its
    /// settings are in `AWS_…`.
    #[arg(long, env = "STUNITY_BLOBS", global = true)]
    blobs: Option<String>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serves devices and people; makes a new school where there is none.
    Serve {
        /// Address to listen at.
        #[arg(long, env = "STUNITY_LISTEN", default_value = "127.0.0.1:8470")]
        listen: SocketAddr,
        /// Host and port as devices address the relay, if other than `listen`.
        #[arg(long, env = "STUNITY_HOST")]
        host: Option<String>,
        #[command(flatten)]
        platform: Platforming,
    },
    /// Prints an invitation: its code, or as a link with a QR code.
    Invite {
        /// Prints a link and draws it, instead of the code alone.
        #[arg(long)]
        link: bool,
        /// Host and port as devices address the relay, for the link.
        #[arg(long, env = "STUNITY_HOST", default_value = "127.0.0.1:8470")]
        host: String,
        /// pupil, teacher, registrar or admin.
        #[arg(long, default_value = "pupil")]
        role: String,
        /// The one account that it is for, hexadecimal.
        #[arg(long)]
        account: Option<AccountId>,
    },
    /// Sets a login with its password for an account's first sign-in.
    SetLogin {
        /// The login.
        #[arg(long)]
        login: String,
        /// The password.
        #[arg(long, env = "STUNITY_PASSWORD", required_unless_present = "hash")]
        password: Option<String>,
        /// The password as another system hashed it, by bcrypt or Argon2id.
        #[arg(long, conflicts_with = "password")]
        hash: Option<String>,
        /// The account, hexadecimal.
        #[arg(long)]
        account: AccountId,
    },
    /// The school's keys.
    School {
        #[command(subcommand)]
        command: SchoolCommand,
    },
    /// Checks the keys and the database.
    Doctor,
    /// Writes a consistent copy of the database while the relay runs, and of the files.
    Backup {
        /// The file to write; files go to a folder beside it, named `….files`.
        to: PathBuf,
    },
    /// Puts a backup in the place of the database, and back the files that are
    /// lacking; the relay must be stopped.
    Restore {
        /// The file to read.
        from: PathBuf,
    },
}

/// What people see and get of the API.
#[derive(clap::Args)]
struct Platforming {
    /// Who may register: those with an invitation, or anybody.
    #[arg(long, env = "STUNITY_REGISTRATION", default_value = "invited", value_parser = ["invited", "open"])]
    registration: String,
    /// How people reach the relay, for links in letters, if other than `http://` and
    /// the host.
    #[arg(long, env = "STUNITY_PUBLIC_URL")]
    public_url: Option<String>,
    /// Who letters are from.
    #[arg(long, env = "STUNITY_MAIL_FROM", default_value = "stunity@localhost")]
    mail_from: String,
    /// A server of mail, `smtps://user:password@host`; without it letters are files in
    /// the folder `mail`.
    #[arg(long, env = "STUNITY_SMTP_URL", hide_env_values = true)]
    smtp: Option<String>,
}

impl Platforming {
    fn open(self, log: &Log, folder: &Path, host: &str) -> Result<Arc<Api>, ServerError> {
        let mailer = match &self.smtp {
            Some(address) => Mailer::by_smtp(address)?,
            None => Mailer::in_folder(&folder.join("mail"))?,
        };
        let settings = Settings {
            registration: match self.registration.as_str() {
                "open" => Registration::Open,
                _ => Registration::Invited,
            },
            public_url: self.public_url.unwrap_or_else(|| format!("http://{host}")),
            mail_from: self.mail_from,
        };
        Ok(Arc::new(Api::open(log.clone(), mailer, settings)?))
    }
}

#[derive(Subcommand)]
enum SchoolCommand {
    /// Prints the school's id and root key.
    Show,
    /// Moves the root key away from the relay.
    MoveRoot {
        /// The folder to move it to.
        to: PathBuf,
    },
    /// Makes a new operator key, certified by the root: here, or where it lies.
    RotateOperator {
        /// The folder with the root, if it was moved and can be reached from here.
        #[arg(long)]
        root: Option<PathBuf>,
    },
    /// Prints what the root's holder signs for a new operator key.
    RequestOperator,
    /// Takes the root holder's answer to `request-operator`.
    InstallOperator {
        /// The answer.
        answer: String,
    },
    /// Certifies this node anew by the operator key.
    RenewNode,
    /// Prints what the root's holder signs so that an account joins the staff.
    RequestStaff {
        /// The account, hexadecimal.
        #[arg(long)]
        account: AccountId,
    },
    /// Takes the root holder's answer to `request-staff`.
    InstallStaff {
        /// The answer.
        answer: String,
    },
    /// Signs a request by the root; needs the root's folder only, and no relay.
    Sign {
        /// The folder with the root.
        #[arg(long)]
        root: PathBuf,
        /// For staff: teacher, registrar or admin.
        #[arg(long, default_value = "teacher")]
        role: String,
        /// The request, as printed.
        request: String,
    },
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let log = tracing_subscriber::fmt()
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_env("STUNITY_LOG")
                .unwrap_or_else(|_| "info".into()),
        )
        .with_writer(std::io::stderr);
    match cli.log_json {
        true => log.json().init(),
        false => log.init(),
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    let result = match runtime {
        Ok(runtime) => runtime.block_on(run(cli)),
        Err(error) => Err(error.into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("stunity-server: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: Cli) -> Result<(), ServerError> {
    let source = Source::new(&cli.data, cli.database.as_deref())?;
    let blobs = Blobs::open(cli.blobs.as_deref(), &cli.data.join("blobs"))?;
    let open = || Log::open_beside(&cli.data, &source, Arc::new(System), blobs.clone());
    match cli.command {
        Command::Serve {
            listen,
            host,
            platform,
        } => {
            let log = open().await?;
            let listener = tokio::net::TcpListener::bind(listen).await?;
            let address = listener.local_addr()?;
            let host = host.unwrap_or_else(|| address.to_string());
            let api = platform.open(&log, &cli.data, &host)?;
            let https = api.settings.public_url.starts_with("https://");
            let api = stunity_api::router(api);
            println!("listening on http://{address}");
            let address = Address { host, https };
            serve_with(listener, log, address, api, stop_signal()).await
        }
        Command::Invite {
            link,
            role,
            account,
            host,
        } => {
            let offices = offices(&role)?;
            let log = open().await?;
            if link {
                let link = log.invite_by_link(offices, account, &host).await?;
                let link = link.to_text();
                println!("{link}");
                print!("{}", drawn(&link));
            } else {
                println!("{}", to_hex(&log.invite(offices, account).await?));
            }
            Ok(())
        }
        Command::SetLogin {
            login,
            password,
            hash,
            account,
        } => {
            let log = open().await?;
            match hash {
                Some(hash) => log.import_login(&login, &hash, account).await,
                None => {
                    let password = password.unwrap_or_default();
                    log.set_login(&login, &password, account).await
                }
            }
        }
        Command::School {
            command: SchoolCommand::RequestStaff { account },
        } => {
            let log = open().await?;
            let root = log.root_of(account).await?;
            println!("{}", request_staff(&log.keys().anchor, account, &root));
            Ok(())
        }
        Command::School {
            command: SchoolCommand::InstallStaff { answer },
        } => open().await?.admit(read_staff(&answer)?).await,
        Command::School { command } => school(&cli.data, command),
        Command::Doctor => stunity_server::run::doctor(&open().await?).await,
        Command::Backup { to } => open().await?.backup(&to).await,
        Command::Restore { from } => stunity_server::log::restore(&source, &blobs, &from).await,
    }
}

/// A text as a QR code for terminals; nothing if it is too long for one.
fn drawn(text: &str) -> String {
    // Capitals are its densest alphabet.
    let code = qrcode::QrCode::with_error_correction_level(text.to_uppercase(), qrcode::EcLevel::L);
    code.map(|code| {
        let mut drawn = code.render::<qrcode::render::unicode::Dense1x2>().build();
        drawn.push('\n');
        drawn
    })
    .unwrap_or_default()
}

fn offices(role: &str) -> Result<StaffRoles, ServerError> {
    match role {
        "pupil" => Ok(StaffRoles::default()),
        "teacher" => Ok(StaffRoles::TEACHER),
        "registrar" => Ok(StaffRoles::REGISTRAR),
        "admin" => Ok(StaffRoles::ADMIN
            .and(StaffRoles::TEACHER)
            .and(StaffRoles::REGISTRAR)),
        _ => Err(ServerError::Refused("role.unknown")),
    }
}

/// Commands that need the keys only.
fn school(data: &Path, command: SchoolCommand) -> Result<(), ServerError> {
    let platform: Arc<dyn Platform> = Arc::new(System);
    let now = platform.now_ms();
    let folder = data.join("keys");
    if let SchoolCommand::Sign {
        root,
        role,
        request,
    } = &command
    {
        let answer = match request.starts_with("staff ") {
            true => sign_staff(root, request, offices(role)?, now)?,
            false => sign_operator(root, request, now)?,
        };
        println!("{answer}");
        return Ok(());
    }
    let mut keys = SchoolKeys::open(&folder, &platform)?;
    match command {
        SchoolCommand::Show => {
            println!("school {}", keys.school());
            println!("root   {}", to_hex(keys.anchor.root.as_bytes()));
        }
        SchoolCommand::MoveRoot { to } => keys.move_root(&to)?,
        SchoolCommand::RotateOperator { root } => {
            let request = keys.request_operator(&platform)?;
            let answer = sign_operator(&root.unwrap_or(folder), &request, now)?;
            keys.install_operator(&answer, now)?;
            println!("the operator key is new: start the relay again");
        }
        SchoolCommand::RequestOperator => println!("{}", keys.request_operator(&platform)?),
        SchoolCommand::InstallOperator { answer } => {
            keys.install_operator(&answer, now)?;
            println!("the operator key is new: start the relay again");
        }
        SchoolCommand::RenewNode => {
            keys.renew_node(now)?;
            println!("the node's certificate is new: start the relay again");
        }
        // Carried out before, without or with the database.
        SchoolCommand::Sign { .. }
        | SchoolCommand::RequestStaff { .. }
        | SchoolCommand::InstallStaff { .. } => {}
    }
    Ok(())
}

async fn stop_signal() {
    let interrupt = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = interrupt => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    let _ = interrupt.await;
}
