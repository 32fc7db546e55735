//! Files over bad links: resumed within a slice, text first, read by whom a lane
//! says.
#![allow(clippy::unwrap_used)] // A failed step fails the test.

use stunity_client::{Client, Link, driver};
use stunity_e2e::{Class, CutLink};
use stunity_identity::StaffRoles;
use stunity_model::metered::Network;
use stunity_proto::blob::Manifest;
use stunity_proto::{BlobId, Lane};

/// Bytes that nothing makes shorter, every chunk another.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    (0..len.div_ceil(8))
        .flat_map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()
        })
        .take(len)
        .collect()
}

fn keep(client: &mut Client, bytes: &[u8], media: &str) -> Manifest {
    client.keep_file(&mut &bytes[..], media, None).unwrap()
}

fn held(client: &Client, blob: BlobId) -> Option<Vec<u8>> {
    client.store().blob_bytes(blob).unwrap()
}

#[tokio::test]
async fn a_video_crosses_a_link_that_is_cut_and_both_sides_are_killed_once() {
    const CUT: i64 = 256 * 1024;
    /// What a cut costs: a slice of each of the two chunks under way, an upgrade, a
    /// flight and its answer.
    const AGAIN: u64 = 6 * 1024;
    // A video of 20 MB takes minutes; every cut of it is like these.
    let megabytes = std::env::var("STUNITY_VIDEO_MB").map_or(2, |mb| mb.parse().unwrap());
    let len: usize = megabytes << 20;
    let mut class = Class::new().await;
    let bytes = noise(len);
    let video = keep(&mut class.pupil, &bytes, "video/mp4");
    let lane = Lane::One(class.pupil.store().account());
    class.pupil.share_file(class.course, lane, &video).unwrap();

    // Up, for a while; then both processes die, in the middle of a chunk.
    let link = CutLink::new(class.school.address, CUT).await;
    let via = Link {
        connect_to: Some(format!("http://{}", link.address)),
    };
    for _ in 0..2 {
        let cut = driver::sync(&mut class.pupil, &via).await;
        assert!(!cut.is_ok_and(|report| report.caught_up));
    }
    let before = link.carried();
    let essay = class.essay("written meanwhile");
    let Class {
        mut school,
        mut teacher,
        pupil,
        course,
        ..
    } = class;
    drop(pupil);
    school.restart().await;
    let mut pupil = Client::open(&school.path("pupil")).unwrap();
    let link = CutLink::new(school.address, CUT).await;
    let mut text_came_first = None;
    let mut text = Some(essay);
    let via = Link {
        connect_to: Some(format!("http://{}", link.address)),
    };
    loop {
        let done = driver::sync(&mut pupil, &via).await;
        if done.is_ok_and(|report| report.caught_up) {
            break;
        }
        assert!(link.connections() < 400, "never came through");
        if let Some(text) = text.take_if(|_| link.connections() == 1) {
            pupil.submit(text).unwrap();
        } else if text.is_none() && text_came_first.is_none() {
            // The session after: the text is there, most of the video is not.
            school.sync(&mut teacher).await;
            let rows = teacher.store().submissions(course, None).unwrap();
            let sent = pupil.store().blobs().unwrap()[0].sent;
            text_came_first = Some(rows.len() == 1 && sent < len as u64);
        }
    }
    assert_eq!(text_came_first, Some(true));
    let up = before + link.carried();
    let cuts = 2 + link.connections();
    // A fortieth is heads and acknowledgements.
    let most = len as u64 + len as u64 / 40 + cuts * AGAIN;
    println!("up: {up} bytes over {cuts} connections");
    assert!(up < most, "{up} of {most} bytes over {cuts} connections");
    assert!(!pupil.store().blobs().unwrap()[0].is_own, "all is there");

    // Down, on request, with the reader killed on the way.
    school.sync(&mut teacher).await;
    assert_eq!(held(&teacher, video.blob), None, "nobody asked yet");
    teacher.store_mut().want_blob(video.blob, false).unwrap();
    let link = CutLink::new(school.address, CUT).await;
    let via = Link {
        connect_to: Some(format!("http://{}", link.address)),
    };
    for _ in 0..2 {
        let cut = driver::sync(&mut teacher, &via).await;
        assert!(!cut.is_ok_and(|report| report.caught_up));
    }
    drop(teacher);
    let mut teacher = Client::open(&school.path("teacher")).unwrap();
    link.sync(&mut teacher, |_| {}).await;
    assert_eq!(held(&teacher, video.blob).unwrap(), bytes);
    let (down, cuts) = (link.carried(), link.connections());
    println!("down: {down} bytes over {cuts} connections");
    let most = len as u64 + len as u64 / 40 + cuts * AGAIN;
    assert!(
        down < most,
        "{down} of {most} bytes over {cuts} connections"
    );
}

#[tokio::test]
async fn a_file_is_read_by_the_readers_of_its_lane_and_nobody_else() {
    let mut class = Class::new().await;
    let mut stranger = class.school.join("stranger", StaffRoles::default()).await;
    class
        .teacher
        .enrol(class.course, stranger.store().account())
        .unwrap();
    class.school.sync(&mut class.teacher).await;
    class.school.sync(&mut stranger).await;
    let photo = keep(&mut class.pupil, &noise(100_000), "image/jpeg");
    let mut essay = class.essay("with a photo");
    essay.blobs.push(photo.blob);
    class.pupil.submit(essay).unwrap();
    class.school.sync(&mut class.pupil).await;

    class.school.sync(&mut class.teacher).await;
    let rows = class
        .teacher
        .store()
        .submissions(class.course, None)
        .unwrap();
    let blobs = class.teacher.store().blobs_of(rows[0].entry).unwrap();
    assert_eq!(blobs, [photo.blob]);
    class
        .teacher
        .store_mut()
        .want_blob(photo.blob, false)
        .unwrap();
    class.school.sync(&mut class.teacher).await;
    assert_eq!(held(&class.teacher, photo.blob).unwrap(), noise(100_000));

    // Who knows the hashes alone gets nothing, and what it brings of the same bytes
    // is sent in full: it cannot learn that the relay has them.
    let forged = keep(&mut stranger, &noise(100_000), "image/jpeg");
    assert_eq!(forged.blob, photo.blob);
    let lane = Lane::One(stranger.store().account());
    let relay = &class.school.log;
    let account = stranger.store().account();
    use stunity_sync::RelayStore;
    assert!(
        relay
            .blob_chunk(account, photo.blob, 0)
            .await
            .unwrap()
            .is_none()
    );
    stranger.share_file(class.course, lane, &forged).unwrap();
    let report = class.school.sync(&mut stranger).await;
    assert!(report.sent > 100_000, "{} bytes", report.sent);
    assert!(
        relay
            .blob_chunk(account, photo.blob, 0)
            .await
            .unwrap()
            .is_some()
    );
}

#[tokio::test]
async fn long_text_becomes_a_file_and_comes_back_on_request() {
    let mut class = Class::new().await;
    let long = "ភាសាខ្មែរ ".repeat(3000);
    let essay = class.essay(&long);
    class.pupil.submit(essay).unwrap();
    class.school.sync(&mut class.pupil).await;
    class.school.sync(&mut class.teacher).await;
    let rows = class
        .teacher
        .store()
        .submissions(class.course, None)
        .unwrap();
    assert_eq!(rows[0].text, "");
    let blob = class.teacher.store().blobs_of(rows[0].entry).unwrap()[0];
    class.teacher.store_mut().want_blob(blob, false).unwrap();
    class.school.sync(&mut class.teacher).await;
    assert_eq!(held(&class.teacher, blob).unwrap(), long.as_bytes());
}

#[tokio::test]
async fn on_mobile_data_text_goes_images_ask_and_video_waits() {
    let mut class = Class::new().await;
    let lane = Lane::One(class.pupil.store().account());
    let kinds = [
        (70_000, "text/plain"),
        (71_000, "image/png"),
        (72_000, "video/mp4"),
    ];
    let files = kinds.map(|(len, media)| {
        let file = keep(&mut class.pupil, &noise(len), media);
        class.pupil.share_file(class.course, lane, &file).unwrap();
        file.blob
    });
    class.pupil.set_network(Network::Metered);
    class.school.sync(&mut class.pupil).await;
    let own = |client: &Client| -> Vec<BlobId> {
        let rows = client.store().blobs().unwrap();
        rows.iter()
            .filter(|row| row.is_own)
            .map(|row| row.blob)
            .collect()
    };
    assert_eq!(own(&class.pupil).len(), 2);
    class.pupil.store_mut().agree_to_blob(files[1]).unwrap();
    class.school.sync(&mut class.pupil).await;
    assert_eq!(own(&class.pupil), [files[2]]);
    class.pupil.set_network(Network::Free);
    class.school.sync(&mut class.pupil).await;
    assert_eq!(own(&class.pupil), []);

    class.school.sync(&mut class.teacher).await;
    class.teacher.set_network(Network::Metered);
    for blob in files {
        class.teacher.store_mut().want_blob(blob, false).unwrap();
    }
    class.school.sync(&mut class.teacher).await;
    let have = files.map(|blob| held(&class.teacher, blob).is_some());
    assert_eq!(have, [true, false, false]);
    class.teacher.store_mut().want_blob(files[2], true).unwrap();
    class.school.sync(&mut class.teacher).await;
    let have = files.map(|blob| held(&class.teacher, blob).is_some());
    assert_eq!(have, [true, false, true]);
}

#[tokio::test]
async fn a_file_that_the_relay_does_not_have_yet_is_asked_for_again() {
    let mut class = Class::new().await;
    let lane = Lane::One(class.pupil.store().account());
    let photo = keep(&mut class.pupil, &noise(300_000), "image/png");
    class.pupil.share_file(class.course, lane, &photo).unwrap();
    // The manifest comes through, a part of the file does.
    let link = CutLink::new(class.school.address, 100 * 1024).await;
    let via = Link {
        connect_to: Some(format!("http://{}", link.address)),
    };
    // Twice: once the second got so far, the relay has kept what the first brought.
    for _ in 0..2 {
        assert!(driver::sync(&mut class.pupil, &via).await.is_err());
    }
    class.school.sync(&mut class.teacher).await;
    class
        .teacher
        .store_mut()
        .want_blob(photo.blob, false)
        .unwrap();
    class.school.sync(&mut class.teacher).await;
    let row = &class.teacher.store().blobs().unwrap()[0];
    assert!((1..300_000).contains(&row.held) && row.is_wanted, "{row:?}");
    class.school.sync(&mut class.pupil).await;
    class.school.sync(&mut class.teacher).await;
    assert_eq!(held(&class.teacher, photo.blob).unwrap().len(), 300_000);
}

#[tokio::test]
async fn a_small_file_travels_in_a_parcel() {
    use stunity_store::{ParcelTo, Span};
    let mut class = Class::new().await;
    let photo = keep(&mut class.pupil, &noise(150_000), "image/png");
    let mut essay = class.essay("with a photo");
    essay.blobs.push(photo.blob);
    class.pupil.submit(essay).unwrap();
    let mut file = Vec::new();
    let to = [ParcelTo::Account(class.teacher.store().account())];
    // The teacher's keys come with the course.
    let exported = class
        .pupil
        .export_parcel(Span::Waiting, &to, &mut file)
        .unwrap();
    assert_eq!(exported.chunks, 3);
    class.teacher.take_parcel(&mut &file[..]).unwrap();
    let rows = class
        .teacher
        .store()
        .submissions(class.course, None)
        .unwrap();
    assert_eq!(rows[0].text, "with a photo");
    assert_eq!(held(&class.teacher, photo.blob).unwrap(), noise(150_000));
}
