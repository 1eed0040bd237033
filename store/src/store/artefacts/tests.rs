use super::*;
use crate::{
    Action, Backend, Problem,
    testing::{Fault, Faulty, MemoryBackend},
};
use jobs::{AdapterInput, JobSpec, MergeNames, Preset, RunFacts, Timings, WRITE_SEMANTICS, WriteFormat, WriteSpec};
use std::collections::BTreeMap;
use tempfile::TempDir;

/// A folder with these files, and the record of a job that made them.
fn made(files: &[(&str, &str)]) -> (TempDir, ArtefactResult) {
    let folder = TempDir::new().unwrap();
    let mut described = Vec::new();
    for (name, content) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        let digest = Digest::of(content.as_bytes());
        described.push(ArtefactFile { name: (*name).to_owned(), digest, size: content.len() as u64 });
    }
    let spec = JobSpec::from(WriteSpec {
        semantics: WRITE_SEMANTICS,
        base: Digest::of(b"base"),
        adapters: vec![AdapterInput { task: "mnist".to_owned(), digest: Digest::of(b"adapter") }],
        recipe: Box::new(Preset::KnotsTies.recipe()),
        statistics: Vec::new(),
        format: WriteFormat::Adapter,
        names: MergeNames::default(),
    });
    let run = RunFacts {
        worker: "w".to_owned(),
        attempt: 1,
        device: "cpu".to_owned(),
        versions: BTreeMap::new(),
        commits: BTreeMap::new(),
        finished_ms: 1,
    };
    let artefact = Artefact { files: described, facts: BTreeMap::new() };
    (folder, ArtefactResult { job: spec.id(), spec, artefact, timings: Timings::default(), run })
}

async fn kept(store: &Store, files: &[(&str, &str)]) -> ArtefactResult {
    let (folder, result) = made(files);
    store.put_artefact_files(&result.job, &result.artefact, folder.path()).await.unwrap();
    let _first_or_not = store.put_artefact_result(&result).await.unwrap();
    result
}

const FILES: [(&str, &str); 2] = [("adapter_config.json", "{}"), ("deep/weights", "1234")];

#[tokio::test]
async fn an_artefact_reads_back_as_it_was_made_and_is_done_when_its_record_is_there() {
    let backend = MemoryBackend::new();
    let store = Store::new(backend.clone());
    let (folder, result) = made(&FILES);
    store.put_artefact_files(&result.job, &result.artefact, folder.path()).await.unwrap();
    assert_eq!(store.artefact_result(&result.job).await.unwrap(), None);
    assert_eq!(store.put_artefact_result(&result).await.unwrap(), Put::Created);
    assert_eq!(store.artefact_result(&result.job).await.unwrap(), Some(result.clone()));
    let to = TempDir::new().unwrap();
    store.get_artefact_files(&result, to.path()).await.unwrap();
    assert_eq!(fs::read_to_string(to.path().join("deep/weights")).unwrap(), "1234");
    let job = result.job;
    let digest = result.artefact.digest().short();
    let keys: Vec<String> = backend.objects().into_keys().map(|key| key.to_string()).collect();
    assert_eq!(
        keys,
        [
            format!("artefacts/{job}/{digest}/adapter_config.json"),
            format!("artefacts/{job}/{digest}/deep/weights"),
            format!("artefacts/{job}/artefact.json"),
        ]
        .into_iter()
        .collect::<std::collections::BTreeSet<_>>()
        .into_iter()
        .collect::<Vec<_>>()
    );
    assert_eq!(store.artefact_place(&job, &result.artefact), format!("memory/artefacts/{job}/{digest}"));
    assert!(store.jobs_with_results().await.unwrap().is_empty(), "an artefact is no result of an evaluation");
}

#[tokio::test]
async fn two_workers_that_make_different_files_of_one_job_never_mix_them() {
    let store = Store::new(MemoryBackend::new());
    let first = kept(&store, &FILES).await;
    let second = kept(&store, &[("adapter_config.json", "{}"), ("deep/weights", "4321")]).await;
    assert_eq!(first.job, second.job);
    let there = store.artefact_result(&first.job).await.unwrap().unwrap();
    assert_eq!(there, first);
    let to = TempDir::new().unwrap();
    store.get_artefact_files(&there, to.path()).await.unwrap();
    assert_eq!(fs::read_to_string(to.path().join("deep/weights")).unwrap(), "1234");
    // A job that makes the same files again writes nothing.
    assert_eq!(kept(&store, &FILES).await.artefact, first.artefact);
}

#[tokio::test]
async fn an_altered_or_missing_file_is_never_taken_for_what_was_made() {
    let backend = MemoryBackend::new();
    let store = Store::new(backend.clone());
    let result = kept(&store, &FILES).await;
    let key = file_key(&result.job, &result.artefact, &result.artefact.files[1]).unwrap();
    let to = TempDir::new().unwrap();
    backend.put(&key, b"1235".to_vec()).await.unwrap();
    let error = store.get_artefact_files(&result, to.path()).await.unwrap_err();
    assert!(error.to_string().starts_with(&format!("the file `{key}` of the store was altered: its digest is ")));
    assert!(error.is_of_one_object() && !error.is_retryable());
    assert!(store.check_artefact_files(&result).await.is_ok(), "the size is right");
    // A file of another size is detected at once, and storing the same artefact again reports it.
    backend.put(&key, b"12".to_vec()).await.unwrap();
    let error = store.check_artefact_files(&result).await.unwrap_err();
    assert_eq!(error.to_string(), format!("the file `{key}` of the store has 2 bytes, and its job wrote 4"));
    let (folder, _) = made(&FILES);
    let error = store.put_artefact_files(&result.job, &result.artefact, folder.path()).await.unwrap_err();
    assert!(matches!(error, StoreError::Resized { .. }), "{error}");
    backend.delete(&key).await.unwrap();
    let error = store.get_artefact_files(&result, to.path()).await.unwrap_err();
    assert!(error.to_string().ends_with("is missing, though the job that wrote it is done"), "{error}");
}

#[tokio::test]
async fn a_removed_artefact_can_be_made_again_even_if_the_removal_was_cut_short() {
    let backend = Faulty::new(MemoryBackend::new());
    let store = Store::new(backend.clone());
    let result = kept(&store, &FILES).await;
    let weights = format!("artefacts/{}/{}/deep", result.job, result.artefact.digest().short());
    backend.strike(1, Action::Delete, &weights, Fault::Fails(Problem::Unavailable));
    assert!(store.remove_artefact(&result.job).await.is_err());
    assert_eq!(store.artefact_result(&result.job).await.unwrap(), None, "it is not done any more");
    assert_eq!(kept(&store, &FILES).await.artefact, result.artefact);
    assert_eq!(store.remove_artefact(&result.job).await.unwrap(), 2);
    assert_eq!(store.remove_artefact(&result.job).await.unwrap(), 0);
}

#[tokio::test]
async fn a_record_that_names_another_job_or_impossible_files_is_refused() {
    let store = Store::new(MemoryBackend::new());
    let (_folder, result) = made(&FILES);
    let other = ArtefactResult { job: JobId::from(Digest::of(b"other")), ..result.clone() };
    assert!(matches!(store.put_artefact_result(&other).await, Err(StoreError::Mislabelled { .. })));
    let mut out = result;
    out.artefact.files[0].name = "../x".to_owned();
    let error = store.put_artefact_result(&out).await.unwrap_err();
    assert!(matches!(error, StoreError::Fault { .. }), "{error}");
}
