//! Jobs that write a merge, from the queue to the store.

use crate::engine::engine;
use async_trait::async_trait;
use inputs::{Artefacts, Inputs, ObjectSettings};
use jobs::{Digest, InputLocations, InputRef, Job, JobId, Preset, Sweep, WRITE_SEMANTICS, WriteFormat, WriteSpec};
use queue::{JobPublisher, MemoryQueue};
use std::{
    collections::BTreeMap,
    fs::{self, File},
    path::{Path, PathBuf},
    sync::Arc,
};
use store::{
    S3Backend, Store,
    testing::{HttpFaults, S3Server},
};
use tempfile::TempDir;
use tokio::{runtime::Handle, task::spawn_blocking};
use worker::{AttemptContext, Compute, Computed, DeviceThread, JobError, Output, OutputFiles, Worker};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

/// The job that writes a merge of mini8's adapters.
fn job(inputs: &Inputs, format: WriteFormat) -> Job {
    let folder = root().join("examples/mini8");
    let text = fs::read_to_string(folder.join("knots-ties.yaml")).unwrap();
    let frozen = coordinator::freeze(Sweep::from_yaml(&text, &folder, &[]).unwrap(), inputs).unwrap();
    frozen.job(frozen.write_spec(&Preset::KnotsTies.recipe().with_scaling(0.6), format))
}

fn store(folder: &TempDir) -> Store {
    let sweep = folder.path().join("sweeps/tests");
    fs::create_dir_all(&sweep).unwrap();
    fs::write(sweep.join("manifest.json"), "{}").unwrap();
    Store::folder(folder.path()).unwrap()
}

/// The files of `folder`, by name.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    entries.map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())).collect()
}

#[tokio::test]
async fn a_merge_is_written_as_by_hand_and_only_once() {
    let inputs = Arc::new(Inputs::new(inputs::Settings::default()));
    let job = job(&inputs, WriteFormat::Adapter);
    let folder = TempDir::new().unwrap();
    let store = store(&folder);
    let queue = MemoryQueue::new();
    let mut engine = engine(&inputs);
    let thread =
        DeviceThread::start("cpu".to_owned(), BTreeMap::new(), move |job, context| engine.compute(job, context));
    let worker = Worker::new("w".to_owned(), Arc::new(queue.clone()), store.clone(), Arc::new(thread));
    queue.publish(&job, "tests").await.unwrap();
    assert!(worker.run_one().await.unwrap());
    let result = store.artefact_result(&job.id()).await.unwrap().expect("it is done");
    assert_eq!(result.artefact.facts.keys().collect::<Vec<_>>(), ["matrices", "rank"]);
    let to = TempDir::new().unwrap();
    store.get_artefact_files(&result, to.path()).await.unwrap();

    let by_hand = TempDir::new().unwrap();
    write_by_hand(&job, &inputs, by_hand.path());
    assert_eq!(files(to.path()), files(by_hand.path()));

    // Once more: it is there.
    let before = fs::metadata(folder.path().join(format!("artefacts/{}/artefact.json", job.id()))).unwrap();
    queue.publish(&job, "tests").await.unwrap();
    assert!(worker.run_one().await.unwrap());
    let after = fs::metadata(folder.path().join(format!("artefacts/{}/artefact.json", job.id()))).unwrap();
    assert_eq!(before.modified().unwrap(), after.modified().unwrap());
    assert!(queue.dead_letters().is_empty() && store.jobs_with_failures().await.unwrap().is_empty());
}

fn spec_of(job: &Job) -> &WriteSpec {
    match job.spec() {
        jobs::JobSpec::Write(spec) => spec,
        jobs::JobSpec::Evaluate(_)
        | jobs::JobSpec::Statistics(_)
        | jobs::JobSpec::Layerwise(_)
        | jobs::JobSpec::Tune(_)
        | jobs::JobSpec::Train(_) => unreachable!("it writes"),
    }
}

fn write_by_hand(job: &Job, inputs: &Inputs, to: &Path) {
    let spec = spec_of(job);
    let base = merging::BaseHeader::open(&inputs.model(&job.places.base).unwrap().path).unwrap();
    let adapters: Vec<_> = spec
        .adapters
        .iter()
        .map(|input| {
            let folder = inputs.adapter(&job.places.adapters[&input.task]).unwrap().path;
            merging::Adapter::read(&input.task, &folder, &base).unwrap()
        })
        .collect();
    let update = merging::Aligned::new(&adapters, spec.recipe.alignment()).unwrap().merge(&spec.recipe).unwrap();
    let card = merging::Card { adapters: spec.names.adapters.clone(), ..merging::Card::default() };
    merging::write_adapter(&update, &card, to).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_job_made_is_an_input_of_others_by_its_digest() {
    let inputs = Arc::new(Inputs::new(inputs::Settings::default()));
    let job = job(&inputs, WriteFormat::Adapter);
    let folder = TempDir::new().unwrap();
    let store = store(&folder);
    let queue = MemoryQueue::new();
    let mut engine = engine(&inputs);
    let thread =
        DeviceThread::start("cpu".to_owned(), BTreeMap::new(), move |job, context| engine.compute(job, context));
    let worker = Worker::new("w".to_owned(), Arc::new(queue.clone()), store.clone(), Arc::new(thread));
    queue.publish(&job, "tests").await.unwrap();
    assert!(worker.run_one().await.unwrap());
    let made = store.artefact_result(&job.id()).await.unwrap().unwrap();
    let by_hand = TempDir::new().unwrap();
    store.get_artefact_files(&made, by_hand.path()).await.unwrap();

    let cache = TempDir::new().unwrap();
    let source = Arc::new(Artefacts::default());
    source.give(store.clone(), Handle::current());
    let artefacts = Some(ObjectSettings { remote: source, cache: cache.path().to_owned() });
    let of_store = Arc::new(Inputs::new(inputs::Settings { artefacts, ..inputs::Settings::default() }));
    let reference = InputRef::Artefact(job.id());
    let located = |inputs: &Arc<Inputs>, expected: Option<Digest>| {
        let inputs = Arc::clone(inputs);
        let reference = reference.clone();
        spawn_blocking(move || match expected {
            Some(digest) => inputs.expecting(digest).adapter(&reference),
            None => inputs.adapter(&reference),
        })
    };
    let found = located(&of_store, None).await.unwrap().unwrap();
    let same = inputs.adapter(&InputRef::Path(by_hand.path().to_owned())).unwrap();
    assert_eq!(found.digest, same.digest, "it is the adapter that a folder with these files is");
    let weights = "adapter_model.safetensors";
    assert_eq!(fs::read(found.path.join(weights)).unwrap(), fs::read(by_hand.path().join(weights)).unwrap());

    // One that is known by its digest comes from the cache, without the store.
    store.remove_artefact(&job.id()).await.unwrap();
    let cached = located(&of_store, Some(found.digest)).await.unwrap().unwrap();
    assert_eq!(cached.digest, found.digest);
    let error = located(&of_store, Some(Digest::of(b"another"))).await.unwrap().unwrap_err();
    assert!(error.to_string().contains(&format!("artefact of job {}", job.id())), "{error}");
    let error = located(&inputs, None).await.unwrap().unwrap_err();
    assert!(error.to_string().contains("was given no access to it"), "{error}");
}

#[test]
fn a_whole_model_is_written_and_a_stop_leaves_nothing() {
    let inputs = Arc::new(Inputs::new(inputs::Settings::default()));
    let job = job(&inputs, WriteFormat::Model);
    let computed = engine(&inputs).compute(&job, &AttemptContext::default()).unwrap();
    let Output::Files(made) = computed.output else { unreachable!("it makes files") };
    let names: Vec<&str> = made.artefact().files.iter().map(|file| file.name.as_str()).collect();
    assert!(names.contains(&"config.json") && names.contains(&"model.safetensors"), "{names:?}");
    let base = inputs.model(&job.places.base).unwrap().path;
    let weights = made.artefact().file("model.safetensors").unwrap();
    assert_eq!(weights.size, fs::metadata(base.join("model.safetensors")).unwrap().len());
    assert_ne!(weights.digest, Digest::of(&fs::read(base.join("model.safetensors")).unwrap()));

    let context = AttemptContext::default();
    context.cancellation.cancel();
    assert!(matches!(engine(&inputs).compute(&job, &context), Err(JobError::Interrupted)));
}

#[test]
fn an_adapter_that_is_not_what_the_job_was_made_for_is_not_merged() {
    let inputs = Arc::new(Inputs::new(inputs::Settings::default()));
    let right = job(&inputs, WriteFormat::Adapter);
    let jobs::JobSpec::Write(mut spec) = right.spec().clone() else { unreachable!("it writes") };
    spec.adapters[0].digest = Digest::of(b"another");
    let job = Job::new(spec, right.places);
    let error = engine(&inputs).compute(&job, &AttemptContext::default()).unwrap_err();
    assert!(matches!(error, JobError::Changed { .. }), "{error}");
}

/// Makes one file of so many bytes.
#[derive(Debug)]
struct Large(u64);

#[async_trait]
impl Compute for Large {
    async fn compute(&self, _job: &Job, _context: &AttemptContext) -> Result<Computed, JobError> {
        let folder = TempDir::new().unwrap();
        File::create(folder.path().join("model.safetensors")).unwrap().set_len(self.0).unwrap();
        let made = OutputFiles::of(folder, BTreeMap::new()).unwrap();
        Ok(Computed { output: Output::Files(made), timings: Default::default(), commits: BTreeMap::new() })
    }

    fn device(&self) -> String {
        "none".to_owned()
    }

    fn versions(&self) -> BTreeMap<String, String> {
        BTreeMap::new()
    }
}

/// The most memory that this process has had so far, in bytes; `None` where the system does not say.
fn peak_memory() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? << 10)
}

/// `BOWLINE_TEST_LARGE_MIB=3072` makes it an artefact of 3 GiB. The server of the bucket is a part of the process.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[expect(clippy::disallowed_methods, reason = "the size of the file is a choice of the person who runs the test")]
async fn a_large_artefact_goes_through_a_worker_into_a_bucket_with_little_memory() {
    let mib = std::env::var("BOWLINE_TEST_LARGE_MIB").ok().and_then(|mib| mib.parse().ok()).unwrap_or(384_u64);
    let folder = TempDir::new().unwrap();
    let server = S3Server::start(folder.path(), HttpFaults::none()).await.unwrap();
    let backend = S3Backend::open(server.bucket("bucket", "store").unwrap(), &server.settings()).await.unwrap();
    let store = Store::new(backend);
    assert_eq!(store.put_manifest("tests", &serde_json::json!({})).await.unwrap(), store::Put::Created);
    let queue = MemoryQueue::new();
    let compute = Arc::new(Large(mib << 20));
    let worker = Worker::new("w".to_owned(), Arc::new(queue.clone()), store.clone(), compute);
    let Some(before) = peak_memory() else {
        println!("skipped: this system does not report how much memory a process has used");
        return;
    };
    let job = made_up();
    queue.publish(&job, "tests").await.unwrap();
    assert!(worker.run_one().await.unwrap());
    let result = store.artefact_result(&job.id()).await.unwrap().expect("it is done");
    assert_eq!(result.artefact.size(), mib << 20);
    let to = TempDir::new().unwrap();
    store.get_artefact_files(&result, to.path()).await.unwrap();
    let more = peak_memory().unwrap_or(u64::MAX).saturating_sub(before) >> 20;
    println!("{mib} MiB through a worker into a bucket and back took {more} MiB of memory");
    assert!(more < 300, "{more} MiB");
}

/// A job that writes, of inputs that are nowhere.
fn made_up() -> Job {
    let spec = WriteSpec {
        semantics: WRITE_SEMANTICS,
        base: Digest::of(b"base"),
        adapters: Vec::new(),
        recipe: Box::new(Preset::KnotsTies.recipe()),
        statistics: Vec::new(),
        format: WriteFormat::Model,
        names: jobs::MergeNames::default(),
    };
    let job = Job::new(spec, InputLocations::of_model(InputRef::Path("/base".into()), BTreeMap::new()));
    assert_ne!(job.id(), JobId::from(Digest::of(b"")));
    job
}
