//! Jobs whose inputs lie in a bucket, here a folder that is asked through the seam.

use inputs::{Inputs, ObjectSettings, Remote, RemoteObject};
use jobs::{Digest, Job, Preset, Subject, Sweep, TaskScore};
use std::{
    fs,
    ops::Range,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};
use store::{Action, BackendError};
use worker::{AttemptContext, Engine, EngineSettings};

const SWEEP: &str = "
name: small
base: ROOT/base
tasks:
  - {name: optdigits, adapter: ROOT/adapters/optdigits, data: ROOT/data/optdigits, head: ROOT/heads/optdigits.safetensors}
  - {name: mnist, adapter: ROOT/adapters/mnist, data: ROOT/data/mnist, head: ROOT/heads/mnist.safetensors}
baselines: [{name: ties, preset: knots_ties}]
evaluation: {benchmark: per_task, select: validation, report: validation}
";

/// A folder as a bucket of any name.
#[derive(Debug)]
struct FolderBucket {
    root: PathBuf,
    calls: AtomicUsize,
}

impl FolderBucket {
    fn described(&self, key: String) -> std::io::Result<Option<RemoteObject>> {
        let path = self.root.join(&key);
        if !path.is_file() {
            return Ok(None);
        }
        let content = fs::read(path)?;
        Ok(Some(RemoteObject { key, size: content.len() as u64, etag: Some(Digest::of(&content).short()) }))
    }

    fn called<T>(&self, key: &str, work: impl FnOnce() -> std::io::Result<T>) -> Result<T, BackendError> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        work().map_err(|error| BackendError::from_io(Action::Read, key, error))
    }
}

impl Remote for FolderBucket {
    fn list(&self, _bucket: &str, folder: &str) -> Result<Vec<RemoteObject>, BackendError> {
        self.called(folder, || {
            let names = fs::read_dir(self.root.join(folder))?.map(|entry| Ok(entry?.file_name()));
            let names = names.collect::<std::io::Result<Vec<_>>>()?;
            let objects = names.iter().map(|name| self.described(format!("{folder}/{}", name.to_string_lossy())));
            Ok(objects.collect::<std::io::Result<Vec<_>>>()?.into_iter().flatten().collect())
        })
    }

    fn find(&self, _bucket: &str, key: &str) -> Result<Option<RemoteObject>, BackendError> {
        self.called(key, || self.described(key.to_owned()))
    }

    fn fetch(&self, _bucket: &str, key: &str, path: &Path) -> Result<RemoteObject, BackendError> {
        self.called(key, || {
            fs::copy(self.root.join(key), path)?;
            self.described(key.to_owned()).map(|object| object.unwrap())
        })
    }

    fn part(&self, _bucket: &str, key: &str, range: Range<u64>) -> Result<Vec<u8>, BackendError> {
        self.called(key, || Ok(fs::read(self.root.join(key))?[range.start as usize..range.end as usize].to_vec()))
    }
}

fn mini8() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/mini8").canonicalize().unwrap()
}

fn job(root: &str, inputs: &Inputs) -> Job {
    let sweep = Sweep::from_yaml(&SWEEP.replace("ROOT", root), Path::new("/"), &[]).unwrap();
    let frozen = coordinator::freeze(sweep, inputs).unwrap();
    frozen.job(frozen.meaning(Subject::Merge { recipe: Box::new(Preset::KnotsTies.recipe()) }, "validation"))
}

fn scores(inputs: &Arc<Inputs>, job: &Job) -> Vec<TaskScore> {
    let settings = EngineSettings {
        device: Default::default(),
        threads: None,
        image_bytes: 1 << 30,
        cache: None,
        memory_bytes: None,
    };
    Engine::new(settings, Arc::clone(inputs))
        .unwrap()
        .compute(job, &AttemptContext::default())
        .unwrap()
        .output
        .scores()
        .unwrap()
        .scores
}

#[test]
fn a_job_with_inputs_in_a_bucket_scores_the_same_and_asks_for_none_that_the_cache_has() {
    let cache = tempfile::tempdir().unwrap();
    let bucket = Arc::new(FolderBucket { root: mini8(), calls: AtomicUsize::new(0) });
    let inputs = || {
        let objects = ObjectSettings { remote: Arc::clone(&bucket) as _, cache: cache.path().to_owned() };
        Arc::new(Inputs::new(inputs::Settings { objects: Some(objects), ..Default::default() }))
    };
    let here = Arc::new(Inputs::new(inputs::Settings::default()));
    let local = job(mini8().to_str().unwrap(), &here);
    let remote = job("s3://bucket", &inputs());
    assert_eq!(remote.id(), local.id(), "places are no part of what a job means");

    assert!(bucket.calls.swap(0, Ordering::Relaxed) > 0);
    assert_eq!(scores(&inputs(), &remote), scores(&here, &local));
    assert_eq!(bucket.calls.load(Ordering::Relaxed), 0, "the job names its digests, and the cache has them");
}
