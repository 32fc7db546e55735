//! What a run is made of.
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::sabotage::Sabotage;

/// What may go wrong in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// Slow links with long delays.
    TwoG,
    /// Links after recorded traces, where the data folder is there.
    ThreeG,
    /// Links that are cut all the time.
    Cuts,
    /// Cuts, disks that fail, restored phones and relays, wrong clocks, a pupil who
    /// cheats.
    Hostile,
    /// A relay whose operator holds every key of it and lies.
    EvilRelay,
}

impl Profile {
    /// All, in the order of the command's help.
    pub const ALL: [Self; 5] = [
        Self::TwoG,
        Self::ThreeG,
        Self::Cuts,
        Self::Hostile,
        Self::EvilRelay,
    ];

    /// Its name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::TwoG => "2g",
            Self::ThreeG => "3g",
            Self::Cuts => "cuts",
            Self::Hostile => "hostile",
            Self::EvilRelay => "evil-relay",
        }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Profile {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|profile| profile.name() == name)
            .ok_or_else(|| format!("no profile {name:?}"))
    }
}

/// A run's parameters.
#[derive(Clone, Debug)]
pub struct Config {
    /// How many devices, from 3.
    pub devices: usize,
    /// What may go wrong.
    pub profile: Profile,
    /// How long people work before all comes together, hours of virtual time.
    pub hours: u64,
    /// How many of the last events a failure tells.
    pub events: usize,
    /// Whether the databases of a failure stay, and where is told.
    pub keeps: bool,
    /// Where `links` with recorded traces lies.
    pub data: Option<PathBuf>,
    /// What is broken on purpose.
    pub sabotage: Option<&'static Sabotage>,
}

impl Config {
    /// Twelve devices over two days.
    #[must_use]
    pub fn new(profile: Profile) -> Self {
        Self {
            devices: 12,
            profile,
            hours: 48,
            events: 60,
            keeps: false,
            data: None,
            sabotage: None,
        }
    }

    /// Whether disks fail, clocks are wrong and people cheat.
    #[must_use]
    pub fn is_hostile(&self) -> bool {
        self.profile == Profile::Hostile
    }

    /// Whether the relay lies.
    #[must_use]
    pub fn is_evil(&self) -> bool {
        self.profile == Profile::EvilRelay
    }
}
