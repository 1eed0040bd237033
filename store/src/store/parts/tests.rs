use super::*;
use crate::{
    Backend,
    testing::{MemoryBackend, results},
};
use jobs::{Meaning, RunFacts, Subject};
use std::collections::HashMap;

fn in_memory() -> (Store, MemoryBackend) {
    let backend = MemoryBackend::new();
    (Store::new(backend.clone()), backend)
}

async fn all(store: &Store, number: u32) -> Vec<Result<JobResult, StoreError>> {
    let mut pages = store.part_results(Revision::first("s"), number).await.unwrap().unwrap();
    let mut read = Vec::new();
    while let Some(page) = pages.next_page().await.unwrap() {
        assert!((1..=1000).contains(&page.len()));
        read.extend(page);
    }
    assert_eq!(read.len() as u64, pages.count());
    read
}

/// The error of a part that holds `content`.
async fn refused(content: Vec<u8>) -> String {
    let (store, backend) = in_memory();
    backend.put(&part_key(Revision::first("s"), 0).unwrap(), content).await.unwrap();
    let error = store.part_results(Revision::first("s"), 0).await.unwrap_err();
    let source = std::error::Error::source(&error).unwrap();
    format!("{error}: {source}")
}

#[tokio::test]
async fn results_read_back_from_a_part_as_they_were() {
    let (store, backend) = in_memory();
    let results = results(2500);
    assert_eq!(store.put_part(Revision::first("s"), results.clone()).await.unwrap(), 0);
    let read: Vec<_> = all(&store, 0).await.into_iter().map(Result::unwrap).collect();
    assert!(read == results);
    let names: Vec<_> = backend.objects().into_keys().map(|key| key.to_string()).collect();
    assert_eq!(names, ["sweeps/s/parts/0.jobs", "sweeps/s/parts/0.parquet"]);
    assert!(store.part_results(Revision::first("s"), 1).await.unwrap().is_none());
}

/// The result as tables ask for it.
fn in_brief(result: &JobResult) -> BriefResult {
    let JobResult { job, meaning, mut scores, timings, run, .. } = result.clone();
    scores.iter_mut().for_each(|score| score.right = None);
    BriefResult {
        job,
        subject: meaning.subject.clone(),
        ground: Arc::new(Meaning { subject: Subject::Base, ..meaning }),
        scores,
        timings,
        finished_ms: run.finished_ms,
        run: Arc::new(RunFacts { commits: Default::default(), finished_ms: 0, ..run }),
    }
}

#[tokio::test]
async fn results_in_brief_lack_single_examples_and_nothing_that_tables_ask_for() {
    let (store, _) = in_memory();
    let mut results = results(1200);
    for result in &mut results {
        result.run.commits.insert("base".to_owned(), "1234".to_owned());
        for score in &mut result.scores {
            score.right = Some((0..score.n).map(|example| example < score.correct).collect());
            score.hits.insert(3, score.correct);
        }
    }
    store.put_part(Revision::first("s"), results.clone()).await.unwrap();
    let read = store.part_in_brief(Revision::first("s"), 0).await.unwrap().unwrap();
    assert!(read.into_iter().map(Result::unwrap).eq(results.iter().map(in_brief)));
    assert!(store.part_in_brief(Revision::first("s"), 1).await.unwrap().is_none());
    assert!(all(&store, 0).await.into_iter().map(Result::unwrap).eq(results), "the part holds them whole");
}

#[tokio::test]
async fn a_part_of_an_older_program_is_read_in_brief_as_well() {
    let (store, backend) = in_memory();
    let results = results(3);
    let mut rows: Vec<_> = results
        .iter()
        .map(|result| {
            let text = serde_json::to_string(result).unwrap();
            [result.job.to_string(), text.clone(), text]
        })
        .collect();
    rows[1][1].truncate(10);
    backend.put(&part_key(Revision::first("s"), 0).unwrap(), file::tests::with_rows(&rows)).await.unwrap();
    let read = store.part_in_brief(Revision::first("s"), 0).await.unwrap().unwrap();
    assert_eq!(read[0].as_ref().unwrap(), &in_brief(&results[0]));
    assert!(matches!(read[1], Err(StoreError::Part { source: PartError::Altered { .. }, .. })), "{:?}", read[1]);
    assert_eq!(read[2].as_ref().unwrap(), &in_brief(&results[2]));
}

#[tokio::test]
async fn parts_are_numbered_and_their_jobs_are_known_without_reading_them() {
    let (store, _) = in_memory();
    let results = results(30);
    for (number, chunk) in results.chunks(10).enumerate() {
        assert_eq!(store.put_part(Revision::first("s"), chunk.to_vec()).await.unwrap() as usize, number);
    }
    store.put_part(Revision::first("other"), results[..1].to_vec()).await.unwrap();
    assert_eq!(store.parts(Revision::first("s")).await.unwrap(), [0, 1, 2]);
    assert_eq!(store.parts(Revision::first("none")).await.unwrap(), Vec::<u32>::new());
    let compacted = store.compacted_jobs(Revision::first("s")).await.unwrap();
    assert_eq!(compacted.jobs, results.iter().map(|result| result.job).collect());
    assert!(compacted.broken.is_empty());
    assert_eq!(store.sweeps().await.unwrap(), Vec::<String>::new(), "a part makes no sweep");
}

#[tokio::test]
async fn a_part_that_met_its_like_is_not_written_twice_and_another_takes_the_next_number() {
    let (store, backend) = in_memory();
    let results = results(20);
    // What another coordinator wrote after this one listed the parts.
    let content = file::encode(&results[..10]).unwrap();
    let race = Race { inner: backend.clone(), content };
    let racing = Store::new(race);
    assert_eq!(racing.put_part(Revision::first("s"), results[..10].to_vec()).await.unwrap(), 0, "it is the same part");
    backend.delete(&part_key(Revision::first("s"), 0).unwrap()).await.unwrap();
    assert_eq!(racing.put_part(Revision::first("s"), results[10..].to_vec()).await.unwrap(), 1);
    assert_eq!(store.compacted_jobs(Revision::first("s")).await.unwrap().jobs.len(), 20);
}

#[tokio::test]
async fn a_missing_or_damaged_index_is_made_up_for_by_its_part() {
    let (store, backend) = in_memory();
    let results = results(10);
    store.put_part(Revision::first("s"), results.clone()).await.unwrap();
    let jobs: HashSet<_> = results.iter().map(|result| result.job).collect();
    backend.put(&index_key(Revision::first("s"), 0).unwrap(), b"rubbish".to_vec()).await.unwrap();
    assert_eq!(store.compacted_jobs(Revision::first("s")).await.unwrap().jobs, jobs);
    backend.delete(&index_key(Revision::first("s"), 0).unwrap()).await.unwrap();
    assert_eq!(store.compacted_jobs(Revision::first("s")).await.unwrap().jobs, jobs);
}

#[tokio::test]
async fn a_broken_part_is_named_and_hides_no_other() {
    let (store, backend) = in_memory();
    let results = results(20);
    for chunk in results.chunks(10) {
        store.put_part(Revision::first("s"), chunk.to_vec()).await.unwrap();
    }
    let content = backend.get(&part_key(Revision::first("s"), 0).unwrap()).await.unwrap().unwrap();
    backend.put(&part_key(Revision::first("s"), 0).unwrap(), content[..content.len() / 2].to_vec()).await.unwrap();
    backend.delete(&index_key(Revision::first("s"), 0).unwrap()).await.unwrap();
    let compacted = store.compacted_jobs(Revision::first("s")).await.unwrap();
    assert_eq!(compacted.jobs, results[10..].iter().map(|result| result.job).collect());
    let error = &compacted.broken[&0];
    assert_eq!(error.to_string(), "the part `sweeps/s/parts/0.parquet` of the store cannot be used");
    assert!(!error.is_retryable());
    assert!(store.part_results(Revision::first("s"), 0).await.is_err());
}

#[tokio::test]
async fn what_is_no_part_is_refused_for_what_it_is() {
    let prefix = "the part `sweeps/s/parts/0.parquet` of the store cannot be used: ";
    assert_eq!(refused(b"rubbish".to_vec()).await, format!("{prefix}it is no whole parquet file"));
    let part = |schema: &str, version: Option<&str>| file::tests::empty(schema, version);
    let column = "message part { required binary job (STRING); }";
    assert_eq!(refused(part(column, None)).await, format!("{prefix}it does not say that it is a part"));
    let found = refused(part(column, Some("9"))).await;
    assert_eq!(found, format!("{prefix}it has version `9`, and this program reads version 1"));
    assert_eq!(refused(part(column, Some("1"))).await, format!("{prefix}it has no column `result` of the right kind"));
}

#[tokio::test]
async fn a_part_that_claims_more_rows_than_a_group_is_read_with_is_refused_with_the_number() {
    let (store, backend) = in_memory();
    let rows = vec![[String::new(), String::new(), String::new()]; 10_001];
    backend.put(&part_key(Revision::first("s"), 0).unwrap(), file::tests::with_rows(&rows)).await.unwrap();
    let error = store.part_results(Revision::first("s"), 0).await.unwrap_err();
    let mut causes = std::iter::successors(std::error::Error::source(&error), |cause| cause.source());
    let wanted = "a row group is too large: 10001 rows, and at most 10000 are read";
    assert!(causes.any(|cause| cause.to_string().contains(wanted)), "{error:?}");
}

#[tokio::test]
async fn a_spoilt_row_is_an_error_of_its_own() {
    let (store, backend) = in_memory();
    let results = results(4);
    let text = |number: usize| serde_json::to_string(&results[number]).unwrap();
    let row = |number: usize, text: String| [results[number].job.to_string(), text.clone(), text];
    let mut altered = row(3, text(3));
    altered[1] = altered[1].replacen("validation", "test", 1);
    let newer = text(2).replacen("\"version\":1", "\"version\":3", 1);
    let rows = [row(0, text(0)), row(1, text(2)), row(2, newer), altered];
    backend.put(&part_key(Revision::first("s"), 0).unwrap(), file::tests::with_rows(&rows)).await.unwrap();
    let read = all(&store, 0).await;
    assert_eq!(read[0].as_ref().unwrap(), &results[0]);
    assert!(
        matches!(&read[1], Err(StoreError::Part { source: PartError::OtherJob { job }, .. }) if *job == results[2].job)
    );
    assert!(matches!(&read[2], Err(StoreError::Version { found: 3, expected: JobResult::VERSION, .. })));
    let error = std::error::Error::source(read[3].as_ref().unwrap_err()).unwrap().to_string();
    assert_eq!(error, format!("the row of job `{}` was altered", results[3].job));
}

#[tokio::test]
async fn a_result_that_is_not_of_its_job_comes_into_no_part() {
    let (store, backend) = in_memory();
    let mut results = results(2);
    results[1].job = results[0].job;
    assert!(matches!(store.put_part(Revision::first("s"), results).await.unwrap_err(), StoreError::Mislabelled { .. }));
    assert!(backend.objects().is_empty());
}

/// Another process writes part 0 just before it is written for the first time.
#[derive(Debug)]
struct Race {
    inner: MemoryBackend,
    content: Vec<u8>,
}

#[async_trait::async_trait]
impl Backend for Race {
    fn place(&self) -> String {
        self.inner.place()
    }

    async fn get(&self, key: &Key) -> Result<Option<Vec<u8>>, crate::BackendError> {
        self.inner.get(key).await
    }

    async fn put_if_absent(&self, key: &Key, content: Vec<u8>) -> Result<Put, crate::BackendError> {
        if key.as_str().ends_with("/0.parquet") {
            let _ = self.inner.put_if_absent(key, self.content.clone()).await?;
        }
        self.inner.put_if_absent(key, content).await
    }

    async fn put(&self, key: &Key, content: Vec<u8>) -> Result<(), crate::BackendError> {
        self.inner.put(key, content).await
    }

    async fn size(&self, key: &Key) -> Result<Option<u64>, crate::BackendError> {
        self.inner.size(key).await
    }

    async fn get_file(&self, key: &Key, to: &std::path::Path) -> Result<Option<u64>, crate::BackendError> {
        self.inner.get_file(key, to).await
    }

    async fn put_file_if_absent(&self, key: &Key, from: &std::path::Path) -> Result<Put, crate::BackendError> {
        self.inner.put_file_if_absent(key, from).await
    }

    async fn put_file(&self, key: &Key, from: &std::path::Path) -> Result<(), crate::BackendError> {
        self.inner.put_file(key, from).await
    }

    async fn list(&self, folder: Option<&Key>) -> Result<Box<dyn crate::Listing>, crate::BackendError> {
        self.inner.list(folder).await
    }

    async fn delete(&self, key: &Key) -> Result<(), crate::BackendError> {
        self.inner.delete(key).await
    }
}

#[tokio::test]
async fn a_flipped_bit_is_found_wherever_it_is_and_the_other_rows_are_read() {
    let (store, backend) = in_memory();
    let results = results(12);
    store.put_part(Revision::first("s"), results.clone()).await.unwrap();
    let key = part_key(Revision::first("s"), 0).unwrap();
    let whole = backend.get(&key).await.unwrap().unwrap();
    let expected: HashMap<JobId, BriefResult> = results.iter().map(|result| (result.job, in_brief(result))).collect();
    let mut found = 0;
    // Every bit of a byte in turn; a prime number of bytes apart, so that all columns and the footer are met.
    for (round, place) in (0..whole.len()).step_by(7).enumerate() {
        let mut damaged = whole.clone();
        damaged[place] ^= 1 << (round % 8);
        backend.put(&key, damaged).await.unwrap();
        let read = match store.part_in_brief(Revision::first("s"), 0).await {
            Ok(read) => read.unwrap(),
            Err(StoreError::Part { .. }) => {
                found += 1;
                continue;
            }
            Err(error) => panic!("byte {place}: {error}"),
        };
        let is_told = read.iter().any(Result::is_err);
        let rows: Vec<&BriefResult> = read.iter().flatten().collect();
        assert!(rows.iter().all(|row| expected[&row.job] == **row), "byte {place} changed a row in silence");
        assert!(is_told || rows.len() == results.len(), "byte {place} lost a row in silence");
        let distinct: HashSet<JobId> = rows.iter().map(|row| row.job).collect();
        assert!(is_told || distinct.len() == results.len(), "byte {place} doubled a row in silence");
        found += usize::from(is_told);
    }
    assert!(found > 0);
}

#[tokio::test]
async fn a_row_that_cannot_be_an_answer_is_refused_although_it_is_as_it_was_written() {
    let (store, backend) = in_memory();
    let mut results = results(3);
    results[1].scores[0].correct = 5000;
    // As a program wrote it that did not look.
    backend.put(&part_key(Revision::first("s"), 0).unwrap(), file::encode(&results).unwrap()).await.unwrap();
    let read = store.part_in_brief(Revision::first("s"), 0).await.unwrap().unwrap();
    assert_eq!(read.iter().filter(|row| row.is_ok()).count(), 2);
    let error = read[1].as_ref().unwrap_err();
    assert!(matches!(error, StoreError::Part { .. }), "{error}");
    let whole = all(&store, 0).await;
    assert_eq!(whole.iter().filter(|row| row.is_ok()).count(), 2);
}
