//! `stunity-server`: the relay's command.
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Parser, Subcommand};
use stunity_identity::StaffRoles;
use stunity_proto::AccountId;
use stunity_server::accounts::to_hex;
use stunity_server::db::Source;
use stunity_server::error::ServerError;
use stunity_server::keys::SchoolKeys;
use stunity_server::platform::{Platform, System};
use stunity_server::{Log, serve};

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
    },
    /// Prints an invitation code.
    Invite {
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
        #[arg(long, env = "STUNITY_PASSWORD")]
        password: String,
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
    /// Writes a consistent copy of the database while the relay runs.
    Backup {
        /// The file to write.
        to: PathBuf,
    },
    /// Puts a backup in the place of the database; the relay must be stopped.
    Restore {
        /// The file to read.
        from: PathBuf,
    },
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
}

fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_env("STUNITY_LOG")
                .unwrap_or_else(|_| "info".into()),
        )
        .with_writer(std::io::stderr)
        .init();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    let result = match runtime {
        Ok(runtime) => runtime.block_on(run(Cli::parse())),
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
    let open = || Log::open_at(&cli.data, &source);
    match cli.command {
        Command::Serve { listen, host } => {
            let log = open().await?;
            let listener = tokio::net::TcpListener::bind(listen).await?;
            let address = listener.local_addr()?;
            let host = host.unwrap_or_else(|| address.to_string());
            println!("listening on http://{address}");
            serve(listener, log, host, stop_signal()).await
        }
        Command::Invite { role, account } => {
            let offices = match role.as_str() {
                "pupil" => StaffRoles::default(),
                "teacher" => StaffRoles::TEACHER,
                "registrar" => StaffRoles::REGISTRAR,
                "admin" => StaffRoles::ADMIN
                    .and(StaffRoles::TEACHER)
                    .and(StaffRoles::REGISTRAR),
                _ => return Err(ServerError::Refused("role.unknown")),
            };
            let log = open().await?;
            println!("{}", to_hex(&log.invite(offices, account).await?));
            Ok(())
        }
        Command::SetLogin {
            login,
            password,
            account,
        } => {
            let log = open().await?;
            log.set_login(&login, &password, account).await
        }
        Command::School { command } => {
            let platform: Arc<dyn Platform> = Arc::new(System);
            let keys = SchoolKeys::open(&cli.data.join("keys"), &platform)?;
            match command {
                SchoolCommand::Show => {
                    println!("school {}", keys.school());
                    println!("root   {}", to_hex(keys.anchor.root.as_bytes()));
                    Ok(())
                }
                SchoolCommand::MoveRoot { to } => keys.move_root(&to),
            }
        }
        Command::Doctor => stunity_server::run::doctor(&open().await?).await,
        Command::Backup { to } => open().await?.backup(&to).await,
        Command::Restore { from } => stunity_server::log::restore(&source, &from).await,
    }
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
