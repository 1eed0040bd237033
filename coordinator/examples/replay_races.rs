//! Replays the races of a sweep on stored results, without a model: which points they choose, and on what share of the examples.
//!
//! ```sh
//! cargo run --example replay_races -- STORE SWEEP METHOD SEEDS [INDIFFERENCE]
//! ```
//!
//! STORE is a folder that holds the sweep SWEEP, whose points were all evaluated on all examples: a grid. METHOD is `grid`,
//! `linear` or `bracket`. The sweep is replayed with each of SEEDS seeds, and its results arrive in an order of their own each time. INDIFFERENCE
//! is that of `racing`, 0 without it.

#![expect(clippy::print_stdout, reason = "the table is what it is for")]

use coordinator::{Completion, Frozen, NextJobs, SweepPlan};
use jobs::{
    Bitmap, JobId, JobResult, KnownAnswers, Manifest, Meaning, Method, Outcome, Racing, RecipeSpec, RowKind, Subject,
    TaskScore,
};
use std::{
    collections::{BTreeMap, HashMap},
    error::Error,
    fs,
    path::Path,
};

type Failure = Box<dyn Error>;

fn main() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (store, sweep, method, seeds, indifference) = match args.as_slice() {
        [store, sweep, method, seeds] => (store, sweep, method, seeds, 0.0),
        [store, sweep, method, seeds, indifference] => (store, sweep, method, seeds, indifference.parse()?),
        _ => return Err("usage: replay_races STORE SWEEP METHOD SEEDS [INDIFFERENCE]".into()),
    };
    let mut stored = HashMap::new();
    read_results(&Path::new(store).join("results"), &mut stored)?;
    let manifest = fs::read(Path::new(store).join("sweeps").join(sweep).join("manifest.json"))?;
    let manifest: Manifest = serde_json::from_slice(&manifest)?;
    let method = match method.as_str() {
        "grid" => Method::Grid,
        "linear" => Method::Linear,
        "bracket" => Method::Bracket,
        other => return Err(format!("`{other}` is none of `grid`, `linear` and `bracket`").into()),
    };
    let whole = replay(&frozen(&manifest, method, None)?, &stored, 1)?;
    println!("all examples: {} points", whole.points);
    whole.choices.iter().for_each(|(row, choice)| println!("  {row}: {:.4} {}", choice.value, spec(&choice.spec)));
    let seeds: u64 = seeds.parse()?;
    let mut same: BTreeMap<&str, u64> = BTreeMap::new();
    let mut worse: BTreeMap<&str, f64> = BTreeMap::new();
    let mut shares = Vec::new();
    let mut slices = 0;
    let mut raced = 0;
    for seed in 0..seeds {
        let racing = Racing { indifference, seed, ..Racing::default() };
        let run = replay(&frozen(&manifest, method, Some(racing))?, &stored, seed + 2)?;
        shares.push(run.examples as f64 / whole.examples as f64);
        raced += run.raced;
        slices += run.slices;
        for (row, choice) in &whole.choices {
            let other = &run.choices[row];
            *same.entry(row).or_default() += u64::from(other.spec == choice.spec);
            let lost = worse.entry(row).or_default();
            *lost = lost.max(choice.value - other.value);
        }
    }
    shares.sort_by(f64::total_cmp);
    let at = |share: f64| 100.0 * shares[((shares.len() - 1) as f64 * share) as usize];
    let mean = |count: usize| count as f64 / seeds as f64;
    println!("races with {seeds} seeds: {:.1} points without a value and {:.1} slices each", mean(raced), mean(slices));
    println!("  examples: median {:.1} %, 90 % {:.1} %", at(0.5), at(0.9));
    for (row, same) in same {
        println!("  {row}: the same choice in {same} of {seeds}, value at most {:.4} lower", worse[row]);
    }
    Ok(())
}

fn spec(spec: &RecipeSpec) -> String {
    serde_json::to_string(spec).unwrap_or_default()
}

/// The sweep by a method, with or without races. Recipes are reported on the split that they are chosen on.
fn frozen(manifest: &Manifest, method: Method, racing: Option<Racing>) -> Result<Frozen, Failure> {
    let mut manifest = manifest.clone();
    manifest.sweep.method = method;
    manifest.sweep.racing = racing;
    manifest.sweep.evaluation.report = manifest.sweep.evaluation.select.clone();
    Ok(Frozen::from_manifest(&manifest)?)
}

fn read_results(folder: &Path, stored: &mut HashMap<JobId, JobResult>) -> Result<(), Failure> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            read_results(&path, stored)?;
        } else if path.extension().is_some_and(|end| end == "json") {
            let result: JobResult = serde_json::from_slice(&fs::read(path)?)?;
            stored.insert(result.job, result);
        }
    }
    Ok(())
}

/// What a replay came to.
struct Replayed {
    choices: BTreeMap<String, Chosen>,
    /// The examples that searches were evaluated on, each once for every model.
    examples: u64,
    points: usize,
    /// The jobs that were slices.
    slices: usize,
    /// The points without a value.
    raced: usize,
}

struct Chosen {
    spec: RecipeSpec,
    value: f64,
}

/// Runs the plan with eight jobs at a time, which end in an order that `order` decides.
fn replay(frozen: &Frozen, stored: &HashMap<JobId, JobResult>, order: u64) -> Result<Replayed, Failure> {
    let mut plan = SweepPlan::new(frozen.clone())?;
    let mut answers: HashMap<JobId, KnownAnswers> = HashMap::new();
    let mut values: HashMap<JobId, f64> = HashMap::new();
    let mut open = Vec::new();
    let mut slices = 0;
    let mut state = order;
    loop {
        let room = 8 - open.len();
        match if room == 0 { NextJobs::Wait } else { plan.next(room)? } {
            NextJobs::Publish(jobs) => open.extend(jobs),
            NextJobs::Wait => {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let job = open.swap_remove((state >> 33) as usize % open.len());
                let meaning = job.job.spec().as_evaluation().ok_or("the sweep has other jobs than evaluations")?;
                slices += usize::from(meaning.slice.is_some());
                let result = answer(meaning, stored)?;
                if matches!(meaning.subject, Subject::Merge { .. }) {
                    let sizes = stored[&meaning.whole_id()].scores.iter().map(|score| score.n);
                    let known = answers.entry(meaning.whole_id()).or_insert_with(|| KnownAnswers::new(1, sizes));
                    known.add(&result);
                }
                let recorded = plan.record(job.id, Completion::Result(&result))?;
                values.extend(recorded.value.map(|value| (job.id, value)));
            }
            NextJobs::Finished(outcome) => return Ok(Replayed { slices, ..replayed(&outcome, &answers, &values) }),
        }
    }
}

fn replayed(outcome: &Outcome, answers: &HashMap<JobId, KnownAnswers>, values: &HashMap<JobId, f64>) -> Replayed {
    let mut replayed = Replayed { choices: BTreeMap::new(), examples: 0, points: 0, slices: 0, raced: 0 };
    for row in &outcome.rows {
        let RowKind::Search { spec, points, .. } = &row.kind else { continue };
        replayed.points += points.len();
        replayed.raced += points.iter().filter(|point| point.raced.is_some()).count();
        replayed.examples +=
            points.iter().filter_map(|point| answers.get(&point.job)).map(KnownAnswers::known).sum::<u64>();
        let job = row.jobs.get(&outcome.select).and_then(|jobs| jobs.first());
        let value = job.and_then(|job| values.get(job)).copied().unwrap_or(f64::NAN);
        replayed.choices.insert(row.name.clone(), Chosen { spec: spec.clone(), value });
    }
    replayed
}

/// The result of a job, out of that on all examples.
fn answer(meaning: &Meaning, stored: &HashMap<JobId, JobResult>) -> Result<JobResult, Failure> {
    let whole = stored.get(&meaning.whole_id()).ok_or_else(|| format!("no result of {}", meaning.whole_id()))?;
    let Some(slice) = meaning.slice_examples()? else { return Ok(whole.clone()) };
    let part = |(score, examples): (&TaskScore, &Vec<u64>)| {
        let all = score.right.as_ref()?;
        let right: Bitmap = examples.iter().map(|example| all.get(*example as usize)).collect();
        let n = examples.len() as u64;
        let correct = right.count();
        (n > 0).then(|| TaskScore {
            n,
            correct,
            hits: BTreeMap::new(),
            right: Some(right),
            truncated: 0,
            ..score.clone()
        })
    };
    let scores = whole.scores.iter().zip(&slice).filter_map(part).collect();
    Ok(JobResult { job: meaning.id(), meaning: meaning.clone(), scores, ..whole.clone() })
}
