use crate::{
    args::{self, StoreArgs},
    failure::Failure,
    local::{inputs, runtime},
    remote::existing_store,
    sweep_file::read_sweep,
    terminal,
};
use coordinator::{Frozen, Resume};
use inputs::Inputs;
use jobs::{Benchmark, HeadSpec, InputRef, Sweep};
use merging::{Adapter, BaseHeader};
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
}

/// `bowline plan`: checks everything that can be checked without computing.
pub(crate) fn run(args: &args::Plan) -> Result<(), Failure> {
    let sweep = read_sweep(&args.sweep)?;
    let inputs = inputs(&args.store.s3);
    let to_download: Vec<String> =
        references(&sweep).into_iter().filter(|input| is_remote(&inputs, input)).map(InputRef::to_string).collect();
    let (survey, matrices) = match to_download.is_empty() {
        true => {
            let frozen = coordinator::freeze(sweep.clone(), &inputs)?;
            (Some(runtime()?.block_on(survey(&frozen, &args.store, false))?.survey), check_adapters(&sweep, &inputs)?)
        }
        false => (None, Vec::new()),
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
pub(crate) async fn survey(frozen: &Frozen, args: &StoreArgs, retry_failed: bool) -> Result<Resume, Failure> {
    if matches!(&args.store, Location::Folder(folder) if !folder.exists()) {
        return Ok(Resume::fresh(frozen)?);
    }
    let store = existing_store(args).await?;
    Ok(coordinator::survey(frozen, &store, retry_failed).await?)
}

/// Reads every adapter against the base's header: names, shapes, scales and values.
fn check_adapters(sweep: &Sweep, inputs: &Inputs) -> Result<Vec<(String, usize)>, Failure> {
    let input = |reference: &InputRef| {
        let argument = reference.to_string();
        move |source| Failure::Input { argument, source }
    };
    let base = inputs.model(&sweep.base).map_err(input(&sweep.base))?.path;
    let header = BaseHeader::adapted(&base)?;
    let check = |task: &jobs::Task| {
        let folder = inputs.adapter(&task.adapter).map_err(input(&task.adapter))?.path;
        let adapter = Adapter::read(&task.name, &folder, &header)
            .map_err(|source| Failure::Adapter { name: task.name.clone(), source: Box::new(source) })?;
        Ok((task.name.clone(), adapter.modules.len()))
    };
    sweep.tasks.iter().map(check).collect()
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
