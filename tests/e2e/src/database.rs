//! Where the relays of tests keep their log: a file each, or, where
//! `STUNITY_TEST_POSTGRES` names a server, a database each.
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use stunity_server::db::{Source, sql};

/// A new database for the relay whose folder this is.
///
/// # Panics
/// If the server that the environment names makes no database.
pub async fn new_database(folder: &Path) -> Source {
    /// Tests of one process have databases of their own.
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let Ok(server) = std::env::var("STUNITY_TEST_POSTGRES") else {
        return Source::new(folder, None).expect("a file needs no address");
    };
    let name = format!(
        "test_{}_{}",
        std::process::id(),
        NEXT.fetch_add(1, Ordering::Relaxed)
    );
    let mut connection = Source::new(folder, Some(&server))
        .expect("STUNITY_TEST_POSTGRES is an address")
        .connect()
        .await
        .expect("STUNITY_TEST_POSTGRES answers");
    // A process of the same number may have run before.
    for statement in ["DROP DATABASE IF EXISTS", "CREATE DATABASE"] {
        sql(format!("{statement} {name}"))
            .execute(&mut connection)
            .await
            .expect("a database for a test");
    }
    let mut address: url::Url = server.parse().expect("an address");
    address.set_path(&name);
    Source::new(folder, Some(address.as_str())).expect("the same address with another name")
}
