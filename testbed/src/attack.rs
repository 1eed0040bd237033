//! Attacks on the real program: broken, hostile and changing inputs, messages, stores and clients.
//!
//! Each [`Case`] starts what it needs – the binary, a private broker – on loopback and in a folder of its own, is
//! bounded in time, and says what it proved. `scripts/attack` runs them.

mod bench;
mod bombs;
mod cluster;
mod documents;
mod endpoint;
mod files;
mod messages;
mod operators;
mod parts;
mod program;
mod results;
mod sweeps;

pub use bench::Bench;

use crate::Failure;

/// An attack that must do no harm.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    /// Its name.
    pub name: &'static str,
    /// What is done, and what must hold.
    pub about: &'static str,
    run: fn(&Bench) -> Result<String, Failure>,
}

/// How a case ended.
#[derive(Debug)]
pub enum CaseResult {
    /// All guarantees held; what was observed.
    Held(String),
    /// What it needs is not on this machine.
    Skipped(String),
    /// A guarantee was broken.
    Failed(Failure),
}

/// What a case needs is not on this machine.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Unavailable(&'static str);

/// All cases, in the order in which they run.
pub const CASES: [Case; 17] = [
    files::REWRITTEN,
    files::TRUNCATED,
    files::REPLACED,
    messages::NAMES,
    messages::UNKNOWN,
    messages::PLACES,
    results::EDITED,
    results::EMPTY,
    parts::FLIPPED,
    bombs::ADAPTERS,
    bombs::IMAGES,
    bombs::TEXTS,
    endpoint::SLOW_CLIENTS,
    documents::BROKEN,
    documents::OUTSIDE,
    operators::CLOSED_PIPE,
    operators::HANGUP,
];

impl Case {
    /// Runs it.
    pub fn run(&self, bench: &Bench) -> CaseResult {
        match (self.run)(bench) {
            Ok(seen) => CaseResult::Held(seen),
            Err(failure) if failure.is::<Unavailable>() => CaseResult::Skipped(failure.to_string()),
            Err(failure) => CaseResult::Failed(failure),
        }
    }
}

/// Fails with `what` unless `holds`.
fn ensure(holds: bool, what: impl FnOnce() -> String) -> Result<(), Failure> {
    if holds { Ok(()) } else { Err(what().into()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn each_case_has_a_name_of_its_own() {
        let names: BTreeSet<_> = CASES.iter().map(|case| case.name).collect();
        assert_eq!(names.len(), CASES.len());
    }
}
