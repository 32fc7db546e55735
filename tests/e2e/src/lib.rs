//! A relay in this process, devices on real databases, links that are cut.

mod link;
mod school;

pub use link::CutLink;
pub use school::School;
