//! Sweeps whose models a command of the user evaluates.

use crate::{bowline::Place, cluster::Cluster, process::Process};
use safetensors::{Dtype, tensor::TensorView};
use serde_json::{Value, json};
use std::{collections::BTreeMap, fs};

/// Scores by the bytes of the model: a model always has the same outcomes, and another one has others.
pub(crate) const EVALUATOR: &str = r#"
set -eu
if [ -n "${BOWLINE_ADAPTER:-}" ]; then
    file="$BOWLINE_ADAPTER/adapter_model.safetensors"
elif [ -n "${BOWLINE_MODEL:-}" ]; then
    file="$BOWLINE_MODEL/model.safetensors"
else
    file="$BOWLINE_BASE/model.safetensors"
fi
seed=$(cksum < "$file" | cut -d' ' -f1)
comma=
{
    printf '{"tasks": {'
    for task in $BOWLINE_TASKS; do
        examples="0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29"
        if [ -n "${BOWLINE_SLICE:-}" ]; then
            examples=$(sed 's/.*"'"$task"'":\[\([0-9,]*\)\].*/\1/' "$BOWLINE_SLICE" | tr , ' ')
        fi
        outcomes=
        for example in $examples; do
            outcomes="$outcomes,$(( (seed / (example + 1)) % 10 > 3 ))"
        done
        printf '%s"%s": {"outcomes": [%s]}' "$comma" "$task" "${outcomes#,}"
        comma=', '
    done
    printf '}}'
} > "$BOWLINE_OUTPUT"
"#;

pub(crate) const SWEEP: &str = "
name: own
base: base
tasks:
  - {name: one, adapter: adapters/one}
  - {name: two, adapter: adapters/two, data: data/two.txt}
evaluation: {command: [sh, eval.sh], files: [eval.sh], select: dev, report: held-out}
recipe: {preset: knots_ties, density: 0.5}
parameters: {scaling: [0.3, 0.6, 0.9]}
";

/// Numbers that are not alike, as the bytes of a tensor.
fn numbers(count: usize, seed: usize) -> Vec<u8> {
    let number = |i: usize| (((i * 37 + seed * 101) % 23) as f32 - 11.0) / 10.0;
    (0..count).flat_map(|i| number(i).to_le_bytes()).collect()
}

fn tensors(tensors: &[(&str, [usize; 2])], seed: usize) -> Vec<u8> {
    let data: Vec<Vec<u8>> =
        tensors.iter().enumerate().map(|(i, (_, [rows, columns]))| numbers(rows * columns, seed + i)).collect();
    let views: BTreeMap<&str, TensorView<'_>> = tensors
        .iter()
        .zip(&data)
        .map(|((name, shape), data)| (*name, TensorView::new(Dtype::F32, shape.to_vec(), data).unwrap()))
        .collect();
    safetensors::serialize(views, None).unwrap()
}

/// A base of a family that nobody knows, two adapters, and a sweep with a command.
pub(crate) fn place_with(sweep: &str) -> Place {
    let place = Place::new();
    place.write("base/config.json", r#"{"model_type": "mystery"}"#);
    place
        .write("base/model.safetensors", tensors(&[("tower.mix.0.weight", [6, 4]), ("tower.mix.1.weight", [5, 6])], 0));
    for (seed, task) in [(1, "one"), (9, "two")] {
        let config = r#"{"peft_type": "LORA", "r": 2, "lora_alpha": 2, "target_modules": ["0", "1"]}"#;
        place.write(&format!("adapters/{task}/adapter_config.json"), config);
        let factors = [
            ("base_model.model.tower.mix.0.lora_A.weight", [2, 4]),
            ("base_model.model.tower.mix.0.lora_B.weight", [6, 2]),
            ("base_model.model.tower.mix.1.lora_A.weight", [2, 6]),
            ("base_model.model.tower.mix.1.lora_B.weight", [5, 2]),
        ];
        place.write(&format!("adapters/{task}/adapter_model.safetensors"), tensors(&factors, seed));
    }
    place.write("data/two.txt", "what the command reads");
    place.write("eval.sh", EVALUATOR);
    place.write("sweep.yaml", sweep);
    place
}

const RUN: [&str; 4] = ["run", "sweep.yaml", "--allow-commands", "--json"];

fn row<'a>(summary: &'a Value, name: &str) -> &'a Value {
    summary["rows"].as_array().unwrap().iter().find(|row| row["name"] == name).unwrap()
}

#[test]
fn a_command_evaluates_models_of_any_family_from_the_search_to_the_winner() {
    let place = place_with(SWEEP);
    let plan = place.run(&["plan", "sweep.yaml", "--json"]).succeeds().json();
    assert_eq!(plan["problems"], json!([]));
    let ran = place.run(&RUN).succeeds().json();
    assert_eq!(ran["counts"]["failed"], 0, "{ran}");
    let chosen = row(&ran, "knots_ties");
    let of_two = &chosen["splits"]["held-out"]["tasks"][1];
    assert_eq!((&of_two["task"], &of_two["n"]), (&json!("two"), &json!(30)));
    assert!(chosen["splits"]["held-out"]["mean_normalised"].as_f64().is_some(), "adapters alone are evaluated as well");
    assert!(place.path("bowline-results/sweeps/own/best/adapter_model.safetensors").is_file());
    assert!(place.path("bowline-results/sweeps/own/report.html").is_file());
    let again = place.run(&RUN).succeeds().json();
    assert_eq!((&again["counts"]["run"], &again["rows"]), (&json!(0), &ran["rows"]));
    // Outcomes of single examples make paired comparisons.
    place.run(&["analyze", "--sweep", "own", "--out", "out"]).succeeds();
    let results = fs::read_to_string(place.path("bowline-results/sweeps/own/manifest.json")).unwrap();
    let manifest: Value = serde_json::from_str(&results).unwrap();
    assert!(manifest["digests"]["command.eval.sh"].is_string(), "{manifest}");
}

#[test]
fn a_command_that_nobody_has_allowed_is_not_run() {
    let place = place_with(SWEEP);
    let words = ["the sweep `own` evaluates with a command of its own, `sh eval.sh`", "--allow-commands", "read it"];
    place.run(&["run", "sweep.yaml"]).fails(2, &words);
    place.run(&["evaluate", "sweep.yaml", "--split", "dev"]).fails(2, &words);
    assert_eq!(place.results(), 0);
    let evaluated = place.run(&["evaluate", "sweep.yaml", "--split", "dev", "--allow-commands", "--json"]);
    assert_eq!(evaluated.succeeds().json()["counts"]["run"], 3);
    let similarity = ["check", "sweep.yaml", "--similarity", "--allow-commands"];
    place.run(&similarity).fails(65, &["needs models that Bowline runs itself"]);
}

#[test]
fn another_content_of_a_file_or_of_data_means_other_jobs() {
    let place = place_with(SWEEP);
    let first = place.run(&RUN).succeeds().json();
    let all = first["counts"]["run"].as_u64().unwrap();
    // The same bytes elsewhere are the same jobs.
    place.write("other/eval.sh", EVALUATOR);
    let moved = [&RUN[..], &["-o", "evaluation.files={eval.sh: other/eval.sh}"]].concat();
    assert_eq!(place.run(&moved).succeeds().json()["counts"]["run"], 0);
    place.write("data/two.txt", "something else");
    let with_data = place.run(&RUN).succeeds().json();
    // The adapter `one` alone is evaluated on its own task, which has no data.
    assert_eq!(with_data["counts"]["run"].as_u64().unwrap(), all - 2, "{with_data}");
    place.write("eval.sh", format!("# Changed.\n{EVALUATOR}"));
    assert_eq!(place.run(&RUN).succeeds().json()["counts"]["run"], json!(all));
    let seeded = [&RUN[..], &["-o", "evaluation.environment={SEED: 3}"]].concat();
    assert_eq!(place.run(&seeded).succeeds().json()["counts"]["run"], json!(all));
    // Limits decide no number.
    let limited = [&RUN[..], &["-o", "evaluation.timeout=10m"]].concat();
    assert_eq!(place.run(&limited).succeeds().json()["counts"]["run"], 0);
}

#[test]
fn every_file_of_the_base_that_a_command_can_read_is_part_of_its_jobs() {
    let place = place_with(SWEEP);
    // It sees what is hashed, and writes into nothing of the user's.
    let looks = "[ ! -e \"$BOWLINE_BASE/.cache\" ] && : > \"$BOWLINE_BASE/written\"; \
                 [ \"$(cat \"$BOWLINE_BASE/chat_template.jinja\")\" = \"$TEMPLATE\" ] || exit 9\n";
    place.write("eval.sh", format!("{looks}{EVALUATOR}"));
    place.write("base/.cache", "hidden");
    place.write("base/chat_template.jinja", "one");
    let run = |template: &str, write: &str| {
        let environment = format!("evaluation.environment={{TEMPLATE: {template}}}");
        let write = format!("evaluation.write={write}");
        place.run(&[&RUN[..], &["-o", &environment, "-o", &write]].concat()).succeeds().json()
    };
    let first = run("one", "adapter");
    assert_eq!(first["counts"]["failed"], 0, "{first}");
    assert_eq!(run("one", "model")["counts"]["failed"], 0);
    assert!(!place.path("base/written").exists());
    place.write("base/chat_template.jinja", "two");
    // With the old results, the variable would not be compared with the new template.
    place.write("eval.sh", format!("{}{EVALUATOR}", looks.replace("$TEMPLATE", "two")));
    let again = run("one", "adapter");
    assert_eq!((&again["counts"]["run"], &again["counts"]["failed"]), (&first["counts"]["run"], &json!(0)));
    place.write("base/chat_template.jinja", "three");
    place
        .run(&[&RUN[..], &["--brake", "1", "-o", "evaluation.environment={TEMPLATE: one}"]].concat())
        .fails(65, &["code 9"]);
}

#[test]
fn a_program_among_the_files_runs_whatever_its_mode_is() {
    let place = place_with(&SWEEP.replace("[sh, eval.sh]", "[./eval.sh]"));
    place.write("eval.sh", format!("#!/bin/sh\n{EVALUATOR}"));
    assert_eq!(place.run(&RUN).succeeds().json()["counts"]["failed"], 0);
}

#[test]
fn the_mean_of_a_metric_is_searched_shown_and_analysed_as_accuracies_are() {
    let place = place_with(&format!("{SWEEP}metric: {{name: mean_accuracy, goal: minimize}}\n"));
    let measuring = r#"case "${BOWLINE_ADAPTER:-}" in "") mean=0.5;; *) mean=0.25;; esac
        t=; for task in $BOWLINE_TASKS; do t="$t,\"$task\": {\"n\": 40, \"mean\": $mean}"; done
        echo "{\"tasks\": {${t#,}}}" > "$BOWLINE_OUTPUT""#;
    place.write("eval.sh", measuring);
    let ran = place.run(&RUN).succeeds().json();
    assert_eq!(ran["counts"]["failed"], 0, "{ran}");
    let chosen = row(&ran, "knots_ties");
    assert_eq!(chosen["value"], 0.25, "{chosen}");
    let of_two = &chosen["splits"]["held-out"]["tasks"][1];
    assert_eq!((&of_two["n"], &of_two["accuracy"]), (&json!(40), &json!(0.25)), "{of_two}");
    assert_eq!(of_two["correct"], Value::Null, "no count is made up: {of_two}");
    place.run(&["analyze", "--sweep", "own", "--out", "out"]).succeeds();
    assert_eq!(place.run(&RUN).succeeds().json()["counts"]["run"], 0);
}

#[test]
fn adapters_with_heads_are_refused_by_name_for_a_command() {
    let place = place_with(SWEEP);
    let factors = [
        ("base_model.model.tower.mix.0.lora_A.weight", [2, 4]),
        ("base_model.model.tower.mix.0.lora_B.weight", [6, 2]),
        ("base_model.model.score.weight", [3, 5]),
    ];
    place.write("adapters/two/adapter_model.safetensors", tensors(&factors, 9));
    let words = ["the adapter of `two` brings a head (`modules_to_save`)", "take adapters without heads"];
    place.run(&["plan", "sweep.yaml"]).fails(65, &words);
    place.run(&RUN).fails(65, &words);
}

#[test]
fn a_job_that_ran_out_of_its_limit_is_run_again_under_a_higher_one() {
    let place = place_with(SWEEP);
    // It ends once it is not held back any more.
    place.write("eval.sh", format!("[ -e \"$FREE\" ] || sleep 1000\n{EVALUATOR}"));
    let free = place.path("free");
    let environment = format!("evaluation.environment={{FREE: {}}}", free.display());
    let run = |limit: &'static str, more: &[&str]| {
        let all = [&RUN[..], &["-o", &environment, "-o", limit], more].concat();
        place.run(&all)
    };
    run("evaluation.memory=16KiB", &["--brake", "1"]).fails(65, &["more than `evaluation.memory`"]);
    fs::write(&free, "").unwrap();
    let again = run("evaluation.memory=8GiB", &[]).succeeds().json();
    assert_eq!(again["counts"]["failed"], 0, "{again}");
}

#[test]
fn points_race_on_slices_that_the_command_evaluates() {
    let racing = SWEEP.replace("[0.3, 0.6, 0.9]", "{min: 0.1, max: 2.0, step: 0.1}");
    let place = place_with(&format!("{racing}method: grid\nracing: {{slice: 8, round: 4}}\n"));
    let ran = place.run(&RUN).succeeds().json();
    assert_eq!(ran["counts"]["failed"], 0, "{ran}");
    let plain = place_with(&format!("{racing}method: grid\n"));
    let all = plain.run(&RUN).succeeds().json();
    let value = |summary: &Value| row(summary, "knots_ties")["value"].as_f64().unwrap();
    assert!(value(&ran) <= value(&all));
    assert!(ran["counts"]["run"] != all["counts"]["run"], "slices are jobs of their own");

    // Counts alone cannot race: all points are evaluated on all examples.
    let counting = r#"t=; for task in $BOWLINE_TASKS; do t="$t,\"$task\": {\"n\": 30, \"correct\": 9}"; done
        echo "{\"tasks\": {${t#,}}}" > "$BOWLINE_OUTPUT""#;
    place.write("eval.sh", counting);
    let counted = place.run(&RUN).succeeds().json();
    assert_eq!(
        (&counted["counts"]["failed"], &counted["counts"]["run"]),
        (&0.into(), &all["counts"]["run"]),
        "{counted}"
    );
}

#[test]
fn a_merge_without_low_rank_is_handed_over_as_a_whole_model() {
    let place = place_with(SWEEP);
    place.write(
        "eval.sh",
        format!("echo \"${{BOWLINE_MODEL+model}}${{BOWLINE_ADAPTER+adapter}}\" >> \"$LOG\"\n{EVALUATOR}"),
    );
    let log = place.path("log");
    let environment = format!("evaluation.environment={{LOG: {}}}", log.display());
    let evaluate = |change: &str| {
        let _ = fs::remove_file(&log);
        place.write("recipe.yaml", "{preset: ties, density: 0.5}");
        let split = ["evaluate", "sweep.yaml", "--split", "dev", "--recipe", "recipe.yaml", "--allow-commands"];
        place.run(&[&split[..], &["-o", &environment, "-o", change]].concat()).succeeds();
        fs::read_to_string(&log).unwrap().lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let mut given = evaluate("evaluation.write=adapter");
    given.sort_unstable();
    assert_eq!(given, ["", "adapter", "adapter", "model"]);
    let given = evaluate("evaluation.write=model");
    assert_eq!(given, ["model"; 4], "the base as well");
}

#[test]
fn a_command_sees_no_secret_of_the_program_and_tries_again_when_it_says_so() {
    let place = place_with(SWEEP);
    let state = place.path("state");
    let script = format!(
        "[ -z \"${{AWS_SECRET_ACCESS_KEY:-}}\" ] && [ \"$SHOWN\" = yes ] && [ \"$HOME\" != \"$OLD_HOME\" ] || exit 9\n\
         [ -e \"$STATE\" ] || {{ : > \"$STATE\"; echo busy; exit 75; }}\n{EVALUATOR}"
    );
    place.write("eval.sh", script);
    let environment = format!("evaluation.environment={{STATE: {}, OLD_HOME: /home/somebody}}", state.display());
    let mut command = place.command(&[&RUN[..], &["-o", &environment, "-o", "evaluation.pass=[SHOWN]"]].concat());
    command.env("AWS_SECRET_ACCESS_KEY", "hush").env("SHOWN", "yes").env("HOME", "/home/somebody");
    let ran = Place::ran(command);
    assert_eq!(ran.succeeds().json()["counts"]["failed"], 0);
    assert!(state.exists());
}

#[test]
fn what_a_command_does_wrong_is_told_with_the_end_of_what_it_printed() {
    let place = place_with(SWEEP);
    let run = ["run", "sweep.yaml", "--allow-commands", "--brake", "1"];
    place.write("eval.sh", "echo loading; echo 'no module named torch' >&2; exit 1");
    place.run(&run).fails(65, &["the command ended with exit code 1; it printed: ", "no module named torch"]);
    place.write("eval.sh", "echo '{\"tasks\": {\"one\": {\"n\": 0, \"correct\": 0}}}' > \"$BOWLINE_OUTPUT\"");
    place.run(&run).fails(65, &["the command's answer (`BOWLINE_OUTPUT`) cannot be used: it has scores of `one`"]);
    place.write("eval.sh", "true");
    place.run(&run).fails(65, &["cannot be used: the file is missing; it printed nothing"]);
}

#[test]
fn what_cannot_be_in_a_sweep_with_a_command_is_refused_with_its_line() {
    let place = place_with(SWEEP);
    let refused = |change: &str, words: &[&str]| place.run(&["plan", "sweep.yaml", "-o", change]).fails(65, words);
    refused("evaluation.files=[]", &["`evaluation.command[1]` is `eval.sh`, which is not among `evaluation.files`"]);
    refused("evaluation.files=[eval.sh, missing.txt]", &["evaluation.files", "missing.txt"]);
    refused("evaluation.files=[eval.sh, ../more.sh]", &["`../more.sh`, which is no path below the folder"]);
    refused("evaluation.precision=bf16", &["`evaluation.precision` has no effect beside `evaluation.command`"]);
    refused("evaluation.environment={BOWLINE_SPLIT: x}", &["begins with `BOWLINE_`"]);
    refused("evaluation.timeout=soon", &["`evaluation.timeout` is \"soon\"; write seconds"]);
    refused("evaluation.memory=8", &["`evaluation.memory` is the number 8; expected a text"]);
    refused("tasks.one.head=head.safetensors", &["`tasks[0].head` has no effect"]);
    refused("tasks.two.data={source: data, splits: {}}", &["`tasks[1].data` is no reference"]);
    refused("tasks.two.data=nowhere", &["tasks[1].data", "nowhere"]);
    refused("recipe={preset: regmean}", &["`evaluation.command` evaluates the models, and `regmean` merges by"]);
    refused("learned=[{split: tune}]", &["needs models that Bowline runs itself"]);
}

#[test]
fn a_worker_leaves_commands_to_workers_that_allow_them() {
    let Some(cluster) = Cluster::new("commands") else { return };
    let sweep = place_with(SWEEP);
    let pool = cluster.name.clone();
    let folder = sweep.path("").to_str().unwrap().to_owned();
    let file = sweep.path("sweep.yaml").to_str().unwrap().to_owned();
    let worker = |name: &str, more: &[&str]| {
        let own = ["worker", "--pool", &pool, "--name", name, "--threads", "1", "--root", &folder];
        Process::start(cluster.command(&[&own, more].concat()))
    };
    let mut careful = worker("careful", &[]);
    careful.says("waiting for jobs");
    let mut running = Process::start(cluster.command(&["run", &file, "--pool", &pool]));
    careful.says("left to workers with `--allow-commands`");
    assert!(running.is_running(), "nothing has failed");
    let mut allowing = worker("allowing", &["--allow-commands"]);
    assert_eq!(running.ends(), Some(0), "{}", running.said());
    for worker in [&mut careful, &mut allowing] {
        worker.signal("TERM");
        assert_eq!(worker.ends(), Some(0), "{}", worker.said());
    }
    let results = cluster.run(&["status", "own", "--json"]).succeeds().json();
    assert_eq!(results["failed"].as_u64().unwrap_or_default(), 0, "{results}");
}
