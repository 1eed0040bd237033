//! A small sweep with made-up inputs, and results from a formula.

use crate::Frozen;
use jobs::{
    Artefact, ArtefactFile, ArtefactResult, Blame, Digest, FailureRecord, Job, JobResult, Meaning, RunFacts, Subject,
    Sweep, TaskScore, Timings, TrainFamily,
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
    let sweep = sweep.with_train_family(TrainFamily::Images);
    let mut keys = BTreeSet::from(["base".to_owned(), "joint".to_owned()]);
    for task in &sweep.tasks {
        let splits = sweep.splits_of(task).into_iter().map(|split| format!("data.{}.{split}", task.name));
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
        within: BTreeMap::new(),
        mean: None,
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

/// The number of examples of each task of [`answered`].
pub(crate) const EXAMPLES: u64 = 1500;

/// A result with single answers, on all examples or on a slice. Models agree on most examples: each example has a difficulty, and
/// each model answers one in twenty differently than its accuracy in [`correct`] says.
pub(crate) fn answered(job: &Job) -> JobResult {
    let meaning = meaning(job);
    let all: Vec<u64> = (0..EXAMPLES).collect();
    let slice = meaning.slice_examples().expect("the slice is one of a sequence");
    let accuracy = correct(&meaning.subject) as f64 / 1000.0;
    let score = |(place, task): (usize, &jobs::TaskInput)| {
        let examples = slice.as_ref().map_or(&all, |slice| &slice[place]);
        let of_model = Digest::of_json(&(&meaning.subject, &task.name));
        let of_task = Digest::of_json(&task.name);
        let is_right = |example: &u64| (share(of_task, *example) < accuracy) != (share(of_model, *example) < 0.05);
        let right: jobs::Bitmap = examples.iter().map(is_right).collect();
        (!examples.is_empty()).then(|| TaskScore {
            task: task.name.clone(),
            n: examples.len() as u64,
            correct: right.count(),
            hits: BTreeMap::new(),
            right: Some(right),
            truncated: 0,
            within: BTreeMap::new(),
            mean: None,
        })
    };
    let scores = meaning.tasks.iter().enumerate().filter_map(score).collect();
    JobResult { scores, ..result(job) }
}

/// A number in [0, 1) that the key and the number of an example decide: one step of SplitMix64.
fn share(key: Digest, example: u64) -> f64 {
    let first = key.as_bytes().first_chunk().expect("a digest has 32 bytes");
    let mut x = u64::from_le_bytes(*first).wrapping_add(example.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (x ^ (x >> 31)) as f64 / 2f64.powi(64)
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
