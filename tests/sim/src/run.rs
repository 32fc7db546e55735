//! One seed from beginning to end.
use crate::config::Config;
use crate::failure::Failure;
use crate::sabotage::Sabotage;
use crate::setup;
use crate::world::Figures;

/// A run that passed.
#[derive(Clone, Copy, Debug)]
pub struct Report {
    /// A hash of everything that happened: the same for the same seed.
    pub trace: [u8; 32],
    /// Things that people did.
    pub deeds: usize,
    /// What it cost.
    pub figures: Figures,
}

/// Runs a world; where chance may not come from the seed, twice.
///
/// # Errors
/// The first invariant that does not hold, with the last events before.
pub fn run(seed: u64, config: &Config) -> Result<Report, Failure> {
    let _broken = config.sabotage.map(Sabotage::begin);
    let report = run_once(seed, config)?;
    if config.sabotage.is_some_and(Sabotage::is_unseeded)
        && run_once(seed, config)?.trace != report.trace
    {
        return Err(Failure::new("same seed, same trace", "two traces"));
    }
    Ok(report)
}

fn run_once(seed: u64, config: &Config) -> Result<Report, Failure> {
    let mut world = setup::make(config.clone(), seed)?;
    let end_ms = world.now_ms() + config.hours * 3_600_000;
    let result = world
        .run_until(end_ms)
        .and_then(|()| world.finale())
        .and_then(|()| world.check_at_end());
    match result {
        Ok(()) => Ok(Report {
            trace: world.trace.hash(),
            deeds: world.truth.deeds.len(),
            figures: world.figures,
        }),
        Err(mut failure) => {
            failure.events = world.trace.last();
            if config.keeps {
                world.folder.disable_cleanup(true);
                let path = world.folder.path().display();
                failure.events.push(format!("databases in {path}"));
                // As they are: closing them would write their WALs out.
                std::mem::forget(world);
            }
            Err(failure)
        }
    }
}
