//! Adapters that jobs train, leg by leg.

mod interrupted;
mod memory;

use crate::engine::engine;
use async_trait::async_trait;
use inputs::{Artefacts, Inputs, ObjectSettings};
use jobs::{
    CHECKPOINT_FILE, Digest, Job, JobId, JobSpec, Subject, Sweep, TRAINING_FILE, TrainFamily, TrainSpec, WriteFormat,
};
use queue::{JobPublisher, MemoryQueue};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};
use store::Store;
use tempfile::TempDir;
use tokio::{runtime::Handle, sync::Notify};
use worker::{AttemptContext, Compute, Computed, DeviceThread, JobError, LegStart, StateFile, Worker};

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples").join(name).canonicalize().unwrap()
}

const SHORT: &str = "steps: 5, checkpoint_steps: 2, batch: 8, rank: 2, rate: 0.003, augmentation: shift";

/// A sweep over one task of mini8 whose adapter is trained, beside one that is there.
fn images(inputs: &Inputs, training: &str) -> coordinator::Frozen {
    images_on(inputs, training, "data/flags")
}

fn images_on(inputs: &Inputs, training: &str, data: &str) -> coordinator::Frozen {
    let text = format!(
        "name: trained\nbase: base\ntasks:\n  \
         - {{name: flags, adapter: {{train: {{{training}}}}}, data: {data}, head: heads/flags.safetensors}}\n  \
         - {{name: mnist, adapter: adapters/mnist, data: data/mnist, head: heads/mnist.safetensors}}\n\
         evaluation: {{}}\nrecipe: {{preset: task_arithmetic, scaling: 0.5}}\nparameters: {{scaling: [0.5]}}\nmetric: {{name: mean_accuracy}}\n"
    );
    let sweep = Sweep::from_yaml(&text, &example("mini8"), &[]).unwrap();
    coordinator::freeze(sweep.with_train_family(TrainFamily::Images), inputs).unwrap()
}

/// A sweep over one task of nli6 whose adapter is trained with its head.
fn texts(inputs: &Inputs, training: &str) -> coordinator::Frozen {
    let text = format!(
        "name: trained\nbase: base\ntasks:\n  \
         - {{name: rte, adapter: {{train: {{{training}}}}}, data: {{source: data/rte, convention: rte}}}}\n\
         evaluation: {{}}\nrecipe: {{preset: task_arithmetic, scaling: 1.0}}\nparameters: {{scaling: [1.0]}}\n"
    );
    let sweep = Sweep::from_yaml(&text, &example("nli6"), &[]).unwrap();
    coordinator::freeze(sweep.with_train_family(TrainFamily::Texts), inputs).unwrap()
}

/// The jobs that train the adapter of a task.
fn legs(frozen: &coordinator::Frozen, task: &str) -> Vec<Job> {
    frozen.train_specs(task).iter().map(|leg| frozen.job(leg.clone())).collect()
}

/// A store with a queue, and what a worker needs.
struct Bench {
    _folders: [TempDir; 2],
    root: PathBuf,
    store: Store,
    queue: MemoryQueue,
    inputs: Arc<Inputs>,
    device: Arc<dyn Compute>,
}

impl Bench {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let root = folder.path().to_owned();
        fs::create_dir_all(root.join("sweeps/tests")).unwrap();
        fs::write(root.join("sweeps/tests/manifest.json"), "{}").unwrap();
        let store = Store::folder(&root).unwrap();
        let cache = TempDir::new().unwrap();
        let source = Arc::new(Artefacts::default());
        source.give(store.clone(), Handle::current());
        let artefacts = Some(ObjectSettings { remote: source, cache: cache.path().to_owned() });
        let inputs = Arc::new(Inputs::new(inputs::Settings { artefacts, ..inputs::Settings::default() }));
        let mut engine = engine(&inputs);
        let thread = DeviceThread::start("cpu".to_owned(), BTreeMap::new(), move |job, stop| engine.compute(job, stop));
        let queue = MemoryQueue::new();
        Self { _folders: [folder, cache], root, store, queue, inputs, device: Arc::new(thread) }
    }

    fn worker(&self, compute: Arc<dyn Compute>) -> Worker {
        Worker::new("w".to_owned(), Arc::new(self.queue.clone()), self.store.clone(), compute)
    }

    /// Has the jobs done, one after the other.
    async fn work(&self, jobs: &[Job]) {
        let worker = self.worker(Arc::clone(&self.device));
        for job in jobs {
            self.queue.publish(job, "tests").await.unwrap();
            assert!(worker.run_one().await.unwrap());
        }
        let failures = self.store.jobs_with_failures().await.unwrap();
        assert!(self.queue.dead_letters().is_empty(), "{failures:?}");
    }

    /// The digest of the files that a job made.
    async fn made(&self, job: &JobId) -> Digest {
        self.store.artefact_result(job).await.unwrap().expect("it is done").artefact.digest()
    }

    /// The checkpoints that the store holds, by their jobs.
    fn checkpoints(&self, jobs: &[Job]) -> Vec<bool> {
        let has = |job: &Job| {
            let folder = self.root.join(format!("artefacts/{}", job.id()));
            let found = fs::read_dir(folder).map(|entries| {
                entries.map(|entry| entry.unwrap().path().join(CHECKPOINT_FILE)).filter(|path| path.exists()).count()
            });
            found.unwrap_or(0) > 0
        };
        jobs.iter().map(has).collect()
    }

    async fn file(&self, job: &JobId, name: &str) -> Vec<u8> {
        let result = self.store.artefact_result(job).await.unwrap().unwrap();
        let to = self.root.join("read");
        self.store.get_artefact_file(&result, result.artefact.file(name).unwrap(), &to).await.unwrap();
        fs::read(to).unwrap()
    }
}

const EARLY: &str = "steps: 9, checkpoint_steps: 2, batch: 8, rank: 2, rate: 0.05, schedule: constant, \
     early_stopping: {every: 1, patience: 2, metric: loss}";

/// The legs after the one that stopped hand its state on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn legs_that_stop_early_end_in_the_bits_of_one_leg_and_say_which_step_was_kept() {
    let bench = Bench::new();
    let whole = legs(&images(&bench.inputs, &EARLY.replace("checkpoint_steps: 2", "checkpoint_steps: 9")), "flags");
    let parts = legs(&images(&bench.inputs, EARLY), "flags");
    assert_eq!((whole.len(), parts.len()), (1, 5));
    bench.work(&whole).await;
    bench.work(&parts).await;
    assert_eq!(bench.checkpoints(&parts), [false; 5]);
    let last = parts[4].id();
    assert_eq!(bench.made(&last).await, bench.made(&whole[0].id()).await);
    let facts = bench.store.artefact_result(&last).await.unwrap().unwrap().artefact.facts;
    assert!(facts["steps"] < 7.0, "it stops before the last leg: {facts:?}");
    assert_eq!(facts["kept_step"] as u64 + 2, facts["steps"] as u64);
    assert_eq!(facts["measured_step"] as u64, facts["kept_step"] as u64);
    // A leg that hands on says what the last evaluation found.
    let handed_on = bench.store.artefact_result(&parts[3].id()).await.unwrap().unwrap().artefact.facts;
    assert_eq!(handed_on["steps"] as u64, facts["steps"] as u64);
    assert!(!handed_on.contains_key("measured_step") && handed_on["correct"] <= handed_on["examples"]);
    let record: Value = serde_json::from_slice(&bench.file(&last, TRAINING_FILE).await).unwrap();
    assert_eq!(record["evaluations"].as_array().unwrap().len(), facts["steps"] as usize);
    assert_eq!(record["kept"]["steps"].as_u64().unwrap(), facts["kept_step"] as u64);
    // The same examples are counted once more at the end, by the model that the adapter makes.
    assert_eq!(record["kept"]["correct"], record["after"]["correct"]);
    let card = String::from_utf8(bench.file(&last, "README.md").await).unwrap();
    assert!(card.contains("Early stopping by loss on `validation` kept the adapter after step"), "{card}");
}

/// A computation whose worker is lost: it never ends.
#[derive(Debug, Default)]
struct Lost {
    /// Told once the computation has begun.
    begun: Arc<Notify>,
}

#[async_trait]
impl Compute for Lost {
    async fn compute(&self, _job: &Job, _context: &AttemptContext) -> Result<Computed, JobError> {
        self.begun.notify_one();
        std::future::pending().await
    }

    fn device(&self) -> String {
        "lost".to_owned()
    }

    fn versions(&self) -> BTreeMap<String, String> {
        BTreeMap::new()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn legs_end_in_the_bits_of_one_leg_and_leave_no_checkpoint() {
    let bench = Bench::new();
    let whole = legs(&images(&bench.inputs, &SHORT.replace("checkpoint_steps: 2", "checkpoint_steps: 5")), "flags");
    let parts = legs(&images(&bench.inputs, SHORT), "flags");
    assert_eq!((whole.len(), parts.len()), (1, 3));
    bench.work(&whole).await;
    bench.work(&parts[..1]).await;
    assert_eq!(bench.checkpoints(&parts), [true, false, false]);
    bench.work(&parts[1..2]).await;
    assert_eq!(bench.checkpoints(&parts), [false, true, false], "the first one is not needed any more");
    bench.work(&parts[2..]).await;
    assert_eq!(bench.checkpoints(&parts), [false; 3]);
    assert_eq!(bench.made(&parts[2].id()).await, bench.made(&whole[0].id()).await);
    // The record of a leg is enough to know that it is done.
    for job in &parts {
        let result = bench.store.artefact_result(&job.id()).await.unwrap().unwrap();
        bench.store.check_artefact_files(&result).await.unwrap();
    }
    let facts = bench.store.artefact_result(&parts[1].id()).await.unwrap().unwrap().artefact.facts;
    assert_eq!(facts["steps"] as u64, 4);
    assert!(facts["loss"] > 0.0 && facts["correct"] <= facts["examples"], "{facts:?}");
    let record: Value = serde_json::from_slice(&bench.file(&parts[2].id(), TRAINING_FILE).await).unwrap();
    assert_eq!(record["steps"].as_array().unwrap().len(), 5);
    assert_eq!(record["split"], "validation");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_is_lost_in_any_leg_costs_that_leg_and_changes_no_bit() {
    let undisturbed = Bench::new();
    let jobs = legs(&images(&undisturbed.inputs, SHORT), "flags");
    undisturbed.work(&jobs).await;
    let bench = Bench::new();
    for job in &jobs {
        let lost = Lost::default();
        let begun = Arc::clone(&lost.begun);
        bench.queue.publish(job, "tests").await.unwrap();
        let worker = bench.worker(Arc::new(lost));
        tokio::select! {
            done = worker.run_one() => unreachable!("{done:?}"),
            () = begun.notified() => {}
        }
        drop(worker);
        // The queue gives the job to another worker.
        assert!(bench.worker(Arc::clone(&bench.device)).run_one().await.unwrap());
    }
    let last = jobs.last().unwrap().id();
    assert_eq!(bench.made(&last).await, undisturbed.made(&last).await);
    assert_eq!(bench.checkpoints(&jobs), [false; 3]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_leg_deletes_the_checkpoints_that_killed_workers_have_left() {
    let bench = Bench::new();
    let jobs = legs(&images(&bench.inputs, SHORT), "flags");
    bench.work(&jobs[..1]).await;
    let record = bench.store.artefact_result(&jobs[0].id()).await.unwrap().unwrap();
    let folder = TempDir::new().unwrap();
    bench.store.get_artefact_files(&record, folder.path()).await.unwrap();
    bench.work(&jobs[1..2]).await;
    bench.store.put_artefact_files(&record.job, &record.artefact, folder.path()).await.unwrap();
    assert_eq!(bench.checkpoints(&jobs), [true, true, false]);
    bench.work(&jobs[2..]).await;
    assert_eq!(bench.checkpoints(&jobs), [false; 3]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leg_whose_checkpoint_is_gone_or_altered_is_not_computed_and_leaves_none() {
    for alters in [false, true] {
        let bench = Bench::new();
        let jobs = legs(&images(&bench.inputs, SHORT), "flags");
        bench.work(&jobs[..1]).await;
        let first = bench.store.artefact_result(&jobs[0].id()).await.unwrap().unwrap();
        let path = bench.root.join(format!("artefacts/{}/{}", first.job, first.artefact.digest().short()));
        let path = path.join(CHECKPOINT_FILE);
        if alters {
            let mut bytes = fs::read(&path).unwrap();
            bytes[0] ^= 1;
            fs::write(&path, bytes).unwrap();
        } else {
            fs::remove_file(&path).unwrap();
        }
        bench.queue.publish(&jobs[1], "tests").await.unwrap();
        assert!(bench.worker(Arc::clone(&bench.device)).run_one().await.unwrap());
        let failures = bench.store.failures(&jobs[1].id()).await.unwrap();
        let failure = failures[0].as_ref().unwrap();
        assert!(failure.errors[0].contains("the checkpoint of the leg before is gone"), "{:?}", failure.errors);
        assert_eq!((failure.is_final, failure.blame), (true, Some(jobs::Blame::Machine)), "a later run tries it again");
        assert_eq!(bench.checkpoints(&jobs), [false; 3], "the next run sees that the training has to be made again");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leg_that_is_found_to_be_done_deletes_the_checkpoint_that_it_started_from() {
    let bench = Bench::new();
    let jobs = legs(&images(&bench.inputs, SHORT), "flags");
    bench.work(&jobs[..1]).await;
    // Another kind of processor had made the leg, and its worker was killed before it stored the record.
    let other = bench.root.join(format!("artefacts/{}/other", jobs[0].id()));
    fs::create_dir_all(&other).unwrap();
    fs::write(other.join(CHECKPOINT_FILE), "other bytes").unwrap();
    let record = bench.store.artefact_result(&jobs[0].id()).await.unwrap().unwrap();
    let folder = TempDir::new().unwrap();
    bench.store.get_artefact_files(&record, folder.path()).await.unwrap();
    bench.work(&jobs[1..]).await;
    assert_eq!(bench.checkpoints(&jobs), [false; 3]);
    bench.store.put_artefact_files(&record.job, &record.artefact, folder.path()).await.unwrap();
    assert_eq!(bench.checkpoints(&jobs), [true, false, false]);
    // The queue gives the last leg once more, whose worker was killed after it stored the record.
    bench.work(&jobs[2..]).await;
    assert_eq!(bench.checkpoints(&jobs), [false; 3]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_worker_does_not_bring_a_checkpoint_back() {
    /// Computes only when it is told to.
    #[derive(Debug)]
    struct Late {
        device: Arc<dyn Compute>,
        begun: Arc<Notify>,
        go_on: Arc<Notify>,
    }
    #[async_trait]
    impl Compute for Late {
        async fn compute(&self, job: &Job, context: &AttemptContext) -> Result<Computed, JobError> {
            self.begun.notify_one();
            self.go_on.notified().await;
            self.device.compute(job, context).await
        }

        fn device(&self) -> String {
            "late".to_owned()
        }

        fn versions(&self) -> BTreeMap<String, String> {
            BTreeMap::new()
        }
    }
    let bench = Bench::new();
    let jobs = legs(&images(&bench.inputs, SHORT), "flags");
    let late = Late { device: Arc::clone(&bench.device), begun: Arc::default(), go_on: Arc::default() };
    let begun = Arc::clone(&late.begun);
    let go_on = Arc::clone(&late.go_on);
    bench.queue.publish(&jobs[0], "tests").await.unwrap();
    let worker = bench.worker(Arc::new(late));
    let overtaken = async {
        begun.notified().await;
        bench.work(&jobs[..2]).await;
        go_on.notify_one();
    };
    let (done, ()) = tokio::join!(worker.run_one(), overtaken);
    assert!(done.unwrap());
    assert_eq!(bench.checkpoints(&jobs), [false, true, false]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_adapter_that_was_trained_is_evaluated_merged_and_written_like_any_other() {
    let bench = Bench::new();
    let frozen = images(&bench.inputs, SHORT);
    let jobs = legs(&frozen, "flags");
    let alone = frozen.job(frozen.meaning(Subject::Adapter { task: "flags".to_owned() }, "validation"));
    let recipe = frozen.sweep().searches[0].recipe.resolve().unwrap();
    let merge = frozen.job(frozen.meaning(Subject::Merge { recipe: Box::new(recipe.clone()) }, "validation"));
    let write = frozen.job(frozen.write_spec(&recipe, WriteFormat::Adapter));
    bench.work(&jobs).await;
    bench.work(&[alone.clone(), merge.clone(), write.clone()]).await;
    let facts = bench.store.artefact_result(&jobs[2].id()).await.unwrap().unwrap().artefact.facts;
    let score = &bench.store.result(&alone.id()).await.unwrap().unwrap().scores[0];
    assert_eq!((score.correct, score.n), (facts["correct"] as u64, facts["examples"] as u64));
    let merged = bench.store.result(&merge.id()).await.unwrap().unwrap().merge.unwrap();
    assert_eq!(merged.rank, Some(18), "16 of one adapter and 2 of the other");
    assert!(bench.store.artefact_result(&write.id()).await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_that_was_trained_comes_with_its_adapter() {
    let bench = Bench::new();
    let frozen = texts(&bench.inputs, "steps: 3, checkpoint_steps: 2, batch: 8, rank: 2, rate: 0.003");
    let jobs = legs(&frozen, "rte");
    bench.work(&jobs).await;
    let alone = frozen.job(frozen.meaning(Subject::Adapter { task: "rte".to_owned() }, "validation"));
    let base = frozen.job(frozen.meaning(Subject::Base, "validation"));
    bench.work(&[alone.clone(), base]).await;
    let facts = bench.store.artefact_result(&jobs[1].id()).await.unwrap().unwrap().artefact.facts;
    let score = &bench.store.result(&alone.id()).await.unwrap().unwrap().scores[0];
    assert_eq!((score.correct, score.n), (facts["correct"] as u64, facts["examples"] as u64));
}

/// The error of the first leg of the adapter of `flags`.
fn refused(frozen: &coordinator::Frozen, inputs: &Arc<Inputs>) -> JobError {
    let job = legs(frozen, "flags").remove(0);
    engine(inputs).compute(&job, &AttemptContext::default()).unwrap_err()
}

#[test]
fn examples_that_are_trained_on_and_evaluated_are_refused() {
    let inputs = Arc::new(Inputs::new(inputs::Settings::default()));
    // Splits of other names with the same images.
    let data = "{source: data/flags, splits: {train: {from: validation}}}";
    let error = refused(&images_on(&inputs, SHORT, data), &inputs);
    let text = error.to_string();
    assert!(text.starts_with("320 of 320 examples of the split `validation` of task `flags` are trained on"), "{text}");
    assert!(text.contains("`overlap: allow`"), "{text}");
    assert_eq!(error.blame(), jobs::Blame::Job);
    let allowed = images_on(&inputs, &format!("{SHORT}, overlap: allow"), data);
    assert!(engine(&inputs).compute(&legs(&allowed, "flags")[0], &AttemptContext::default()).is_ok());
}

#[test]
fn a_loss_that_is_not_finite_names_its_step() {
    let inputs = Arc::new(Inputs::new(inputs::Settings::default()));
    let error = refused(&images(&inputs, "steps: 4, batch: 8, rank: 2, rate: 1.0e+30, schedule: constant"), &inputs);
    assert_eq!(error.to_string(), "the adapter of `flags` cannot be trained");
    let chain = jobs::error_chain(&error);
    assert!(chain.contains("is not finite in step"), "{chain}");
    assert_eq!(error.blame(), jobs::Blame::Job);
}

#[test]
fn a_leg_that_is_none_of_its_training_is_refused_and_so_is_a_foreign_checkpoint() {
    let inputs = Arc::new(Inputs::new(inputs::Settings::default()));
    let frozen = images(&inputs, SHORT);
    let job = legs(&frozen, "flags").remove(1);
    let JobSpec::Train(spec) = job.spec().clone() else { unreachable!("it trains") };
    let mut longer: TrainSpec = *spec;
    longer.leg.end = 9;
    let longer = Job::new(longer, job.places.clone());
    let compute = |job: &Job, context: AttemptContext| engine(&inputs).compute(job, &context).unwrap_err().to_string();
    let text = compute(&longer, AttemptContext::default());
    assert!(text.contains("its leg is none of its training"), "{text}");
    let file = StateFile::new().unwrap();
    fs::write(file.path(), "no checkpoint").unwrap();
    let foreign = AttemptContext::default().starting_from(LegStart::LegBefore(file));
    assert!(compute(&job, foreign).starts_with("the checkpoint of the leg before is gone"));
    assert!(compute(&job, AttemptContext::default()).starts_with("the checkpoint of the leg before is gone"));
}

#[test]
fn what_no_base_of_the_family_can_be_trained_with_is_refused() {
    let inputs = Arc::new(Inputs::new(inputs::Settings::default()));
    let job = legs(&images(&inputs, SHORT), "flags").remove(0);
    let JobSpec::Train(spec) = job.spec().clone() else { unreachable!("it trains") };
    let mut headed: TrainSpec = *spec;
    headed.settings.trains_head = true;
    let job = Job::new(headed, job.places);
    let error = engine(&inputs).compute(&job, &AttemptContext::default()).unwrap_err();
    let chain = jobs::error_chain(&error);
    assert!(chain.contains("`train_head` is true, expected false: the heads of images are fixed"), "{chain}");
}
