//! Inputs in a bucket in memory. Threads with `Inputs` of their own stand for processes; where a process has to die, or
//! locks between processes are what is tested, there are several.

mod fake;
mod processes;

use crate::{InputError, Inputs, Located, ObjectSettings, Settings};
use fake::{FakeBucket, Fault};
use jobs::{DataSpec, Digest, HubKind, InputRef, Rows, SplitRule};
use std::{
    collections::BTreeMap,
    error::Error,
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Barrier},
    thread,
};
use store::Problem;
use tempfile::TempDir;

const ADAPTER: [(&str, &str); 4] = [
    ("a/README.md", "words"),
    ("a/adapter_config.json", "{}"),
    ("a/adapter_model.safetensors", "weights"),
    ("a/checkpoint/adapter_model.safetensors", "older weights"),
];

fn mini8(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/mini8").join(path)
}

fn reference(text: &str) -> InputRef {
    InputRef::parse(text, Path::new("/"), HubKind::Model).unwrap()
}

/// As in another process: only the cache is shared.
fn inputs(bucket: &Arc<FakeBucket>, cache: &Path) -> Inputs {
    let objects = ObjectSettings { remote: Arc::clone(bucket) as _, cache: cache.to_owned() };
    Inputs::new(Settings { objects: Some(objects), ..Settings::default() })
}

fn spec(source: InputRef) -> DataSpec {
    let image_column = "image".to_owned();
    let label_column = "label".to_owned();
    DataSpec { source, image_column, label_column, text: None, splits: BTreeMap::new() }
}

/// The files below a folder of the cache.
fn files_in(cache: &TempDir, kind: &str) -> Vec<PathBuf> {
    let folder = cache.path().join("v1").join(kind);
    let names = crate::folder::list(&folder).unwrap().names;
    names.iter().filter(|name| !name.ends_with('/')).map(|name| folder.join(name)).collect()
}

#[test]
fn inputs_from_a_bucket_have_the_digests_of_the_same_files_in_folders() {
    let here = Inputs::new(Settings::default());
    let cache = TempDir::new().unwrap();
    let in_bucket = |folder: &str| {
        let bucket = Arc::new(FakeBucket::of_folder(&format!("mini8/{folder}/"), &mini8(folder)));
        (inputs(&bucket, cache.path()), reference(&format!("s3://bucket/mini8/{folder}")))
    };
    let (bucket, base) = in_bucket("base");
    let model = bucket.model(&base).unwrap();
    assert_eq!(model.digest, here.model(&InputRef::Path(mini8("base"))).unwrap().digest);
    assert_eq!(fs::read(model.path.join("config.json")).unwrap(), fs::read(mini8("base/config.json")).unwrap());
    let (bucket, adapter) = in_bucket("adapters/mnist");
    let digest = here.adapter(&InputRef::Path(mini8("adapters/mnist"))).unwrap().digest;
    assert_eq!(bucket.adapter(&adapter).unwrap().digest, digest);
    let (bucket, _) = in_bucket("heads");
    let head = bucket.file(&reference("s3://bucket/mini8/heads/mnist.safetensors")).unwrap();
    assert_eq!(head.digest, here.file(&InputRef::Path(mini8("heads/mnist.safetensors"))).unwrap().digest);
    assert_eq!(head.path.file_name().unwrap(), "mnist.safetensors");
    let (bucket, data) = in_bucket("data/mnist");
    let digest = |inputs: &Inputs, source| inputs.data(&spec(source), "validation").unwrap().digest;
    assert_eq!(digest(&bucket, data), digest(&here, InputRef::Path(mini8("data/mnist"))));
}

#[test]
fn a_model_whose_digest_holds_more_than_its_files_is_found_by_it_in_the_cache() {
    let config = r#"{"model_type": "llama", "pad_token_id": 2}"#;
    let tokenizer = r#"{"added_tokens": [], "model": {}}"#;
    let same = r#"{"image_processor": {"size": 32}}"#;
    let files = [
        ("m/config.json", config),
        ("m/model.safetensors", "weights"),
        ("m/tokenizer.json", tokenizer),
        ("m/preprocessor_config.json", r#"{"size": 32}"#),
        ("m/processor_config.json", same),
    ];
    let bucket = Arc::new(FakeBucket::with(&files));
    let cache = TempDir::new().unwrap();
    let model = reference("s3://bucket/m");
    let located = inputs(&bucket, cache.path()).model(&model).unwrap();
    let counted = ["config.json", "model.safetensors", "preprocessor_config.json", "tokenizer.json"];
    let content = |name: &str| files.iter().find(|(file, _)| *file == format!("m/{name}")).unwrap().1;
    let counted = counted.map(|name| (name.to_owned(), Digest::of(content(name).as_bytes())));
    assert_eq!(located.digest, Digest::of_json(&(counted, "read before padding", 2)));
    bucket.calls();
    let again = inputs(&bucket, cache.path()).expecting(located.digest).model(&model).unwrap();
    assert_eq!(again.digest, located.digest);
    assert_eq!(bucket.calls(), Vec::<String>::new());
}

#[test]
fn the_files_that_count_are_fetched_and_only_once() {
    let bucket = Arc::new(FakeBucket::with(&ADAPTER));
    let cache = TempDir::new().unwrap();
    let adapter = reference("s3://bucket/a");
    let first = inputs(&bucket, cache.path());
    assert!(!first.is_local(&adapter));
    let located = first.adapter(&adapter).unwrap();
    assert_eq!(bucket.calls(), ["fetch a/adapter_config.json", "fetch a/adapter_model.safetensors", "list a"]);
    assert!(first.is_local(&adapter) && located.commit.is_none());
    assert_eq!(fs::read_to_string(located.path.join("adapter_model.safetensors")).unwrap(), "weights");
    for inputs in [&first, &inputs(&bucket, cache.path())] {
        assert_eq!(inputs.adapter(&adapter).unwrap(), located);
        assert_eq!(bucket.calls(), ["list a"], "the listing shows that nothing changed");
    }
}

#[test]
fn a_caller_that_knows_the_digest_needs_no_bucket() {
    let mut objects = ADAPTER.to_vec();
    objects.extend([
        ("base/config.json", "{}"),
        ("base/model.safetensors.index.json", r#"{"weight_map": {"a": "one.safetensors"}}"#),
        ("base/one.safetensors", "shard"),
        ("data/test/cat/1.png", "cat"),
        ("data/test/dog/1.png", "dog"),
        ("rows.json", "[1]"),
    ]);
    let bucket = Arc::new(FakeBucket::with(&objects));
    let cache = TempDir::new().unwrap();
    let first = inputs(&bucket, cache.path());
    let base = first.model(&reference("s3://bucket/base")).unwrap();
    let adapter = first.adapter(&reference("s3://bucket/a")).unwrap();
    let rows = first.file(&reference("s3://bucket/rows.json")).unwrap();
    let rule = SplitRule { indices: Some(reference("s3://bucket/rows.json")), ..SplitRule::default() };
    let spec = DataSpec { splits: BTreeMap::from([("test".to_owned(), rule)]), ..spec(reference("s3://bucket/data")) };
    let data = first.data(&spec, "test").unwrap();
    assert_eq!(data.rows, Rows::Indices(vec![1]));

    let nothing = Arc::new(FakeBucket::default());
    let later = inputs(&nothing, cache.path());
    assert_eq!(later.expecting(base.digest).model(&reference("s3://bucket/base")).unwrap(), base);
    assert_eq!(later.expecting(adapter.digest).adapter(&reference("s3://bucket/a")).unwrap(), adapter);
    assert_eq!(later.expecting(rows.digest).file(&reference("s3://bucket/rows.json")).unwrap(), rows);
    assert_eq!(later.expecting(data.digest).data(&spec, "test").unwrap(), data);
    let moved = later.expecting(adapter.digest).adapter(&reference("s3://other/place")).unwrap();
    assert_eq!(moved, adapter, "a digest is one of content, wherever that lies");
    assert_eq!(nothing.calls(), [""; 0]);
}

#[test]
fn what_is_not_what_was_expected_is_looked_for_in_the_bucket() {
    let bucket = Arc::new(FakeBucket::with(&ADAPTER));
    let cache = TempDir::new().unwrap();
    let inputs = inputs(&bucket, cache.path());
    let other = Digest::of(b"another adapter");
    let found = inputs.expecting(other).adapter(&reference("s3://bucket/a")).unwrap();
    assert_eq!(found, inputs.adapter(&reference("s3://bucket/a")).unwrap(), "the caller sees that it is another");
    assert_ne!(found.digest, other);
}

#[test]
fn an_object_that_was_replaced_is_fetched_anew_and_the_old_one_stays_known() {
    let bucket = Arc::new(FakeBucket::with(&ADAPTER));
    let cache = TempDir::new().unwrap();
    let inputs = inputs(&bucket, cache.path());
    let adapter = reference("s3://bucket/a");
    let old = inputs.adapter(&adapter).unwrap();
    bucket.put("a/adapter_model.safetensors", b"changed");
    bucket.calls();
    let new = inputs.adapter(&adapter).unwrap();
    assert_ne!(new.digest, old.digest);
    assert_eq!(bucket.calls(), ["fetch a/adapter_model.safetensors", "list a"]);
    assert_eq!(fs::read_to_string(old.path.join("adapter_model.safetensors")).unwrap(), "weights");
    assert_eq!(inputs.expecting(old.digest).adapter(&adapter).unwrap(), old);
}

#[test]
fn what_may_have_changed_unseen_is_fetched_every_time() {
    let bucket = Arc::new(FakeBucket::with(&[("h", "old head")]).untold());
    let cache = TempDir::new().unwrap();
    let inputs = inputs(&bucket, cache.path());
    let old = inputs.file(&reference("s3://bucket/h")).unwrap();
    bucket.put("h", b"new head");
    assert_eq!(inputs.file(&reference("s3://bucket/h")).unwrap().digest, Digest::of(b"new head"));
    bucket.calls();
    assert_eq!(inputs.expecting(old.digest).file(&reference("s3://bucket/h")).unwrap(), old);
    assert_eq!(bucket.calls(), [""; 0], "a digest does not change unseen");
}

#[test]
fn many_at_a_time_fetch_an_object_once() {
    let bucket = Arc::new(FakeBucket::with(&ADAPTER));
    let cache = TempDir::new().unwrap();
    let start = Barrier::new(8);
    let found: Vec<Located> = thread::scope(|scope| {
        let run = || {
            let inputs = inputs(&bucket, cache.path());
            start.wait();
            inputs.adapter(&reference("s3://bucket/a")).unwrap()
        };
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(run)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(found.iter().all(|located| *located == found[0]));
    let calls = bucket.calls();
    assert_eq!(calls.iter().filter(|call| call.starts_with("fetch")).count(), 2, "{calls:?}");
}

#[test]
fn a_cached_file_that_was_cut_off_or_altered_is_fetched_again() {
    let bucket = Arc::new(FakeBucket::with(&ADAPTER));
    let cache = TempDir::new().unwrap();
    let adapter = reference("s3://bucket/a");
    let located = inputs(&bucket, cache.path()).adapter(&adapter).unwrap();
    let weights = fs::canonicalize(located.path.join("adapter_model.safetensors")).unwrap();
    let is_found = |found: &Located| (&found.path, found.digest) == (&located.path, located.digest);
    for damage in ["weigh", "wEights"] {
        fs::write(&weights, damage).unwrap();
        bucket.calls();
        // The process that starts afterwards, whether it knows the digest or not.
        let later = inputs(&bucket, cache.path());
        assert!(is_found(&later.expecting(located.digest).adapter(&adapter).unwrap()));
        assert_eq!(bucket.calls(), ["fetch a/adapter_model.safetensors", "list a"]);
        assert_eq!(fs::read_to_string(&weights).unwrap(), "weights");
    }
    fs::remove_file(&weights).unwrap();
    assert!(!inputs(&bucket, cache.path()).is_local(&adapter));
    assert!(is_found(&inputs(&bucket, cache.path()).adapter(&adapter).unwrap()));
    assert_eq!(fs::read_to_string(&weights).unwrap(), "weights");
}

#[test]
fn a_blob_in_use_stays_when_another_object_has_the_same_content() {
    let mut objects = ADAPTER.to_vec();
    objects.extend([("b/adapter_config.json", "{}"), ("b/adapter_model.safetensors", "others")]);
    let bucket = Arc::new(FakeBucket::with(&objects));
    let cache = TempDir::new().unwrap();
    let inputs = inputs(&bucket, cache.path());
    let located = inputs.adapter(&reference("s3://bucket/a")).unwrap();
    inputs.adapter(&reference("s3://bucket/b")).unwrap();
    assert!(bucket.calls().contains(&"fetch b/adapter_config.json".to_owned()));
    located.files_in_use.check().unwrap();
    assert!(files_in(&cache, "partial").is_empty());
}

#[test]
fn records_that_are_damaged_cost_a_download_and_no_more() {
    let bucket = Arc::new(FakeBucket::with(&ADAPTER));
    let cache = TempDir::new().unwrap();
    let adapter = reference("s3://bucket/a");
    let located = inputs(&bucket, cache.path()).adapter(&adapter).unwrap();
    for kind in ["objects", "contents", "places"] {
        let files = files_in(&cache, kind);
        assert!(!files.is_empty(), "{kind}");
        files.iter().for_each(|file| fs::write(file, r#"{"object": "#).unwrap());
    }
    let later = inputs(&bucket, cache.path());
    assert!(!later.is_local(&adapter));
    assert_eq!(later.expecting(located.digest).adapter(&adapter).unwrap(), located);
    assert!(later.is_local(&adapter));
}

#[test]
fn what_is_replaced_between_listing_and_fetching_is_listed_again() {
    let bucket = Arc::new(FakeBucket::with(&ADAPTER));
    let cache = TempDir::new().unwrap();
    let inputs = inputs(&bucket, cache.path());
    let adapter = reference("s3://bucket/a");
    bucket.fetches_fail(&[Fault::IsReplaced]);
    let located = inputs.adapter(&adapter).unwrap();
    assert_eq!(bucket.calls().iter().filter(|call| *call == "list a").count(), 2);
    let content = |name: &str| fs::read_to_string(located.path.join(name)).unwrap();
    let both = [content("adapter_config.json"), content("adapter_model.safetensors")].concat();
    assert_eq!(both.matches('!').count(), 1, "{both}");
    assert_eq!(inputs.adapter(&adapter).unwrap(), located);
    // If objects are replaced again and again, the error is retryable.
    bucket.put("h", b"head");
    bucket.fetches_fail(&[Fault::IsReplaced; 3]);
    let error = inputs.file(&reference("s3://bucket/h")).unwrap_err();
    assert_eq!(error.to_string(), "`s3://bucket/h` was replaced while it was fetched");
    assert!(error.is_retryable());
    assert_eq!(files_in(&cache, "partial"), [""; 0].map(PathBuf::from));
}

#[test]
fn what_the_store_says_is_told_and_whether_it_may_pass() {
    let bucket = Arc::new(FakeBucket::with(&[("h", "head")]));
    let cache = TempDir::new().unwrap();
    let inputs = inputs(&bucket, cache.path());
    for (problem, is_retryable) in [(Problem::Unavailable, true), (Problem::Permission, false)] {
        bucket.listing_fails(problem);
        let error = inputs.file(&reference("s3://bucket/h")).unwrap_err();
        assert_eq!(error.to_string(), "cannot fetch `s3://bucket/h`");
        let cause = error.source().unwrap().to_string();
        assert_eq!(cause, format!("cannot read `s3://bucket/h`{problem}"));
        assert_eq!(error.is_retryable(), is_retryable);
        assert_eq!(bucket.calls(), ["find h"], "the store has tried often enough");
    }
    bucket.fetches_fail(&[Fault::Fails(Problem::Unavailable)]);
    assert!(inputs.file(&reference("s3://bucket/h")).unwrap_err().is_retryable());
    assert_eq!(inputs.file(&reference("s3://bucket/h")).unwrap().digest, Digest::of(b"head"));
}

#[test]
fn a_download_that_is_cut_off_leaves_nothing_half() {
    let bucket = Arc::new(FakeBucket::with(&[("d/h", "head")]));
    let cache = TempDir::new().unwrap();
    let inputs = inputs(&bucket, cache.path());
    let head = reference("s3://bucket/d/h");
    bucket.fetches_fail(&[Fault::CutOff; 3]);
    let error = inputs.file(&head).unwrap_err();
    assert_eq!(error.to_string(), "of `s3://bucket/d/h` came 2 of 4 bytes");
    assert!(error.is_retryable());
    for kind in ["partial", "blobs", "contents", "places"] {
        assert_eq!(files_in(&cache, kind), [""; 0].map(PathBuf::from), "{kind}");
    }
    assert_eq!(inputs.file(&head).unwrap().digest, Digest::of(b"head"));
}

#[test]
fn what_is_not_in_the_bucket_is_named() {
    let bucket = Arc::new(FakeBucket::with(&ADAPTER));
    let cache = TempDir::new().unwrap();
    let inputs = inputs(&bucket, cache.path());
    let error = |text: &str| inputs.file(&reference(text)).unwrap_err();
    let gone = error("s3://bucket/a/adapter");
    assert!(gone.to_string().starts_with("`s3://bucket/a/adapter` is not there: no object has such a key"), "{gone}");
    assert!(!gone.is_retryable());
    assert!(matches!(error("s3://bucket/a"), InputError::NoObjects { .. }), "a folder is no file");
    assert!(matches!(error("s3://bucket"), InputError::NoObjects { .. }), "nor is a bucket");
    let gone = inputs.adapter(&reference("s3://bucket/b")).unwrap_err();
    assert!(matches!(gone, InputError::NoObjects { .. }), "{gone}");
    let lacks = inputs.model(&reference("s3://bucket/a")).unwrap_err();
    assert_eq!(lacks.to_string(), "`s3://bucket/a` is not a model: it has no `config.json`");
    let error = inputs.data(&spec(reference("s3://bucket/a/test.parquet")), "test").unwrap_err().to_string();
    assert!(error.contains("name the one that the files of the splits lie in"), "{error}");
}

#[test]
fn without_access_to_buckets_their_inputs_are_refused() {
    let error = Inputs::new(Settings::default()).adapter(&reference("s3://bucket/a")).unwrap_err();
    assert!(error.to_string().starts_with("`s3://bucket/a` lies in a bucket, and this process was given no access"));
    assert!(!error.is_retryable());
}

#[test]
fn a_cache_that_cannot_be_written_is_named() {
    let bucket = Arc::new(FakeBucket::with(&ADAPTER));
    let file = tempfile::NamedTempFile::new().unwrap();
    let error = inputs(&bucket, file.path()).adapter(&reference("s3://bucket/a")).unwrap_err();
    assert!(error.to_string().starts_with(&format!("cannot use `{}/v1/", file.path().display())), "{error}");
    assert!(!error.is_retryable(), "a file in the way stays there");
}

#[test]
fn roots_do_not_keep_from_what_was_fetched() {
    let bucket = Arc::new(FakeBucket::with(&ADAPTER));
    let cache = TempDir::new().unwrap();
    let objects = ObjectSettings { remote: bucket, cache: cache.path().to_owned() };
    let inputs = Inputs::new(Settings { objects: Some(objects), roots: Some(Vec::new()), ..Settings::default() });
    inputs.adapter(&reference("s3://bucket/a")).unwrap();
    let beside = InputRef::Path(cache.path().to_owned());
    assert!(matches!(inputs.adapter(&beside), Err(InputError::Outside { .. })), "by its path, it is one as any");
}

#[test]
fn the_whole_cache_can_be_moved() {
    let bucket = Arc::new(FakeBucket::with(&ADAPTER));
    let place = TempDir::new().unwrap();
    let here = place.path().join("here");
    let there = place.path().join("there");
    let located = inputs(&bucket, &here).adapter(&reference("s3://bucket/a")).unwrap();
    fs::rename(here, &there).unwrap();
    let nothing = Arc::new(FakeBucket::default());
    let moved = inputs(&nothing, &there).expecting(located.digest).adapter(&reference("s3://bucket/a")).unwrap();
    assert_eq!(fs::read_to_string(moved.path.join("adapter_model.safetensors")).unwrap(), "weights");
    assert_eq!(nothing.calls(), [""; 0]);
}

#[test]
fn classes_of_other_splits_are_known_where_only_the_cache_serves() {
    let files = [("d/test/cat/1.png", "one"), ("d/train/ant/1.png", "two"), ("d/train/cat/1.png", "three")];
    let bucket = Arc::new(FakeBucket::with(&files));
    let cache = TempDir::new().unwrap();
    let spec = spec(reference("s3://bucket/d"));
    let data = inputs(&bucket, cache.path()).data(&spec, "test").unwrap();
    let jobs::DataFiles::ImageFolder { classes, .. } = &data.files else { panic!() };
    assert_eq!(*classes, ["ant", "cat"]);
    let nothing = Arc::new(FakeBucket::default());
    let cached = inputs(&nothing, cache.path()).expecting(data.digest).data(&spec, "test").unwrap();
    assert_eq!(cached, data);
    assert_eq!(nothing.calls(), [""; 0]);
}

#[test]
fn an_object_that_no_folder_can_hold_is_not_left_out_of_a_split() {
    let files = [("d/test/cat/1.png", "one"), ("d/test/cat//2.png", "two")];
    let bucket = Arc::new(FakeBucket::with(&files));
    let cache = TempDir::new().unwrap();
    let error = inputs(&bucket, cache.path()).data(&spec(reference("s3://bucket/d")), "test").unwrap_err().to_string();
    assert!(error.contains("holds `test/cat//2.png`, whose key is no path that a file can have"), "{error}");
}
