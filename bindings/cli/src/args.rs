//! The command line.
use std::path::PathBuf;

use clap::{Parser, Subcommand};
use stunity_model::work::AssignmentKind;
use stunity_proto::{
    AccountId, BlobId, DeviceId, DocId, GroupId, Hash, Lane, ObjectId, SchoolId, SpaceId,
};

/// A headless device of one account.
#[derive(Parser)]
#[command(version, about)]
pub struct Cli {
    /// The account's folder.
    #[arg(long, env = "STUNITY_HOME", default_value = ".stunity", global = true)]
    pub home: PathBuf,
    /// One of the accounts of a shared device, by its name here; else the account in
    /// the folder itself, or the one switched to.
    #[arg(long = "as", value_name = "NAME", global = true)]
    pub name: Option<String>,
    /// Machine-readable output: one JSON value.
    #[arg(long, global = true)]
    pub json: bool,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand)]
pub enum Command {
    /// Joins a school by an invitation: a new account, this its first device.
    Join {
        /// The invitation's link, as scanned or typed.
        #[arg(required_unless_present = "code")]
        link: Option<String>,
        /// The relay's URL; with a link, instead of the one that it names.
        #[arg(long, required_unless_present = "link")]
        relay: Option<String>,
        /// The invitation's code, without a link.
        #[arg(long, conflicts_with = "link", requires = "relay")]
        code: Option<String>,
        /// The school's id from the invitation on paper.
        #[arg(long)]
        school: Option<SchoolId>,
        /// Claims an imported account.
        #[arg(long)]
        account: Option<AccountId>,
    },
    /// First sign-in by login and password.
    SignIn {
        /// The relay's URL.
        #[arg(long)]
        relay: String,
        /// The login.
        #[arg(long)]
        login: String,
        /// The password.
        #[arg(long, env = "STUNITY_PASSWORD")]
        password: String,
        /// The school's id from the invitation on paper.
        #[arg(long)]
        school: Option<SchoolId>,
    },
    /// Accounts of a shared device.
    #[command(subcommand)]
    Account(Account),
    /// Devices of this account.
    #[command(subcommand)]
    Device(Device),
    /// Who this device is.
    Whoami,
    /// Sends and fetches everything, once or as long as it runs.
    Sync(Sync),
    /// How far every own item came.
    Status,
    /// What each course and conversation takes on this device.
    Storage,
    /// Courses.
    #[command(subcommand)]
    Course(Course),
    /// What waits for the staff of a course.
    #[command(subcommand)]
    Pending(crate::pending::Pending),
    /// What an API asks this account to sign.
    #[command(subcommand)]
    Proposals(crate::proposals::Proposals),
    /// Lessons.
    #[command(subcommand)]
    Lesson(Lesson),
    /// Assignments.
    #[command(subcommand)]
    Assignment(Assignment),
    /// Drafts: work before it is handed in, lessons before they are published.
    #[command(subcommand)]
    Draft(Draft),
    /// The school and its root.
    #[command(subcommand)]
    School(School),
    /// Files: photos, recordings, videos.
    #[command(subcommand)]
    Blob(Blob),
    /// Files that carry work without a network.
    #[command(subcommand)]
    Parcel(Parcel),
    /// Quizzes.
    #[command(subcommand)]
    Quiz(crate::quiz::Quiz),
    /// Posts, comments, polls, events.
    #[command(subcommand)]
    Social(crate::social::Social),
    /// Conversations.
    #[command(subcommand)]
    Conversation(crate::conversation::Conversation),
    /// Messages of conversations, sealed.
    #[command(subcommand)]
    Message(crate::conversation::Message),
    /// What happened to this account.
    Notifications {
        /// The time by which work is due soon, milliseconds since 1970; the last
        /// relay time known here if left out.
        #[arg(long)]
        now_ms: Option<u64>,
        /// Notes that they were seen.
        #[arg(long)]
        seen: bool,
    },
    /// Guardians and their children.
    #[command(subcommand)]
    Guardian(crate::social::Guardian),
    /// Erases something everywhere, on request.
    Erase {
        #[command(flatten)]
        what: crate::social::Erase,
        /// Why, as a stable code.
        #[arg(long, default_value = "request")]
        reason: String,
    },
    /// How far each piece of work came.
    Work {
        #[arg(long)]
        course: SpaceId,
        /// One pupil; all that can be seen if left out.
        #[arg(long)]
        student: Option<AccountId>,
    },
    /// How far pupils came in a course.
    Progress {
        #[arg(long)]
        course: SpaceId,
        /// One pupil; all that can be seen if left out.
        #[arg(long)]
        student: Option<AccountId>,
    },
    /// Gives one pupil another due time.
    Extend {
        #[arg(long)]
        course: SpaceId,
        #[arg(long)]
        assignment: ObjectId,
        #[arg(long)]
        student: AccountId,
        /// Milliseconds since 1970.
        #[arg(long)]
        due_ms: u64,
    },
    /// Gives a pupil's newest attempt back for another one.
    Return {
        #[arg(long)]
        course: SpaceId,
        #[arg(long)]
        assignment: ObjectId,
        #[arg(long)]
        student: AccountId,
        #[arg(default_value = "")]
        reason: String,
    },
    /// Hands work in.
    Submit {
        #[arg(long)]
        course: SpaceId,
        #[arg(long)]
        assignment: ObjectId,
        #[arg(long, default_value_t = 1)]
        attempt: u64,
        /// A file that belongs to it. May be repeated.
        #[arg(long)]
        file: Vec<PathBuf>,
        /// The work.
        #[arg(default_value = "")]
        text: String,
    },
    /// Writes a grade and releases it; replaces the grades known here.
    Grade {
        #[arg(long)]
        course: SpaceId,
        #[arg(long)]
        assignment: ObjectId,
        #[arg(long)]
        student: AccountId,
        /// Points, such as 8.5.
        #[arg(long)]
        points: f64,
        #[arg(long, default_value = "")]
        feedback: String,
    },
    /// Grades that do not know each other.
    #[command(subcommand)]
    Conflicts(Conflicts),
    /// Grades released to this account, or in a course.
    Releases {
        #[arg(long)]
        course: SpaceId,
    },
    /// Finds courses, lessons, assignments, posts, comments.
    Search {
        /// English or Khmer words.
        query: String,
    },
    /// Imports a grade book folder as courses.
    ImportGradebook {
        /// Folder of CSV files.
        folder: PathBuf,
    },
    /// Grade books of imported courses.
    #[command(subcommand)]
    Gradebook(Gradebook),
    /// Fetches everything anew; what was not sent stays.
    Resync,
    /// Checks the database.
    Doctor {
        /// Makes again what can be made of the entries held: lists, search, views.
        #[arg(long)]
        repair: bool,
    },
}

#[derive(Subcommand)]
pub enum Account {
    /// Lists the accounts that have joined.
    List,
    /// Makes an account the current one.
    Switch { name: String },
}

#[derive(Subcommand)]
pub enum Device {
    /// Lists the account's devices.
    List,
    /// On a new device: asks to be admitted; prints the code to show.
    Link {
        /// The relay's URL.
        #[arg(long)]
        relay: String,
    },
    /// On a device of the account: admits the device that shows this code; prints
    /// the answer.
    Admit { request: String },
    /// On the new device: takes the answer.
    Finish { answer: String },
    /// Revokes a device: what it signs from now on counts no more.
    Revoke {
        device: DeviceId,
        /// 0 unsaid, 1 lost, 2 stolen, 3 replaced, 4 signed out.
        #[arg(long, default_value_t = 1)]
        reason: u8,
    },
}

#[derive(clap::Args)]
pub struct Sync {
    /// Stays and syncs live until interrupted; says what comes.
    #[arg(long)]
    pub live: bool,
    /// The network is paid by the byte: text goes, images ask, video waits.
    #[arg(long)]
    pub metered: bool,
    /// Connects here instead of the relay's own address (tests).
    #[arg(long)]
    pub via: Option<String>,
    /// Tries again until everything went and came.
    #[arg(long, default_value_t = 1)]
    pub tries: u32,
}

#[derive(Subcommand)]
pub enum Blob {
    /// Shares a file with the readers of a lane.
    Put {
        #[arg(long)]
        course: SpaceId,
        /// all, staff, one:ACCOUNT, group:GROUP; one's own with the staff if left out.
        #[arg(long, value_parser = lane)]
        lane: Option<Lane>,
        /// Media type; from the file's name if left out.
        #[arg(long)]
        media: Option<String>,
        file: PathBuf,
    },
    /// Writes a file that is here, or asks for it with the next sync.
    Get {
        blob: BlobId,
        /// Where to write it.
        #[arg(long)]
        to: Option<PathBuf>,
        /// Fetches it over mobile data too.
        #[arg(long)]
        over_mobile_data: bool,
    },
    /// Lets an own file go over mobile data.
    Allow { blob: BlobId },
    /// Lists the files that are known.
    List,
}

#[derive(Subcommand)]
pub enum School {
    /// Shows the pinned school and its root key.
    Show,
    /// Admits an account to the staff by the school root.
    Admit {
        /// The folder with the root's keys.
        #[arg(long)]
        root: PathBuf,
        #[arg(long)]
        account: AccountId,
        /// The offices that it has from now on; none if left out.
        #[arg(long, value_enum)]
        office: Vec<Office>,
    },
    /// Moves the root's keys to another folder, such as a memory card.
    MoveRoot { from: PathBuf, to: PathBuf },
    /// Makes a new school: the keys of its first relay, and its root apart from them.
    Init {
        /// The folder that the relay will be started with, as its `--data`.
        #[arg(long)]
        relay: PathBuf,
        /// Where to keep the root, such as a memory card.
        #[arg(long)]
        root: PathBuf,
        /// Prints the root's keys too, with a QR code, to be kept on paper.
        #[arg(long)]
        print: bool,
    },
    /// Makes a folder with the root's keys from what was printed.
    RestoreRoot {
        /// The printed keys.
        keys: String,
        /// Where to keep the root.
        #[arg(long)]
        root: PathBuf,
    },
}

/// An office in the school.
#[derive(Clone, Copy, clap::ValueEnum)]
pub enum Office {
    Teacher,
    Admin,
    Researcher,
    Registrar,
}

#[derive(Subcommand)]
pub enum Parcel {
    /// Writes a sealed file: what waits to be sent, or what is held of a course.
    Export {
        /// The file to write; `.stunity` by custom.
        file: PathBuf,
        /// The course; if left out, what waits to be sent.
        #[arg(long)]
        course: Option<SpaceId>,
        /// Only this lane of the course: all, staff, one:ACCOUNT, group:GROUP.
        #[arg(long, requires = "course", value_parser = lane)]
        lane: Option<Lane>,
        /// Only what the relay numbered after this.
        #[arg(long, requires = "course", default_value_t = 0)]
        after: u64,
        /// Only what the relay numbered up to this.
        #[arg(long, requires = "course")]
        until: Option<u64>,
        /// For this device instead of the school's relays. May be repeated.
        #[arg(long)]
        device: Vec<DeviceId>,
        /// For every device of this account instead. May be repeated.
        #[arg(long)]
        account: Vec<AccountId>,
    },
    /// Takes a file: opens what is for this device, carries what is for a relay.
    Import { file: PathBuf },
    /// Lists the files that this device carries for others.
    Carried,
    /// Hands the carried files over to the relay.
    Deliver {
        /// Where to write the relay's sealed answers to the authors.
        #[arg(long)]
        answers: Option<PathBuf>,
    },
    /// Carries a file no longer.
    Drop {
        /// As listed.
        parcel: Hash,
    },
}

/// A lane as people write it.
fn lane(text: &str) -> Result<Lane, String> {
    let id = |id: &str| {
        id.parse()
            .map(|AccountId(id)| id)
            .map_err(|e| format!("{e}"))
    };
    match text.split_once(':') {
        None if text == "all" => Ok(Lane::All),
        None if text == "staff" => Ok(Lane::Staff),
        Some(("one", account)) => Ok(Lane::One(AccountId(id(account)?))),
        Some(("group", group)) => Ok(Lane::Group(GroupId(id(group)?))),
        _ => Err("a lane is all, staff, one:ACCOUNT or group:GROUP".to_owned()),
    }
}

#[derive(Subcommand)]
pub enum Course {
    /// Makes a course.
    Create {
        #[arg(long)]
        title: String,
        #[arg(long)]
        title_km: Option<String>,
        #[arg(long, default_value = "")]
        description: String,
        /// Anyone in the school may enrol.
        #[arg(long)]
        open: bool,
        /// Grades that come through an API count; else they wait for the staff.
        #[arg(long)]
        counts_api_grades: bool,
    },
    /// Lists courses.
    List,
    /// The members of a course.
    Members {
        #[arg(long)]
        course: SpaceId,
    },
    /// Enrols a pupil, or oneself.
    Enrol {
        #[arg(long)]
        course: SpaceId,
        /// The pupil; oneself if left out.
        #[arg(long)]
        account: Option<AccountId>,
    },
    /// Adds a teacher.
    AddTeacher {
        #[arg(long)]
        course: SpaceId,
        #[arg(long)]
        account: AccountId,
    },
    /// Removes a member: what is not here of theirs yet waits for the staff.
    Remove {
        #[arg(long)]
        course: SpaceId,
        #[arg(long)]
        account: AccountId,
    },
}

/// What an assignment asks for.
#[derive(Clone, Copy, clap::ValueEnum)]
pub enum Kind {
    File,
    Text,
    Link,
    Video,
}

impl From<Kind> for AssignmentKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::File => Self::File,
            Kind::Text => Self::Text,
            Kind::Link => Self::Link,
            Kind::Video => Self::Video,
        }
    }
}

#[derive(Subcommand)]
pub enum Lesson {
    /// Publishes a lesson.
    Publish {
        #[arg(long)]
        course: SpaceId,
        #[arg(long)]
        title: String,
        #[arg(long)]
        title_km: Option<String>,
        #[arg(long, default_value_t = 0)]
        order: u64,
        /// The text, Markdown.
        text: String,
    },
    /// Notes that a lesson is done.
    Done {
        #[arg(long)]
        course: SpaceId,
        #[arg(long)]
        lesson: ObjectId,
    },
    /// Lists lessons.
    List {
        #[arg(long)]
        course: SpaceId,
    },
}

#[derive(Subcommand)]
pub enum Draft {
    /// Begins a draft for an assignment.
    Create {
        #[arg(long)]
        course: SpaceId,
        #[arg(long)]
        assignment: ObjectId,
        /// Its text.
        #[arg(default_value = "")]
        text: String,
    },
    /// Begins a lesson that the staff of a course write together.
    Lesson {
        #[arg(long)]
        course: SpaceId,
        #[arg(long)]
        title: String,
        /// Its text.
        #[arg(default_value = "")]
        text: String,
    },
    /// Lists own drafts, or the lessons that are written in a course.
    List {
        #[arg(long)]
        course: Option<SpaceId>,
    },
    /// Shows a draft.
    Show { draft: DocId },
    /// Makes the text another one; what others type elsewhere in it stays.
    Write {
        draft: DocId,
        /// The whole text as it shall be.
        text: String,
    },
    /// Types at the end of the text.
    Append { draft: DocId, text: String },
    /// Hands in what the draft says now; the draft stays.
    HandIn {
        draft: DocId,
        #[arg(long, default_value_t = 1)]
        attempt: u64,
    },
}

#[derive(Subcommand)]
pub enum Assignment {
    /// Publishes an assignment.
    Publish {
        #[arg(long)]
        course: SpaceId,
        #[arg(long)]
        title: String,
        #[arg(long)]
        title_km: Option<String>,
        #[arg(long, default_value_t = 10.0)]
        points: f64,
        /// When it is due, milliseconds since 1970.
        #[arg(long)]
        due_ms: Option<u64>,
        /// For how long after that it is not late.
        #[arg(long, default_value_t = 0)]
        grace_minutes: u64,
        /// How many attempts; 0 for any number.
        #[arg(long, default_value_t = 0)]
        attempts: u64,
        /// What is to be handed in; quizzes are published by `quiz publish`.
        #[arg(long, value_enum, default_value_t = Kind::Text)]
        kind: Kind,
        /// What is to be done.
        #[arg(default_value = "")]
        text: String,
    },
    /// Lists assignments.
    List {
        #[arg(long)]
        course: SpaceId,
    },
    /// What was handed in.
    Submissions {
        #[arg(long)]
        course: SpaceId,
    },
}

#[derive(Subcommand)]
pub enum Conflicts {
    /// Lists pieces of work whose grades do not know each other.
    List {
        #[arg(long)]
        course: SpaceId,
    },
    /// Chooses the grade that counts.
    Choose {
        #[arg(long)]
        course: SpaceId,
        #[arg(long)]
        grade: ObjectId,
    },
}

#[derive(Subcommand)]
pub enum Gradebook {
    /// Writes the rows of imported courses as CSV files.
    Export {
        /// The course; all that were imported if left out.
        #[arg(long)]
        course: Option<SpaceId>,
        /// The folder to write.
        folder: PathBuf,
    },
}
