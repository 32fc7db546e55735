//! A classmate's device that carries parcels holds no readable byte of another's
//! work, in whatever spelling.
#![allow(clippy::unwrap_used)] // A failed step fails the test.

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use stunity_client::{NewAssignment, NewCourse, Taken, Work};
use stunity_e2e::School;
use stunity_identity::StaffRoles;
use stunity_identity::sabotage::Sabotage;
use stunity_proto::sabotage::Sabotage as PackSabotage;
use stunity_store::{ParcelTo, Span};

/// What nobody else writes; of Latin and Khmer letters.
const CANARY: &str = "zebra-quartz-canary-0451 សំណេរសម្ងាត់របស់សុភា";

/// Every spelling in which a careless program could leave it, with its name.
fn spellings(text: &str) -> Vec<(&'static str, Vec<u8>)> {
    let bytes = text.as_bytes();
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let units = || text.encode_utf16();
    let mut all = vec![
        ("raw", bytes.to_vec()),
        ("hexadecimal", hex.clone().into_bytes()),
        ("hexadecimal in capitals", hex.to_uppercase().into_bytes()),
        ("UTF-16LE", units().flat_map(u16::to_le_bytes).collect()),
        ("UTF-16BE", units().flat_map(u16::to_be_bytes).collect()),
    ];
    for (before, name) in [(0, "base64"), (1, "base64 + 1"), (2, "base64 + 2")] {
        let shifted = [&vec![0; before], bytes].concat();
        // The first group and the last two hold bits of what stands around.
        let code = STANDARD.encode(&shifted);
        let inner = code.as_bytes()[4..code.len() - 8].to_vec();
        let url_safe = inner
            .iter()
            .map(|byte| match byte {
                b'+' => b'-',
                b'/' => b'_',
                other => *other,
            })
            .collect();
        all.push((name, inner));
        all.push((name, url_safe));
    }
    all
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack
        .windows(needle.len())
        .any(|window| window == needle)
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found
}

/// Where the canary lies in a folder: files and spellings.
fn traces(folder: &Path) -> Vec<(PathBuf, &'static str)> {
    let mut traces = Vec::new();
    for file in files(folder) {
        let bytes = std::fs::read(&file).unwrap();
        for (name, needle) in spellings(CANARY) {
            if contains(&bytes, &needle) {
                traces.push((file.clone(), name));
            }
        }
    }
    traces
}

/// An author hands her work in through a carrier, whose folder then holds all that
/// it ever will: its database with what it carries, and the file as it was passed
/// on.
async fn carried() -> School {
    let school = School::new().await;
    let mut teacher = school.join("teacher", StaffRoles::TEACHER).await;
    let mut author = school.join("author", StaffRoles::default()).await;
    let mut carrier = school.join("carrier", StaffRoles::default()).await;
    school.sync(&mut teacher).await;
    let course = teacher.create_course(NewCourse::default()).unwrap();
    let new = NewAssignment {
        max_points: 1000,
        ..NewAssignment::default()
    };
    let assignment = teacher.publish_assignment(course, new).unwrap();
    for client in [&author, &carrier] {
        teacher.enrol(course, client.store().account()).unwrap();
    }
    for client in [&mut teacher, &mut author, &mut carrier] {
        school.sync(client).await;
    }
    let work = Work {
        course,
        assignment,
        attempt: 1,
        text: format!("{CANARY} {CANARY}"),
        blobs: Vec::new(),
    };
    author.submit(work).unwrap();
    let mut file = Vec::new();
    author
        .export_parcel(Span::Waiting, &[ParcelTo::Relay], &mut file)
        .unwrap();
    drop(author);
    let folder = school.path("carrier");
    std::fs::write(folder.join("from-a-friend.stunity"), &file).unwrap();
    let taken = carrier.take_parcel(&mut &file[..]).unwrap();
    assert!(matches!(taken, Taken::Carried(_)));
    school.sync(&mut carrier).await;
    drop(carrier);
    school
}

#[test]
fn the_search_knows_every_spelling() {
    for before in 0..3 {
        let text = ["xyz".get(..before).unwrap(), CANARY, "and more"].concat();
        let hex: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
        let written = [
            text.clone().into_bytes(),
            STANDARD.encode(&text).into_bytes(),
            URL_SAFE.encode(&text).into_bytes(),
            hex.to_uppercase().into_bytes(),
            hex.into_bytes(),
            text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
            text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
        ];
        for written in written {
            let found = |(_, needle): &(_, Vec<u8>)| contains(&written, needle);
            assert!(spellings(CANARY).iter().any(found), "{written:?}");
        }
    }
}

#[tokio::test]
async fn a_carrier_holds_no_readable_byte_of_what_it_carries() {
    let _packs = PackSabotage::skip_compression();
    let school = carried().await;
    let at_the_author = traces(&school.path("author"));
    assert!(
        !at_the_author.is_empty(),
        "the author's own phone can be read"
    );
    assert_eq!(traces(&school.path("carrier")), Vec::new());
}

#[tokio::test]
async fn a_seal_that_is_left_out_is_noticed() {
    let _packs = PackSabotage::skip_compression();
    let _seal = Sabotage::skip_sealing();
    let school = carried().await;
    assert!(!traces(&school.path("carrier")).is_empty());
}
