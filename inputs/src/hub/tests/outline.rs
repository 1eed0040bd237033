//! What is known about a repository without fetching it.

use super::{ADAPTER, COMMIT, cache_with, mnist, nowhere, offline, online, reference, server::FakeHub};
use crate::InputError;
use jobs::DataFiles;
use std::fs;
use tempfile::TempDir;

/// A header of two bytes, and more data than is read of a file at first.
fn tensors() -> String {
    format!("\u{2}\0\0\0\0\0\0\0{{}}{}", "x".repeat(100_000))
}

fn is_empty(folder: &TempDir) -> bool {
    fs::read_dir(folder.path()).unwrap().next().is_none()
}

#[test]
fn of_weights_the_header_is_read_and_nothing_goes_into_the_cache() {
    let weights = tensors();
    let files = [("README.md", "words"), ("adapter_config.json", "{}"), ("adapter_model.safetensors", &weights)];
    let hub = FakeHub::start("models", "owner/name", COMMIT, &files);
    let cache = TempDir::new().unwrap();
    let inputs = online(&cache, hub.endpoint());
    let listing = inputs.list_adapter(&reference("hf://owner/name")).unwrap();
    let sizes: Vec<_> = listing.missing().map(|file| (file.name.as_str(), file.bytes)).collect();
    assert_eq!(sizes, [("adapter_config.json", 2), ("adapter_model.safetensors", 100_010)]);
    assert!(hub.fetched().is_empty(), "names and sizes come from the listing");

    let outline = inputs.outline(&listing).unwrap();
    assert_eq!(hub.fetched(), ["adapter_config.json 0-1", "adapter_model.safetensors 0-65535"]);
    let shown = fs::read(outline.path().join("adapter_model.safetensors")).unwrap();
    assert_eq!((shown.len(), &shown[..20]), (100_010, &weights.as_bytes()[..20]));
    assert!(shown[65_536..].iter().all(|byte| *byte == 0), "the rest is a hole");
    assert!(!outline.is_whole() && is_empty(&cache));
    let message = format!("cannot read `{}/adapter_model.safetensors`", outline.path().display());
    assert_eq!(outline.named(&message), "cannot read `hf://owner/name/adapter_model.safetensors`");
}

#[test]
fn a_mirror_without_ranges_is_not_read_to_the_end() {
    let weights = tensors();
    let files = [("adapter_config.json", "{}"), ("adapter_model.safetensors", &weights)];
    let hub = FakeHub::without_ranges("models", "owner/name", COMMIT, &files);
    let cache = TempDir::new().unwrap();
    let inputs = online(&cache, hub.endpoint());
    let outline = inputs.outline(&inputs.list_adapter(&reference("hf://owner/name")).unwrap()).unwrap();
    let shown = fs::read(outline.path().join("adapter_model.safetensors")).unwrap();
    assert_eq!(&shown[..65_536], &weights.as_bytes()[..65_536]);
}

#[test]
fn what_the_cache_has_is_taken_from_there_and_the_rest_is_counted() {
    let hub = FakeHub::start("models", "owner/name", COMMIT, &ADAPTER);
    let cache = cache_with("models--owner--name", &ADAPTER[..2]);
    let inputs = online(&cache, hub.endpoint());
    let adapter = reference("hf://owner/name");
    let listing = inputs.list_adapter(&adapter).unwrap();
    let missing: Vec<_> = listing.missing().map(|file| file.name.as_str()).collect();
    assert_eq!(missing, ["adapter_model.safetensors"], "the cache holds a part of the snapshot");
    let outline = inputs.outline(&listing).unwrap();
    assert_eq!(fs::read(outline.path().join("adapter_config.json")).unwrap(), b"{}");
    assert_eq!(hub.fetched(), ["adapter_model.safetensors 0-6"]);

    inputs.adapter(&adapter).unwrap();
    let listing = inputs.list_adapter(&adapter).unwrap();
    let outline = inputs.outline(&listing).unwrap();
    assert!(listing.is_here() && outline.is_whole());
    assert!(
        outline.path().starts_with(fs::canonicalize(cache.path()).unwrap()) || outline.path().starts_with(cache.path())
    );
}

#[test]
fn the_shards_of_a_model_are_those_that_its_index_names() {
    let weights = tensors();
    let index = r#"{"weight_map": {"a": "one.safetensors", "b": "two.safetensors"}}"#;
    let files = [
        ("config.json", "{}"),
        ("model.safetensors.index.json", index),
        ("one.safetensors", &weights),
        ("tokenizer.json", "{}"),
        ("two.safetensors", &weights),
        ("zero.safetensors", &weights),
    ];
    let hub = FakeHub::start("models", "owner/name", COMMIT, &files);
    let cache = TempDir::new().unwrap();
    let inputs = online(&cache, hub.endpoint());
    let listing = inputs.list_model(&reference("hf://owner/name")).unwrap();
    assert_eq!(listing.missing().map(|file| file.bytes).sum::<u64>(), 2 * 100_010 + 4 + index.len() as u64);
    let error = inputs.list_adapter(&reference("hf://owner/name")).unwrap_err();
    assert_eq!(error.to_string(), "`hf://owner/name` is not an adapter: it has no `adapter_config.json`");
}

#[test]
fn of_tables_the_footer_is_read_and_of_images_the_names() {
    let table = format!("{}footer\u{6}\0\0\0PAR1", "x".repeat(100_000));
    let files = [("mnist/test-00000-of-00001.parquet", table.as_str()), ("mnist/train/cat/1.png", "image")];
    let hub = FakeHub::start("datasets", "ylecun/mnist", COMMIT, &files);
    let cache = TempDir::new().unwrap();
    let inputs = online(&cache, hub.endpoint());
    let spec = mnist("hf://datasets/ylecun/mnist/mnist");
    let data = inputs.list_data(&spec, "test").unwrap();
    let outline = inputs.outline(&data.listing).unwrap();
    let DataFiles::Parquet(paths) = data.files(&outline) else { panic!("{data:?}") };
    let shown = fs::read(&paths[0]).unwrap();
    assert_eq!((shown.len(), shown.ends_with(b"footer\x06\0\0\0PAR1")), (table.len(), true));
    assert_eq!(hub.fetched().len(), 1);

    let data = inputs.list_data(&spec, "train").unwrap();
    let outline = inputs.outline(&data.listing).unwrap();
    let DataFiles::ImageFolder { images, .. } = data.files(&outline) else { panic!("{data:?}") };
    assert_eq!((images[0].0.as_str(), images[0].1.exists()), ("cat", false));
    assert_eq!(hub.fetched().len(), 1, "an image is not read");
    let error = inputs.list_data(&spec, "validation").unwrap_err().to_string();
    assert!(error.contains("has no split `validation`"), "{error}");
}

#[test]
fn pickled_weights_are_left_out_by_name() {
    let files = [("adapter_config.json", "{}"), ("adapter_model.bin", "pickle")];
    let hub = FakeHub::start("models", "owner/name", COMMIT, &files);
    let cache = TempDir::new().unwrap();
    let inputs = online(&cache, hub.endpoint());
    let outline = inputs.outline(&inputs.list_adapter(&reference("hf://owner/name")).unwrap()).unwrap();
    assert_eq!(
        (outline.left_out(), hub.fetched()),
        (&["adapter_model.bin".to_owned()][..], vec!["adapter_config.json 0-1".to_owned()])
    );
    assert!(!outline.path().join("adapter_model.bin").exists());
}

#[test]
fn without_network_a_listing_is_what_the_cache_has() {
    let cache = cache_with("models--owner--name", &ADAPTER);
    let adapter = reference("hf://owner/name");
    assert!(offline(&cache).list_adapter(&adapter).unwrap().is_here());
    assert!(online(&cache, nowhere()).list_adapter(&adapter).unwrap().is_here());
    let other = reference("hf://owner/other");
    assert!(matches!(offline(&cache).list_adapter(&other), Err(InputError::Offline { .. })));
    assert!(matches!(online(&cache, nowhere()).list_adapter(&other), Err(InputError::Unreachable { .. })));
    assert!(matches!(offline(&cache).list_model(&adapter), Err(InputError::Partial { .. })), "a part is not enough");
    let file = reference("hf://owner/name/other.safetensors");
    assert!(matches!(offline(&cache).list_file(&file), Err(InputError::Partial { .. })));
}
