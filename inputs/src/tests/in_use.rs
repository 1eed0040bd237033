//! Files that change between being hashed and being read.

use super::*;
use ::files::FilesInUse;
use std::io::{Seek, SeekFrom, Write};

/// Overwrites the first byte of a file in place: its name and its size stay the same.
fn overwrite(path: &Path) {
    let mut file = fs::OpenOptions::new().write(true).open(path).unwrap();
    file.seek(SeekFrom::Start(0)).unwrap();
    file.write_all(b"~").unwrap();
}

/// Overwrites each of `names` below `root` in turn: the files in use, found anew each time, notice it by name.
fn are_watched(root: &Path, names: &[&str], find: impl Fn() -> FilesInUse) {
    for name in names {
        let path = root.join(name);
        let content = fs::read(&path).unwrap();
        let files = find();
        files.check().unwrap();
        overwrite(&path);
        let error = files.check().unwrap_err().to_string();
        assert!(error.contains(name) && error.ends_with("it was written to"), "{name}: {error}");
        fs::write(&path, content).unwrap();
    }
}

#[test]
fn every_file_of_every_input_is_looked_at_again() {
    let base = copy_of(&example("base"));
    let names = ["config.json", "model.safetensors", "tokenizer.json", "preprocessor_config.json"];
    are_watched(base.path(), &names, || inputs().model(&at(base.path())).unwrap().files_in_use);

    let adapter = copy_of(&example("adapters/mnist"));
    let names = ["adapter_config.json", "adapter_model.safetensors"];
    are_watched(adapter.path(), &names, || inputs().adapter(&at(adapter.path())).unwrap().files_in_use);

    let there = folder(&["head.safetensors", "test-00000-of-00001.parquet", "train/a/1.png", "train/b/2.png"]);
    let head = at(there.path().join("head.safetensors"));
    are_watched(there.path(), &["head.safetensors"], || inputs().file(&head).unwrap().files_in_use);

    let spec = spec(there.path());
    let data = |split| inputs().data(&spec, split).unwrap().files_in_use;
    are_watched(there.path(), &["test-00000-of-00001.parquet"], || data("test"));
    are_watched(there.path(), &["train/a/1.png", "train/b/2.png"], || data("train"));
}

#[test]
fn an_index_of_shards_and_each_shard_are_looked_at_again() {
    let there = folder(&["config.json", "one.safetensors"]);
    let index = r#"{"weight_map": {"a": "one.safetensors"}}"#;
    fs::write(there.path().join("model.safetensors.index.json"), index).unwrap();
    let names = ["model.safetensors.index.json", "one.safetensors"];
    are_watched(there.path(), &names, || inputs().model(&at(there.path())).unwrap().files_in_use);
}

#[test]
fn of_a_list_of_rows_that_is_not_the_jobs_nothing_is_told() {
    let there = TempDir::new().unwrap();
    let file = there.path().join("rows.json");
    let rule = SplitRule { indices: Some(at(&file)), ..SplitRule::default() };
    let spec = with_rule(&example("data/mnist"), rule);
    fs::write(&file, "[3, 1]").unwrap();
    let digest = inputs().data(&spec, "validation").unwrap().digest;
    let expected = format!(
        "`{}`, which lists the rows of `validation`, is not the list that the job was made for",
        file.display()
    );
    for foreign in [r#"["TOPSECRET"]"#, "TOPSECRET", "[1, 1]", "[]", "[1"] {
        fs::write(&file, foreign).unwrap();
        let error = inputs().expecting(digest).data(&spec, "validation").unwrap_err();
        assert_eq!(error.to_string(), expected, "{foreign}");
        assert!(error.source().is_none());
    }
}
