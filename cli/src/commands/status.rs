use crate::{
    args,
    failure::{Failure, StoredFailure},
    local::runtime,
    remote::existing_store,
    revised, terminal,
};
use analysis::Sweeps;
use coordinator::{Frozen, OUTCOME, Retry};
use jobs::Manifest;
use serde::Serialize;
use store::Store;

/// One sweep's state, as `status --json` prints it.
#[derive(Debug, Serialize)]
struct Status {
    sweep: String,
    revision: u32,
    jobs_at_most: u64,
    stored: u64,
    failed: u64,
    corrupt: u64,
    missing_now: u64,
    finished: bool,
    cancelled: bool,
}

/// A sweep that cannot be read.
#[derive(Debug, Serialize)]
struct Broken {
    sweep: String,
    error: String,
}

/// `bowline status`: how far the sweeps of a store have come.
pub(crate) fn run(args: &args::Status) -> Result<(), Failure> {
    let runtime = runtime()?;
    let store = runtime.block_on(existing_store(&args.store))?;
    let states = runtime.block_on(async {
        let names = match &args.name {
            Some(name) => vec![name.clone()],
            None => Sweeps::names(&store).await?,
        };
        let mut states = Vec::with_capacity(names.len());
        let mut broken = Vec::new();
        for name in names {
            match status(&store, name.clone()).await {
                // A sweep that cannot be read does not hide the others.
                Err(failure) if args.name.is_none() => {
                    broken.push(Broken { sweep: name, error: jobs::error_line(&failure) });
                }
                state => states.push(state?),
            }
        }
        Ok::<_, Failure>((states, broken))
    });
    let (states, broken) = states?;
    if args.output.json {
        let all = states.iter().map(serde_json::to_value).chain(broken.iter().map(serde_json::to_value));
        let all: Vec<_> = all.map(|state| state.expect("a state is plain data")).collect();
        terminal::data(serde_json::to_string_pretty(&all).expect("a state is plain data"));
        return Ok(());
    }
    if states.is_empty() && broken.is_empty() {
        terminal::data(format_args!("the store {} holds no sweep", store.place()));
    }
    for state in states {
        let end = match (state.finished, state.cancelled) {
            // Points are missing that may have been chosen, or rows have no numbers.
            (true, _) if state.failed > 0 => "finished with failures",
            (true, _) => "finished",
            (false, true) => "cancelled",
            (false, false) => "not finished",
        };
        let mut failed = if state.failed > 0 { format!(", {} failed", state.failed) } else { String::new() };
        if state.corrupt > 0 {
            failed += &format!(", {} of them corrupt (`bowline run --repair` computes them again)", state.corrupt);
        }
        terminal::data(format_args!(
            "{}{}: {end}, {} of at most {} jobs stored{failed}",
            state.sweep,
            revised::behind_name(state.revision),
            state.stored,
            state.jobs_at_most
        ));
    }
    for Broken { sweep, error } in broken {
        terminal::data(format_args!("{sweep}: {error}"));
    }
    Ok(())
}

async fn status(store: &Store, name: String) -> Result<Status, Failure> {
    let Some(manifest) = store.manifest::<Manifest>(&name).await? else {
        return Err(Failure::Stored(StoredFailure::NoSweep { name, store: store.place() }));
    };
    let frozen = Frozen::from_manifest(&manifest).map_err(coordinator::FreezeError::from)?;
    let survey = coordinator::survey(&frozen, store, Retry::Nothing).await?.survey;
    let revision = frozen.revision();
    // An earlier revision may have finished, and been cancelled.
    let finished = match store.document::<jobs::Outcome>(&name, OUTCOME).await {
        // The next run writes it anew.
        Err(error) if error.is_of_one_object() => false,
        outcome => outcome?.is_some_and(|outcome| outcome.revision >= revision),
    };
    let cancelled = store.cancellation(&name).await?.is_some_and(|mark| mark.is_requested_for(revision));
    Ok(Status {
        sweep: name,
        revision,
        jobs_at_most: survey.bound,
        stored: survey.stored,
        failed: survey.failed,
        corrupt: survey.corrupt,
        missing_now: survey.missing,
        finished,
        cancelled,
    })
}
