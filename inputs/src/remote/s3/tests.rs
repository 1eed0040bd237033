//! Fetching from a bucket, with a server in the same process.

use crate::{InputError, Inputs, ObjectSettings, S3Remote, Settings, folder::list};
use jobs::{DataFiles, DataSpec, Digest, HubKind, InputRef};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};
use store::{
    Backend, Key, RequestLimits, S3Backend, S3Credentials, S3Settings,
    testing::{HttpFault, HttpFaults, S3Server},
};
use tempfile::TempDir;
use tokio::runtime::Runtime;

struct Bucket {
    server: S3Server,
    runtime: Runtime,
    backend: S3Backend,
    _folder: TempDir,
}

impl Bucket {
    fn start() -> Self {
        let runtime = Runtime::new().unwrap();
        let folder = TempDir::new().unwrap();
        let server = runtime.block_on(S3Server::start(folder.path(), HttpFaults::none())).unwrap();
        let place = server.bucket("inputs", "").unwrap();
        let backend = runtime.block_on(S3Backend::open(place, &server.settings())).unwrap();
        Self { server, runtime, backend, _folder: folder }
    }

    fn put(&self, key: &str, content: Vec<u8>) {
        self.runtime.block_on(self.backend.put(&Key::new(key).unwrap(), content)).unwrap();
    }

    /// Puts a folder of mini8 under its path there.
    fn put_mini8(&self, folder: &str) {
        for name in list(&mini8(folder)).unwrap().names {
            self.put(&format!("mini8/{folder}/{name}"), fs::read(mini8(folder).join(&name)).unwrap());
        }
    }

    fn inputs(&self, cache: &TempDir) -> Inputs {
        self.inputs_with(self.server.settings(), cache)
    }

    fn inputs_with(&self, settings: S3Settings, cache: &TempDir) -> Inputs {
        let remote = Arc::new(S3Remote::new(settings));
        let objects = ObjectSettings { remote, cache: cache.path().to_owned() };
        Inputs::new(Settings { objects: Some(objects), ..Settings::default() })
    }
}

fn mini8(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/mini8").join(path)
}

fn reference(text: &str) -> InputRef {
    InputRef::parse(text, Path::new("/"), HubKind::Model).unwrap()
}

fn mnist(source: InputRef) -> DataSpec {
    let image_column = "image".to_owned();
    let label_column = "label".to_owned();
    DataSpec { source, image_column, label_column, text: None, splits: BTreeMap::new() }
}

#[test]
fn mini8_in_a_bucket_has_the_digests_of_mini8_in_a_folder() {
    let bucket = Bucket::start();
    let cache = TempDir::new().unwrap();
    ["adapters/mnist", "data/mnist", "heads"].iter().for_each(|folder| bucket.put_mini8(folder));
    let found = |inputs: &Inputs, root: &str| {
        let at = |path: &str| reference(&format!("{root}/{path}"));
        let head = inputs.file(&at("heads/mnist.safetensors")).unwrap().digest;
        let data = |split| inputs.data(&mnist(at("data/mnist")), split).unwrap().digest;
        [inputs.adapter(&at("adapters/mnist")).unwrap().digest, head, data("validation"), data("test")]
    };
    let here = found(&Inputs::new(Settings::default()), mini8("").to_str().unwrap());
    assert_eq!(found(&bucket.inputs(&cache), "s3://inputs/mini8"), here);
    assert_eq!(found(&bucket.inputs(&cache), "s3://inputs/mini8"), here, "from the cache");
}

#[test]
fn a_connection_that_breaks_and_a_server_that_is_busy_are_borne_with() {
    let bucket = Bucket::start();
    let cache = TempDir::new().unwrap();
    bucket.put("head.safetensors", vec![7; 100_000]);
    let faults = bucket.server.faults();
    faults.strike(2, "HEAD", "head.safetensors", HttpFault::Answers(503, "SlowDown"));
    faults.strike(2, "GET", "head.safetensors", HttpFault::CutsBody);
    let head = bucket.inputs(&cache).file(&reference("s3://inputs/head.safetensors")).unwrap();
    assert_eq!(head.digest, Digest::of(&[7; 100_000]));
    assert_eq!(faults.struck(), 4);
}

#[test]
fn what_s3_says_is_told_without_secrets() {
    let bucket = Bucket::start();
    let cache = TempDir::new().unwrap();
    bucket.put("head.safetensors", b"head".to_vec());
    let head = |settings, text: &str| bucket.inputs_with(settings, &cache).file(&reference(text)).unwrap_err();
    let wrong = S3Credentials::new("bowline", "not-the-secret");
    let wrong = S3Settings { credentials: Some(wrong), ..bucket.server.settings() };
    let error = head(wrong, "s3://inputs/head.safetensors");
    let text = jobs::error_chain(&error);
    assert!(text.starts_with("cannot fetch `s3://inputs/head.safetensors`: "), "{text}");
    assert!(text.contains("check the access key") && !text.contains("not-the-secret"), "{text}");
    assert!(!error.is_retryable());

    let error = head(bucket.server.settings(), "s3://elsewhere/head.safetensors");
    assert!(jobs::error_chain(&error).contains("there is no bucket of this name"), "{}", jobs::error_chain(&error));
    let error = head(bucket.server.settings(), "s3://inputs/other.safetensors");
    assert!(matches!(error, InputError::NoObjects { .. }), "{error}");

    let limits = RequestLimits { attempts: 2, ..bucket.server.settings().limits };
    let down = S3Settings { limits, ..bucket.server.settings() };
    bucket.server.faults().strike(u32::MAX, "GET", "", HttpFault::Answers(503, "SlowDown"));
    let error = head(down, "s3://inputs/head.safetensors");
    assert!(jobs::error_chain(&error).contains("SlowDown") && error.is_retryable(), "{}", jobs::error_chain(&error));
}

#[test]
fn a_remote_may_be_dropped_by_async_code() {
    let bucket = Bucket::start();
    let cache = TempDir::new().unwrap();
    bucket.put("head.safetensors", b"head".to_vec());
    let inputs = bucket.inputs(&cache);
    inputs.file(&reference("s3://inputs/head.safetensors")).unwrap();
    bucket.runtime.block_on(async { drop(inputs) });
}

#[test]
fn of_a_bucket_no_more_is_read_than_an_outline_needs() {
    let bucket = Bucket::start();
    let cache = TempDir::new().unwrap();
    ["adapters/mnist", "data/mnist", "heads"].iter().for_each(|folder| bucket.put_mini8(folder));
    let inputs = bucket.inputs(&cache);
    let adapter = reference("s3://inputs/mini8/adapters/mnist");
    let listing = inputs.list_adapter(&adapter).unwrap();
    assert_eq!(listing.missing().count(), 2);
    let outline = inputs.outline(&listing).unwrap();
    let here = |name: &str| fs::read(mini8("adapters/mnist").join(name)).unwrap();
    let there = |name: &str| fs::read(outline.path().join(name)).unwrap();
    assert_eq!(there("adapter_config.json"), here("adapter_config.json"));
    let whole = here("adapter_model.safetensors");
    let part = there("adapter_model.safetensors");
    assert_eq!((whole.len(), &whole[..8]), (part.len(), &part[..8]));
    assert!(!outline.is_whole() && fs::read_dir(cache.path()).unwrap().next().is_none(), "nothing is kept");

    // The fetched files are found.
    inputs.adapter(&adapter).unwrap();
    let listing = inputs.list_adapter(&adapter).unwrap();
    assert!(listing.is_here());
    let outline = inputs.outline(&listing).unwrap();
    assert_eq!(fs::read(outline.path().join("adapter_model.safetensors")).unwrap(), whole);
    assert!(outline.is_whole());

    let head = inputs.list_file(&reference("s3://inputs/mini8/heads/mnist.safetensors")).unwrap();
    assert_eq!(head.files[0].bytes, fs::metadata(mini8("heads/mnist.safetensors")).unwrap().len());
    let data = inputs.list_data(&mnist(reference("s3://inputs/mini8/data/mnist")), "test").unwrap();
    let outline = inputs.outline(&data.listing).unwrap();
    let DataFiles::Parquet(files) = data.files(&outline) else { panic!("{data:?}") };
    assert!(fs::read(&files[0]).unwrap().ends_with(b"PAR1"));
    let error = inputs.list_file(&reference("s3://inputs/mini8/heads/other.safetensors")).unwrap_err();
    assert!(matches!(error, InputError::NoObjects { .. }), "{error}");
}

#[test]
fn a_part_comes_whole_from_a_server_that_is_busy() {
    let bucket = Bucket::start();
    let cache = TempDir::new().unwrap();
    bucket.put("config.json", b"{}".to_vec());
    bucket.server.faults().strike(2, "GET", "config.json", HttpFault::Answers(503, "SlowDown"));
    let inputs = bucket.inputs(&cache);
    let listing = inputs.list_file(&reference("s3://inputs/config.json")).unwrap();
    assert_eq!(fs::read(inputs.outline(&listing).unwrap().path()).unwrap(), b"{}");
}

#[test]
fn an_object_that_was_replaced_is_seen() {
    let bucket = Bucket::start();
    let cache = TempDir::new().unwrap();
    let digest = |inputs: &Inputs| inputs.file(&reference("s3://inputs/head.safetensors")).unwrap().digest;
    let inputs = bucket.inputs(&cache);
    for content in ["one", "two"] {
        bucket.put("head.safetensors", content.into());
        assert_eq!(digest(&inputs), Digest::of(content.as_bytes()));
    }
}
