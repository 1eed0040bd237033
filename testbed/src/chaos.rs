//! Sweeps under injected faults, and the guarantees that must hold afterwards.

mod edits;
mod fault;
mod reference;
mod report;
mod round;
mod schedule;
mod targets;
mod violations;

pub use fault::Fault;
pub use report::Report;
pub use violations::Violation;

use crate::{Broker, Failure, sim::SweepSpec};
use round::Round;
use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// The settings of a run.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The seed of the faults and their order.
    pub seed: u64,
    /// Sweeps run one after the other until this time has passed. At least one runs.
    pub lasts: Duration,
    /// Workers at a time.
    pub workers: usize,
    /// How long a job takes.
    pub job: Duration,
    /// How often each fault is injected into a sweep that lasts long enough.
    pub repeats: u32,
    /// Whether the points of the searches race, so that most jobs are evaluations on slices of the examples.
    pub racing: bool,
    /// The number of densities of a sweep.
    pub densities: u32,
    /// The number of scalings of a sweep.
    pub scalings: u32,
    /// The longest that one sweep may take.
    pub limit: Duration,
    /// The folder with the programs `sim-worker` and `sim-coordinator`.
    pub programs: PathBuf,
    /// The folder for logs and data.
    pub folder: PathBuf,
}

/// Runs sweeps until the time is up or a guarantee is broken.
///
/// # Errors
/// The testbed itself fails: a program is missing, or the broker does not start again.
pub async fn run(settings: &Settings, broker: &mut Broker) -> Result<Report, Failure> {
    let start = Instant::now();
    let mut report = Report::new(settings.seed);
    for number in 1.. {
        let round = Round::prepare(settings, &sweep(settings, number), number, broker).await?;
        report.add(round.run(broker).await?);
        if !report.violations.is_empty() || start.elapsed() >= settings.lasts {
            break;
        }
    }
    Ok(report)
}

/// The sweep of a round. Every third one is linear, which waits for results and publishes few jobs at a time.
fn sweep(settings: &Settings, number: u64) -> SweepSpec {
    SweepSpec {
        sweep: format!("chaos-{number}"),
        seed: settings.seed.wrapping_add(number),
        densities: settings.densities,
        scalings: settings.scalings,
        linear: number.is_multiple_of(3),
        racing: settings.racing,
        poison: true,
        metric: "mean_normalised_accuracy".to_owned(),
    }
}

/// The folder `name` below `folder`. It is created if it is missing.
fn subfolder(folder: &Path, name: &str) -> Result<PathBuf, Failure> {
    let folder = folder.join(name);
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}
