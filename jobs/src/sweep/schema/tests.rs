use super::{
    super::{file, training},
    *,
};
use crate::{RecipeSpec, Sweep};
use jsonschema::Validator;
use serde::de::DeserializeOwned;
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn validator() -> Validator {
    jsonschema::validator_for(&sweep_schema()).unwrap()
}

/// The keys that `T` reads: serde lists them when it meets another one.
fn read_by<T: DeserializeOwned>() -> BTreeSet<String> {
    let message = serde_json::from_value::<T>(json!({"\u{1}": 1})).err().unwrap().to_string();
    let keys = message.split_once("expected").map(|(_, keys)| keys).unwrap();
    keys.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

fn written(schema: &Value) -> BTreeSet<String> {
    schema["properties"].as_object().unwrap().keys().cloned().collect()
}

#[test]
fn the_schema_has_the_keys_that_are_read_and_no_others() {
    let sweep = sweep_schema();
    assert_eq!(written(&sweep), read_by::<file::SweepFile>());
    let task = &sweep["properties"]["tasks"]["items"];
    assert_eq!(written(task), read_by::<file::TaskFile>());
    let data = &task["properties"]["data"]["anyOf"][1];
    assert_eq!(written(data), read_by::<file::DataFile>());
    assert_eq!(written(&data["properties"]["splits"]["additionalProperties"]), read_by::<file::SplitFile>());
    assert_eq!(written(&sweep["properties"]["evaluation"]), read_by::<file::EvaluationFile>());
    assert_eq!(written(&sweep["properties"]["metric"]), read_by::<file::MetricFile>());
    assert_eq!(written(&sweep["properties"]["searches"]["items"]), read_by::<file::SearchFile>());
    assert_eq!(written(&sweep["properties"]["learned"]["items"]), read_by::<file::LearnedFile>());
    assert_eq!(written(&sweep["properties"]["subsets"]), read_by::<file::SubsetsFile>());
    assert_eq!(written(&sweep["properties"]["racing"]), read_by::<file::RacingFile>());
    assert_eq!(written(&sweep["properties"]["variants"]), read_by::<file::VariantsFile>());
    let of_value = &sweep["properties"]["variants"]["properties"]["values"]["items"]["anyOf"][1];
    assert_eq!(written(of_value), read_by::<file::VariantFile>());
    assert_eq!(written(&sweep["$defs"]["training"]), read_by::<training::TrainingFile>());
    let stopping = &sweep["$defs"]["training"]["properties"]["early_stopping"];
    assert_eq!(written(stopping), read_by::<training::StoppingFile>());
    assert_eq!(written(&sweep["$defs"]["recipe"]), read_by::<RecipeSpec>());
    let of_values = sweep["$defs"]["parameters"]["properties"]["scaling"]["anyOf"].as_array().unwrap();
    let forms = of_values[2..].iter().flat_map(written).collect::<BTreeSet<_>>();
    assert_eq!(forms, read_by::<file::ParameterFile>());
}

#[test]
fn the_words_of_methods_are_those_that_are_read() {
    let message = serde_json::from_value::<file::MethodFile>(json!("\u{1}")).unwrap_err().to_string();
    let words = message.split('`').skip(3).step_by(2).map(str::to_owned).collect::<BTreeSet<_>>();
    assert_eq!(words, search::METHODS.map(str::to_owned).into());
}

/// All sweep files of the examples.
fn examples(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            examples(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "yaml")
            && fs::read_to_string(&path).unwrap().contains("\nbase:")
        {
            found.push(path);
        }
    }
}

#[test]
fn every_example_is_valid_by_the_schema_that_its_first_line_names() {
    let mut paths = Vec::new();
    examples(&root().join("examples"), &mut paths);
    assert!(paths.len() > 20, "{paths:?}");
    let validator = validator();
    for path in paths {
        let text = fs::read_to_string(&path).unwrap();
        let tree = super::super::yaml(&text).unwrap();
        let errors = validator.iter_errors(&tree).map(|error| error.to_string()).collect::<Vec<_>>();
        assert!(errors.is_empty(), "{}: {errors:?}", path.display());
        let named = text.lines().next().unwrap().strip_prefix("# yaml-language-server: $schema=");
        let named = named.unwrap_or_else(|| unreachable!("{}: its first line names no schema", path.display()));
        let schema = path.parent().unwrap().join(named).canonicalize().unwrap();
        assert_eq!(schema, root().join("docs/sweep.schema.json").canonicalize().unwrap(), "{}", path.display());
    }
}

#[test]
fn the_files_in_docs_are_these_schemas() {
    for (file, schema) in [("sweep", sweep_schema()), ("recipe", recipe_schema())] {
        let path = root().join(format!("docs/{file}.schema.json"));
        let written = fs::read_to_string(&path).unwrap_or_default();
        let is_same = serde_json::from_str::<Value>(&written).is_ok_and(|written| written == schema);
        assert!(is_same, "run `bowline schema {file} > docs/{file}.schema.json`");
    }
}

/// A small sweep with one change.
fn changed(change: impl FnOnce(&mut Value)) -> Value {
    let mut sweep = json!({
        "name": "s",
        "base": "base",
        "tasks": [{"name": "mnist", "adapter": "a", "data": "d", "head": "h"}],
        "evaluation": {},
        "recipe": {"preset": "knots_ties"},
        "parameters": {"scaling": [0.1, 0.2]},
    });
    change(&mut sweep);
    sweep
}

#[test]
fn what_a_reader_refuses_by_key_type_word_or_range_is_invalid() {
    let validator = validator();
    let is_read = |sweep: &Value| Sweep::from_yaml(&sweep.to_string(), Path::new("/sweep"), &[]).is_ok();
    let whole = changed(|_| ());
    assert!(validator.is_valid(&whole) && is_read(&whole));
    let changes: [fn(&mut Value); 14] = [
        |sweep| sweep["recipes"] = json!({}),
        |sweep| sweep["name"] = json!(".hidden"),
        |sweep| sweep["method"] = json!("linaer"),
        |sweep| sweep["recipe"]["preset"] = json!("knot_ties"),
        |sweep| sweep["recipe"]["density"] = json!(1.4),
        |sweep| sweep["recipe"]["density"] = json!("half"),
        |sweep| sweep["recipe"]["densty"] = json!(0.5),
        |sweep| sweep["parameters"]["lambda"] = json!([1.0]),
        |sweep| sweep["parameters"]["scaling"] = json!({"value": [1.0]}),
        |sweep| sweep["parameters"]["scaling"] = json!([]),
        |sweep| sweep["tasks"][0]["data"] = json!({"path": "d"}),
        |sweep| sweep["tasks"][0]["finetuned"] = json!({"test": 93.6}),
        |sweep| sweep["metric"] = json!({"name": "accuracy"}),
        |sweep| sweep["evaluation"] = json!({"benchmark": "joined"}),
    ];
    for change in changes {
        let sweep = changed(change);
        assert!(!is_read(&sweep), "{sweep}");
        assert!(!validator.is_valid(&sweep), "{sweep}");
    }
}

#[test]
fn what_a_reader_accepts_is_valid() {
    let validator = validator();
    let changes: [fn(&mut Value); 7] = [
        |sweep| sweep["recipe"]["preset"] = json!("core_iso_c"),
        |sweep| sweep["recipe"]["weights"] = json!({"mnist": -0.5}),
        |sweep| {
            let parts = json!({"mnist": {"0": 0.5, "text_projection": [1.0, 0.5]}});
            sweep["recipe"] = json!({"preset": "task_arithmetic", "layer_weights": parts});
        },
        |sweep| sweep["parameters"]["weights.mnist"] = json!({"min": 0.5, "max": 1, "step": 0.25}),
        |sweep| sweep["metric"] = json!({"name": "accuracy:mnist", "goal": "minimize"}),
        |sweep| sweep["baselines"] = json!([{"name": "b", "preset": "ties", "density": 1}]),
        |sweep| sweep["tasks"][0]["data"] = json!({"source": "d", "splits": {"v": {"share": [0, 0.5]}}}),
    ];
    for change in changes {
        let sweep = changed(change);
        let read = Sweep::from_yaml(&sweep.to_string(), Path::new("/sweep"), &[]);
        assert!(read.is_ok(), "{sweep}: {read:?}");
        assert!(validator.is_valid(&sweep), "{sweep}");
    }
}

#[test]
fn a_recipe_file_may_hold_the_recipe_below_its_key() {
    let validator = jsonschema::validator_for(&recipe_schema()).unwrap();
    assert!(validator.is_valid(&json!({"preset": "ties"})));
    assert!(validator.is_valid(&json!({"recipe": {"preset": "ties"}})));
    assert!(!validator.is_valid(&json!({"recipe": {"preset": "tis"}})));
}
