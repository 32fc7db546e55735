//! Writes the records as TypeScript: `stunity-typescript FILE`.
use std::fmt::Write;

use stunity_ffi::json::Query;
use stunity_ffi::{
    Assignment, Course, Draft, Item, ItemState, JoinRequest, Release, StunityError, SyncEvent,
    SyncReport, Ticket, Unsent, Who,
};
use ts_rs::TS;

fn declare<T: TS>(text: &mut String) {
    // Writing into a string does not fail.
    let _ = writeln!(text, "export {}", T::decl());
}

fn main() -> std::io::Result<()> {
    let mut text = String::from("// Generated: the records of stunity-ffi.\n");
    declare::<Who>(&mut text);
    declare::<Course>(&mut text);
    declare::<Assignment>(&mut text);
    declare::<Draft>(&mut text);
    declare::<Item>(&mut text);
    declare::<ItemState>(&mut text);
    declare::<Unsent>(&mut text);
    declare::<Release>(&mut text);
    declare::<SyncReport>(&mut text);
    declare::<SyncEvent>(&mut text);
    declare::<JoinRequest>(&mut text);
    declare::<Ticket>(&mut text);
    declare::<StunityError>(&mut text);
    declare::<Query>(&mut text);
    match std::env::args().nth(1) {
        Some(file) => std::fs::write(file, text),
        None => {
            print!("{text}");
            Ok(())
        }
    }
}
