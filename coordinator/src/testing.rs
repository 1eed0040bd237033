//! A small sweep with made-up inputs, and results from a formula.

use crate::Frozen;
use jobs::{
    Artefact, ArtefactFile, ArtefactResult, Blame, Digest, FailureRecord, Job, JobResult, Meaning, RunFacts, Subject,
    Sweep, TaskScore, Timings,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

const SWEEP: &str = r#"
name: small
base: base
tasks:
  - {name: mnist, adapter: adapters/mnist, data: data/mnist, head: heads/mnist.safetensors}
  - {name: flags, adapter: adapters/flags, data: data/flags, head: heads/flags.safetensors}
evaluation: {benchmark: per_task, select: validation, report: test}
recipe: {preset: knots_ties, density: 0.2, scaling: 0.6}
parameters:
  scaling: [0.1, 0.2, 0.3, 0.4, 0.5]
  density: [0.1, 0.2, 0.5, 1.0]
baselines:
  - {name: sum, preset: task_arithmetic, scaling: 0.1}
"#;

pub(crate) fn sweep(overrides: &[&str]) -> Sweep {
    let overrides: Vec<_> = overrides.iter().map(|&text| text.to_owned()).collect();
    Sweep::from_yaml(SWEEP, Path::new("/sweeps"), &overrides).unwrap()
}

pub(crate) fn frozen(overrides: &[&str]) -> Frozen {
    frozen_of(sweep(overrides))
}

pub(crate) fn frozen_of(sweep: Sweep) -> Frozen {
    let mut keys = BTreeSet::from(["base".to_owned(), "joint".to_owned()]);
    for task in &sweep.tasks {
        let splits = sweep.data_splits().into_iter().map(|split| format!("data.{}.{split}", task.name));
        keys.extend(splits.chain([format!("adapters.{}", task.name), format!("heads.{}", task.name)]));
    }
    let digests = keys.into_iter().map(|key| (key.clone(), Digest::of(key.as_bytes()))).collect();
    Frozen::new(sweep, digests, BTreeMap::new()).unwrap()
}

/// The number of right answers out of 1000: 300 for the base model, 900 for an adapter alone; of a merge it is
/// highest at scaling 0.3 and density 0.5.
pub(crate) fn correct(subject: &Subject) -> u64 {
    match subject {
        Subject::Base => 300,
        Subject::Adapter { .. } => 900,
        Subject::Ensemble { .. } => 850,
        Subject::Merge { recipe } => {
            let density = recipe.trim.map_or(1.0, |trim| trim.density);
            (800.0 - 1000.0 * (recipe.scaling - 0.3).abs() - 100.0 * (density - 0.5).abs()).round() as u64
        }
    }
}

pub(crate) fn result(job: &Job) -> JobResult {
    let meaning = meaning(job);
    let correct = correct(&meaning.subject);
    let score = |task: &jobs::TaskInput| TaskScore {
        task: task.name.clone(),
        n: 1000,
        correct,
        hits: BTreeMap::new(),
        right: None,
        truncated: 0,
    };
    JobResult {
        job: job.id(),
        meaning: meaning.clone(),
        scores: meaning.tasks.iter().map(score).collect(),
        merge: None,
        timings: Timings::default(),
        run: run_facts(),
    }
}

/// The artefact of a write: one file `weights`, which holds the id of the job.
pub(crate) fn artefact(job: &Job) -> ArtefactResult {
    let content = job.id().to_string();
    let digest = Digest::of(content.as_bytes());
    let file = ArtefactFile { name: "weights".to_owned(), digest, size: content.len() as u64 };
    ArtefactResult {
        job: job.id(),
        spec: job.spec().clone(),
        artefact: Artefact { files: vec![file], facts: BTreeMap::new() },
        timings: Timings::default(),
        run: run_facts(),
    }
}

pub(crate) fn run_facts() -> RunFacts {
    RunFacts {
        worker: "formula".to_owned(),
        attempt: 1,
        device: "none".to_owned(),
        versions: BTreeMap::new(),
        commits: BTreeMap::new(),
        finished_ms: 0,
    }
}

pub(crate) fn failure(job: &Job) -> FailureRecord {
    FailureRecord {
        job: job.id(),
        spec: job.spec().clone(),
        attempt: 1,
        sweep: None,
        is_final: true,
        blame: Some(Blame::Job),
        errors: vec!["the formula does not hold".to_owned()],
        worker: "formula".to_owned(),
        machine: None,
        failed_ms: 0,
    }
}

/// The meaning of an evaluation.
pub(crate) fn meaning(job: &Job) -> &Meaning {
    job.spec().as_evaluation().expect("the job is an evaluation")
}

/// The scaling of a merge.
pub(crate) fn scaling(job: &Job) -> Option<f64> {
    match &meaning(job).subject {
        Subject::Merge { recipe } => Some(recipe.scaling),
        _ => None,
    }
}
