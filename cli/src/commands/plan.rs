mod print;

use crate::{
    args::{self, StoreArgs},
    failure::Failure,
    local::{inputs_at_hand, runtime},
    remote::existing_store,
    sweep_file::read_sweep,
    terminal,
};
use coordinator::{Frozen, Resume, Retry};
use jobs::{Change, Racing, StatisticsNeed, Sweep};
use preflight::{CheckError, Checked, Computing, Download, MemoryNeeds, Problems, check_inputs};
use serde::{Serialize, Serializer};
use store::Location;

/// What `plan --json` prints.
#[derive(Debug, Serialize)]
struct Plan {
    sweep: String,
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
    /// Memory that models of texts take; `None` for images, and while the base cannot be looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    memory: Option<MemoryNeeds>,
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

/// `bowline plan`: checks everything that can be checked without computing.
pub(crate) fn run(args: &args::Plan) -> Result<(), Failure> {
    let (sweep, file) = read_sweep(&args.sweep)?;
    let inputs = inputs_at_hand(&args.store.s3);
    let checked = check_inputs(&sweep, file.lines(), &inputs, Computing::Here { threads: None })?;
    let jobs_at_most = coordinator::bound(&sweep)?;
    let resume = if checked.problems.is_empty() && checked.is_here() {
        let frozen = coordinator::freeze(sweep.clone(), &inputs)?;
        Some(runtime()?.block_on(survey(&frozen, &args.store, Reading::default()))?)
    } else {
        None
    };
    let Checked { matrices, memory, mut notes, downloads, unchecked, problems } = checked;
    notes.extend(sweep.racing.as_ref().map(racing_note));
    let revised = resume.as_ref().map(|resume| &resume.revision);
    let plan = Plan {
        statistics: statistics(&sweep),
        tasks: sweep.tasks.len(),
        searches: sweep.searches.len(),
        sweep: sweep.name,
        jobs_at_most,
        jobs_stored: resume.as_ref().map(|resume| resume.survey.stored),
        revision: revised.map(|revised| revised.number),
        changes: revised.filter(|revised| revised.is_new).map(|revised| revised.changes.clone()).unwrap_or_default(),
        to_download: downloads.iter().map(|download| download.input.clone()).collect(),
        download_bytes: downloads.iter().filter_map(|download| download.bytes).sum(),
        downloads,
        matrices,
        memory,
        notes,
        unchecked,
        problems,
    };
    if args.output.json {
        terminal::data(serde_json::to_string_pretty(&plan).expect("a plan is plain data"));
    } else {
        print::print(&plan, revised);
    }
    if plan.problems.is_empty() { Ok(()) } else { Err(CheckError::Problems(plan.problems).into()) }
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
             ridge {})",
            need.examples, need.off_diagonal, need.ridge
        )
    });
    sweep.statistics_needs().into_iter().map(in_words).chain(layerwise).collect()
}

/// What races mean for the number of jobs.
fn racing_note(racing: &Racing) -> String {
    let Racing { error_rate, slice, .. } = racing;
    format!(
        "points race: a point is evaluated on slices of {slice} examples and more until it is decided at an error rate of {error_rate}; \
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
