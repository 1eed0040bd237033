mod print;

use crate::{
    args::{self, StoreArgs},
    failure::Failure,
    local::{inputs_at_hand, runtime},
    remote::existing_store,
    sweep_file::{SweepFile, read_sweeps},
    terminal,
};
use coordinator::{Frozen, Resume, Retry};
use evaluation::TrainMemory;
use jobs::{Change, DeviceKind, Racing, StatisticsNeed, Sweep, Task, TrainLength, Variant};
use preflight::{CheckError, Checked, Computing, Download, ImageRoom, MemoryNeeds, Problems, Residency, check_inputs};
use serde::{Serialize, Serializer};
use std::collections::BTreeMap;
use store::Location;

/// What `plan --json` prints.
#[derive(Debug, Serialize)]
struct Plan {
    sweep: String,
    /// Which of several sets of adapters it merges, if the sweep file has variants.
    #[serde(skip_serializing_if = "Option::is_none")]
    variant: Option<Variant>,
    tasks: usize,
    searches: usize,
    /// The most jobs that the sweep may need.
    jobs_at_most: u64,
    /// How many of them have a result in the store; `None` while inputs are missing or wrong.
    jobs_stored: Option<u64>,
    /// The revision of the sweep that a run would make or resume; `None` while inputs are missing.
    revision: Option<u32>,
    /// The changes of a revision that does not exist yet to the one before.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    changes: Vec<Change>,
    /// Inputs on the hub and in buckets that are not in the caches.
    to_download: Vec<String>,
    /// The same with what is fetched of each.
    downloads: Vec<Download>,
    /// All bytes that are fetched, as far as they are known.
    download_bytes: u64,
    /// The number of adapted matrices of each adapter.
    matrices: Vec<(String, usize)>,
    /// Memory that models of texts take, and models of images in 16 bits on a processor; `None` while the base cannot be looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    memory: Option<MemoryNeeds>,
    /// What stays on a GPU between jobs, where `--device-memory` asks for it; absent for texts, and while sizes are not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    residency: Option<Residency>,
    /// The adapters that are trained first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    training: Vec<TrainingPlan>,
    /// What is measured of the tasks' own models first, for recipes that merge by it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    statistics: Vec<String>,
    /// Notes for people.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
    /// What was not checked, and why.
    unchecked: Vec<String>,
    /// What jobs would fail on.
    #[serde(serialize_with = "as_list")]
    problems: Problems,
}

/// `bowline plan`: checks everything that can be checked without computing. Variants of a sweep file have a plan each.
pub(crate) fn run(args: &args::Plan) -> Result<(), Failure> {
    let (sweeps, file) = read_sweeps(&args.sweep, &args.variant)?;
    let mut plans = Vec::with_capacity(sweeps.len());
    for sweep in sweeps {
        let planned = Planned::of(sweep, &file, args)?;
        if !args.output.json {
            print::print(&planned.plan, planned.resume.as_ref().map(|resume| &resume.revision));
        }
        plans.push(planned.plan);
    }
    if args.output.json {
        let document = match plans.as_slice() {
            [plan] => serde_json::to_string_pretty(plan),
            plans => serde_json::to_string_pretty(plans),
        };
        terminal::data(document.expect("a plan is plain data"));
    }
    let problems = plans.into_iter().map(|plan| plan.problems).reduce(Problems::and);
    match problems.filter(|problems| !problems.is_empty()) {
        Some(problems) => Err(CheckError::Problems(problems).into()),
        None => Ok(()),
    }
}

/// What `evaluation.precision: auto` means for a plan.
const PRECISION_NOTE: &str = "`evaluation.precision: auto` is planned as `f32`, for a processor; a run on a GPU takes `bf16`, and has other \
     jobs, so that in its store the plan shows the precision as a change; `run --queue` refuses `auto`";

/// Why a plan does not say what stays on a GPU.
const NO_RESIDENCY_NOTE: &str =
    "what stays on a GPU is not known: data of texts count by their tokens, and of images all splits must be here";

/// A plan, and what the store has of the sweep.
struct Planned {
    plan: Plan,
    resume: Option<Resume>,
}

impl Planned {
    fn of(sweep: Sweep, file: &SweepFile, args: &args::Plan) -> Result<Self, Failure> {
        let inputs = inputs_at_hand(&args.store.s3);
        let is_open = sweep.evaluation.precision.stated().is_none();
        // With an open precision, the memory is that of the one that each device would take.
        let computing = Computing::Here { threads: None, images: ImageRoom::Usual };
        let checked = check_inputs(&sweep, file.lines(), &inputs, computing)?;
        // Where a plan is made, no device is known.
        let sweep = sweep.with_stated_precision(Some(DeviceKind::Processor)).map_err(|source| file.wrong(source))?;
        let sweep = checked.completed(sweep);
        let jobs_at_most = coordinator::bound(&sweep)?;
        let resume = if checked.problems.is_empty() && checked.is_here() {
            let frozen = coordinator::freeze(sweep.clone(), &inputs)?;
            Some(runtime()?.block_on(survey(&frozen, &args.store, Reading::default()))?)
        } else {
            None
        };
        let Checked {
            matrices,
            memory,
            device_data,
            training: train_memory,
            mut notes,
            downloads,
            unchecked,
            problems,
            train_family: _,
            examples_to_measure: _,
            left_out_presets: _,
        } = checked;
        notes.extend(sweep.racing.as_ref().map(racing_note));
        notes.extend(is_open.then(|| PRECISION_NOTE.to_owned()));
        let data_memory = args.device_memory.map(|mebibytes| mebibytes.saturating_mul(1 << 20));
        let residency = data_memory.zip(device_data).map(|(bytes, data)| data.within(bytes));
        if data_memory.is_some() && residency.is_none() {
            notes.push(NO_RESIDENCY_NOTE.to_owned());
        }
        let revised = resume.as_ref().map(|resume| &resume.revision);
        let plan = Plan {
            training: training(&sweep, &train_memory),
            statistics: statistics(&sweep),
            tasks: sweep.tasks.len(),
            searches: sweep.searches.len(),
            sweep: sweep.name,
            variant: sweep.variant,
            jobs_at_most,
            jobs_stored: resume.as_ref().map(|resume| resume.survey.stored),
            revision: revised.map(|revised| revised.number),
            changes: revised
                .filter(|revised| revised.is_new)
                .map(|revised| revised.changes.clone())
                .unwrap_or_default(),
            to_download: downloads.iter().map(|download| download.input.clone()).collect(),
            download_bytes: downloads.iter().filter_map(|download| download.bytes).sum(),
            downloads,
            matrices,
            memory,
            residency,
            notes,
            unchecked,
            problems,
        };
        Ok(Self { plan, resume })
    }
}

/// The training of an adapter.
#[derive(Debug, Serialize)]
struct TrainingPlan {
    task: String,
    /// The split that it is trained on.
    split: String,
    steps: usize,
    /// The jobs that train it, one after the other.
    jobs: usize,
    /// Bytes that it takes beside the model, with blocks that are computed twice; `None` if the base could not be looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    least_memory_bytes: Option<u64>,
    /// The same with all that blocks compute kept for the way back.
    #[serde(skip_serializing_if = "Option::is_none")]
    memory_bytes: Option<u64>,
    /// The threads that both are for: those of this machine, unless they are stated.
    #[serde(skip_serializing_if = "Option::is_none")]
    memory_threads: Option<usize>,
}

/// The adapters that the sweep trains.
fn training(sweep: &Sweep, memory: &BTreeMap<String, TrainMemory>) -> Vec<TrainingPlan> {
    let of_task = |task: &Task| {
        let training = task.adapter.training()?;
        let steps = match training.keys().length() {
            TrainLength::Steps(steps) => steps,
            // A sweep file with epochs is refused.
            TrainLength::Epochs(_) => 0,
        };
        let split = training.keys().split().to_owned();
        let memory = memory.get(&task.name);
        Some(TrainingPlan {
            task: task.name.clone(),
            split,
            steps,
            jobs: training.legs(),
            least_memory_bytes: memory.map(TrainMemory::least),
            memory_bytes: memory.map(TrainMemory::all),
            memory_threads: memory.map(|memory| memory.threads),
        })
    };
    sweep.tasks.iter().filter_map(of_task).collect()
}

/// The statistics that recipes of the sweep need, in words.
fn statistics(sweep: &Sweep) -> Vec<String> {
    let tasks = sweep.tasks.len();
    let split = sweep.statistics_split();
    let in_words = |need: StatisticsNeed| {
        format!("{} of {tasks} tasks over the first {} examples of `{split}`", need.what.name(), need.examples)
    };
    let layerwise = sweep.layerwise_needs().into_iter().map(|need| {
        format!(
            "the layers of a merge of {tasks} tasks, one after the other, over the first {} examples of `{split}` (off_diagonal {}, \
             ridge {}{})",
            need.examples,
            need.off_diagonal,
            need.ridge,
            if need.weights.is_empty() { String::new() } else { format!(", weights {}", jobs::canonical_json(&need.weights)) }
        )
    });
    sweep.statistics_needs().into_iter().map(in_words).chain(layerwise).collect()
}

/// What races mean for the number of jobs.
fn racing_note(racing: &Racing) -> String {
    let Racing { error_rate, .. } = racing;
    let first_slice = racing.first_slice();
    format!(
        "points race: a point is evaluated on slices of {first_slice} examples and more until it is decided at an error rate of {error_rate}; \
         slices count as no jobs of their own, and the number of jobs is that of evaluations on all examples at most"
    )
}

/// What counts as missing.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Reading {
    /// Permanent failures that are retried.
    pub(crate) retry: Retry,
    /// Corrupt results, which are set aside.
    pub(crate) repair: bool,
}

/// The state of a sweep. A missing folder holds nothing, and is not created.
pub(crate) async fn survey(frozen: &Frozen, args: &StoreArgs, reading: Reading) -> Result<Resume, Failure> {
    let Reading { retry, repair } = reading;
    if matches!(&args.store, Location::Folder(folder) if !folder.exists()) {
        return Ok(Resume::fresh(frozen)?);
    }
    let store = existing_store(args).await?;
    Ok(if repair {
        coordinator::repair(frozen, &store, retry).await?
    } else {
        coordinator::survey(frozen, &store, retry).await?
    })
}

fn as_list<S: Serializer>(problems: &Problems, serializer: S) -> Result<S::Ok, S::Error> {
    problems.list().serialize(serializer)
}
