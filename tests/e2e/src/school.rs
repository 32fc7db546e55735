//! A school: its relay and its devices, in folders of a temporary directory.
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use stunity_api::letters::Mailer;
use stunity_api::state::Registration;
use stunity_api::{Api, Settings};
use stunity_client::{Client, Joining, Link, Report, driver};
use stunity_identity::StaffRoles;
use stunity_server::db::Source;
use stunity_server::platform::{Platform, System};
use stunity_server::{Address, Log, serve_with};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::database::{files, new_bucket};

/// A relay in this process.
pub struct School {
    folder: tempfile::TempDir,
    /// The relay's log.
    pub log: Log,
    /// Where it listens.
    pub address: SocketAddr,
    source: Source,
    bucket: Option<String>,
    stop: Option<oneshot::Sender<()>>,
}

impl School {
    /// A new school with a relay on a free port.
    pub async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let relay = folder.path().join("relay");
        let database = crate::new_database(&relay).await;
        let bucket = new_bucket();
        let blobs = files(bucket.as_deref(), &relay);
        let log = Log::open_beside(&relay, &database, Arc::new(System), blobs)
            .await
            .expect("a new school");
        Self::with(folder, log, database, bucket).await
    }

    /// The school whose relay lies in the folder `relay` of another, in a file, by
    /// this clock; a new one if it is empty.
    pub async fn open(folder: tempfile::TempDir, platform: Arc<dyn Platform>) -> Self {
        let relay = folder.path().join("relay");
        let database = Source::new(&relay, None).expect("a file needs no address");
        let log = Log::open_with(&relay, &database, platform)
            .await
            .expect("keys and a database, or neither");
        Self::with(folder, log, database, None).await
    }

    async fn with(
        folder: tempfile::TempDir,
        log: Log,
        source: Source,
        bucket: Option<String>,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a free port on loopback");
        let address = listener.local_addr().expect("a bound socket has one");
        let mut school = Self {
            folder,
            log,
            address,
            source,
            bucket,
            stop: None,
        };
        school.serve(listener);
        school
    }

    fn serve(&mut self, listener: TcpListener) {
        let (stop, stopped) = oneshot::channel::<()>();
        let (serving, host) = (self.log.clone(), self.address.to_string());
        let api = stunity_api::router(self.api());
        tokio::spawn(async move {
            let https = false;
            serve_with(listener, serving, Address { host, https }, api, async {
                let _ = stopped.await;
            })
            .await
        });
        self.stop = Some(stop);
    }

    /// What the relay offers to those without the core; anybody may register, letters
    /// lie in the folder `mail`.
    fn api(&self) -> Arc<Api> {
        let mailer = Mailer::in_folder(&self.path("mail")).expect("a folder");
        let settings = Settings {
            registration: Registration::Open,
            public_url: format!("http://{}", self.address),
            mail_from: "school@stunity.test".into(),
        };
        Arc::new(Api::open(self.log.clone(), mailer, settings).expect("a secret"))
    }

    /// Stops the relay and opens it again from its folder, at the same address.
    pub async fn restart(&mut self) {
        self.stop();
        let listener = loop {
            match TcpListener::bind(self.address).await {
                Ok(listener) => break listener,
                // Until the one before has left.
                Err(_) => tokio::task::yield_now().await,
            }
        };
        let relay = self.path("relay");
        let blobs = files(self.bucket.as_deref(), &relay);
        self.log = Log::open_beside(&relay, &self.source, Arc::new(System), blobs)
            .await
            .expect("the school's own folder");
        self.serve(listener);
    }

    /// Stops the relay; its folder stays.
    pub fn stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
    }

    /// A folder of the school's temporary directory.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A new account on a new device, invited with these offices.
    pub async fn join(&self, name: &str, offices: StaffRoles) -> Client {
        let code = self.log.invite(offices, None).await.expect("an invitation");
        let code: String = code.iter().map(|byte| format!("{byte:02x}")).collect();
        let (folder, relay) = (self.path(name), format!("http://{}", self.address));
        tokio::task::spawn_blocking(move || {
            Client::join(&folder, &relay, &Joining::Invitation(code), None)
        })
        .await
        .expect("joining does not panic")
        .expect("the relay admits who is invited")
    }

    /// Syncs a device once over a good link.
    pub async fn sync(&self, client: &mut Client) -> Report {
        let report = driver::sync(client, &Link::default())
            .await
            .expect("a good link");
        assert!(report.caught_up, "not caught up: {report:?}");
        assert_eq!(report.rejected, Vec::<String>::new());
        report
    }
}
