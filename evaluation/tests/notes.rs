//! Notes on the files of whole model folders.

use crate::fixture::{example, json, nli6};
use evaluation::TextModel;
use serde_json::json;
use std::{fs, path::Path};

/// A copy of a model's folder without its weights.
fn copy(base: &Path) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(base).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "json") {
            fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
        }
    }
    folder
}

#[test]
fn the_examples_have_nothing_to_be_noted() {
    for base in [example("base"), nli6("base")] {
        assert_eq!(evaluation::notes(&base).unwrap(), Vec::<String>::new());
    }
}

#[test]
fn unknown_keys_and_flags_that_nothing_follows_are_noted_of_models_of_both_kinds() {
    for base in [example("base"), nli6("base")] {
        let folder = copy(&base);
        let mut config = json(&base.join("config.json"));
        config["wings"] = 2.into();
        fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
        let flags = json!({"split_special_tokens": true, "padding_side": "left"});
        fs::write(folder.path().join("tokenizer_config.json"), flags.to_string()).unwrap();
        let notes = evaluation::notes(folder.path()).unwrap();
        assert_eq!(notes.len(), 2, "{notes:?}");
        assert!(notes[0].ends_with("config.json` has keys that are not known here and have no effect: `wings` (`2`)"));
        assert!(notes[1].starts_with("`tokenizer_config.json` has `split_special_tokens: true`"), "{}", notes[1]);
    }
}

#[test]
fn a_model_without_the_files_of_its_tokenizer_has_no_notes_on_them() {
    let folder = tempfile::tempdir().unwrap();
    fs::copy(nli6("base/config.json"), folder.path().join("config.json")).unwrap();
    assert_eq!(evaluation::notes(folder.path()).unwrap(), Vec::<String>::new());
}

#[test]
fn one_file_of_weights_beside_an_index_of_shards_is_noted() {
    let folder = tempfile::tempdir().unwrap();
    fs::copy(nli6("base/config.json"), folder.path().join("config.json")).unwrap();
    for read in ["pytorch_model.bin", "model.safetensors"] {
        fs::write(folder.path().join(read), "").unwrap();
        fs::write(folder.path().join(format!("{read}.index.json")), "").unwrap();
        let expected = format!("`{read}` is read, and not the shards of `{read}.index.json`");
        assert_eq!(evaluation::notes(folder.path()).unwrap(), [expected]);
    }
}

#[test]
fn an_end_token_that_no_text_ends_with_is_noted() {
    let folder = copy(&example("base"));
    assert_eq!(TextModel::note(folder.path()), None);
    for (eos, shown) in [(json!(100), "100"), (json!(null), "49407")] {
        let mut config = json(&example("base").join("config.json"));
        config["text_config"]["eos_token_id"] = eos;
        fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
        let note = TextModel::note(folder.path()).unwrap();
        assert!(note.starts_with(&format!("`config.json` has `text_config.eos_token_id: {shown}` (")), "{note}");
    }
}
