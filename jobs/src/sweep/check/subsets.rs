//! Subsets of the tasks.

use crate::{Evaluation, Subsets, SweepError, Task, sweep::file::SubsetsFile};
use std::collections::BTreeSet;

/// What holds where the sweep file leaves it out: the number of samples of the KnOTS paper, and the first seed.
const SAMPLES: u32 = 28;
const SEED: u64 = 0;

pub(super) fn check_subsets(file: SubsetsFile, evaluation: &Evaluation, tasks: &[Task]) -> Result<Subsets, SweepError> {
    let SubsetsFile { sizes, samples, seed } = file;
    if evaluation.benchmark.is_joint() {
        let problem = "needs `benchmark: per_task`: a joint head has the labels of all tasks, whichever are merged";
        return Err(SweepError::invalid("subsets", problem));
    }
    if sizes.is_empty() {
        return Err(SweepError::invalid("subsets.sizes", "is empty; list numbers of tasks"));
    }
    let mut seen = BTreeSet::new();
    let most = tasks.len();
    for (i, size) in sizes.iter().enumerate() {
        let problem = match *size {
            0 => "is 0; a subset has at least one task".to_owned(),
            size if size > most as u64 => {
                format!("is {size}, and the sweep has {most} task{}", if most == 1 { "" } else { "s" })
            }
            size if !seen.insert(size) => format!("is {size} a second time"),
            _ => continue,
        };
        return Err(SweepError::invalid(format!("subsets.sizes[{i}]"), problem));
    }
    let samples = samples.unwrap_or(SAMPLES);
    if samples == 0 || samples > Subsets::MOST_SAMPLES {
        let problem = format!("is {samples}, expected 1 to {}", Subsets::MOST_SAMPLES);
        return Err(SweepError::invalid("subsets.samples", problem));
    }
    Ok(Subsets { sizes, samples, seed: seed.unwrap_or(SEED) })
}
