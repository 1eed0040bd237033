//! The cache as the hub's own client lays it out, and a small hub on loopback: files as git has them, without xet.

mod outline;
mod server;

use crate::{InputError, Inputs, Settings};
use jobs::{DataFiles, DataSpec, HubKind, InputRef};
use server::FakeHub;
use std::{collections::BTreeMap, error::Error, fs, net::TcpListener, path::Path};
use tempfile::TempDir;

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
const ADAPTER: [(&str, &str); 4] = [
    ("README.md", "words"),
    ("adapter_config.json", "{}"),
    ("adapter_model.safetensors", "weights"),
    ("training_args.bin", "state"),
];

fn reference(text: &str) -> InputRef {
    InputRef::parse(text, Path::new("/"), HubKind::Model).unwrap()
}

/// A cache that holds `files` of a repository at [`COMMIT`], which is its `main`.
fn cache_with(repository: &str, files: &[(&str, &str)]) -> TempDir {
    let cache = TempDir::new().unwrap();
    let repository = cache.path().join(repository);
    let snapshot = repository.join("snapshots").join(COMMIT);
    for (name, content) in files {
        let path = snapshot.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    fs::create_dir_all(repository.join("refs")).unwrap();
    fs::write(repository.join("refs/main"), COMMIT).unwrap();
    cache
}

fn offline(cache: &TempDir) -> Inputs {
    Inputs::new(Settings { is_offline: true, cache: Some(cache.path().to_owned()), ..Settings::default() })
}

fn online(cache: &TempDir, endpoint: String) -> Inputs {
    Inputs::new(Settings {
        cache: Some(cache.path().to_owned()),
        endpoint: Some(endpoint),
        attempts: Some(1),
        ..Settings::default()
    })
}

/// An address where nothing listens.
fn nowhere() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

fn mnist(reference: &str) -> DataSpec {
    DataSpec {
        source: InputRef::parse(reference, Path::new("/"), HubKind::Dataset).unwrap(),
        image_column: "image".to_owned(),
        text: None,
        label_column: "label".to_owned(),
        splits: BTreeMap::new(),
    }
}

#[test]
fn what_the_cache_has_needs_no_network() {
    let cache = cache_with("models--owner--name", &ADAPTER);
    let inputs = offline(&cache);
    for text in ["hf://owner/name", "hf://owner/name@main", &format!("hf://owner/name@{COMMIT}")] {
        assert!(inputs.is_local(&reference(text)), "{text}");
        let adapter = inputs.adapter(&reference(text)).unwrap();
        assert_eq!(adapter.commit.as_deref(), Some(COMMIT));
        assert!(adapter.path.join("adapter_model.safetensors").is_file());
    }
    let file = inputs.file(&reference("hf://owner/name/training_args.bin")).unwrap();
    assert_eq!(file.digest, jobs::Digest::of(b"state"));
}

#[test]
fn an_input_from_the_hub_has_the_digest_of_the_same_files_in_a_folder() {
    let cache = cache_with("models--owner--name", &ADAPTER);
    let folder = TempDir::new().unwrap();
    for (name, content) in &ADAPTER[1..3] {
        fs::write(folder.path().join(name), content).unwrap();
    }
    let inputs = offline(&cache);
    let here = inputs.adapter(&InputRef::Path(folder.path().to_owned())).unwrap();
    assert_eq!(inputs.adapter(&reference("hf://owner/name")).unwrap().digest, here.digest);
}

#[test]
fn without_network_and_cache_the_error_says_what_is_missing_and_what_to_do() {
    let cache = cache_with("models--owner--name", &ADAPTER);
    let inputs = offline(&cache);
    let other = "fedcba9876543210fedcba9876543210fedcba98";
    for (text, absent) in [
        ("hf://owner/other", "nothing of the repository is there".to_owned()),
        (
            "hf://owner/name@v2",
            format!("the repository is there, but not what `v2` means; name a commit that is there, with `@{COMMIT}`"),
        ),
        (&format!("hf://owner/name@{other}"), format!("the repository is there, but no file of its commit `{other}`")),
    ] {
        let error = inputs.adapter(&reference(text)).unwrap_err();
        assert!(matches!(error, InputError::Offline { .. }), "{error}");
        let message = error.to_string();
        let start = format!("`{text}` is not in the hub's cache `{}`", cache.path().display());
        assert!(message.starts_with(&start), "{message}");
        assert!(message.contains("HF_HUB_OFFLINE") && message.contains("hf download"), "{message}");
        assert!(message.contains(&absent), "{message}");
    }
    assert!(!inputs.is_local(&reference("hf://owner/other")));
    fs::remove_file(cache.path().join("models--owner--name/refs/main")).unwrap();
    let message = inputs.adapter(&reference("hf://owner/name")).unwrap_err().to_string();
    assert!(message.contains("but not what `main` means") && message.contains(COMMIT), "{message}");
    inputs.adapter(&reference(&format!("hf://owner/name@{COMMIT}"))).unwrap();
}

#[test]
fn a_file_that_the_cache_lacks_is_named() {
    let cache = cache_with("models--owner--name", &ADAPTER[..2]);
    let error = offline(&cache).adapter(&reference("hf://owner/name")).unwrap_err();
    let start = format!("the hub's cache `{}` does not have all of `hf://owner/name`", cache.path().display());
    assert!(error.to_string().starts_with(&start), "{error}");
    let cause = error.source().unwrap().to_string();
    assert_eq!(
        cause,
        "`hf://owner/name` is not an adapter: it has no `adapter_model.safetensors` or `adapter_model.bin`"
    );
    let unreachable = online(&cache, nowhere()).adapter(&reference("hf://owner/name")).unwrap_err().to_string();
    assert!(
        unreachable.contains("only a part of the repository is there: ") && unreachable.contains(&cause),
        "{unreachable}"
    );
    let index = r#"{"weight_map": {"a": "one.safetensors"}}"#;
    let sharded = cache_with("models--owner--name", &[("config.json", "{}"), ("model.safetensors.index.json", index)]);
    let error = offline(&sharded).model(&reference("hf://owner/name")).unwrap_err();
    let cause = error.source().unwrap().to_string();
    assert!(cause.ends_with("it has no `one.safetensors` that `model.safetensors.index.json` names"), "{cause}");
}

#[test]
fn an_interrupted_download_is_not_taken_for_a_whole_one() {
    let images = [("test/cat/1.png", "one"), ("test/cat/2.png", "two")];
    let cache = cache_with("datasets--owner--name", &images);
    let inputs = offline(&cache);
    let spec = mnist("hf://datasets/owner/name");
    let whole = inputs.data(&spec, "test").unwrap();
    let repository = cache.path().join("datasets--owner--name");
    fs::create_dir(repository.join("blobs")).unwrap();
    let partial = repository.join("blobs/00ff.incomplete");
    fs::write(&partial, "").unwrap();
    let error = inputs.data(&spec, "test").unwrap_err().to_string();
    assert!(error.contains("only in part") && error.contains("00ff.incomplete"), "{error}");
    assert_eq!(
        inputs.expecting(whole.digest).data(&spec, "test").unwrap(),
        whole,
        "its digest shows that it is complete"
    );
    fs::remove_file(partial).unwrap();
    let link = repository.join("snapshots").join(COMMIT).join("test/cat/3.png");
    std::os::unix::fs::symlink("../../../../blobs/gone", link).unwrap();
    let error = inputs.data(&spec, "test").unwrap_err().source().unwrap().to_string();
    assert!(error.contains("holds `test/cat/3.png`, a link that leads nowhere"), "{error}");
}

#[test]
fn a_reference_to_one_cached_file_of_a_data_set_is_told_to_name_the_folder() {
    let cache = cache_with("datasets--owner--name", &[("test.parquet", "table")]);
    let inputs = offline(&cache);
    let spec = mnist("hf://datasets/owner/name/test.parquet");
    for error in [inputs.data(&spec, "test").unwrap_err(), inputs.list_data(&spec, "test").unwrap_err()] {
        assert!(error.to_string().contains("test.parquet` is not a folder: name the one that the files"), "{error}");
        assert!(!error.is_retryable());
    }
}

#[test]
fn classes_are_those_of_the_splits_on_the_hub_though_only_one_is_fetched() {
    let files = [("test/cat/1.png", "one"), ("train/ant/1.png", "two"), ("train/cat/1.png", "three")];
    let hub = FakeHub::start("datasets", "owner/name", COMMIT, &files);
    let cache = TempDir::new().unwrap();
    let data = online(&cache, hub.endpoint()).data(&mnist("hf://datasets/owner/name"), "test").unwrap();
    let DataFiles::ImageFolder { classes, images, .. } = data.files else { panic!() };
    assert_eq!((classes, images.len()), (["ant", "cat"].map(str::to_owned).to_vec(), 1));
    assert_eq!(hub.fetched(), ["test/cat/1.png"]);
}

#[test]
fn only_the_files_that_are_needed_are_fetched_and_the_commit_is_told() {
    let hub = FakeHub::start("models", "owner/name", COMMIT, &ADAPTER);
    let cache = TempDir::new().unwrap();
    let inputs = online(&cache, hub.endpoint());
    let adapter = inputs.adapter(&reference("hf://owner/name")).unwrap();
    assert_eq!(adapter.commit.as_deref(), Some(COMMIT));
    assert_eq!(fs::read_to_string(adapter.path.join("adapter_model.safetensors")).unwrap(), "weights");
    assert_eq!(hub.fetched(), ["adapter_config.json", "adapter_model.safetensors"]);
    // Fetched files are found again without the network.
    assert_eq!(offline(&cache).adapter(&reference("hf://owner/name")).unwrap(), adapter);
}

#[test]
fn of_a_data_set_only_the_split_is_fetched() {
    let files = [
        ("README.md", "words"),
        ("mnist/test-00000-of-00001.parquet", "test rows"),
        ("mnist/train-00000-of-00001.parquet", "train rows"),
    ];
    let hub = FakeHub::start("datasets", "ylecun/mnist", COMMIT, &files);
    let cache = TempDir::new().unwrap();
    let inputs = online(&cache, hub.endpoint());
    let spec = mnist("hf://datasets/ylecun/mnist/mnist");
    let data = inputs.data(&spec, "test").unwrap();
    assert_eq!(data.commit.as_deref(), Some(COMMIT));
    assert_eq!(hub.fetched(), ["mnist/test-00000-of-00001.parquet"]);
    // The splits named are those of the hub, not those that happen to be in the cache.
    let error = inputs.data(&spec, "validation").unwrap_err().to_string();
    assert!(error.starts_with("`hf://datasets/ylecun/mnist/mnist` has no split `validation`"), "{error}");
    assert!(error.ends_with("it has `test`, `train`"), "{error}");
}

#[test]
fn when_the_hub_is_out_of_reach_the_cache_serves() {
    let cache = cache_with("models--owner--name", &ADAPTER);
    let inputs = online(&cache, nowhere());
    assert_eq!(inputs.adapter(&reference("hf://owner/name")).unwrap().commit.as_deref(), Some(COMMIT));
    let error = inputs.adapter(&reference("hf://owner/other")).unwrap_err();
    assert!(error.to_string().starts_with("cannot reach the hub for `hf://owner/other`, and it is not in"), "{error}");
    assert!(error.to_string().contains("HF_HUB_OFFLINE=1"));
    assert!(error.source().unwrap().to_string().contains("127.0.0.1"), "the cause names the address");
    assert!(error.is_retryable());
}

#[test]
fn a_caller_that_knows_the_digest_does_not_ask_the_hub() {
    let cache = cache_with("models--owner--name", &ADAPTER);
    // This hub would say that there is no such repository.
    let hub = FakeHub::start("models", "owner/other", COMMIT, &ADAPTER);
    let inputs = online(&cache, hub.endpoint());
    let adapter = reference("hf://owner/name");
    let known = offline(&cache).adapter(&adapter).unwrap();
    assert_eq!(inputs.expecting(known.digest).adapter(&adapter).unwrap(), known);
    for unknown in [inputs.adapter(&adapter), inputs.expecting(jobs::Digest::of(b"newer")).adapter(&adapter)] {
        assert!(matches!(unknown, Err(InputError::Hub { .. })), "{unknown:?}");
    }
}

#[test]
fn what_the_hub_does_not_have_is_an_error_that_names_it() {
    let hub = FakeHub::start("models", "owner/name", COMMIT, &ADAPTER);
    let cache = TempDir::new().unwrap();
    let inputs = online(&cache, hub.endpoint());
    let error = inputs.adapter(&reference("hf://owner/other")).unwrap_err();
    assert_eq!(error.to_string(), "the hub does not give `hf://owner/other`");
    assert!(!error.is_retryable());
    let error = inputs.model(&reference("hf://owner/name")).unwrap_err();
    assert_eq!(error.to_string(), "`hf://owner/name` is not a model: it has no `config.json`");
    let error = inputs.file(&reference("hf://owner/name/head.safetensors")).unwrap_err();
    assert_eq!(error.to_string(), "`hf://owner/name/head.safetensors` is not there");
    let error = inputs.file(&reference("hf://owner/name")).unwrap_err();
    assert_eq!(error.to_string(), "`hf://owner/name` is not a file");
}

#[test]
fn a_name_is_matched_as_it_is() {
    assert_eq!(super::literal("a[1]*.b"), "a[[]1[]][*].b");
    assert_eq!(super::literal(r"a\{b}"), r"a\\[{]b[}]");
}
