//! Documents of the store.

use super::{examples, nothing};
use crate::{Format, Target};
use jobs::{
    Cancellation, FailureRecord, Finish, JobResult, Manifest, Outcome, Progress, Sweep, WorkerStatus, error_chain,
};
use serde_json::json;
use std::{
    collections::{BTreeSet, HashSet},
    fmt::Debug,
    path::Path,
};
use store::{Backend, Key, Revision, Store, StoreError, testing::MemoryBackend};
use tokio::runtime::{Builder, Runtime};

const SWEEP: &str = "mini8-knots-ties";

pub(super) fn targets() -> Vec<Target> {
    let document =
        |name, seeds, read| Target { name, format: Format::Json, seeds, prepare: nothing, read, named: ".json" };
    vec![
        document(
            "result",
            || vec![bytes(&result())],
            |_, input| {
                let job = result().job;
                let id = job.to_string();
                asked(
                    &format!("results/{}/{id}.json", &id[..2]),
                    input,
                    |store| async move { store.result(&job).await },
                )
            },
        ),
        document("failure", failures, |_, input| {
            let job = result().job;
            asked(&format!("failures/{job}/1.json"), input, |store| async move {
                store
                    .failures(&job)
                    .await
                    .and_then(|found| found.into_iter().collect::<Result<Vec<FailureRecord>, _>>())
            })
        }),
        document("manifest", || vec![manifest()], |_, input| of_sweep::<Manifest>("manifest.json", input)),
        document("outcome", || vec![outcome()], |_, input| of_sweep::<Outcome>(Outcome::DOCUMENT, input)),
        document("progress", || vec![progress()], |_, input| of_sweep::<Progress>("progress.json", input)),
        document(
            "cancellation",
            || vec![bytes(&Cancellation::new(1, true, 5))],
            |_, input| of_sweep::<Cancellation>(Cancellation::DOCUMENT, input),
        ),
        document(
            "finish",
            || vec![br#"{"version":1,"revision":1,"wished_ms":5}"#.to_vec()],
            |_, input| of_sweep::<Finish>("finish.json", input),
        ),
        document(
            "worker-status",
            || vec![worker()],
            |_, input| asked("workers/w.json", input, |store| async move { store.worker::<WorkerStatus>("w").await }),
        ),
        document("similarity", similarity, |_, input| {
            let inputs = jobs::Digest::of(b"inputs");
            asked(&format!("similarities/{inputs}.json"), input, |store| async move { store.similarity(&inputs).await })
        }),
        Target {
            name: "part",
            format: Format::Parquet,
            seeds: || vec![part(3), part(200)],
            prepare: nothing,
            read: |_, input| asked(&format!("sweeps/{SWEEP}/parts/0.parquet"), input, all_of_part),
            named: "parts/0",
        },
    ]
}

/// What readers ask of a part: all its results, the same in brief, one of them, its jobs.
async fn all_of_part(store: Store) -> Result<Vec<String>, StoreError> {
    let revision = Revision::first(SWEEP);
    let mut said = Vec::new();
    let mut pages = store.part_results(revision, 0).await?;
    while let Some(page) = match &mut pages {
        Some(pages) => pages.next_page().await?,
        None => None,
    } {
        said.push(format!("{page:?}"));
    }
    said.push(format!("{:?}", store.part_in_brief(revision, 0).await));
    said.push(format!("{:?}", store.results_in_parts(revision, &HashSet::from([result().job])).await));
    let compacted = store.compacted_jobs(revision).await?;
    let jobs = compacted.jobs.into_iter().collect::<BTreeSet<_>>();
    said.push(format!("{jobs:?} {:?}", compacted.broken));
    Ok(said)
}

fn of_sweep<T: serde::de::DeserializeOwned + Debug>(name: &'static str, input: &[u8]) -> Result<String, String> {
    asked(&format!("sweeps/{SWEEP}/{name}"), input, |store| async move { store.document::<T>(SWEEP, name).await })
}

/// What a store with `input` under `key` answers.
fn asked<T, F>(key: &str, input: &[u8], ask: impl FnOnce(Store) -> F) -> Result<String, String>
where
    T: Debug,
    F: Future<Output = Result<T, StoreError>>,
{
    let answer = runtime().block_on(async {
        let backend = MemoryBackend::new();
        let key = Key::new(key).map_err(StoreError::from)?;
        backend.put(&key, input.to_vec()).await?;
        ask(Store::new(backend)).await
    });
    answer.map(|answer| format!("{answer:?}")).map_err(|error| error_chain(&error))
}

fn runtime() -> Runtime {
    Builder::new_current_thread()
        .build()
        .unwrap_or_else(|error| unreachable!("a runtime of one thread starts: {error}"))
}

fn bytes(value: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("stored types have a JSON form")
}

fn result() -> JobResult {
    store::testing::results(1).swap_remove(0)
}

fn part(rows: u32) -> Vec<u8> {
    runtime().block_on(async {
        let backend = MemoryBackend::new();
        let written = Store::new(backend.clone()).put_part(Revision::first(SWEEP), store::testing::results(rows)).await;
        written.unwrap_or_else(|error| unreachable!("a store in memory takes a part: {error}"));
        let mut objects = backend.objects().into_iter();
        objects.find(|(key, _)| key.as_str().ends_with(".parquet")).map(|(_, content)| content).unwrap_or_default()
    })
}

fn failures() -> Vec<Vec<u8>> {
    let JobResult { job, meaning, .. } = result();
    let failure = json!({
        "version": 1, "job": job, "meaning": meaning, "attempt": 1, "errors": ["cannot read `x`", "no such file"], "is_final": true,
        "blame": "job", "worker": "w", "machine": "m", "failed_ms": 5,
    });
    vec![bytes(&failure)]
}

fn manifest() -> Vec<u8> {
    let text = String::from_utf8_lossy(&examples::file("examples/mini8/knots-ties.yaml")).into_owned();
    let sweep = Sweep::from_yaml(&text, Path::new("/folder"), &[]);
    let sweep = sweep.unwrap_or_else(|error| unreachable!("the example is read: {error}"));
    let manifest = json!({
        "version": Manifest::VERSION, "revision": 1, "begun_ms": 5, "sweep": sweep, "digests": {"base": jobs::Digest::of(b"base")},
        "commits": {"base": "abc"}, "versions": {"bowline": "0.1.0"}, "changes": [{"kind": "added", "key": "tasks.mnist"}],
    });
    bytes(&manifest)
}

fn outcome() -> Vec<u8> {
    let job = result().job;
    let recipe = jobs::Preset::Ties.recipe();
    let spec = json!({"preset": "ties"});
    let rows = [
        json!({"name": "zero-shot", "kind": "zero_shot", "jobs": {"validation": [job]}}),
        json!({"name": "adapters", "kind": "finetuned", "jobs": {"validation": [job], "test": [job]}}),
        json!({"name": "TIES", "kind": {"baseline": {"spec": spec, "recipe": recipe}}, "jobs": {}}),
    ];
    let outcome = json!({
        "version": Outcome::VERSION, "sweep": SWEEP, "revision": 1, "objective": {"metric": "mean_accuracy", "goal": "maximize"},
        "select": "validation", "report": "test", "tasks": ["mnist"], "rows": rows, "missing": 0,
    });
    bytes(&outcome)
}

fn progress() -> Vec<u8> {
    let job = result().job;
    bytes(&json!({
        "version": 1, "revision": 1, "phase": "searching", "bound": 9, "run": 3, "reused": 1, "failed": 1, "outstanding": 2, "rate": 0.5,
        "best": {"search": "s", "spec": {"preset": "ties"}, "value": 0.5}, "failures": [{"errors": ["a"], "jobs": 1, "example": job}],
        "device_s": 1.5, "started_ms": 1, "updated_ms": 2, "ended": null,
    }))
}

fn similarity() -> Vec<Vec<u8>> {
    let similarity = json!({
        "version": 1, "tasks": ["mnist", "flags"], "split": "validation", "examples": [32, 32], "weights": 24,
        "before": [[1.0, 0.25], [0.25, 1.0]], "after": [[1.0, null], [null, 1.0]],
    });
    vec![bytes(&similarity)]
}

fn worker() -> Vec<u8> {
    let job = result().job;
    bytes(&json!({
        "version": 1, "worker": "w", "machine": "m", "pool": "p", "device": "cpu", "versions": {}, "state": "busy",
        "job": {"job": job, "sweep": SWEEP, "attempt": 1, "since_ms": 3}, "left": [], "done": 1, "failed": 0, "started_ms": 1, "beat_ms": 2,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_document_is_read_before_it_is_damaged() {
        for target in targets() {
            for seed in (target.seeds)() {
                let read = (target.read)(Path::new("/"), &seed);
                assert!(read.is_ok(), "{}: {}", target.name, read.unwrap_err());
            }
        }
    }
}
