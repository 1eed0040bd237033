mod check;

pub(crate) use check::{Checked, check_inputs};

use crate::{
    args::{self, StoreArgs},
    failure::Failure,
    local::{free_memory, inputs, runtime},
    needs::{Needs, sized},
    remote::existing_store,
    sweep_file::read_sweep,
    terminal,
};
use coordinator::{Frozen, Resume, Retry};
use inputs::Inputs;
use jobs::{Benchmark, HeadSpec, InputRef, Sweep};
use serde::Serialize;
use store::Location;

/// What `plan --json` prints.
#[derive(Debug, Serialize)]
struct Plan {
    sweep: String,
    tasks: usize,
    searches: usize,
    /// The most jobs that the sweep may need.
    jobs_at_most: u64,
    /// How many of them have a result in the store; `None` while inputs are missing.
    jobs_stored: Option<u64>,
    /// Inputs on the hub and in buckets that are not in the caches.
    to_download: Vec<String>,
    /// The number of adapted matrices of each adapter.
    matrices: Vec<(String, usize)>,
    /// Memory that models of texts take; `None` for pictures, and while inputs are missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    memory: Option<Needs>,
    /// What a person should know beforehand.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
}

/// `bowline plan`: checks everything that can be checked without computing.
pub(crate) fn run(args: &args::Plan) -> Result<(), Failure> {
    let sweep = read_sweep(&args.sweep)?;
    let inputs = inputs(&args.store.s3);
    let remote: Vec<&InputRef> = references(&sweep).into_iter().filter(|input| is_remote(&inputs, input)).collect();
    // Without the hub a run cannot have what its cache lacks: freezing says so.
    let is_out_of_reach = inputs.is_offline() && remote.iter().any(|input| matches!(input, InputRef::Hub(_)));
    let to_download: Vec<String> = remote.into_iter().map(InputRef::to_string).collect();
    let (survey, Checked { matrices, memory, notes }) = match to_download.is_empty() || is_out_of_reach {
        true => {
            let frozen = coordinator::freeze(sweep.clone(), &inputs)?;
            let checked = check_inputs(&sweep, &inputs, None)?;
            (Some(runtime()?.block_on(survey(&frozen, &args.store, Retry::Machines))?.survey), checked)
        }
        false => (None, Checked::default()),
    };
    let bound = coordinator::bound(&sweep)?;
    let plan = Plan {
        tasks: sweep.tasks.len(),
        searches: sweep.searches.len(),
        sweep: sweep.name,
        jobs_at_most: bound,
        jobs_stored: survey.map(|survey| survey.stored),
        to_download,
        matrices,
        memory,
        notes,
    };
    match args.json {
        true => terminal::data(serde_json::to_string_pretty(&plan).expect("a plan is plain data")),
        false => print(&plan),
    }
    Ok(())
}

fn print(plan: &Plan) {
    terminal::data(format_args!("{}: the sweep file is valid", plan.sweep));
    terminal::data(format_args!("  {} tasks, {} searches", plan.tasks, plan.searches));
    for (adapter, matrices) in &plan.matrices {
        terminal::data(format_args!("  adapter {adapter}: {matrices} matrices, all of them in the base"));
    }
    if let Some(Needs { processor, device }) = &plan.memory {
        let free = sized(free_memory());
        terminal::data(format_args!("  memory on the processor: {}; {free} are free", processor.in_words()));
        terminal::data(format_args!("  memory on a GPU: {}", device.in_words()));
    }
    plan.notes.iter().for_each(|note| terminal::data(format_args!("  note: {note}")));
    let stored = plan.jobs_stored.map(|stored| format!(", {stored} of them stored")).unwrap_or_default();
    terminal::data(format_args!("  at most {} jobs{stored}", plan.jobs_at_most));
    if !plan.to_download.is_empty() {
        terminal::data(format_args!(
            "  {} inputs are not on this machine; a run downloads them:",
            plan.to_download.len()
        ));
        plan.to_download.iter().for_each(|input| terminal::data(format_args!("    {input}")));
    }
}

/// Where a sweep stands. A folder that is not there yet holds nothing: looking does not make one.
pub(crate) async fn survey(frozen: &Frozen, args: &StoreArgs, retry: Retry) -> Result<Resume, Failure> {
    if matches!(&args.store, Location::Folder(folder) if !folder.exists()) {
        return Ok(Resume::fresh(frozen)?);
    }
    let store = existing_store(args).await?;
    Ok(coordinator::survey(frozen, &store, retry).await?)
}

fn references(sweep: &Sweep) -> Vec<&InputRef> {
    let mut references = vec![&sweep.base];
    for task in &sweep.tasks {
        references.extend([&task.adapter, &task.data.source]);
        references.extend(task.data.splits.values().filter_map(|rule| rule.indices.as_ref()));
        if let Some(HeadSpec::File(head)) = &task.head {
            references.push(head);
        }
    }
    if let Benchmark::Joint { files: Some(files) } = &sweep.evaluation.benchmark {
        references.extend([&files.head, &files.map]);
    }
    references
}

fn is_remote(inputs: &Inputs, input: &InputRef) -> bool {
    input.as_path().is_none() && !inputs.is_local(input)
}
