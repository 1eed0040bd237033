//! Every way in which a path of this machine is read, with a root that it must not leave.

use crate::{InputError, Inputs, Settings};
use jobs::{DataSpec, HubKind, InputRef, SplitRule};
use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

/// A folder `inside`, which is the root, beside a folder `outside` with the same content.
struct Place {
    folder: TempDir,
}

const FILES: [&str; 8] = [
    "adapter/adapter_config.json",
    "adapter/adapter_model.safetensors",
    "model/config.json",
    "model/model.safetensors.index.json",
    "model/one.safetensors",
    "data/test/cat/1.png",
    "head.safetensors",
    "rows.json",
];

impl Place {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        for name in ["inside", "outside"].iter().flat_map(|side| FILES.map(|file| format!("{side}/{file}"))) {
            let path = folder.path().join(&name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let content = match name.rsplit('/').next() {
                Some("rows.json") => "[0]",
                Some("model.safetensors.index.json") => r#"{"weight_map": {"a": "one.safetensors"}}"#,
                _ => "content",
            };
            fs::write(path, content).unwrap();
        }
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn at(&self, name: &str) -> InputRef {
        InputRef::Path(self.path(name))
    }

    /// Puts a link to `outside` in the place of the file or folder `name` inside.
    fn link_out(&self, name: &str) {
        let path = self.path("inside").join(name);
        if path.is_dir() {
            fs::remove_dir_all(&path).unwrap();
        } else {
            fs::remove_file(&path).unwrap();
        }
        symlink(self.path("outside").join(name), path).unwrap();
    }

    fn inputs(&self) -> Inputs {
        Inputs::new(Settings { roots: Some(vec![self.path("inside")]), ..Settings::default() })
    }

    fn data(&self, source: &str, rows: &str) -> DataSpec {
        let rule = SplitRule { indices: Some(self.at(rows)), ..SplitRule::default() };
        DataSpec {
            source: self.at(source),
            image_column: "image".to_owned(),
            text: None,
            label_column: "label".to_owned(),
            splits: BTreeMap::from([("test".to_owned(), rule)]),
        }
    }

    /// All inputs that lie below `side`.
    fn found(&self, side: &str) -> [Result<(), InputError>; 5] {
        let inputs = self.inputs();
        let at = |name: &str| self.at(&format!("{side}/{name}"));
        [
            inputs.model(&at("model")).map(drop),
            inputs.adapter(&at("adapter")).map(drop),
            inputs.file(&at("head.safetensors")).map(drop),
            inputs.data(&self.data(&format!("{side}/data"), "inside/rows.json"), "test").map(drop),
            inputs.data(&self.data("inside/data", &format!("{side}/rows.json")), "test").map(drop),
        ]
    }
}

fn is_outside(found: &Result<(), InputError>) -> bool {
    matches!(found, Err(error @ InputError::Outside { .. }) if !error.is_retryable())
}

#[test]
fn what_lies_below_a_root_is_read_and_nothing_else() {
    let place = Place::new();
    assert!(place.found("inside").iter().all(Result::is_ok), "{:?}", place.found("inside"));
    assert!(place.found("outside").iter().all(is_outside), "{:?}", place.found("outside"));
    assert!(place.found("inside/../outside").iter().all(is_outside), "{:?}", place.found("inside/../outside"));
    assert!(place.found("outside/../inside").iter().all(Result::is_ok), "the way there does not count");
}

#[test]
fn a_link_to_another_folder_is_followed_before_it_is_judged() {
    let place = Place::new();
    symlink(place.path("outside"), place.path("inside/link")).unwrap();
    assert!(place.found("inside/link").iter().all(is_outside), "{:?}", place.found("inside/link"));
    symlink(place.path("inside"), place.path("outside/back")).unwrap();
    assert!(place.found("outside/back").iter().all(Result::is_ok), "{:?}", place.found("outside/back"));
    // The root may be reached by a link itself.
    symlink(place.path("inside"), place.path("root")).unwrap();
    let inputs = Inputs::new(Settings { roots: Some(vec![place.path("root")]), ..Settings::default() });
    assert!(inputs.adapter(&place.at("inside/adapter")).is_ok());
}

#[test]
fn a_file_in_a_folder_that_is_a_link_out_of_the_root_is_refused() {
    for (name, input) in [
        ("model/config.json", 0),
        ("model/model.safetensors.index.json", 0),
        ("model/one.safetensors", 0),
        ("adapter/adapter_model.safetensors", 1),
        ("head.safetensors", 2),
        ("data/test/cat/1.png", 3),
        ("data/test/cat", 3),
        ("rows.json", 4),
    ] {
        let place = Place::new();
        assert!(place.found("inside")[input].is_ok());
        place.link_out(name);
        let found = place.found("inside");
        assert!(is_outside(&found[input]), "{name}: {:?}", found[input]);
        let message = found[input].as_ref().unwrap_err().to_string();
        assert!(message.contains(name), "{message}");
    }
}

#[test]
fn the_error_names_path_and_roots_and_what_to_do() {
    let place = Place::new();
    let outside = place.path("outside/adapter");
    let inside = place.path("inside");
    let error = place.inputs().adapter(&place.at("outside/adapter")).unwrap_err();
    let expected = format!(
        "`{}` lies outside the folders that may be read here, which are `{}`; add it with `--root`",
        outside.display(),
        inside.display()
    );
    assert_eq!(error.to_string(), expected);
    place.link_out("adapter/adapter_config.json");
    let error = place.inputs().adapter(&place.at("inside/adapter")).unwrap_err().to_string();
    let adapter = inside.join("adapter");
    let start = format!("`{0}/adapter_config.json` of `{0}` lies outside the folders", adapter.display());
    assert!(error.starts_with(&start), "{error}");
    let nowhere = Inputs::new(Settings { roots: Some(Vec::new()), ..Settings::default() });
    let error = nowhere.adapter(&place.at("inside/adapter")).unwrap_err().to_string();
    assert!(error.ends_with("may be read here, and there is none; name one with `--root`"), "{error}");
}

#[test]
fn an_answer_does_not_tell_what_lies_outside() {
    let place = Place::new();
    let error = |name: &str| place.inputs().file(&place.at(name)).unwrap_err();
    assert!(matches!(error("outside/nothing"), InputError::Outside { .. }));
    assert!(matches!(error("inside/../nothing/at/all"), InputError::Outside { .. }));
    assert!(matches!(error("inside/nothing"), InputError::Missing { .. }));
    let gone = Inputs::new(Settings { roots: Some(vec![place.path("gone")]), ..Settings::default() });
    let below = InputRef::Path(place.path("gone/head.safetensors"));
    assert!(matches!(gone.file(&below), Err(InputError::Outside { .. })), "a root that is not there allows nothing");
}

#[test]
fn the_hubs_cache_is_read_wherever_it_lies() {
    let place = Place::new();
    let commit = "0123456789abcdef0123456789abcdef01234567";
    let snapshots = place.path("outside/models--owner--name/snapshots");
    fs::create_dir_all(&snapshots).unwrap();
    fs::rename(place.path("outside/adapter"), snapshots.join(commit)).unwrap();
    let inputs = Inputs::new(Settings {
        is_offline: true,
        cache: Some(place.path("outside")),
        roots: Some(vec![place.path("inside")]),
        ..Settings::default()
    });
    let reference = InputRef::parse(&format!("hf://owner/name@{commit}"), Path::new("/"), HubKind::Model).unwrap();
    inputs.adapter(&reference).unwrap();
}

#[test]
fn a_link_in_the_hubs_cache_is_followed_before_it_is_judged() {
    let place = Place::new();
    let commit = "0123456789abcdef0123456789abcdef01234567";
    let snapshot = place.path(&format!("cache/models--owner--name/snapshots/{commit}"));
    let blobs = place.path("cache/models--owner--name/blobs");
    fs::create_dir_all(&snapshot).unwrap();
    fs::create_dir_all(&blobs).unwrap();
    fs::write(blobs.join("abc"), "content").unwrap();
    symlink("../../blobs/abc", snapshot.join("head.safetensors")).unwrap();
    symlink(place.path("outside/head.safetensors"), snapshot.join("out.safetensors")).unwrap();
    symlink(place.path("outside/adapter"), snapshot.join("adapter")).unwrap();
    let inputs = Inputs::new(Settings {
        is_offline: true,
        cache: Some(place.path("cache")),
        roots: Some(vec![place.path("inside")]),
        ..Settings::default()
    });
    let at = |name: &str| {
        InputRef::parse(&format!("hf://owner/name@{commit}/{name}"), Path::new("/"), HubKind::Model).unwrap()
    };
    inputs.file(&at("head.safetensors")).unwrap();
    assert!(is_outside(&inputs.file(&at("out.safetensors")).map(drop)));
    assert!(is_outside(&inputs.adapter(&at("adapter")).map(drop)));
}

#[test]
fn an_error_tells_nothing_of_what_a_file_holds() {
    let place = Place::new();
    fs::write(place.path("inside/rows.json"), r#""TOPSECRET""#).unwrap();
    fs::write(place.path("inside/model/model.safetensors.index.json"), r#"{"weight_map": "TOPSECRET"}"#).unwrap();
    let found = place.found("inside");
    for error in [found[0].as_ref().unwrap_err(), found[4].as_ref().unwrap_err()] {
        let text = format!("{error} {:?}", std::error::Error::source(error));
        assert!(text.contains("a value is of another kind at line 1, column") && !text.contains("SECRET"), "{text}");
    }
}
