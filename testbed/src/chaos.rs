//! Sweeps in which everything goes wrong, and what must hold afterwards.

mod deck;
mod edits;
mod fault;
mod reference;
mod report;
mod round;
mod scene;
mod verdict;

pub use fault::Fault;
pub use report::Report;
pub use verdict::Violation;

use crate::{Broker, Failure, sim::SweepSpec};
use round::Round;
use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// How a run goes about it.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Decides the faults and their order.
    pub seed: u64,
    /// Sweeps are run one after the other until this has passed; at least one.
    pub lasts: Duration,
    /// Workers at a time.
    pub workers: usize,
    /// How long a job takes.
    pub job: Duration,
    /// How often each fault strikes in a sweep that lasts long enough.
    pub deals: u32,
    /// Values of either parameter of a sweep.
    pub values: (u32, u32),
    /// The longest that one sweep may take.
    pub limit: Duration,
    /// The folder with the programs `sim-worker` and `sim-coordinator`.
    pub programs: PathBuf,
    /// The folder for logs and data.
    pub folder: PathBuf,
}

/// Runs sweeps until the time is up or one of them breaks what must hold.
///
/// # Errors
/// The testbed itself cannot go on: a program is missing, the broker does not come up again.
pub async fn run(settings: &Settings, broker: &mut Broker) -> Result<Report, Failure> {
    let start = Instant::now();
    let mut report = Report::new(settings.seed);
    for number in 1.. {
        let round = Round::prepare(settings, &sweep(settings, number), number, broker).await?;
        report.add(round.play(broker).await?);
        if !report.violations.is_empty() || start.elapsed() >= settings.lasts {
            break;
        }
    }
    Ok(report)
}

/// The sweep of a round. Every third one is linear: it waits for its answers, and publishes few jobs at a time.
fn sweep(settings: &Settings, number: u64) -> SweepSpec {
    SweepSpec {
        sweep: format!("chaos-{number}"),
        seed: settings.seed.wrapping_add(number),
        densities: settings.values.0,
        scalings: settings.values.1,
        linear: number.is_multiple_of(3),
        poison: true,
        metric: "mean_normalised_accuracy".to_owned(),
    }
}

/// A folder below `folder`, made where it is missing.
fn made(folder: &Path, name: &str) -> Result<PathBuf, Failure> {
    let folder = folder.join(name);
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}
