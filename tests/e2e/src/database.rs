//! Where the relays of tests keep their log and files: a database file and a folder
//! each, or, where `STUNITY_TEST_POSTGRES` names a server, a database each, where
//! `STUNITY_TEST_S3` names a bucket, a folder in it each; and what stands in a database.
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use stunity_proto::EntryId;
use stunity_server::Log;
use stunity_server::blobs::Blobs;
use stunity_server::db::{Dialect, Source, sql};

/// A name of its own for what a test makes on a server: tests of one process share it.
fn name() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("test_{}_{number}", std::process::id())
}

/// Where a new relay's files lie whose folder this is, as [`Blobs::open`] takes it:
/// in a bucket if there is an address.
#[must_use]
pub fn new_bucket() -> Option<String> {
    let server = std::env::var("STUNITY_TEST_S3").ok()?;
    Some(format!("{server}/{}", name()))
}

/// The files of the relay whose folder this is.
///
/// # Panics
/// If the folder cannot be made, or the address is none.
#[must_use]
pub fn files(bucket: Option<&str>, folder: &Path) -> Blobs {
    Blobs::open(bucket, &folder.join("blobs")).expect("a folder or a bucket")
}

/// A new database for the relay whose folder this is.
///
/// # Panics
/// If the server that the environment names makes no database.
pub async fn new_database(folder: &Path) -> Source {
    let Ok(server) = std::env::var("STUNITY_TEST_POSTGRES") else {
        return Source::new(folder, None).expect("a file needs no address");
    };
    let name = name();
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

async fn tables(log: &Log) -> Vec<String> {
    let names = match log.database().dialect() {
        Dialect::Sqlite => "SELECT name FROM sqlite_schema WHERE type = 'table'",
        Dialect::Postgres => {
            "SELECT CAST(tablename AS TEXT) FROM pg_tables WHERE schemaname = 'public'"
        }
    };
    let names = sql(names).scalars(log.database()).await;
    names.expect("a schema")
}

/// Projections and indices of a relay in which something stands that came from these
/// entries.
///
/// # Panics
/// If the database does not answer.
pub async fn relay_traces(log: &Log, ids: &[EntryId]) -> Vec<String> {
    let mut found = Vec::new();
    for table in tables(log).await {
        if !table.starts_with("p_") && table != "search_entry" {
            continue;
        }
        for id in ids {
            let count: i64 = sql(format!(
                "SELECT COUNT(*) FROM {table} WHERE entry = (SELECT n FROM entry WHERE id = $1)"
            ))
            .bind(id.0)
            .scalar(log.database())
            .await
            .expect("a count")
            .unwrap_or_default();
            if count > 0 {
                found.push(format!("{table} of the relay"));
            }
        }
    }
    found
}

/// Tables of a relay on PostgreSQL in which a text stands, in any column of any row; of
/// a file the bytes themselves are to be looked through.
///
/// # Panics
/// If the database does not answer.
pub async fn tables_with(log: &Log, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    if log.database().dialect() == Dialect::Sqlite {
        return found;
    }
    let hex: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
    for table in tables(log).await {
        // A row as text has its bytes in hexadecimal.
        let rows: Vec<String> = sql(format!("SELECT CAST(t AS TEXT) FROM {table} t"))
            .scalars(log.database())
            .await
            .expect("rows");
        if (rows.iter()).any(|row| row.contains(text) || row.contains(&hex)) {
            found.push(table);
        }
    }
    found
}
