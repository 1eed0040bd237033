//! Sweep files and recipes that `bowline init` drafts.

use crate::bowline::{Place, Ran, mini8};
use std::{
    fs,
    path::{Path, PathBuf},
};

fn nli6() -> PathBuf {
    mini8().join("../nli6").canonicalize().unwrap()
}

/// The arguments that name the base of an example, and these tasks with their data.
fn arguments(example: &Path, tasks: &[&str]) -> Vec<String> {
    let mut args = vec!["init".to_owned(), "--base".to_owned(), example.join("base").display().to_string()];
    for task in tasks {
        args.extend(["--adapter".to_owned(), format!("{task}={}", example.join("adapters").join(task).display())]);
        args.extend(["--data".to_owned(), format!("{task}={}", example.join("data").join(task).display())]);
    }
    args
}

fn run(place: &Place, args: &[String], more: &[&str]) -> Ran {
    let args: Vec<&str> = args.iter().map(String::as_str).chain(more.iter().copied()).collect();
    place.run(&args)
}

/// A place without the sweep file that other tests need.
fn empty() -> Place {
    let place = Place::new();
    fs::remove_file(place.path("sweep.yaml")).unwrap();
    place
}

fn read(place: &Place, name: &str) -> String {
    fs::read_to_string(place.path(name)).unwrap()
}

const IMAGES: [&str; 8] = ["mnist", "fashion_mnist", "optdigits", "letters", "scripts", "flags", "emoji", "icons"];
const TEXTS: [&str; 6] = ["snli", "mnli", "sick", "qnli", "rte", "scitail"];

#[test]
fn a_draft_of_images_with_heads_passes_plan_unchanged() {
    let place = empty();
    let mut args = arguments(&mini8(), &IMAGES);
    for task in IMAGES {
        args.extend([
            "--head".to_owned(),
            format!("{task}={}", mini8().join(format!("heads/{task}.safetensors")).display()),
        ]);
    }
    let ran = run(&place, &args, &["--name", "mine"]);
    assert!(ran.succeeds().stderr.contains("wrote sweep.yaml"), "{ran:?}");
    let draft = read(&place, "sweep.yaml");
    assert!(draft.starts_with("# yaml-language-server: $schema=sweep.schema.json\n"), "{draft}");
    for words in [
        "name: mine\n",
        "which merge of these 8 adapters is best",
        "# LoRA of rank 16 on 24 matrices.",
        "method: portfolio",
    ] {
        assert!(draft.contains(words), "no `{words}` in {draft}");
    }
    assert!(read(&place, "sweep.schema.json").contains("json-schema.org"));
    let plan = place.run(&["plan", "sweep.yaml", "--json"]).succeeds().json();
    let jobs = plan["jobs_at_most"].as_u64().unwrap();
    assert!(draft.replace("\n# ", " ").contains(&format!("At most {jobs} jobs in all.")), "{jobs}: {draft}");
}

#[test]
fn a_draft_of_images_without_heads_makes_them_of_class_names_and_says_so() {
    let place = empty();
    let ran = run(&place, &arguments(&mini8(), &["mnist", "flags"]), &[]);
    assert!(ran.succeeds().stderr.contains("task `mnist`: the head is made of the class names"), "{ran:?}");
    let draft = read(&place, "sweep.yaml");
    assert!(draft.contains("classes: [zero, one, two"), "{draft}");
    assert!(draft.contains("# Check this: the head is made of the class names"), "{draft}");
    place.run(&["plan", "sweep.yaml"]).succeeds();
}

#[test]
fn a_draft_of_texts_knows_conventions_and_passes_plan_unchanged() {
    let place = empty();
    run(&place, &arguments(&nli6(), &TEXTS), &[]).succeeds();
    let draft = read(&place, "sweep.yaml");
    for task in TEXTS {
        assert!(draft.contains(&format!("      convention: {task}\n")), "{draft}");
    }
    let words = draft.replace("\n    # ", " ");
    assert!(words.contains("the search reads 139 rows, and 138 others are for the report alone"), "{draft}");
    place.run(&["plan", "sweep.yaml"]).succeeds();
}

#[test]
fn texts_under_other_names_are_read_by_columns_and_what_is_unknown_is_told() {
    let place = empty();
    let args = arguments(&nli6(), &[]);
    let task = |name: &str, of: &str| {
        let adapter = format!("{name}={}", nli6().join("adapters").join(of).display());
        let data = format!("{name}={}", nli6().join("data").join(of).display());
        vec!["--adapter".to_owned(), adapter, "--data".to_owned(), data]
    };
    let all = [args, task("pairs", "qnli"), task("science", "scitail"), task("captions", "snli")].concat();
    let ran = run(&place, &all, &[]);
    let draft = read(&place, "sweep.yaml");
    assert!(ran.stderr.contains("task `pairs`: its labels are 0, 1, and its head has 3 classes"), "{ran:?}");
    assert!(ran.stderr.contains("task `science`: its labels are the words [entails, neutral]"), "{ran:?}");
    for words in [
        "text_columns: [text1, text2]",
        "labels: {entails: 0, neutral: 1}",
        "drop_labels: [-1]",
        "splits: {validation: {share: [0.0, 0.2], shuffle_seed: 42}, test: {from: validation, share: [0.2, 1.0], shuffle_seed: 42}}",
    ] {
        assert!(draft.contains(words), "no `{words}` in {draft}");
    }
    place.run(&["plan", "sweep.yaml"]).succeeds();
}

/// A base of a family that is not evaluated, and two arguments that name adapters of it.
fn other_family(place: &Place) -> [String; 2] {
    for entry in fs::read_dir(nli6().join("base")).unwrap() {
        let path = entry.unwrap().path();
        place.write(&format!("base/{}", path.file_name().unwrap().to_str().unwrap()), fs::read(&path).unwrap());
    }
    let config = read(place, "base/config.json").replace(r#""model_type": "llama""#, r#""model_type": "mamba""#);
    place.write("base/config.json", config);
    ["rte", "sick"].map(|task| format!("{task}={}", nli6().join("adapters").join(task).display()))
}

#[test]
fn a_base_that_is_not_evaluated_gets_a_recipe_that_merges() {
    let place = empty();
    let [rte, sick] = other_family(&place);
    let ran = place.run(&["init", "--base", "base", "--adapter", &rte, "--adapter", &sick]);
    assert!(ran.succeeds().stderr.contains("the `model_type` of this base is `mamba`"), "{ran:?}");
    assert!(ran.stderr.contains("`evaluation.command`"), "{ran:?}");
    assert!(!place.path("sweep.yaml").exists());
    let draft = read(&place, "recipe.yaml");
    assert!(draft.starts_with("# yaml-language-server: $schema=recipe.schema.json\n"), "{draft}");
    // The command of the comment is run as it stands.
    let command =
        draft.lines().filter_map(|line| line.strip_prefix("#   ")).take_while(|line| !line.contains(": LoRA"));
    let command = command.map(|line| line.trim_end_matches('\\').trim()).collect::<Vec<_>>().join(" ");
    let args: Vec<&str> = command.split_whitespace().skip(1).collect();
    place.run(&args).succeeds();
    assert!(place.path("merged/adapter_model.safetensors").is_file());
}

/// Checks that Python can read a program, where there is Python.
fn compiles(place: &Place, program: &str) {
    let path = place.path(program);
    let check = "import ast, sys; ast.parse(open(sys.argv[1]).read())";
    match std::process::Command::new("python3").arg("-c").arg(check).arg(path).output() {
        Ok(ran) => assert!(ran.status.success(), "{ran:?}"),
        Err(error) => println!("skipped: there is no python3 ({error})"),
    }
}

#[test]
fn adapters_of_a_language_model_without_heads_get_a_program_unless_heads_are_named() {
    let place = empty();
    let named = ["rte", "sick"].map(|task| {
        for (file, content) in headless(task) {
            place.write(&format!("adapters/{task}/{file}"), content);
        }
        format!("{task}=adapters/{task}")
    });
    place.write("chat.jsonl", "{}\n");
    let base = nli6().join("base").display().to_string();
    let [rte, sick] = &named;
    let args = ["init", "--base", &base, "--adapter", rte, "--adapter", sick, "--data", "rte=chat.jsonl"];
    let ran = place.run(&args);
    assert!(ran.succeeds().stderr.contains("The adapters bring no heads, so that they generate text"), "{ran:?}");
    assert!(read(&place, "sweep.yaml").contains("command: [python3, evaluate.py]"));
    let head = format!("rte={}", nli6().join("heads/rte.safetensors").display());
    let data = format!("rte={}", nli6().join("data/rte").display());
    let args = ["init", "--base", &base, "--adapter", rte, "--data", &data, "--head", &head, "--out", "other.yaml"];
    place.run(&args).succeeds();
    assert!(!read(&place, "other.yaml").contains("command:"));
}

/// The files of an adapter of nli6 without its head.
fn headless(task: &str) -> [(&'static str, Vec<u8>); 2] {
    let folder = nli6().join("adapters").join(task);
    let config = fs::read_to_string(folder.join("adapter_config.json")).expect("the example has it");
    let mut config: serde_json::Value = serde_json::from_str(&config).expect("it is JSON");
    config["modules_to_save"] = serde_json::Value::Null;
    config["task_type"] = "CAUSAL_LM".into();
    let weights = fs::read(folder.join("adapter_model.safetensors")).expect("the example has it");
    let tensors = safetensors::SafeTensors::deserialize(&weights).expect("it is a file of tensors");
    let factors = tensors.tensors().into_iter().filter(|(name, _)| name.contains(".lora_"));
    let weights = safetensors::serialize(factors, None).expect("they are tensors");
    [("adapter_config.json", config.to_string().into_bytes()), ("adapter_model.safetensors", weights)]
}

#[test]
fn a_base_that_is_not_evaluated_gets_a_sweep_with_a_program_where_there_are_data() {
    let place = empty();
    // Adapters with heads are refused beside a command, and those of this example have none.
    place.write("base/model.safetensors", fs::read(mini8().join("base/model.safetensors")).unwrap());
    place.write("base/config.json", r#"{"model_type": "mystery"}"#);
    place.write("chat.jsonl", "{}\n");
    let named = |task: &str| format!("{task}={}", mini8().join("adapters").join(task).display());
    let [mnist, flags] = ["mnist", "flags"].map(named);
    let args = ["init", "--base", "base", "--adapter", &mnist, "--adapter", &flags, "--data", "mnist=chat.jsonl"];
    let ran = place.run(&args);
    assert!(ran.succeeds().stderr.contains("wrote evaluate.py: say there what the examples are"), "{ran:?}");
    assert!(ran.stderr.contains("bowline run sweep.yaml --allow-commands"), "{ran:?}");
    let draft = read(&place, "sweep.yaml");
    for words in
        ["a `mystery`: Bowline merges", "command: [python3, evaluate.py]", "    data: chat.jsonl\n", "portfolio"]
    {
        assert!(draft.replace("\n# ", " ").contains(words), "no `{words}` in {draft}");
    }
    let plan = place.run(&["plan", "sweep.yaml", "--json"]).succeeds().json();
    assert_eq!(plan["problems"], serde_json::json!([]));
    compiles(&place, "evaluate.py");
    // A program that is there is the user's own.
    place.write("evaluate.py", "mine");
    let again = place.run(&[&args[..], &["--out", "other.yaml"]].concat());
    assert!(again.succeeds().stderr.contains("evaluate.py is there already"), "{again:?}");
    assert_eq!(read(&place, "evaluate.py"), "mine");
}

#[test]
fn nothing_is_overwritten_and_nothing_is_left_of_a_draft_that_fails() {
    let place = Place::new();
    let before = read(&place, "sweep.yaml");
    let args = arguments(&mini8(), &["mnist"]);
    run(&place, &args, &[]).fails(65, &["`sweep.yaml` is there already, and `init` overwrites nothing", "--out"]);
    assert_eq!(read(&place, "sweep.yaml"), before);
    let broken = [&args[..], &["--adapter".into(), "flags=nowhere".into()]].concat();
    run(&place, &broken, &["--out", "other.yaml"]).fails(65, &["cannot use `nowhere`", "is not there"]);
    assert!(!place.path("other.yaml").exists() && !place.path("sweep.schema.json").exists());
}

#[test]
fn a_draft_in_another_folder_names_its_inputs_from_there() {
    let place = empty();
    fs::create_dir(place.path("sweeps")).unwrap();
    let args = arguments(&mini8(), &["mnist", "flags"]);
    run(&place, &args, &["--out", "sweeps/a.yaml"]).succeeds();
    place.run(&["plan", "sweeps/a.yaml"]).succeeds();
    assert!(read(&place, "sweeps/a.yaml").contains("name: sweeps-portfolio\n"));
}

#[test]
fn without_a_terminal_what_is_missing_is_a_flag() {
    let place = empty();
    place.run(&["init"]).fails(2, &["the base model is missing: give it with `--base DIR`", "hint: "]);
    let base = mini8().join("base").display().to_string();
    place.run(&["init", "--base", &base]).fails(2, &["an adapter for each task is missing", "`--adapter NAME=DIR`"]);
    let adapter = format!("mnist={}", mini8().join("adapters/mnist").display());
    place.run(&["init", "--base", &base, "--adapter", &adapter]).fails(2, &["`--data mnist=PATH`"]);
    assert!(!place.path("sweep.yaml").exists());
}

#[test]
fn data_that_a_draft_cannot_describe_are_named() {
    let place = empty();
    let base = mini8().join("base").display().to_string();
    let adapter = format!("mnist={}", mini8().join("adapters/mnist").display());
    let init = |data: &str| place.run(&["init", "--base", &base, "--adapter", &adapter, "--data", data]);
    fs::create_dir(place.path("empty")).unwrap();
    init("mnist=empty").fails(65, &["`empty`, has no splits", "`SPLIT.parquet`"]);
    for folder in ["a", "b"] {
        place.write(&format!("several/{folder}/train-00000-of-00001.parquet"), "");
    }
    init("mnist=several").fails(65, &["several configurations", "several/a, several/b"]);
    place.write("broken/test.parquet", "no table");
    init("mnist=broken").fails(65, &["the data of `mnist` cannot be read, split `test`", "test.parquet"]);
    init("flags=empty").fails(2, &["`--data` names the task `flags`, of which there is no adapter"]);
}

const MERGEKIT: &str = "
merge_method: ties
base_model: base
models:
  - {model: base+lora-a, parameters: {weight: 0.5, density: 0.4}}
  - {model: base+lora-b, parameters: {weight: 0.3, density: 0.4}}
parameters: {normalize: false}
dtype: bfloat16
";

#[test]
fn a_file_of_mergekit_becomes_a_recipe_that_merges() {
    let place = empty();
    place.write("mergekit.yml", MERGEKIT);
    let ran = place.run(&["init", "--from", "mergekit.yml"]);
    assert!(ran.succeeds().stderr.contains("note: not translated: `dtype`, which is about the files"), "{ran:?}");
    let draft = read(&place, "recipe.yaml");
    for words in [
        "--base base",
        "--adapter lora-a=lora-a",
        "preset: ties\n",
        "density: 0.4\n",
        "weights: {lora-a: 0.5, lora-b: 0.3}\n",
    ] {
        assert!(draft.contains(words), "no `{words}` in {draft}");
    }
    let [a, b] = ["rte", "sick"].map(|task| nli6().join("adapters").join(task).display().to_string());
    let base = nli6().join("base").display().to_string();
    let [a, b] = [format!("lora-a={a}"), format!("lora-b={b}")];
    let merge = [
        "merge",
        "--base",
        &base,
        "--adapter",
        &a,
        "--adapter",
        &b,
        "--recipe",
        "recipe.yaml",
        "--format",
        "full",
        "--out",
        "out",
    ];
    place.run(&merge).succeeds();
}

#[test]
fn a_merge_of_another_tool_stands_beside_the_search_where_there_are_data() {
    let place = empty();
    place.write("mergekit.yml", MERGEKIT);
    let args = arguments(&mini8(), &["mnist", "flags"]);
    run(&place, &args, &["--from", "mergekit.yml"]).succeeds();
    let draft = read(&place, "sweep.yaml");
    assert!(
        draft.contains("  - {name: mergekit, preset: ties,") && draft.contains("weights: {mnist: 0.5, flags: 0.3}}"),
        "{draft}"
    );
    assert!(draft.contains("# not translated: `dtype`"), "{draft}");
    place.run(&["plan", "sweep.yaml"]).succeeds();
    let one = arguments(&mini8(), &["mnist"]);
    run(&place, &one, &["--from", "mergekit.yml", "--out", "one.yaml"])
        .fails(65, &["merges 2 adapters, and `--adapter` names 1"]);
}

#[test]
fn arguments_of_peft_are_read_as_json_and_from_a_simple_script() {
    let place = empty();
    place.write("peft.json", r#"{"adapters": ["a", "b"], "weights": [0.7, 0.3], "combination_type": "linear"}"#);
    let ran = place.run(&["init", "--from", "peft.json", "--out", "linear.yaml"]);
    assert!(ran.succeeds().stderr.contains("merges the factors A and B apart"), "{ran:?}");
    assert!(read(&place, "linear.yaml").contains("weights: {a: 0.7, b: 0.3}"));
    place.write("merge.py", "model.add_weighted_adapter(['a', 'b'], [1.0, 1.0], 'ab', 'svd', svd_rank=8)\n");
    place.run(&["init", "--from", "merge.py", "--out", "svd.yaml"]).succeeds();
    assert!(read(&place, "svd.yaml").contains("preset: task_arithmetic\noutput_rank: 8\n"));
    place.write("loop.py", "model.add_weighted_adapter(names, weights)\n");
    place
        .run(&["init", "--from", "loop.py", "--out", "no.yaml"])
        .fails(65, &["`loop.py` has a call that is not simple", "JSON"]);
    place.write("other.yaml", "a: 1\n");
    place.run(&["init", "--from", "other.yaml"]).fails(65, &["`other.yaml` is no file that `init` translates"]);
}

#[test]
fn a_sweep_of_wandb_becomes_a_search() {
    let place = empty();
    let wandb = "program: merge.py\nmethod: random\nrun_cap: 7\nparameters:\n  lambda: {min: 0.1, max: 1.0}\n  density: {values: [0.1, 0.3]}\n";
    place.write("wandb.yaml", wandb);
    place.run(&["init", "--from", "wandb.yaml"]).fails(2, &["the base model is missing"]);
    let ran = run(&place, &arguments(&mini8(), &["mnist", "flags"]), &["--from", "wandb.yaml"]);
    assert!(ran.succeeds().stderr.contains("note: not translated: `program`"), "{ran:?}");
    let draft = read(&place, "sweep.yaml");
    for words in [
        "-random\n",
        "method: random\ntrials: 7\n",
        "recipe: {preset: knots_ties}\n",
        "  scaling: {min: 0.1, max: 1.0}\n",
        "  density: [0.1, 0.3]\n",
    ] {
        assert!(draft.contains(words), "no `{words}` in {draft}");
    }
    place.run(&["plan", "sweep.yaml"]).succeeds();
}
