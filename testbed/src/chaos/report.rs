use super::{Fault, Violation};
use crate::{Failure, process::History};
use std::{collections::BTreeMap, fmt, fs, path::Path, time::Duration};

/// The faults that a run injected, and what they broke.
#[derive(Debug)]
pub struct Report {
    /// The seed, which reproduces the run.
    pub seed: u64,
    /// The guarantees that were broken.
    pub violations: Vec<Violation>,
    rounds: Vec<RoundReport>,
}

/// The report of one sweep.
#[derive(Debug)]
pub(super) struct RoundReport {
    sweep: String,
    injected: BTreeMap<Fault, u32>,
    pub(super) violations: Vec<Violation>,
    pub(super) jobs: usize,
    /// Poison jobs, which harm their worker.
    pub(super) poison: u32,
    pub(super) workers: History,
    pub(super) coordinators: History,
    pub(super) bucket_faults: u64,
    /// Messages that were left in the queue after the sweep.
    pub(super) leftovers: u64,
    pub(super) took: Duration,
    /// Log lines of [`LOG_COUNTS`], by meaning.
    log_counts: BTreeMap<&'static str, usize>,
}

/// Messages that are counted in logs, each with its meaning.
const LOG_COUNTS: [(&str, &str); 4] = [
    ("a worker lost a job", "jobs that came back from lost workers"),
    ("publishing it again", "jobs that the queue lost"),
    ("a message is dead-lettered", "dead-lettered messages"),
    ("job done", "completed computations"),
];

impl RoundReport {
    pub(super) fn new(sweep: String, injected: BTreeMap<Fault, u32>) -> Self {
        Self {
            sweep,
            injected,
            violations: Vec::new(),
            jobs: 0,
            poison: 0,
            workers: History::default(),
            coordinators: History::default(),
            bucket_faults: 0,
            leftovers: 0,
            took: Duration::ZERO,
            log_counts: BTreeMap::new(),
        }
    }

    /// Counts the messages of [`LOG_COUNTS`] in the logs of all processes.
    pub(super) fn read_logs(&mut self, logs: &Path) -> Result<(), Failure> {
        for entry in fs::read_dir(logs)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "log") {
                let log = String::from_utf8_lossy(&fs::read(&path)?).into_owned();
                for (words, meaning) in LOG_COUNTS {
                    *self.log_counts.entry(meaning).or_default() += log.matches(words).count();
                }
            }
        }
        Ok(())
    }
}

impl Report {
    pub(super) fn new(seed: u64) -> Self {
        Self { seed, violations: Vec::new(), rounds: Vec::new() }
    }

    pub(super) fn add(&mut self, mut round: RoundReport) {
        self.violations.append(&mut round.violations);
        self.rounds.push(round);
    }

    /// How often each fault was injected.
    pub fn injected(&self) -> BTreeMap<Fault, u32> {
        let mut injected = BTreeMap::new();
        for (fault, times) in self.rounds.iter().flat_map(|round| &round.injected) {
            *injected.entry(*fault).or_default() += times;
        }
        injected
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}", self.seed)?;
        for round in &self.rounds {
            writeln!(f, "{round}")?;
        }
        let injected = self.injected();
        let bucket = self.rounds.iter().map(|round| round.bucket_faults).sum::<u64>();
        writeln!(f, "faults:")?;
        for (fault, times) in &injected {
            writeln!(f, "  {times:>5}  {fault}")?;
        }
        let poison: u32 = self.rounds.iter().map(|round| round.poison).sum();
        writeln!(f, "  {poison:>5}  poison jobs")?;
        writeln!(f, "  {bucket:>5}  requests that the bucket failed, lost, cut or answered late")?;
        let jobs: usize = self.rounds.iter().map(|round| round.jobs).sum();
        if self.violations.is_empty() {
            let faults = poison + injected.values().sum::<u32>();
            return write!(f, "{faults} faults survived: {jobs} jobs, each with its one answer");
        }
        writeln!(f, "broken guarantees, with seed {}:", self.seed)?;
        for violation in self.violations.iter().take(MAX_SHOWN) {
            writeln!(f, "  {violation}")?;
        }
        write!(f, "{} violations", self.violations.len())
    }
}

/// Violations that are shown one by one.
const MAX_SHOWN: usize = 20;

impl fmt::Display for RoundReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {} jobs in {:.0} s", self.sweep, self.jobs, self.took.as_secs_f64())?;
        for (meaning, times) in &self.log_counts {
            writeln!(f, "  {times:>5}  {meaning}")?;
        }
        writeln!(f, "  {:>5}  messages left over", self.leftovers)?;
        writeln!(f, "  {:>5}  workers started; ended {}", self.workers.started, ends(&self.workers.ends))?;
        let History { started, finished, ends: ended } = &self.coordinators;
        write!(f, "  {started:>5}  coordinators started, {finished} finished; ended {}", ends(ended))
    }
}

fn ends(ends: &BTreeMap<String, u32>) -> String {
    let ends: Vec<_> = ends.iter().map(|(how, times)| format!("{times} × {how}")).collect();
    if ends.is_empty() { "none early".to_owned() } else { ends.join(", ") }
}
