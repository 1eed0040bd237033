//! Inputs in folders. The hub has tests of its own.

mod in_use;

use super::*;
use jobs::{DataFiles, DataSpec, Digest, InputRef, Rows, ShuffleLike, SplitRule};
use std::{
    collections::BTreeMap,
    error::Error,
    ffi::OsStr,
    fs,
    os::unix::{ffi::OsStrExt, fs::symlink},
    path::{Path, PathBuf},
};
use tempfile::TempDir;

fn example(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/mini8").join(path)
}

fn inputs() -> Inputs {
    Inputs::new(Settings { is_offline: true, ..Settings::default() })
}

fn at(path: impl Into<PathBuf>) -> InputRef {
    InputRef::Path(path.into())
}

/// A folder with `files`, each holding its own name.
fn folder(files: &[&str]) -> TempDir {
    let folder = TempDir::new().unwrap();
    for file in files {
        let path = folder.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, file).unwrap();
    }
    folder
}

fn copy_of(original: &Path) -> TempDir {
    let copy = TempDir::new().unwrap();
    for entry in fs::read_dir(original).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
    }
    copy
}

fn spec(source: impl Into<PathBuf>) -> DataSpec {
    DataSpec {
        source: at(source),
        image_column: "image".to_owned(),
        text: None,
        label_column: "label".to_owned(),
        splits: BTreeMap::new(),
    }
}

fn with_rule(source: &Path, rule: SplitRule) -> DataSpec {
    DataSpec { splits: BTreeMap::from([("validation".to_owned(), rule)]), ..spec(source) }
}

#[test]
fn a_models_digest_is_that_of_what_decides_wherever_it_lies() {
    let inputs = inputs();
    let original = inputs.model(&at(example("base"))).unwrap();
    assert_eq!((original.path, original.commit), (example("base"), None));
    let copy = copy_of(&example("base"));
    let digest = |path: &Path| inputs.model(&at(path)).unwrap().digest;
    assert_eq!(digest(copy.path()), original.digest);
    fs::write(copy.path().join("README.md"), "changed").unwrap();
    assert_eq!(digest(copy.path()), original.digest);
    fs::remove_file(copy.path().join("preprocessor_config.json")).unwrap();
    assert_ne!(digest(copy.path()), original.digest, "the preprocessing decides");
}

#[test]
fn the_image_processor_of_transformers_5_counts_where_it_decides() {
    let inputs = inputs();
    let copy = copy_of(&example("base"));
    let digest = || inputs.model(&at(copy.path())).unwrap().digest;
    let old = copy.path().join("preprocessor_config.json");
    let new = copy.path().join("processor_config.json");
    let alone = digest();
    let processor: serde_json::Value = serde_json::from_slice(&fs::read(&old).unwrap()).unwrap();
    let write = |processor: serde_json::Value| {
        fs::write(&new, serde_json::json!({"image_processor": processor, "processor_class": "x"}).to_string()).unwrap();
    };
    write(processor.clone());
    assert_eq!(digest(), alone, "a second file that says the same does not count");
    let mut other = processor;
    other["do_resize"] = false.into();
    write(other);
    assert_ne!(digest(), alone, "evaluation refuses the two");
    fs::remove_file(&old).unwrap();
    let first = digest();
    let json = fs::read_to_string(&new).unwrap();
    fs::write(&new, json.replace("false", "true ")).unwrap();
    assert_ne!(digest(), first, "the new file alone decides");
}

#[test]
fn a_model_whose_texts_end_with_padding_is_told_from_one_read_by_the_old_rule() {
    let nli6 = example("../nli6/base").canonicalize().unwrap();
    let inputs = inputs();
    let copy = copy_of(&nli6);
    let located = |path: &Path| inputs.model(&at(path)).unwrap();
    let by_files = |folder: &Path| {
        let mut names: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        let digest = |name: &std::ffi::OsString| Digest::of(&fs::read(folder.join(name)).unwrap());
        let files = names.iter().map(|name| (name.to_str().unwrap(), digest(name)));
        Digest::of_json(&files.collect::<Vec<_>>())
    };
    assert_eq!(located(&nli6).digest, by_files(&nli6), "the results of models without such texts stay");
    let tokenizer = copy.path().join("tokenizer.json");
    let text = fs::read_to_string(&tokenizer).unwrap();
    let mut value: serde_json::Value = serde_json::from_str(&text).unwrap();
    let post = value.pointer_mut("/post_processor/processors/1/special_tokens").unwrap();
    post["<|end_of_text|>"] =
        serde_json::json!({"id": "<|end_of_text|>", "ids": [1001], "tokens": ["<|end_of_text|>"]});
    fs::write(&tokenizer, value.to_string()).unwrap();
    assert_ne!(located(copy.path()).digest, by_files(copy.path()));
}

#[test]
fn adapters_differ_and_each_is_itself() {
    let inputs = inputs();
    let digest = |path: PathBuf| inputs.adapter(&at(path)).unwrap().digest;
    assert_ne!(digest(example("adapters/mnist")), digest(example("adapters/letters")));
    assert_eq!(digest(copy_of(&example("adapters/mnist")).path().to_owned()), digest(example("adapters/mnist")));
}

#[test]
fn what_is_not_a_model_or_adapter_is_told_what_it_lacks() {
    let inputs = inputs();
    let base = at(example("base"));
    let error = inputs.adapter(&base).unwrap_err();
    assert_eq!(error.to_string(), format!("`{base}` is not an adapter: it has no `adapter_config.json`"));
    let gone = at("/no/such/folder");
    assert_eq!(inputs.model(&gone).unwrap_err().to_string(), "`/no/such/folder` is not there");
    let file = at(example("base/config.json"));
    assert_eq!(inputs.model(&file).unwrap_err().to_string(), format!("`{file}` is not a folder"));
    assert_eq!(inputs.file(&base).unwrap_err().to_string(), format!("`{base}` is not a file"));
    assert!(!inputs.file(&gone).unwrap_err().is_retryable());
}

#[test]
fn a_file_has_the_digest_of_its_content() {
    let path = example("heads/mnist.safetensors");
    let located = inputs().file(&at(&path)).unwrap();
    assert_eq!(located.digest, jobs::Digest::of(&fs::read(&path).unwrap()));
}

#[test]
fn a_splits_digest_does_not_know_where_its_files_lie_or_what_they_are_called() {
    let inputs = inputs();
    let original = inputs.data(&spec(example("data/mnist")), "validation").unwrap();
    let file = example("data/mnist/validation-00000-of-00001.parquet");
    assert_eq!(original.files, DataFiles::Parquet(vec![file.clone()]));
    assert_eq!(original.rows, Rows::All);
    let copy = folder(&["data/validation/0.parquet"]);
    fs::copy(&file, copy.path().join("data/validation/0.parquet")).unwrap();
    assert_eq!(inputs.data(&spec(copy.path()), "validation").unwrap().digest, original.digest);
    assert_ne!(inputs.data(&spec(example("data/mnist")), "test").unwrap().digest, original.digest);
    let other_column = DataSpec { label_column: "fine_label".to_owned(), ..spec(example("data/mnist")) };
    assert_ne!(inputs.data(&other_column, "validation").unwrap().digest, original.digest);
}

#[test]
fn images_in_folders_count_with_their_names() {
    let inputs = inputs();
    let one = folder(&["test/cat/1.png", "test/dog/1.png", "train/cat/1.png"]);
    let located = inputs.data(&spec(one.path()), "test").unwrap();
    let images = ["cat", "dog"].map(|class| (class.to_owned(), one.path().join("test").join(class).join("1.png")));
    let folder_of_split = one.path().join("test");
    let images = images.to_vec();
    let classes = ["cat", "dog"].map(str::to_owned).to_vec();
    assert_eq!(located.files, DataFiles::ImageFolder { folder: folder_of_split, classes, images });
    let same = folder(&["test/cat/1.png", "test/dog/1.png", "test/notes.txt", "test/dog/.thumbnails/1.png"]);
    assert_eq!(inputs.data(&spec(same.path()), "test").unwrap().digest, located.digest);
    fs::rename(same.path().join("test/dog"), same.path().join("test/ant")).unwrap();
    assert_ne!(inputs.data(&spec(same.path()), "test").unwrap().digest, located.digest, "the classes' order changed");
}

#[test]
fn a_folder_of_images_that_would_lose_some_is_refused() {
    let there = folder(&["test/cat/1.png", "test/dog/1.png", "train/cat/1.png"]);
    let refused = || inputs().data(&spec(there.path()), "test").unwrap_err().to_string();
    let holds = |entry: &str| format!("`{}` holds `{entry}`, ", there.path().display());
    fs::create_dir(there.path().join("test/ant")).unwrap();
    assert!(refused().starts_with(&holds("test/ant/")), "{}", refused());
    fs::write(there.path().join("test/ant/.hidden.png"), "").unwrap();
    assert!(refused().starts_with(&holds("test/ant/")), "a hidden image is none: {}", refused());
    fs::remove_dir_all(there.path().join("test/ant")).unwrap();
    fs::create_dir(there.path().join("test/cat/more")).unwrap();
    fs::write(there.path().join("test/cat/more/2.png"), "").unwrap();
    assert!(refused().starts_with(&holds("test/cat/more/")), "{}", refused());
    fs::remove_dir_all(there.path().join("test/cat/more")).unwrap();
    fs::write(there.path().join("test/dog/2.webp"), "").unwrap();
    assert!(refused().starts_with(&holds("test/dog/2.webp")), "{}", refused());
    assert!(inputs().data(&spec(there.path()), "train").is_ok(), "the other split is whole");
}

#[test]
fn a_class_that_only_another_split_has_moves_no_label_and_is_part_of_the_digest() {
    let classes = |there: &TempDir, split: &str| {
        let located = inputs().data(&spec(there.path()), split).unwrap();
        let DataFiles::ImageFolder { classes, images, .. } = located.files else { panic!() };
        (classes, images.len(), located.digest)
    };
    let alone = folder(&["test/ant/1.png", "test/cat/1.png"]);
    let whole = folder(&["test/ant/1.png", "test/cat/1.png", "train/ant/1.png", "train/cat/1.png"]);
    let gap = folder(&["test/ant/1.png", "test/cat/1.png", "train/bee/1.png", "train/cat/1.png"]);
    assert_eq!(classes(&alone, "test"), classes(&whole, "test"), "another split changes nothing by itself");
    let (names, images, digest) = classes(&gap, "test");
    assert_eq!((names, images), (["ant", "bee", "cat"].map(str::to_owned).to_vec(), 2));
    assert_ne!(digest, classes(&alone, "test").2, "the labels are others");
    fs::create_dir(gap.path().join("test/bee")).unwrap();
    assert_eq!(classes(&gap, "test").2, digest, "an empty folder says what the other split says");
}

#[test]
fn what_cannot_be_read_of_a_split_is_named_and_never_left_out() {
    let there = folder(&["test/cat/1.png", "test/dog/1.png", "train/cat/1.png"]);
    let refused = |split: &str| inputs().data(&spec(there.path()), split).unwrap_err().to_string();
    symlink("/no/such/readme", there.path().join("README.md")).unwrap();
    symlink("/no/such/image", there.path().join("train/cat/2.png")).unwrap();
    assert!(inputs().data(&spec(there.path()), "test").is_ok(), "neither is a part of the split");
    let start =
        format!("`{}` holds `train/cat/2.png`, a link that leads nowhere (`/no/such/image`)", there.path().display());
    assert!(refused("train").starts_with(&start), "{}", refused("train"));
    symlink("/no/such/image", there.path().join("train/cat/3.png")).unwrap();
    assert!(
        refused("train").ends_with("; 1 other entries are missing or cannot be read either"),
        "{}",
        refused("train")
    );
    symlink("/no/such/class", there.path().join("test/ant")).unwrap();
    assert!(refused("test").contains("holds `test/ant`, a link that leads nowhere"), "{}", refused("test"));
    fs::remove_file(there.path().join("test/ant")).unwrap();
    fs::create_dir(there.path().join("test").join(OsStr::from_bytes(b"caf\xe9"))).unwrap();
    assert!(refused("test").contains("holds `test/caf\u{fffd}`, whose name is not UTF-8"), "{}", refused("test"));
    let shards = folder(&["test-00000-of-00002.parquet"]);
    symlink("/no/such/shard", shards.path().join("test-00001-of-00002.parquet")).unwrap();
    let error = inputs().data(&spec(shards.path()), "test").unwrap_err().to_string();
    assert!(error.contains("holds `test-00001-of-00002.parquet`, a link that leads nowhere"), "{error}");
    let unmounted = TempDir::new().unwrap();
    symlink("/no/such/disk", unmounted.path().join("test")).unwrap();
    let error = inputs().data(&spec(unmounted.path()), "test").unwrap_err().to_string();
    assert!(error.contains("holds `test`, a link that leads nowhere"), "{error}");
}

#[test]
fn what_cannot_be_read_of_a_model_matters_where_it_decides() {
    let copy = copy_of(&example("adapters/mnist"));
    symlink("/no/such/readme", copy.path().join("notes.md")).unwrap();
    assert!(inputs().adapter(&at(copy.path())).is_ok());
    fs::rename(copy.path().join("adapter_model.safetensors"), copy.path().join("adapter_model.bin")).unwrap();
    symlink("/no/such/blob", copy.path().join("adapter_model.safetensors")).unwrap();
    let error = inputs().adapter(&at(copy.path())).unwrap_err().to_string();
    assert!(
        error.contains("holds `adapter_model.safetensors`, a link that leads nowhere"),
        "no other file stands in: {error}"
    );
}

#[test]
fn a_git_lfs_pointer_is_named_wherever_it_stands_for_a_file() {
    let pointer = format!("version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize 12\n", "5f".repeat(32));
    let is_named = |error: InputError, file: &str| {
        let text = error.to_string();
        assert!(
            text.contains(file) && text.contains("is a Git LFS pointer") && text.contains("git lfs pull"),
            "{text}"
        );
    };
    let copy = copy_of(&example("adapters/mnist"));
    fs::write(copy.path().join("adapter_model.safetensors"), &pointer).unwrap();
    is_named(inputs().adapter(&at(copy.path())).unwrap_err(), "adapter_model.safetensors");
    for file in ["model.safetensors", "tokenizer.json", "config.json"] {
        let copy = copy_of(&example("base"));
        fs::write(copy.path().join(file), &pointer).unwrap();
        is_named(inputs().model(&at(copy.path())).unwrap_err(), file);
    }
    let there = folder(&["config.json", "test/cat/1.png"]);
    fs::write(there.path().join("model.safetensors.index.json"), &pointer).unwrap();
    is_named(inputs().model(&at(there.path())).unwrap_err(), "model.safetensors.index.json");
    fs::write(there.path().join("test/cat/1.png"), &pointer).unwrap();
    is_named(inputs().data(&spec(there.path()), "test").unwrap_err(), "test/cat/1.png");
    let rows = there.path().join("rows.json");
    fs::write(&rows, &pointer).unwrap();
    is_named(inputs().file(&at(&rows)).unwrap_err(), "rows.json");
    let rule = SplitRule { indices: Some(at(&rows)), ..SplitRule::default() };
    is_named(inputs().data(&with_rule(&example("data/mnist"), rule), "validation").unwrap_err(), "rows.json");
    fs::write(there.path().join("test-00000-of-00001.parquet"), &pointer).unwrap();
    fs::remove_file(there.path().join("test/cat/1.png")).unwrap();
    is_named(inputs().data(&spec(there.path()), "test").unwrap_err(), "test-00000-of-00001.parquet");
}

#[test]
fn a_split_that_is_there_twice_is_refused() {
    let there = folder(&["test-00000-of-00001.parquet", "test-00000-of-00002.parquet", "test-00001-of-00002.parquet"]);
    let error = inputs().data(&spec(there.path()), "test").unwrap_err().to_string();
    let expected = format!(
        "`{}` has the split `test` twice, as `test-00000-of-00001.parquet` and as `test-00000-of-00002.parquet`: take out the one \
         that is not meant",
        there.path().display()
    );
    assert_eq!(error, expected);
}

#[test]
fn a_configuration_that_lies_deeper_is_pointed_to() {
    let there = folder(&["default/test/0000.parquet"]);
    let error = inputs().data(&spec(there.path()), "test").unwrap_err().to_string();
    assert!(error.ends_with("; its folders `default` have such a split: name one of them in the reference"), "{error}");
    assert!(inputs().data(&spec(there.path().join("default")), "test").is_ok());
}

#[test]
fn a_model_in_shards_has_the_digest_of_the_shards_that_its_index_names() {
    let there = folder(&["config.json", "one.safetensors", "other.safetensors"]);
    let index = there.path().join("model.safetensors.index.json");
    fs::write(&index, r#"{"weight_map": {"a": "one.safetensors"}}"#).unwrap();
    let digest = || inputs().model(&at(there.path())).map(|located| located.digest);
    let before = digest().unwrap();
    fs::write(there.path().join("other.safetensors"), "changed").unwrap();
    assert_eq!(digest().unwrap(), before, "the index does not name it");
    fs::write(there.path().join("one.safetensors"), "changed").unwrap();
    assert_ne!(digest().unwrap(), before);
    fs::write(&index, r#"{"weight_map": {"a": "two.safetensors"}}"#).unwrap();
    let lacks = "is not a model: it has no `two.safetensors` that `model.safetensors.index.json` names";
    assert!(digest().unwrap_err().to_string().ends_with(lacks));
    fs::write(&index, "{}").unwrap();
    assert!(digest().unwrap_err().to_string().contains("is not an index of weights: "));
}

#[test]
fn a_single_file_of_data_is_told_to_be_named_by_its_folder() {
    let file = at(example("data/mnist/test-00000-of-00001.parquet"));
    let wrong = DataSpec { source: file.clone(), ..spec("") };
    let error = inputs().data(&wrong, "test").unwrap_err().to_string();
    let advice = "name the one that the files of the splits lie in, and the split by itself";
    assert_eq!(error, format!("`{file}` is not a folder: {advice}"));
}

#[test]
fn mnists_own_files_are_a_data_set() {
    let names = ["t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"];
    let there = folder(&names);
    let located = inputs().data(&spec(there.path()), "test").unwrap();
    let [images, labels] = names.map(|name| there.path().join(name));
    assert_eq!(located.files, DataFiles::Idx { images, labels });
}

#[test]
fn a_split_that_is_not_there_is_told_from_those_that_are() {
    let source = example("data/mnist");
    let error = inputs().data(&spec(&source), "tset").unwrap_err().to_string();
    let expected = format!(
        "`{}` has no split `tset`: looked for `[data/]tset-*.parquet`, `tset/*.parquet`, \
         `tset/<class>/*.{{png,jpg,jpeg}}`; it has `test`, `train`, `validation`",
        source.display()
    );
    assert_eq!(error, expected);
    let empty = TempDir::new().unwrap();
    let error = inputs().data(&spec(empty.path()), "test").unwrap_err().to_string();
    assert!(error.ends_with("`t10k-images-idx3-ubyte[.gz]` with its labels; it has no split that is known here"));
}

#[test]
fn a_rule_takes_a_share_of_another_split() {
    let rule = SplitRule {
        from: Some("test".to_owned()),
        share: Some([0.8, 1.0]),
        shuffle_seed: Some(42),
        ..SplitRule::default()
    };
    let source = example("data/mnist");
    let located = inputs().data(&with_rule(&source, rule.clone()), "validation").unwrap();
    assert_eq!(located.rows, Rows::Share { start: 0.8, end: 1.0, shuffle_seed: Some(42) });
    assert_eq!(located.files, DataFiles::Parquet(vec![source.join("test-00000-of-00001.parquet")]));
    let unshuffled = SplitRule { shuffle_seed: None, ..rule.clone() };
    assert_ne!(inputs().data(&with_rule(&source, unshuffled), "validation").unwrap().digest, located.digest);
    let of_datasets = SplitRule { shuffle_like: Some(ShuffleLike::Datasets), ..rule };
    let other = inputs().data(&with_rule(&source, of_datasets), "validation").unwrap();
    assert_eq!(other.rows, Rows::TrainTestSplit { start: 0.8, end: 1.0, seed: 42 });
    assert_ne!(other.digest, located.digest, "the same shuffle seed means other rows");
}

#[test]
fn a_rule_takes_listed_rows() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("rows.json");
    let listed = |text: &str| {
        fs::write(&file, text).unwrap();
        let rule = SplitRule { indices: Some(at(&file)), ..SplitRule::default() };
        inputs().data(&with_rule(&example("data/mnist"), rule), "validation")
    };
    let located = listed("[3, 1]").unwrap();
    assert_eq!(located.rows, Rows::Indices(vec![3, 1]));
    assert_ne!(listed("[1, 3]").unwrap().digest, located.digest);
    let error = listed("[1, 1]").unwrap_err().to_string();
    assert!(
        error.ends_with(&format!(
            "`indices` file `{}` lists a row twice, the second time as its entry 2",
            file.display()
        )),
        "{error}"
    );
    assert!(listed("[]").unwrap_err().to_string().ends_with("lists no row"));
    let error = listed("[-1]").unwrap_err();
    let path = file.display();
    let expected = "is not a JSON list of row numbers: a value is of another kind at line 1, column 3";
    assert_eq!(error.to_string(), format!("`{path}` of `{path}` {expected}"));
    assert!(error.source().is_none(), "what the parser says may hold what it read");
}

#[test]
fn a_share_out_of_range_is_refused() {
    for share in [[0.5, 0.5], [0.8, 0.2], [-0.1, 0.5], [0.0, 1.1], [f64::NAN, 1.0]] {
        let rule = SplitRule { share: Some(share), ..SplitRule::default() };
        let error = inputs().data(&with_rule(&example("data/mnist"), rule), "validation").unwrap_err();
        assert!(matches!(&error, InputError::Rule { split, .. } if split == "validation"), "{error}");
        assert!(error.to_string().contains("must rise within [0, 1]"), "{error}");
    }
}

#[test]
fn what_lies_here_is_local() {
    assert!(inputs().is_local(&at(example("base"))));
    assert!(!inputs().is_local(&at("/no/such/folder")));
}
