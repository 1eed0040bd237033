mod checks;
mod documents;

use super::*;
use crate::{
    Action, Problem,
    testing::{Fault, Faulty, MemoryBackend},
};
use jobs::{BenchmarkInput, Digest, Meaning, Precision, RunFacts, Subject, TaskInput, TaskScore, Timings};
use serde_json::{Value, json};
use std::{collections::BTreeMap, time::Duration};

fn meaning(number: u32) -> Meaning {
    Meaning {
        evaluation: jobs::EVALUATION_SEMANTICS,
        base: Digest::of(&number.to_le_bytes()),
        subject: Subject::Base,
        adapters: Vec::new(),
        tasks: vec![TaskInput { name: "mnist".to_owned(), data: Digest::of(b"data"), head: None }],
        benchmark: BenchmarkInput::PerTask,
        split: "validation".to_owned(),
        precision: Precision::F32,
        statistics: Vec::new(),
        slice: None,
    }
}

fn result(number: u32) -> JobResult {
    JobResult {
        job: meaning(number).id(),
        meaning: meaning(number),
        scores: vec![TaskScore {
            task: "mnist".to_owned(),
            n: 10,
            correct: 7,
            hits: BTreeMap::from([(1, 7)]),
            right: None,
            truncated: 0,
            within: BTreeMap::new(),
            mean: None,
        }],
        merge: None,
        timings: Timings { load_s: 0.1, ..Timings::default() },
        run: RunFacts {
            worker: "one".to_owned(),
            attempt: 1,
            device: "cpu".to_owned(),
            versions: BTreeMap::new(),
            commits: BTreeMap::new(),
            finished_ms: 1,
        },
    }
}

fn failure(number: u32, attempt: u32) -> FailureRecord {
    FailureRecord {
        job: meaning(number).id(),
        spec: meaning(number).into(),
        attempt,
        sweep: None,
        is_final: attempt == 3,
        blame: None,
        errors: vec!["it broke".to_owned()],
        worker: "one".to_owned(),
        machine: None,
        failed_ms: 1,
    }
}

fn in_memory() -> (Store, MemoryBackend) {
    let backend = MemoryBackend::new();
    (Store::new(backend.clone()), backend)
}

/// Stores `result(0)` as JSON, changed.
async fn tampered(change: impl FnOnce(&mut Value)) -> StoreError {
    let (store, backend) = in_memory();
    let mut value = serde_json::to_value(result(0)).unwrap();
    change(&mut value);
    backend.put(&result(0).key().unwrap(), value.to_string().into_bytes()).await.unwrap();
    store.result(&result(0).job).await.unwrap_err()
}

#[tokio::test]
async fn a_result_is_written_once_and_reads_back() {
    let (store, backend) = in_memory();
    let first = result(0);
    assert_eq!(store.result(&first.job).await.unwrap(), None);
    assert_eq!(store.put_result(&first).await.unwrap(), Put::Created);
    let mut second = first.clone();
    second.run.worker = "two".to_owned();
    assert_eq!(store.put_result(&second).await.unwrap(), Put::Exists);
    assert_eq!(store.result(&first.job).await.unwrap(), Some(first.clone()));
    let job = first.job.to_string();
    assert_eq!(backend.objects().into_keys().next().unwrap().as_str(), format!("results/{}/{job}.json", &job[..2]));
}

#[tokio::test]
async fn a_result_that_is_not_of_its_job_is_refused() {
    let (store, backend) = in_memory();
    let wrong = JobResult { job: result(1).job, ..result(0) };
    let error = store.put_result(&wrong).await.unwrap_err();
    assert!(matches!(&error, StoreError::Mislabelled { job, meaning, .. }
        if *job == result(1).job && *meaning == result(0).job));
    assert!(backend.objects().is_empty());
}

#[tokio::test]
async fn a_spoilt_result_is_an_error_that_names_the_object() {
    let key = result(0).key().unwrap();
    let error = tampered(|value| value["version"] = 3.into()).await;
    let expected = format!("the object `{key}` of the store has version 3, and this program reads version 2");
    assert_eq!(error.to_string(), expected);
    // Another version may have other fields. The error names the version.
    let error = tampered(|value| *value = json!({"version": 7, "colour": "red"})).await;
    assert!(matches!(error, StoreError::Version { found: 7, expected: 2, .. }));
    let error = tampered(|value| value["colour"] = "red".into()).await;
    assert_eq!(error.to_string(), format!("the object `{key}` of the store is corrupt"));
    let error = tampered(|value| value["meaning"]["split"] = "test".into()).await;
    assert!(matches!(error, StoreError::Mislabelled { .. }), "{error}");
    let error = tampered(|value| *value = serde_json::to_value(result(1)).unwrap()).await;
    assert!(error.to_string().ends_with(&format!("holds what belongs under `{}`", result(1).key().unwrap())));
    assert!(!error.is_retryable());
}

#[tokio::test]
async fn a_result_that_cannot_be_an_answer_is_neither_written_nor_read() {
    let key = result(0).key().unwrap();
    for (change, cause) in [
        (json!([]), "it has scores of no task, and its job asks for `mnist`"),
        (json!([{"task": "icons", "n": 10, "correct": 7}]), "it has scores of `icons`, and its job asks for `mnist`"),
    ] {
        let error = tampered(|value| value["scores"] = change).await;
        assert_eq!(error.to_string(), format!("the result `{key}` of the store cannot be an answer to its job"));
        assert_eq!(std::error::Error::source(&error).unwrap().to_string(), cause);
        assert!(error.is_of_one_object());
    }
    for (score, cause) in [
        (json!({"task": "mnist", "n": 10, "correct": 100}), "task `mnist` has 100 right answers of 10 examples"),
        (json!({"task": "mnist", "n": 0, "correct": 0}), "task `mnist` has 0 examples"),
        (
            json!({"task": "mnist", "n": u64::MAX, "correct": u64::MAX}),
            "task `mnist` has 18446744073709551615 examples",
        ),
        (
            json!({"task": "mnist", "n": 10, "correct": 7, "hits": {"1": 7, "3": 6}}),
            "task `mnist` has 6 hits at rank 3",
        ),
    ] {
        let error = tampered(|value| value["scores"] = json!([score])).await;
        let said = std::error::Error::source(&error).unwrap().to_string();
        assert!(said.starts_with(cause), "{said}");
        assert!(error.is_of_one_object());
    }
    let error = tampered(|value| value["timings"]["load_s"] = json!(-0.5)).await;
    assert!(matches!(error, StoreError::Fault { .. }), "{error}");
    let (store, backend) = in_memory();
    let mut wrong = result(0);
    wrong.scores[0].correct = 100;
    assert!(matches!(store.put_result(&wrong).await, Err(StoreError::Fault { .. })));
    wrong = result(0);
    wrong.timings.load_s = f64::NAN;
    assert!(matches!(store.put_result(&wrong).await, Err(StoreError::Fault { .. })));
    wrong = result(0);
    wrong.scores.clear();
    assert!(matches!(store.put_part(Revision::first("s"), vec![wrong]).await, Err(StoreError::Fault { .. })));
    assert!(backend.objects().is_empty());
}

#[tokio::test]
async fn a_corrupt_result_is_set_aside_and_a_sound_one_is_not() {
    let (store, backend) = in_memory();
    let job = result(0).job;
    let key = result(0).key().unwrap();
    let any = |_: &JobResult| Ok(());
    assert_eq!(store.set_aside(&job, any).await.unwrap(), None, "there is none");
    for content in [&b""[..], b"{", b"null", b"\0\0\0"] {
        backend.put(&key, content.to_vec()).await.unwrap();
        let aside = store.set_aside(&job, any).await.unwrap().unwrap();
        assert!(aside.as_str().starts_with(&format!("set-aside/{job}/")), "{aside}");
        assert_eq!(backend.get(&aside).await.unwrap(), Some(content.to_vec()), "nothing is lost");
        assert_eq!(store.result(&job).await.unwrap(), None);
    }
    assert_eq!(store.put_result(&result(0)).await.unwrap(), Put::Created);
    assert_eq!(store.set_aside(&job, any).await.unwrap(), None);
    assert_eq!(store.result(&job).await.unwrap(), Some(result(0)));
    let newer = json!({"version": 3}).to_string().into_bytes();
    backend.put(&key, newer.clone()).await.unwrap();
    assert!(matches!(store.set_aside(&job, any).await, Err(StoreError::Version { .. })));
    assert_eq!(backend.get(&key).await.unwrap(), Some(newer), "what another version wrote stays");
    backend.put(&key, serde_json::to_vec(&result(0)).unwrap()).await.unwrap();
    let contradicts = |result: &JobResult| {
        let task = result.scores[0].task.clone();
        let place = "in other results of the sweep";
        Err(jobs::ResultFault::Examples { task, found: 10, expected: 20, place })
    };
    assert!(store.set_aside(&job, contradicts).await.unwrap().is_some());
}

#[tokio::test]
async fn a_document_that_names_another_sweep_is_refused() {
    let (store, _) = in_memory();
    for document in [json!({"sweep": "../../../EVIL"}), json!({"sweep": {"name": "/etc"}}), json!({"sweep": "other"})] {
        store.put_document("s", "outcome.json", &document).await.unwrap();
        let error = store.document::<Value>("s", "outcome.json").await.unwrap_err();
        assert!(matches!(error, StoreError::OtherName { .. }), "{error}");
        assert!(
            error.to_string().starts_with("the object `sweeps/s/outcome.json` of the store says that it belongs to")
        );
    }
    for number in [1, 2] {
        let revision = Revision::of("s", number);
        assert_eq!(store.put_revision(revision, &json!({"sweep": {"name": "other"}})).await.unwrap(), Put::Created);
        let error = store.revision::<Value>(revision).await.unwrap_err();
        assert!(matches!(&error, StoreError::OtherName { key, .. } if key.is_manifest()), "{error}");
        assert!(matches!(store.manifest::<Value>("s").await, Err(StoreError::OtherName { .. })));
    }
    for document in [json!({"sweep": "s"}), json!({"sweep": {"name": "s", "base": 1}}), json!([1]), json!({"sweep": 7})]
    {
        store.put_document("s", "outcome.json", &document).await.unwrap();
        assert_eq!(store.document::<Value>("s", "outcome.json").await.unwrap(), Some(document));
    }
}

#[tokio::test]
async fn a_second_result_with_other_scores_is_warned_of_and_dropped() {
    let (store, backend) = in_memory();
    assert_eq!(store.put_result(&result(0)).await.unwrap(), Put::Created);
    let (log, _guard) = Log::listen();
    let slower = JobResult { timings: Timings { load_s: 9.0, ..Timings::default() }, ..result(0) };
    assert_eq!(store.put_result(&slower).await.unwrap(), Put::Exists);
    assert_eq!(log.text(), "", "times may differ");
    let mut other = result(0);
    other.scores[0].correct = 6;
    other.scores[0].hits = BTreeMap::from([(1, 6)]);
    other.run.worker = "two".to_owned();
    assert_eq!(store.put_result(&other).await.unwrap(), Put::Exists);
    for part in ["two workers came to different scores for one job", &other.job.to_string(), "kept=one", "dropped=two"]
    {
        assert!(log.text().contains(part), "{}", log.text());
    }
    assert_eq!(store.result(&other.job).await.unwrap(), Some(result(0)));
    backend.put(&result(0).key().unwrap(), b"{".to_vec()).await.unwrap();
    assert!(matches!(store.put_result(&other).await.unwrap_err(), StoreError::Corrupt { .. }));
}

#[tokio::test]
async fn a_result_is_stored_though_the_first_one_cannot_be_looked_at_just_now() {
    let backend = Faulty::new(MemoryBackend::new());
    let store = Store::new(backend.clone());
    assert_eq!(store.put_result(&result(0)).await.unwrap(), Put::Created);
    backend.strike(1, Action::Read, "results/", Fault::Fails(Problem::Unavailable));
    assert_eq!(store.put_result(&result(0)).await.unwrap(), Put::Exists);
}

#[tokio::test]
async fn all_results_are_read_and_a_spoilt_one_does_not_hide_the_others() {
    let (store, backend) = in_memory();
    for number in 0..600 {
        assert_eq!(store.put_result(&result(number)).await.unwrap(), Put::Created);
    }
    backend.put(&result(3).key().unwrap(), b"{\"version\": 1".to_vec()).await.unwrap();
    let mut pages = store.results().await.unwrap();
    let mut read = Vec::new();
    while let Some(page) = pages.next_page().await.unwrap() {
        assert!((1..=256).contains(&page.len()));
        read.extend(page);
    }
    let (good, bad): (Vec<_>, Vec<_>) = read.into_iter().partition(Result::is_ok);
    assert_eq!((good.len(), bad.len()), (599, 1));
    assert!(matches!(&bad[0], Err(StoreError::Corrupt { key, .. }) if *key == result(3).key().unwrap()));
}

#[tokio::test]
async fn the_results_of_jobs_come_in_the_order_of_the_jobs() {
    let (store, _) = in_memory();
    for number in (0..100).step_by(2) {
        assert_eq!(store.put_result(&result(number)).await.unwrap(), Put::Created);
    }
    let jobs: Vec<_> = (0..100).rev().map(|number| result(number).job).collect();
    let read: Vec<_> = store.results_of(&jobs).await.into_iter().map(Result::unwrap).collect();
    let expected: Vec<_> = (0..100).rev().map(|number| (number % 2 == 0).then(|| result(number))).collect();
    assert_eq!(read, expected);
}

#[tokio::test(start_paused = true)]
async fn results_of_many_jobs_are_read_at_the_same_time() {
    let backend = Faulty::new(MemoryBackend::new());
    backend.strike(320, Action::Read, "results/", Fault::IsSlow(Duration::from_secs(1)));
    let jobs: Vec<_> = (0..320).map(|number| result(number).job).collect();
    let start = tokio::time::Instant::now();
    assert!(Store::new(backend).results_of(&jobs).await.into_iter().all(|result| result.unwrap().is_none()));
    assert_eq!(start.elapsed().as_secs(), 10, "32 at a time, and never more");
}

#[tokio::test]
async fn failures_are_kept_by_attempt_and_cleared() {
    let (store, backend) = in_memory();
    for attempt in [10, 2, 1, 3] {
        store.put_failure(&failure(0, attempt)).await.unwrap();
    }
    store.put_failure(&FailureRecord { worker: "two".to_owned(), ..failure(0, 2) }).await.unwrap();
    store.put_failure(&failure(1, 1)).await.unwrap();
    let key = Key::new(format!("failures/{}/10.json", failure(0, 10).job)).unwrap();
    assert!(backend.objects().contains_key(&key));
    let failures = store.failures(&failure(0, 1).job).await.unwrap();
    let seen: Vec<_> = failures.into_iter().map(Result::unwrap).map(|f| (f.attempt, f.worker)).collect();
    assert_eq!(seen.iter().map(|(attempt, _)| *attempt).collect::<Vec<_>>(), [1, 2, 3, 10]);
    assert_eq!(seen[1].1, "two");
    assert_eq!(store.all_failures().await.unwrap().collect().await.unwrap().len(), 5);
    assert_eq!(store.clear_failures(&failure(0, 1).job).await.unwrap(), 4);
    assert!(store.failures(&failure(0, 1).job).await.unwrap().is_empty());
    assert_eq!(store.all_failures().await.unwrap().collect().await.unwrap().len(), 1);
}

#[tokio::test]
async fn what_the_backend_refuses_reaches_the_caller_by_kind() {
    let backend = Faulty::new(MemoryBackend::new());
    backend.strike(1, Action::Write, "results/", Fault::Fails(Problem::Unavailable));
    backend.strike(1, Action::Write, "results/", Fault::FailsAfterwards(Problem::Unavailable));
    backend.strike(1, Action::List, "results", Fault::Fails(Problem::Permission));
    let store = Store::new(backend);
    for _ in 0..2 {
        assert!(store.put_result(&result(0)).await.unwrap_err().is_retryable());
    }
    assert_eq!(store.put_result(&result(0)).await.unwrap(), Put::Exists, "the second write had taken place");
    let error = store.results().await.unwrap_err();
    assert_eq!(error.to_string(), "cannot list `results`: permission denied");
    assert!(!error.is_retryable());
}

/// What is logged on this thread.
#[derive(Clone, Default)]
struct Log(Arc<std::sync::Mutex<Vec<u8>>>);

impl Log {
    fn listen() -> (Self, tracing::subscriber::DefaultGuard) {
        let log = Self::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
        (log, tracing::subscriber::set_default(subscriber))
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
