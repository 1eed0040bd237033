//! Merges by the inputs of modules, which other jobs measure.

use crate::bowline::{Place, Ran, mini8};
use safetensors::SafeTensors;
use serde_json::json;
use std::{
    fs,
    path::{Path, PathBuf},
};

const RECIPE: &str = "{preset: regmean, examples: 32, scaling: 1.0}";

/// The files of artefacts in the default store.
fn files(place: &Place) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![place.path("bowline-results/artefacts")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files
}

fn is_record(file: &Path) -> bool {
    file.ends_with("artefact.json")
}

fn artefacts(place: &Place) -> usize {
    files(place).iter().filter(|file| is_record(file)).count()
}

fn evaluate(place: &Place, split: &str) -> Ran {
    evaluate_with(place, split, &[])
}

fn evaluate_with(place: &Place, split: &str, more: &[&str]) -> Ran {
    place.write("recipe.yaml", RECIPE);
    let args = ["evaluate", "sweep.yaml", "--recipe", "recipe.yaml", "--split", split, "--json"];
    place.run(&[&args[..], &["--input-cache", "cache"], more].concat())
}

#[test]
fn a_merge_by_inputs_is_evaluated_by_statistics_of_the_same_split_wherever() {
    let place = Place::new();
    let first = evaluate(&place, "validation").succeeds().json();
    // Zero-shot, two adapters alone, the merge, and the statistics of two tasks.
    assert_eq!(first["counts"], json!({"run": 6, "reused": 0, "failed": 0}));
    let other = evaluate(&place, "test").succeeds().json();
    assert_eq!(other["counts"], json!({"run": 4, "reused": 2, "failed": 0}));
}

#[test]
fn a_corrupt_artefact_of_statistics_is_told_and_measured_again_on_request() {
    let place = Place::new();
    evaluate(&place, "validation").succeeds();
    fs::remove_file(files(&place).iter().find(|file| !is_record(file)).unwrap()).unwrap();
    let ran = evaluate(&place, "test");
    ran.fails(
        65,
        &["the sweep needs the Gram matrices of task", "hint: correct the input, then run again, with `--repair`"],
    );
    assert!(!ran.stderr.contains("--retry-failed"), "`evaluate` has no such flag: {}", ran.stderr);
    let repaired = evaluate_with(&place, "test", &["--repair"]).succeeds().json();
    assert_eq!(repaired["counts"]["failed"], 0);
}

#[test]
fn the_results_of_a_sweep_are_removed_with_the_statistics_that_no_other_sweep_has() {
    let place = Place::new();
    let run = |name: &str| {
        let name = format!("name={name}");
        let recipe = format!("recipe={RECIPE}");
        let args = ["run", "sweep.yaml", "--input-cache", "cache", "-o", &name, "-o", &recipe];
        place.run(&args).succeeds();
    };
    run("one");
    run("two");
    let both = artefacts(&place);
    assert_eq!(both, 3, "the statistics of two tasks, and the winner");
    let remove = |name| place.run(&["sweeps", "remove", name, "--results", "--yes"]).succeeds().stderr.clone();
    remove("one");
    assert_eq!(artefacts(&place), both);
    remove("two");
    assert_eq!(files(&place), Vec::<PathBuf>::new());
}

#[test]
fn a_merge_by_fisher_information_becomes_an_adapter_by_an_output_rank() {
    let place = Place::new();
    let run = |recipe: &str| {
        let name = format!("name=fisher-{}", recipe.len());
        let recipe = format!("recipe={recipe}");
        let args = ["run", "sweep.yaml", "--input-cache", "cache", "-o", &name, "-o", &recipe];
        let ran = place.run(&args);
        let best = place.path("bowline-results/sweeps").join(name.trim_start_matches("name=")).join("best");
        (ran.succeeds().stderr.clone(), best)
    };
    let (told, best) = run("{preset: fisher, examples: 4}");
    assert!(told.contains("with `output_rank` in it a run writes an adapter"), "{told}");
    assert!(best.join("recipe.json").exists() && !best.join("adapter_model.safetensors").exists());
    let measured = artefacts(&place);
    let (told, best) = run("{preset: fisher, examples: 4, output_rank: 8}");
    assert!(told.contains("is the PEFT adapter"), "{told}");
    assert!(best.join("adapter_model.safetensors").exists());
    assert_eq!(artefacts(&place), measured + 1, "the statistics are those of the first run");
}

/// Replaces the adapter of `mnist` by one that updates only the modules whose names end with one of these.
fn with_fewer_modules(place: &Place, kept: &[&str]) -> String {
    let from = mini8().join("adapters/mnist");
    let config = fs::read_to_string(from.join("adapter_config.json")).unwrap();
    let mut config: serde_json::Value = serde_json::from_str(&config).unwrap();
    config["target_modules"] = json!(kept);
    place.write("fewer/adapter_config.json", config.to_string());
    let bytes = fs::read(from.join("adapter_model.safetensors")).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let of_kept = |name: &str| kept.iter().any(|module| name.contains(&format!(".{module}.")));
    let views: Vec<_> = tensors.tensors().into_iter().filter(|(name, _)| of_kept(name)).collect();
    assert!(!views.is_empty() && views.len() < tensors.len());
    place.write("fewer/adapter_model.safetensors", safetensors::serialize(views, None).unwrap());
    format!("tasks.mnist.adapter={}", place.path("fewer").display())
}

#[test]
fn merges_by_statistics_of_adapters_with_different_modules_are_refused_before_anything_is_measured() {
    let place = Place::new();
    let adapter = with_fewer_modules(&place, &["q_proj", "k_proj", "v_proj"]);
    let by_inputs = "baselines=[{name: by inputs, preset: regmean, examples: 4}, {preset: fisher, examples: 4}]";
    for command in ["plan", "run"] {
        let ran = place.run(&[command, "sweep.yaml", "-o", &adapter, "-o", by_inputs]);
        ran.fails(
            65,
            &[
                "have 2 problems",
                "task `mnist`",
                "`tasks[1].adapter`: `by inputs` merges by Gram matrices of every adapted module, and those of `mnist` would lack \
                 `vision_model.encoder.layers.0.self_attn.out_proj`, `vision_model.encoder.layers.1.self_attn.out_proj`, \
                 `vision_model.encoder.layers.2.self_attn.out_proj` and 3 more, which adapters of other tasks update and its own \
                 does not",
                "`fisher` merges by Fisher information of every adapted module",
                "merge adapters that update the same modules, or take the recipe out of the sweep",
            ],
        );
    }
    assert!(!place.path("bowline-results").exists(), "nothing was measured");
}

#[test]
fn modules_that_take_the_same_inputs_stand_for_each_other_in_gram_matrices_alone() {
    let place = Place::new();
    let adapter = with_fewer_modules(&place, &["q_proj", "out_proj"]);
    let plan = |recipe: &str| {
        place.run(&[
            "plan",
            "sweep.yaml",
            "-o",
            &adapter,
            "-o",
            &format!("baselines=[{{preset: {recipe}, examples: 4}}]"),
        ])
    };
    plan("regmean").succeeds();
    plan("fisher").fails(65, &["those of `mnist` would lack `vision_model.encoder.layers.0.self_attn.k_proj`"]);
}

/// The folder with the statistics of each task in the default store, as `--statistics` names them.
fn statistics(place: &Place) -> Vec<String> {
    let records = files(place).into_iter().filter(|file| is_record(file));
    let named = records.filter_map(|record| {
        let document: serde_json::Value = serde_json::from_slice(&fs::read(&record).unwrap()).unwrap();
        let task = document["spec"]["statistics"]["adapter"]["task"].as_str()?.to_owned();
        let beside =
            files(place).into_iter().find(|file| file.starts_with(record.parent().unwrap()) && !is_record(file));
        Some(format!("{task}={}", beside.unwrap().parent().unwrap().display()))
    });
    named.collect()
}

#[test]
fn a_merge_by_fisher_information_is_written_as_a_model_from_the_statistics_of_a_run() {
    let place = Place::new();
    let recipe = "{preset: fisher, examples: 4}";
    let told = place.run(&["run", "sweep.yaml", "--input-cache", "cache", "-o", &format!("recipe={recipe}")]);
    assert!(told.succeeds().stderr.contains("`bowline merge --format full` with `--statistics`"), "{}", told.stderr);
    place.write("recipe.yaml", recipe);
    let mini8 = mini8();
    let base = format!("{}", mini8.join("base").display());
    let adapters = ["optdigits", "mnist"].map(|task| format!("{task}={}", mini8.join("adapters").join(task).display()));
    let merge = |out: &str, recipe: &str, statistics: &[String]| {
        let mut args = vec!["merge", "--base", &base, "--recipe", recipe, "--format", "full", "--out", out];
        args.extend(adapters.iter().flat_map(|adapter| ["--adapter", adapter]));
        args.extend(statistics.iter().flat_map(|statistics| ["--statistics", statistics]));
        place.run(&args)
    };
    let measured = statistics(&place);
    assert_eq!(measured.len(), 2);
    merge("model", "recipe.yaml", &measured).succeeds();
    assert!(place.path("model/model.safetensors").exists());
    merge("none", "recipe.yaml", &[]).fails(65, &["hint: `--statistics NAME=DIR` names those of each task"]);
    merge("one", "recipe.yaml", &measured[..1]).fails(65, &["has no statistics of that task"]);
    merge("nowhere", "recipe.yaml", &["mnist=nowhere".to_owned()])
        .fails(65, &["cannot use the statistics of `mnist`", "nowhere"]);
    merge("unnamed", "recipe.yaml", &["nowhere".to_owned()]).fails(2, &["NAME=DIR"]);
    place.write("ties.yaml", "{preset: ties}");
    merge("useless", "ties.yaml", &measured).fails(2, &["the recipe merges by the adapters alone"]);
    let folder = |task: &str| {
        let of = |named: &&String| named.starts_with(&format!("{task}="));
        measured.iter().find(of).unwrap().split_once('=').unwrap().1.to_owned()
    };
    let [digits, mnist] = ["optdigits", "mnist"].map(folder);
    merge("swapped", "recipe.yaml", &[format!("mnist={digits}"), format!("optdigits={mnist}")])
        .fails(65, &["cannot use the statistics of `mnist`", "another adapter, that of `optdigits` in its sweep"]);
    merge("twice", "recipe.yaml", &[format!("mnist={mnist}"), format!("mnist={mnist}")])
        .fails(65, &["names `mnist` twice"]);
    merge("unknown", "recipe.yaml", &[measured.clone(), vec![format!("svhn={mnist}")]].concat())
        .fails(65, &["no `--adapter` has the name `svhn`"]);
    place.write("more.yaml", "{preset: fisher, examples: 5}");
    merge("other", "more.yaml", &measured).fails(65, &["over 4 examples, and the recipe merges by"]);
    fs::create_dir(place.path("alone")).unwrap();
    for file in fs::read_dir(&mnist).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), place.path("alone").join(file.file_name())).unwrap();
    }
    let alone = format!("mnist={}", place.path("alone").display());
    merge("alone-model", "recipe.yaml", &[alone]).fails(65, &["artefact.json`, the record of the job that made them"]);
    let refused = ["swapped", "twice", "unknown", "other", "alone-model"];
    assert!(refused.iter().all(|out| !place.path(out).exists()));
    assert!(["none", "one", "nowhere", "useless"].iter().all(|out| !place.path(out).exists()));
}

#[test]
fn a_merge_that_is_made_layer_by_layer_is_planned_evaluated_and_written_as_an_adapter() {
    let place = Place::new();
    let recipe = "recipe={preset: regmean_plus_plus, examples: 8}";
    let parameters = "parameters={scaling: [0.8, 1.0]}";
    let plan = place.run(&["plan", "sweep.yaml", "-o", recipe, "-o", parameters]);
    let first = "measured first: the layers of a merge of 2 tasks, one after the other, over the first 8 examples of `validation`";
    assert!(plan.succeeds().stdout.contains(first), "{}", plan.stdout);
    let many = place.run(&["plan", "sweep.yaml", "-o", "recipe={preset: regmean_plus_plus, examples: 100000}"]);
    many.fails(65, &["task `mnist`", "the first 100000 examples"]);
    let run = place.run(&["run", "sweep.yaml", "--input-cache", "cache", "-o", recipe, "-o", parameters]);
    assert!(run.succeeds().stderr.contains("is the PEFT adapter"), "{}", run.stderr);
    assert_eq!(artefacts(&place), 2, "the layers, and the winner: both points share the layers");
    // `merge` takes the layers of the run: for every task the same folder, by whatever path, and with its own settings alone.
    let layers = files(&place).into_iter().find(|file| file.ends_with("statistics.json")).unwrap();
    let layers = layers.parent().unwrap().to_owned();
    let base = format!("{}", mini8().join("base").display());
    let adapters =
        ["optdigits", "mnist"].map(|task| format!("{task}={}", mini8().join("adapters").join(task).display()));
    let digest = layers.file_name().unwrap().to_string_lossy();
    let by_another = layers.join("..").join(&*digest);
    let named = [format!("mnist={}", layers.display()), format!("optdigits={}", by_another.display())];
    let merge = |out: &str, recipe: &str| {
        place.write("layers.yaml", recipe);
        let [first, second] = &adapters;
        let [one, other] = &named;
        let mut args = vec!["merge", "--base", &base, "--recipe", "layers.yaml", "--out", out];
        args.extend(["--adapter", first, "--adapter", second, "--statistics", one, "--statistics", other]);
        place.run(&args)
    };
    merge("merged", "{preset: regmean_plus_plus, examples: 8}").succeeds();
    merge("not", "{preset: regmean_plus_plus, examples: 8, off_diagonal: 0.5}")
        .fails(65, &["made with examples 8, off_diagonal 0.9"]);
    merge("not", "{preset: regmean_plus_plus, examples: 8, weights: {mnist: 0.5}}").fails(65, &["and weights {}"]);
    merge("not", "{preset: regmean, examples: 8}").fails(65, &["merge that was made layer by layer"]);
    // Adapters of other modules are merged as well.
    let adapter = with_fewer_modules(&place, &["q_proj", "v_proj"]);
    place
        .run(&["run", "sweep.yaml", "--input-cache", "cache", "-o", "name=fewer", "-o", &adapter, "-o", recipe])
        .succeeds();
}
