use crate::bowline::{Place, mini8};
use std::{fs, process::Command, thread::sleep, time::Duration};

#[test]
fn a_sweep_runs_once_and_its_results_are_never_computed_again() {
    let place = Place::new();
    let first = place.run(&["run", "sweep.yaml", "--json"]).succeeds().json();
    // Zero-shot, two adapters alone, two points.
    assert_eq!(first["counts"], serde_json::json!({"run": 5, "reused": 0, "failed": 0}));
    std::fs::remove_file(place.path("bowline-results/sweeps/small/report.html")).unwrap();
    let best = first["rows"].as_array().unwrap().iter().find(|row| row["is_chosen"] == true).unwrap();
    assert_eq!(best["name"], "knots_ties");
    assert!(best["splits"]["validation"]["mean_normalised"].as_f64().unwrap() > 0.5);

    let second = place.run(&["run", "sweep.yaml", "--json"]);
    let page = place.path("bowline-results/sweeps/small/report.html");
    let expected = "bowline-results/sweeps/small/report.html\n";
    assert!(second.succeeds().stderr.contains(expected) && page.exists(), "{}", second.stderr);
    let second = second.json();
    assert_eq!(second["counts"], serde_json::json!({"run": 0, "reused": 5, "failed": 0}));
    assert_eq!(second["rows"], first["rows"]);

    let state = place.run(&["status", "--json"]).succeeds().json();
    assert_eq!((&state[0]["sweep"], &state[0]["finished"]), (&"small".into(), &true.into()));
    let table = place.run(&["analyze", "--out", "frames"]).succeeds().stdout.clone();
    assert!(table.contains("knots_ties") && table.contains("optdigits"), "{table}");
    assert!(place.path("frames/results.csv").exists() && place.path("frames/results.parquet").exists());
    assert!(place.path("frames/small/report.html").exists());
    assert!(place.path("bowline-results/sweeps/small/best/adapter_config.json").exists());
}

#[test]
fn an_interrupted_sweep_goes_on_where_it_was() {
    let place = Place::new();
    let mut child = place.command(&["run", "sweep.yaml"]).spawn().unwrap();
    while place.results() < 2 {
        assert!(child.try_wait().unwrap().is_none(), "it ended before it could be interrupted");
        sleep(Duration::from_millis(20));
    }
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(75), "{stderr}");
    assert!(stderr.contains("run the same command to go on"), "{stderr}");
    let stored = place.results() as u64;
    assert!(stored < 5, "everything was done already");

    let rest = place.run(&["run", "sweep.yaml", "--json"]).succeeds().json();
    assert_eq!(rest["counts"], serde_json::json!({"run": 5 - stored, "reused": stored, "failed": 0}));
}

#[test]
fn a_recipe_is_evaluated_beside_the_references() {
    let place = Place::new();
    place.write("recipe.json", r#"{"preset": "tsv", "scaling": 1.0}"#);
    let args = ["evaluate", "sweep.yaml", "--recipe", "recipe.json", "--split", "validation", "--json"];
    let report = place.run(&args).succeeds().json();
    let kinds: Vec<_> = report["rows"].as_array().unwrap().iter().map(|row| row["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["zero_shot", "finetuned", "baseline"]);
    assert_eq!(report["counts"]["run"], 4);
}

#[test]
fn an_old_name_of_a_preset_is_said_and_finds_the_results_of_the_new_one() {
    let place = Place::new();
    let run = |name: &str, recipe: &str| {
        let name = format!("name={name}");
        let recipe = format!("recipe={recipe}");
        place.run(&["run", "sweep.yaml", "--json", "-o", &name, "-o", &recipe])
    };
    let new = run("new", "{preset: iso_c}");
    assert_eq!(new.succeeds().json()["counts"]["run"], 5);
    assert!(!new.stderr.contains("note:"), "{}", new.stderr);
    for (name, recipe, said) in [
        (
            "knots",
            "{preset: knots_iso_c}",
            "note: `knots_iso_c` is an old name of the preset `iso_c`: in `knots` and in `core`",
        ),
        ("core", "{preset: core_iso_c}", "note: `core_iso_c` is an old name of the preset `iso_c`\n"),
        ("steps", "{space: knots, combine: iso_c}", "note: `iso_c` is the same merge in `knots` and in `core`"),
    ] {
        let ran = run(name, recipe);
        assert_eq!(ran.succeeds().json()["counts"], serde_json::json!({"run": 0, "reused": 5, "failed": 0}), "{name}");
        assert!(ran.stderr.contains(said), "{}", ran.stderr);
        let plan = place.run(&["plan", "sweep.yaml", "-o", &format!("recipe={recipe}")]);
        assert!(plan.succeeds().stdout.contains(said), "{}", plan.stdout);
    }
}

#[test]
fn an_adapter_that_is_worse_than_the_base_is_said_before_the_search() {
    let place = Place::new();
    let adapter = format!("tasks.optdigits.adapter={}", mini8().join("adapters/icons").display());
    let ran = place.run(&["run", "sweep.yaml", "-o", &adapter]);
    let said = "the adapter of `optdigits` is worse on its own task than the base without it: ";
    assert!(ran.succeeds().stdout.contains(&format!("warning: {said}")), "{}", ran.stdout);
    let at = |text: &str| ran.stderr.find(text).unwrap_or_else(|| panic!("no `{text}` in {}", ran.stderr));
    assert!(at(&format!("note: {said}")) < at("search …"), "{}", ran.stderr);
}

#[test]
fn planning_computes_nothing_and_writes_nothing() {
    let place = Place::new();
    let plan = place.run(&["plan", "sweep.yaml", "--json"]).succeeds().json();
    assert_eq!((&plan["jobs_at_most"], &plan["matrices"][0][1]), (&5.into(), &24.into()));
    assert!(!place.path("bowline-results").exists());
}

#[test]
fn a_plan_of_races_names_the_first_slice_whether_it_is_given_or_goes_by_the_split() {
    let place = Place::new();
    let plan = |racing: &str| {
        let racing = format!("racing={racing}");
        let plan = place.run(&["plan", "sweep.yaml", "-o", "method=grid", "-o", &racing, "--json"]).succeeds().json();
        plan["notes"].to_string()
    };
    let by_split = plan("{}");
    assert!(by_split.contains("slices of a tenth of the split, from 32 to 256 examples"), "{by_split}");
    let given = plan("{slice: 64}");
    assert!(given.contains("slices of 64 examples and more"), "{given}");
}

#[test]
fn inputs_elsewhere_are_planned_as_downloads() {
    let place = Place::new();
    let adapter = "s3://bucket/adapters/mnist";
    let plan = |json: &[&str]| {
        let change = format!("tasks.mnist.adapter={adapter}");
        let mut command = place.command(&[&["plan", "sweep.yaml", "-o", &change], json].concat());
        // A server that does not answer.
        command
            .env("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
            .env("AWS_ACCESS_KEY_ID", "x")
            .env("AWS_SECRET_ACCESS_KEY", "x");
        Place::ran(command).succeeds().stdout.clone()
    };
    let document: serde_json::Value = serde_json::from_str(&plan(&["--json"])).unwrap();
    assert_eq!(document["to_download"], serde_json::json!([adapter]));
    assert_eq!((&document["jobs_at_most"], &document["jobs_stored"]), (&5.into(), &serde_json::Value::Null));
    let text = plan(&[]);
    assert!(text.contains("1 input is not on this machine; a run downloads it:"), "{text}");
    assert!(text.contains(&format!("{adapter}: its size is not known")), "{text}");
    assert!(text.contains(&format!("`{adapter}`: the bucket's server is out of reach")), "{text}");
}

#[test]
fn what_the_hub_would_have_to_give_is_no_download_without_it() {
    let place = Place::new();
    let args = ["plan", "sweep.yaml", "-o", "tasks.mnist.adapter=hf://owner/name"];
    let text = place.run_online(&args).succeeds().stdout.clone();
    assert!(text.contains("a run downloads it:\n    hf://owner/name"), "{text}");
    for command in ["plan", "run"] {
        let ran = place.run(&[&[command], &args[1..]].concat());
        ran.fails(
            65,
            &["`tasks[1].adapter`", "`hf://owner/name` is not in the hub's cache", "`HF_HUB_OFFLINE` forbids"],
        );
    }
}

#[test]
fn every_example_can_be_planned() {
    let place = Place::new();
    let mut planned = 0;
    for folder in ["../mini8", "../nli6", "../knots-mini8", "../knots-paper", "../vision8"] {
        for entry in mini8().join(folder).read_dir().unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "yaml") {
                continue;
            }
            let ran = place.run_online(&["plan", path.to_str().unwrap()]);
            if path.ends_with("table-3-llama3-8b.yaml") {
                // Its heads have to be made by hand.
                ran.fails(65, &["llama3-8b-heads/snli.safetensors` is not there", "have 6 problems"]);
            } else if path.ends_with("nli6/finetune.yaml") {
                ran.fails(
                    65,
                    &["`tasks[0].adapter.train.epochs` is not supported where a sweep trains", "use `steps`"],
                );
            } else {
                ran.succeeds();
            }
            planned += 1;
        }
    }
    assert!(planned >= 24, "{planned}");
}

#[test]
fn every_preset_is_in_the_examples_that_compare_all_methods_with_equal_budgets() {
    let read = |file: &str| {
        let path = mini8().join("..").join(file);
        let text = fs::read_to_string(&path).unwrap();
        jobs::Sweep::from_yaml(&text, path.parent().unwrap(), &[]).unwrap()
    };
    let presets = |sweep: &jobs::Sweep| {
        let names = sweep.searches.iter().filter_map(|search| search.recipe.preset.clone());
        names.collect::<std::collections::BTreeSet<String>>()
    };
    let two = read("mini8/all-methods-two.yaml");
    for file in ["mini8/all-methods.yaml", "mini8/all-methods-four.yaml", "nli6/all-methods.yaml"] {
        let sweep = read(file);
        let left_out: Vec<String> = presets(&two).difference(&presets(&sweep)).cloned().collect();
        assert_eq!(left_out, ["nuslerp", "slerp"], "{file}");
        for search in sweep.searches.iter().chain(&two.searches) {
            let points: Vec<usize> =
                search.parameters.iter().map(|parameter| parameter.values.listed().unwrap().len()).collect();
            assert_eq!(points, [12], "{file}: {}", search.name);
        }
    }
    let all: std::collections::BTreeSet<String> =
        jobs::Preset::ALL.into_iter().map(|preset| preset.name().to_owned()).collect();
    let left_out: Vec<String> = all.difference(&presets(&two)).cloned().collect();
    // The same merge as `iso_c` after `normalise`.
    assert_eq!(left_out, ["iso_c_full"]);
}

#[test]
fn every_preset_has_its_parameters_cost_and_rank_in_the_document_of_methods() {
    let text = fs::read_to_string(mini8().join("../../docs/methods.md")).unwrap();
    let table = text.split("## Parameters, data, cost and rank").nth(1).unwrap().split("\n## ").next().unwrap();
    let names: Vec<&str> = table.lines().filter_map(|line| line.strip_prefix('|')?.split('|').next()).collect();
    for preset in jobs::Preset::ALL {
        assert!(names.iter().any(|names| names.contains(&format!("`{preset}`"))), "{preset}");
    }
}

#[test]
fn heads_built_from_prompts_are_those_that_are_evaluated() {
    let place = Place::new();
    let prompts = ["-o", "tasks.mnist.head=null", "-o", "tasks.mnist.classes=[zero, one]"];
    let templates = ["-o", "tasks.mnist.templates=['a photo of {}.']", "--out", "heads"];
    let ran = place.run(&[&["heads", "sweep.yaml"], &prompts[..], &templates[..]].concat());
    assert_eq!(ran.succeeds().stdout, "heads/mnist.safetensors: 2 classes × 128\n");
}

#[test]
fn the_doctor_tries_out_device_store_and_model() {
    let place = Place::new();
    let base = mini8().join("base");
    let ran = place.run(&["doctor", "--base", base.to_str().unwrap(), "--threads", "1"]);
    let lines: Vec<_> = ran.succeeds().stdout.lines().collect();
    assert_eq!(lines.len(), 3);
    assert!(lines.iter().all(|line| line.contains(" ok ")), "{lines:?}");
    assert!(lines[0].contains("cpu (1 thread, ") && lines[0].ends_with(')'), "{lines:?}");
}

#[test]
fn the_artefact_of_a_winner_goes_with_the_last_sweep_that_has_it() {
    let place = Place::new();
    place.run(&["run", "sweep.yaml"]).succeeds();
    place.run(&["run", "sweep.yaml", "-o", "name=same"]).succeeds();
    let artefacts = || fs::read_dir(place.path("bowline-results/artefacts")).unwrap().count();
    let files = || {
        let folders = fs::read_dir(place.path("bowline-results/artefacts")).unwrap();
        folders.map(|folder| folder.unwrap().path().join("artefact.json")).filter(|path| path.exists()).count()
    };
    assert_eq!((artefacts(), files()), (1, 1), "both sweeps have the same winner, which is written once");
    place.run(&["sweeps", "remove", "same", "--results", "--yes", "--force"]).succeeds();
    assert_eq!(files(), 1, "the other sweep has it");
    place.run(&["sweeps", "remove", "small", "--results", "--yes", "--force"]).succeeds();
    assert_eq!(files(), 0);
}
