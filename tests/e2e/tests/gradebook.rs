//! A real grade book goes through the relay to another teacher and back out.
#![allow(clippy::unwrap_used)] // A failed step fails the test.

use std::path::{Path, PathBuf};

use stunity_client::{Client, Joining};
use stunity_e2e::School;
use stunity_identity::StaffRoles;
use stunity_model::Roles;
use stunity_proto::AccountId;

const FILES: [&str; 5] = [
    "courses.csv",
    "assessments.csv",
    "studentInfo.csv",
    "studentRegistration.csv",
    "studentAssessment.csv",
];

fn data() -> Option<PathBuf> {
    let folder = std::env::var_os("STUNITY_DATA").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"),
        PathBuf::from,
    );
    let folder = folder.join("gradebook");
    folder.is_dir().then_some(folder)
}

fn sorted(file: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(file).unwrap();
    let mut lines: Vec<String> = text
        .lines()
        .map(|line| line.trim_end().to_owned())
        .collect();
    lines.sort();
    lines
}

#[tokio::test]
async fn a_grade_book_comes_back_as_it_went_in() {
    let Some(folder) = data() else {
        println!("skipped: no gradebook folder beside the repository");
        return;
    };
    let school = School::new().await;
    let mut registrar = school
        .join("registrar", StaffRoles::ADMIN.and(StaffRoles::TEACHER))
        .await;
    school.sync(&mut registrar).await;
    let report = registrar.import_gradebook(&folder).unwrap();
    assert_eq!(report.skipped, []);
    let total = |count: fn(&stunity_client::Imported) -> usize| {
        report.courses.iter().map(count).sum::<usize>()
    };
    assert_eq!(total(|course| course.enrolments), 3_173);
    assert_eq!(total(|course| course.assignments), 12);
    assert_eq!(total(|course| course.submissions), 12_073);
    school.sync(&mut registrar).await;

    let mut teacher = school.join("teacher", StaffRoles::TEACHER).await;
    let biggest = report
        .courses
        .iter()
        .find(|c| c.name == "BBB 2013J")
        .unwrap();
    let account = teacher.store().account();
    registrar
        .add_staff(biggest.course, account, Roles::TEACHER)
        .unwrap();
    school.sync(&mut registrar).await;
    let first = school.sync(&mut teacher).await;
    println!("first sync of 1,593 students: {} bytes", first.received);
    assert!(first.received + first.sent <= 300_000, "{first:?}");
    for course in report.courses.iter().filter(|c| c.course != biggest.course) {
        registrar
            .add_staff(course.course, account, Roles::TEACHER)
            .unwrap();
    }
    school.sync(&mut registrar).await;
    school.sync(&mut teacher).await;

    let out = school.path("out");
    let courses = teacher.imported_courses().unwrap();
    assert_eq!(courses.len(), 3);
    teacher.export_gradebook(&courses, &out).unwrap();
    for file in FILES {
        assert!(
            sorted(&out.join(file)) == sorted(&folder.join(file)),
            "{file} differs"
        );
    }
}

/// A file, a line of it, and what is wrong there.
type Said = (&'static str, usize, &'static str);

/// Files with every kind of row that is none, and what is said of each.
fn malformed() -> ([Vec<u8>; 5], Vec<Said>) {
    let long = "x".repeat(257);
    let courses = "code_module,code_presentation,module_presentation_length\n\
         M,P,200\nM,P,201\nQ\n";
    let assessments = "code_module,code_presentation,id_assessment,assessment_type,date,weight\r\n\
         M,P,1,TMA,20,12.5\r\nM,P,1,TMA,30,10\r\nM,P,,TMA,30,10\r\nM,P,2,TMA,soon,10\r\n\
         X,P,3,TMA,20,10\r\nM,P,4,\"TMA,20,10\r\nM,P,5,TMA,20\r\n\r\n";
    let mut info = b"code_module,code_presentation,id_student,gender,region,highest_education,\
         imd_band,age_band,num_of_prev_attempts,studied_credits,disability,final_result\n\
         M,P,7,F,\"North, East\",A,10-20%,0-35,0,60,N,Pass\nM,P,8,M\n\
         M,P,7,F,North,A,,0-35,0,60,N,Fail\nM,P,,F,North,A,,0-35,0,60,N,Fail\n\
         X,P,9,F,North,A,,0-35,0,60,N,Fail\nM,P,10,F,\xff\xfe,A,,0-35,0,60,N,Fail\n"
        .to_vec();
    info.extend(format!("M,P,11,F,{long},A,,0-35,0,60,N,Fail\n").bytes());
    info.extend(b"M,P,12,F,\x1f,A,,0-35,0,60,N,Fail\n");
    info.extend("M,P,13,F,ភ្នំពេញ,A,,0-35,0,60,N,Withdrawn".bytes());
    let registration = "code_module,code_presentation,id_student,date_registration,\
         date_unregistration\n\
         M,P,7,-10,\nM,P,7,-11,\nM,P,8,-10,\nM,P,13,then,\nM,P,13,-20,later\nM,P,13,-20,35\n";
    let work = "id_assessment,id_student,date_submitted,is_banked,score\n\
         1,7,18,0,77\n1,7,19,0,80\n1,9,19,0,80\n1,13,x,0,1\n1,13,,0,1\n1,13,18,2,1\n\
         1,13,18,0,101\n1,13,18,0,7.5\n1,13,18,0,-1\n3,13,18,0,50\n1,13,-18,1,\n";
    let said = vec![
        ("courses.csv", 4, "not 3 columns"),
        ("assessments.csv", 7, "a quote without its other"),
        ("assessments.csv", 8, "not 6 columns"),
        ("studentInfo.csv", 3, "not 12 columns"),
        ("studentInfo.csv", 7, "not UTF-8"),
        ("studentInfo.csv", 8, "a cell longer than 256 bytes"),
        ("studentInfo.csv", 9, "a control character"),
        ("courses.csv", 3, "course named twice"),
        ("assessments.csv", 3, "assessment named twice or not at all"),
        ("assessments.csv", 4, "assessment named twice or not at all"),
        ("assessments.csv", 5, "not a day: \"soon\""),
        ("assessments.csv", 6, "unknown course"),
        ("studentInfo.csv", 4, "student named twice or not at all"),
        ("studentInfo.csv", 5, "student named twice or not at all"),
        ("studentInfo.csv", 6, "unknown course"),
        ("studentRegistration.csv", 3, "registered twice"),
        ("studentRegistration.csv", 4, "unknown student"),
        ("studentRegistration.csv", 5, "not a day: \"then\""),
        ("studentRegistration.csv", 6, "not a day: \"later\""),
        ("studentAssessment.csv", 3, "handed in twice"),
        ("studentAssessment.csv", 4, "unknown student"),
        ("studentAssessment.csv", 5, "not a day: \"x\""),
        ("studentAssessment.csv", 6, "no day"),
        ("studentAssessment.csv", 7, "not 0 or 1: \"2\""),
        ("studentAssessment.csv", 8, "not a score of 0–100: \"101\""),
        ("studentAssessment.csv", 9, "not a score of 0–100: \"7.5\""),
        ("studentAssessment.csv", 10, "not a score of 0–100: \"-1\""),
        ("studentAssessment.csv", 11, "unknown assessment"),
    ];
    let files = [
        courses.into(),
        assessments.into(),
        info,
        registration.into(),
        work.into(),
    ];
    (files, said)
}

fn write(folder: &Path, files: &[Vec<u8>; 5]) {
    std::fs::create_dir_all(folder).unwrap();
    for (file, bytes) in FILES.iter().zip(files) {
        std::fs::write(folder.join(file), bytes).unwrap();
    }
}

#[tokio::test]
async fn every_kind_of_malformed_row_is_named_and_stops_nothing_else() {
    let school = School::new().await;
    let mut registrar = school.join("registrar", StaffRoles::TEACHER).await;
    let (files, said) = malformed();
    let folder = school.path("in");
    write(&folder, &files);
    let report = registrar.import_gradebook(&folder).unwrap();
    let named: Vec<(&str, usize, &str)> = report
        .skipped
        .iter()
        .map(|row| (row.file.as_str(), row.line, row.reason.as_str()))
        .collect();
    assert_eq!(named, said);

    // What is left is what the rows say that were not named.
    school.sync(&mut registrar).await;
    let out = school.path("out");
    let courses = registrar.imported_courses().unwrap();
    registrar.export_gradebook(&courses, &out).unwrap();
    for (file, bytes) in FILES.iter().zip(&files) {
        let mut good: Vec<String> = bytes
            .split(|byte| *byte == b'\n')
            .zip(1..)
            .filter(|(_, line)| !named.iter().any(|(of, at, _)| (of, at) == (file, line)))
            .map(|(bytes, _)| {
                String::from_utf8(bytes.to_vec())
                    .unwrap()
                    .trim_end()
                    .to_owned()
            })
            .filter(|line| !line.is_empty())
            .collect();
        good.sort();
        assert_eq!(sorted(&out.join(file)), good, "{file}");
    }
}

#[tokio::test]
async fn a_file_with_other_columns_is_not_imported_at_all() {
    let school = School::new().await;
    let mut registrar = school.join("registrar", StaffRoles::TEACHER).await;
    let (mut files, _) = malformed();
    files[4] = b"id_student,id_assessment,date_submitted,is_banked,score\n".to_vec();
    let folder = school.path("in");
    write(&folder, &files);
    let error = registrar.import_gradebook(&folder).unwrap_err();
    assert_eq!(error.code(), "import.columns");
    std::fs::remove_file(folder.join(FILES[4])).unwrap();
    let error = registrar.import_gradebook(&folder).unwrap_err();
    assert_eq!(error.code(), "file.failed");
    assert!(registrar.store().courses().unwrap().is_empty());
}

#[tokio::test]
async fn an_imported_account_has_no_password_until_it_is_claimed() {
    let school = School::new().await;
    let mut registrar = school.join("registrar", StaffRoles::TEACHER).await;
    let folder = school.path("in");
    write(&folder, &malformed().0);
    registrar.import_gradebook(&folder).unwrap();
    school.sync(&mut registrar).await;
    let course = registrar.imported_courses().unwrap()[0];
    let pupil = AccountId::imported(registrar.store().school(), "gradebook", "7");

    let relay = format!("http://{}", school.address);
    let sign_in = |folder: PathBuf, password: &str| {
        let joining = Joining::Password("7".into(), password.into());
        let relay = relay.clone();
        tokio::task::spawn_blocking(move || Client::join(&folder, &relay, &joining, None))
    };
    for password in ["", "7", "password"] {
        let refused = sign_in(school.path("guess"), password).await.unwrap();
        assert_eq!(refused.err().unwrap().code(), "login.wrong");
    }

    // An invitation for this account, and then a password that the pupil chose.
    let code = school
        .log
        .invite(StaffRoles::default(), Some(pupil))
        .await
        .unwrap();
    let code = code.iter().map(|byte| format!("{byte:02x}")).collect();
    let (at, url) = (school.path("pupil"), relay.clone());
    let joining = Joining::Claim(code, pupil);
    let mut phone = tokio::task::spawn_blocking(move || Client::join(&at, &url, &joining, None))
        .await
        .unwrap()
        .unwrap();
    school.sync(&mut phone).await;
    let own = phone.store().submissions(course, None).unwrap();
    assert_eq!(own.len(), 1);
    assert_eq!((own[0].student, own[0].score), (pupil, Some(77)));
}
