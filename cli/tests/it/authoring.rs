//! Help for people who write files and command lines.

use crate::bowline::Place;
use std::fs;

#[test]
fn every_shell_gets_a_script_that_knows_the_commands() {
    let place = Place::new();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let ran = place.run(&["completions", shell]);
        let script = &ran.succeeds().stdout;
        for word in ["bowline", "analyze", "max-device-hours"] {
            assert!(script.contains(word), "{shell}: no `{word}`");
        }
    }
    place.run(&["completions", "tcsh"]).fails(2, &["invalid value 'tcsh'", "bash"]);
}

#[test]
fn the_error_of_an_override_without_its_option_names_the_option() {
    let place = Place::new();
    let hint = "hint: a key of the sweep file is overridden with `-o`: `-o recipe.scaling=0.3`";
    place.run(&["run", "sweep.yaml", "recipe.scaling=0.3"]).fails(2, &["unexpected argument", hint]);
    let hint = "`-o 'name=my sweep'`";
    place.run(&["run", "sweep.yaml", "name=my sweep"]).fails(2, &[hint]);
    let hint = "`-o tasks.my-task.head=x`";
    place.run(&["run", "sweep.yaml", "tasks.my-task.head=x"]).fails(2, &[hint]);
    let other = place.run(&["serve", "store", "recipe.scaling=0.3"]);
    other.fails(2, &["unexpected argument"]);
    assert!(!other.stderr.contains("hint: a key"));
}

#[test]
fn each_command_has_a_manual_page() {
    let place = Place::new();
    place.run(&["man", "--out", "man"]).succeeds();
    let page = |name: &str| fs::read_to_string(place.path(&format!("man/{name}.1"))).unwrap();
    assert!(page("bowline").contains("bowline\\-run(1)"));
    assert!(page("bowline-run").contains("\\-\\-max\\-device\\-hours"));
    assert!(page("bowline-failures-list").contains(".TH"));
    place.write("file", "");
    place.run(&["man", "--out", "file"]).fails(69, &["cannot write `file`"]);
}

#[test]
fn the_schema_of_a_sweep_file_is_the_one_in_docs() {
    let place = Place::new();
    let docs = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs");
    for file in ["sweep", "recipe"] {
        let printed = place.run(&["schema", file]).succeeds().json();
        let path = format!("{docs}/{file}.schema.json");
        let written: serde_json::Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
        assert_eq!(printed, written);
    }
    assert_eq!(place.run(&["schema"]).succeeds().json(), place.run(&["schema", "sweep"]).json());
}
