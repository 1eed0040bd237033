//! Sweeps that train their adapters.

use crate::{
    bowline::{Place, Ran, mini8},
    process::Process,
};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Two tasks: one adapter is trained in three legs, the other one is there.
const FILE: &str = "
name: trained
base: MINI8/base
training: {steps: 6, checkpoint_steps: 2, batch: 16, rank: 2, rate: 0.01, augmentation: shift}
tasks:
  - {name: optdigits, adapter: {train: {}}, data: MINI8/data/optdigits, head: MINI8/heads/optdigits.safetensors}
  - {name: mnist, adapter: MINI8/adapters/mnist, data: MINI8/data/mnist, head: MINI8/heads/mnist.safetensors}
evaluation: {select: validation, report: validation}
recipe: {preset: task_arithmetic, scaling: 0.5}
parameters: {scaling: [0.5, 1.0]}
";

fn place() -> Place {
    let place = Place::new();
    place.write("train.yaml", FILE.replace("MINI8", mini8().to_str().unwrap()));
    place
}

const RUN: [&str; 4] = ["run", "train.yaml", "--input-cache", "cache"];

fn run(place: &Place, more: &[&str]) -> Ran {
    place.run(&[&RUN[..], more].concat())
}

/// The files of artefacts in the default store, by their names from there.
fn artefacts(place: &Place) -> BTreeMap<String, Vec<u8>> {
    let root = place.path("bowline-results/artefacts");
    let mut found = BTreeMap::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten() {
            let path: PathBuf = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                // A process that still runs may delete a file meanwhile.
                let Ok(content) = fs::read(&path) else { continue };
                found.insert(path.strip_prefix(&root).unwrap().display().to_string(), content);
            }
        }
    }
    found
}

/// The adapters that were trained, and what else there is of them, without the records, which tell of times.
fn trained(place: &Place) -> BTreeMap<String, Vec<u8>> {
    let mut files = artefacts(place);
    files.retain(|name, _| !name.ends_with("artefact.json") && !name.contains("checkpoint"));
    let is_of_training = |name: &str| name.ends_with("training.json");
    let folders: Vec<PathBuf> =
        files.keys().filter(|name| is_of_training(name)).map(|name| Path::new(name).parent().unwrap().into()).collect();
    files.retain(|name, _| folders.iter().any(|folder| Path::new(name).starts_with(folder)));
    files
}

fn records(place: &Place) -> usize {
    artefacts(place).keys().filter(|name| name.ends_with("artefact.json")).count()
}

fn checkpoints(place: &Place) -> usize {
    artefacts(place).keys().filter(|name| name.ends_with("checkpoint.safetensors")).count()
}

#[test]
fn a_sweep_goes_from_the_base_to_the_table() {
    let place = place();
    let plan = place.run(&["plan", "train.yaml"]);
    let trained_first = "trained first: the adapter of optdigits, 6 steps on `train` in 3 jobs, one after the other";
    assert!(plan.succeeds().stdout.contains(trained_first), "{}", plan.stdout);
    let plan = place.run(&["plan", "train.yaml", "--json"]).succeeds().json();
    assert_eq!(plan["training"][0]["jobs"], 3);
    let memory = |key: &str| plan["training"][0][key].as_u64().unwrap();
    assert!(memory("least_memory_bytes") < memory("memory_bytes") && memory("memory_bytes") < 1 << 30, "{plan}");
    let ran = run(&place, &["--json"]);
    let summary = ran.succeeds().json();
    // Three legs, zero-shot, two adapters alone, and two merges.
    assert_eq!(summary["counts"]["run"], 8, "{}", ran.stderr);
    assert!(ran.stderr.contains("optdigits steps 3 to 4 of 6") && ran.stderr.contains("% right"), "{}", ran.stderr);
    assert_eq!(checkpoints(&place), 0);
    let again = run(&place, &["--json"]).succeeds().json();
    assert_eq!((&again["counts"]["run"], &again["counts"]["reused"]), (&Value::from(0), &Value::from(8)));
    let table = |name: &str| {
        let ran = place.run(&["analyze", "--sweep", "trained", "--table", name, "--format", "csv"]);
        ran.succeeds().stdout.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let training = table("training");
    assert!(training.len() == 2 && training[1].starts_with("optdigits,6,3,"), "{training:?}");
    let steps: Vec<String> =
        table("learning").iter().filter_map(|line| line.split(',').nth(1).map(str::to_owned)).collect();
    assert_eq!(steps, ["steps", "2", "4", "6"]);
    let other = run(&place, &["--json", "-o", "training.rate=0.02"]).succeeds().json();
    // The base and the adapter of the other task are those of the first revision.
    assert_eq!(other["counts"]["run"], 6, "{other}");
}

#[test]
fn a_run_says_how_far_a_training_has_come_while_its_leg_goes_on() {
    let place = place();
    let long = ["-o", "training.steps=100000", "-o", "training.checkpoint_steps=100000"];
    let mut process = Process::start(place.command(&[&RUN[..], &long].concat()));
    let line = process.says("optdigits: step ");
    process.signal("KILL");
    process.ends();
    for word in [" of 100000, loss ", ", rate ", " until step 100000"] {
        assert!(line.contains(word), "{line}");
    }
    assert_eq!(records(&place), 0, "no leg has ended");
}

#[test]
fn a_quiet_run_does_not_say_how_far_a_training_has_come() {
    let place = place();
    // A leg of many looks at the worker.
    let long = ["-o", "training.steps=160", "-o", "training.checkpoint_steps=80"];
    let mut process = Process::start(place.command(&[&["-q"], &RUN[..], &long].concat()));
    assert!(process.runs_until("a leg is stored", || records(&place) >= 1), "{}", process.said());
    process.signal("KILL");
    process.ends();
    assert_eq!(process.said(), "");
}

#[test]
fn training_that_is_killed_at_any_time_ends_in_the_same_adapter() {
    let undisturbed = place();
    run(&undisturbed, &[]).succeeds();
    let killed = place();
    // Before the first leg ends, as soon as one is stored, and while the adapter is evaluated.
    for stored in 0..=3 {
        let mut process = Process::start(killed.command(&RUN));
        if process.runs_until("a leg is stored", || records(&killed) >= stored) {
            process.signal("KILL");
            process.ends();
        }
    }
    run(&killed, &[]).succeeds();
    assert_eq!(trained(&killed), trained(&undisturbed));
    assert_eq!(trained(&killed).len(), 4, "{:?}", trained(&killed).keys());
    assert!(checkpoints(&killed) <= 1, "the last one, if the process was killed just before it was deleted");
}

#[test]
fn a_sweep_whose_training_fails_names_the_task_and_the_reason() {
    let nan = run(&place(), &["-o", "training.rate=1e30", "-o", "training.schedule=constant"]);
    nan.fails(65, &["the adapter of task `optdigits` cannot be trained", "is not finite in step"]);
    let data = format!("{}/data/optdigits", mini8().display());
    let split = format!("tasks.optdigits.data={{source: {data}, splits: {{train: {{from: validation}}}}}}");
    run(&place(), &["-o", &split]).fails(65, &["300 of 300 examples of the split `validation`", "overlap: allow"]);
    let targets = ["`training.targets`: no adapter of the base can be trained with it", "`targets` has `o_proj`"];
    run(&place(), &["-o", "training.targets=[o_proj]"]).fails(65, &targets);
    run(&place(), &["-o", "training.split=validation"]).fails(65, &["which is evaluated as well"]);
    run(&place(), &["-o", "training.train_head=true"]).fails(65, &["`tasks[0].adapter.train.train_head` is true"]);
}

#[test]
fn a_rank_that_does_not_fit_is_refused_once_where_the_file_has_it() {
    let place = Place::new();
    let text = FILE.replace("MINI8", mini8().to_str().unwrap()).replace("rank: 2", "rank: 500");
    let both = text.replace(&format!("adapter: {}/adapters/mnist", mini8().display()), "adapter: {train: {}}");
    place.write("train.yaml", &both);
    let rank = "`rank` is 500, expected at most 192, the rank of `vision_model.encoder.layers.0.self_attn.q_proj`, which is 192 × 192";
    let shared = place.run(&["plan", "train.yaml"]);
    shared.fails(65, &["train.yaml` have a problem", "line 4, `training.rank`: no adapter of the base", rank]);
    let own = place.run(&["plan", "train.yaml", "-o", "tasks.mnist.adapter.train.rank=4"]);
    own.fails(65, &["train.yaml` have a problem", "line 4, `training.rank`"]);
    place.write("train.yaml", both.replace("rank: 500", "rank: 2").replace("train: {}", "train: {rank: 500}"));
    let own = place.run(&["plan", "train.yaml"]);
    own.fails(65, &["have 2 problems", "line 6, `tasks[0].adapter.train.rank`: the adapter of `optdigits`", rank]);
    own.fails(65, &["line 7, `tasks[1].adapter.train.rank`: the adapter of `mnist`"]);
}

#[test]
fn commands_that_take_adapters_refuse_those_that_are_trained() {
    let place = place();
    let words = ["the adapter of `optdigits` is trained by the sweep", "`bowline run` trains it"];
    place.run(&["evaluate", "train.yaml", "--split", "validation"]).fails(65, &words);
    place.run(&["check", "train.yaml"]).fails(65, &words);
}

#[test]
fn the_legs_of_a_sweep_are_removed_with_its_results() {
    let place = place();
    run(&place, &[]).succeeds();
    assert!(artefacts(&place).len() > 4);
    place.run(&["sweeps", "remove", "trained", "--results", "--yes"]).succeeds();
    assert_eq!(artefacts(&place).into_keys().collect::<Vec<_>>(), Vec::<String>::new());
}

#[test]
fn the_legs_of_a_sweep_whose_training_failed_are_removed_with_its_results() {
    let place = place();
    // The rate is 0 in the first step, so that the first leg ends well.
    let overflow =
        ["training.rate=1e30", "training.warmup_steps=1", "training.schedule=constant", "training.checkpoint_steps=1"];
    let overflow: Vec<&str> = overflow.iter().flat_map(|change| ["-o", change]).collect();
    run(&place, &overflow).fails(65, &["steps 2 to 2 of 6 failed", "not finite"]);
    assert_eq!((records(&place), checkpoints(&place)), (1, 1));
    // What the leg that failed kept before.
    let failures = fs::read_dir(place.path("bowline-results/failures")).unwrap();
    for leg in failures.map(|entry| entry.unwrap().file_name().into_string().unwrap()) {
        place.write(&format!("bowline-results/checkpoints/{leg}/rested.json"), "{}");
        place.write(&format!("bowline-results/checkpoints/{leg}/state.safetensors"), "state");
    }
    let kept = || {
        let jobs = fs::read_dir(place.path("bowline-results/checkpoints")).into_iter().flatten();
        jobs.flat_map(|job| fs::read_dir(job.unwrap().path()).unwrap()).count()
    };
    assert_eq!(kept(), 2);
    place.run(&["sweeps", "remove", "trained", "--results", "--yes"]).succeeds();
    assert_eq!(artefacts(&place).into_keys().collect::<Vec<_>>(), Vec::<String>::new());
    assert_eq!(kept(), 0);
}

/// A store must not depend on the program that PEFT's users have: this only says that files are where they look.
#[test]
fn what_was_trained_is_a_peft_folder() {
    let place = place();
    run(&place, &[]).succeeds();
    let files = trained(&place);
    let names: Vec<&str> = files.keys().map(|name| name.rsplit('/').next().unwrap()).collect();
    assert_eq!(names, ["README.md", "adapter_config.json", "adapter_model.safetensors", "training.json"]);
    let folder = files.keys().next().map(|name| place.path("bowline-results/artefacts").join(name)).unwrap();
    let folder = folder.parent().unwrap().to_str().unwrap().to_owned();
    let given = format!("tasks.optdigits.adapter={folder}");
    let mut check = Command::new(env!("CARGO_BIN_EXE_bowline"));
    check.args(["check", "train.yaml", "--adapters-only", "--json", "-o", &given]).current_dir(place.path(""));
    let found = Place::ran(check).succeeds().json();
    assert_eq!(found["adapters"][0]["rank"], serde_json::json!([2, 2]));
}
