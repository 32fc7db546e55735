//! A real grade book goes through the relay to another teacher and back out.
#![allow(clippy::unwrap_used)] // A failed step fails the test.

use std::path::{Path, PathBuf};

use stunity_e2e::School;
use stunity_identity::StaffRoles;
use stunity_model::Roles;

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

#[tokio::test]
async fn a_malformed_row_is_named_and_stops_nothing_else() {
    let school = School::new().await;
    let mut registrar = school.join("registrar", StaffRoles::TEACHER).await;
    let folder = school.path("in");
    std::fs::create_dir_all(&folder).unwrap();
    let contents = [
        "code_module,code_presentation,module_presentation_length\nM,P,200\n",
        "code_module,code_presentation,id_assessment,assessment_type,date,weight\nM,P,1,TMA,20,10\n",
        "code_module,code_presentation,id_student,gender,region,highest_education,imd_band,age_band,num_of_prev_attempts,studied_credits,disability,final_result\nM,P,7,F,\"North, East\",A,10-20%,0-35,0,60,N,Pass\nM,P,8,M\n",
        "code_module,code_presentation,id_student,date_registration,date_unregistration\nM,P,7,-10,\n",
        "id_assessment,id_student,date_submitted,is_banked,score\n1,7,18,0,77\n1,7,19,0,80\n1,9,19,0,80\n1,7,x,0,1\n",
    ];
    for (file, text) in FILES.iter().zip(contents) {
        std::fs::write(folder.join(file), text).unwrap();
    }
    let report = registrar.import_gradebook(&folder).unwrap();
    let named: Vec<(&str, usize)> = report
        .skipped
        .iter()
        .map(|row| (row.file.as_str(), row.line))
        .collect();
    assert_eq!(
        named,
        [
            ("studentInfo.csv", 3),
            ("studentAssessment.csv", 3),
            ("studentAssessment.csv", 4),
            ("studentAssessment.csv", 5),
        ]
    );
    assert_eq!(report.courses[0].submissions, 1);
}
