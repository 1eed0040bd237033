//! Messages about inputs before anything is computed or fetched.

use crate::{
    bowline::{Place, Ran, mini8},
    hub::Hub,
};
use std::fs;

fn example(name: &str) -> String {
    mini8().join("..").canonicalize().unwrap().join(name).to_str().unwrap().to_owned()
}

/// An IDX pair of black images, under MNIST's names for a split.
fn write_idx(place: &Place, folder: &str, prefix: &str, labels: &[u8]) {
    let header = |numbers: &[u32]| numbers.iter().flat_map(|number| number.to_be_bytes()).collect::<Vec<u8>>();
    let n = u32::try_from(labels.len()).unwrap();
    let images = [header(&[0x0803, n, 4, 4]), vec![0; 16 * labels.len()]].concat();
    place.write(&format!("{folder}/{prefix}-images-idx3-ubyte"), images);
    place.write(&format!("{folder}/{prefix}-labels-idx1-ubyte"), [header(&[0x0801, n]), labels.to_vec()].concat());
}

/// Runs a command with a hub that answers.
fn with_hub(place: &Place, hub: &Hub, args: &[&str]) -> Ran {
    let mut command = place.command(args);
    command.env_remove("HF_HUB_OFFLINE").env("HF_ENDPOINT", hub.endpoint());
    Place::ran(command)
}

#[test]
fn all_that_is_wrong_is_told_at_once_by_task_and_with_its_line() {
    let place = Place::new();
    let mini8 = mini8();
    let mini8 = mini8.display();
    let sweep = format!(
        "name: small
base: {mini8}/base
tasks:
  - name: optdigits
    adapter: {mini8}/adapters/nowhere
    head: {mini8}/heads/optdigits.safetensors
    data:
      source: {mini8}/data/optdigits
      label_column: digit
  - name: mnist
    adapter: {mini8}/adapters/mnist
    data: {mini8}/data/mnist
    head: {mini8}/heads/flags.safetensors
evaluation: {{select: validation, report: test}}
method: grid
recipe: {{preset: ties}}
parameters: {{scaling: [0.5]}}
"
    );
    place.write("wrong.yaml", sweep);
    let expected = [
        "error: the inputs of `wrong.yaml` have 5 problems",
        "task `optdigits`",
        "  line 5, `tasks[0].adapter`: this input cannot be used",
        "/adapters/nowhere` is not there",
        "  line 9, `tasks[0].data.label_column`: the data of `optdigits` cannot be used on split `validation`",
        "has no column `digit`; it has `image`, `label`",
        "  line 9, `tasks[0].data.label_column`: the data of `optdigits` cannot be used on split `test`",
        "task `mnist`",
        "  line 12, `tasks[1].data`: `mnist` cannot be scored on split `validation`",
        "    caused by: the head has 40 classes, the data set has 10",
        "  line 12, `tasks[1].data`: `mnist` cannot be scored on split `test`",
    ];
    for command in ["plan", "run"] {
        let ran = place.run(&[command, "wrong.yaml"]);
        ran.fails(65, &expected);
        let places: Vec<_> = expected.iter().map(|words| ran.stderr.find(words)).collect();
        assert!(places.is_sorted(), "{}", ran.stderr);
    }
    assert!(!place.path("bowline-results").exists());

    let ran = place.run(&["plan", "wrong.yaml", "--json", "-o", "tasks.mnist.head=nowhere"]);
    assert_eq!(ran.code, Some(65));
    let problems = ran.json()["problems"].clone();
    assert_eq!(problems.as_array().unwrap().len(), 4);
    assert_eq!((&problems[0]["line"], &problems[0]["task"]), (&5.into(), &"optdigits".into()));
    let last = &problems[3];
    assert_eq!((&last["key"], &last["line"]), (&"tasks[1].head".into(), &serde_json::Value::Null), "given by `-o`");
    assert!(last["causes"][0].as_str().unwrap().ends_with("nowhere` is not there"), "{last}");
}

#[test]
fn a_label_beyond_the_head_in_the_report_split_is_told_before_the_search() {
    let place = Place::new();
    write_idx(&place, "digits", "train", &[0, 9]);
    write_idx(&place, "digits", "t10k", &[1, 2, 12]);
    let args = ["-o", "tasks.mnist.data=digits", "-o", "tasks.optdigits.data=digits"];
    let args = [&args[..], &["-o", "evaluation.select=train", "-o", "evaluation.report=test"]].concat();
    let words = ["cannot be used on split `test`", "row 2 of `", "has label 12 in column `label`, outside 0..10"];
    for command in ["plan", "run"] {
        let ran = place.run(&[&[command, "sweep.yaml"], &args[..]].concat());
        ran.fails(65, &words);
        assert!(!ran.stderr.contains("split `train`"), "{}", ran.stderr);
    }
    assert!(!place.path("bowline-results").exists());
    // Where that split is not evaluated, nothing keeps the other from being.
    let given = ["optdigits", "mnist"].map(|task| format!("tasks.{task}.finetuned={{train: 0.5}}"));
    let given = ["-o", given[0].as_str(), "-o", given[1].as_str()];
    place.run(&[&["evaluate", "sweep.yaml", "--split", "train"], &args[..4], &given].concat()).succeeds();
}

#[test]
fn an_evaluation_is_told_of_its_inputs_as_a_run_is() {
    let place = Place::new();
    for change in ["tasks.mnist.adapter=nowhere", "tasks.mnist.data.source=nowhere", "tasks.mnist.head=nowhere"] {
        let change = change.replace("data.source", "data");
        let ran = place.run(&["evaluate", "sweep.yaml", "--split", "validation", "-o", &change]);
        ran.fails(65, &["the inputs of `sweep.yaml` have a problem", "nowhere` is not there"]);
        assert!(!ran.stderr.contains("normalise") && !ran.stderr.contains("finetuned"), "{}", ran.stderr);
        assert!(!place.path("bowline-results").exists());
    }
}

#[test]
fn heads_are_told_of_their_base_before_it_is_fetched() {
    let place = Place::new();
    let prompts = ["-o", "tasks.mnist.head=null", "-o", "tasks.mnist.classes=[zero, one]"];
    let prompts = [&prompts[..], &["-o", "tasks.mnist.templates=['a {}.']", "--out", "heads"]].concat();
    let heads = |base: &str| {
        let base = format!("base={base}");
        place.run(&[&["heads", "sweep.yaml", "-o", &base], &prompts[..]].concat())
    };
    heads("nowhere").fails(65, &["`base`: this input cannot be used", "nowhere` is not there"]);
    heads(&example("nli6/base")).fails(65, &["is a language model: only CLIP models make heads from class names"]);
    place.run(&["heads", "sweep.yaml", "--out", "heads"]).fails(65, &["no task of `sweep.yaml` has `classes`"]);
    assert!(!place.path("heads").exists());
}

#[test]
fn a_map_of_a_joint_head_is_held_against_head_and_data() {
    let place = Place::new();
    let map = fs::read_to_string(mini8().join("heads/joint_map.json")).unwrap();
    let mut map: serde_json::Value = serde_json::from_str(&map).unwrap();
    map["map"]["mnist"].as_array_mut().unwrap().pop();
    map["map"]["flags"][0] = 9999.into();
    map["map"].as_object_mut().unwrap().remove("emoji");
    place.write("map.json", map.to_string());
    let map = format!("evaluation.map={}", place.path("map.json").display());
    let words = [
        "says of `flags`",
        "class 0 of the task is joint class 9999",
        "`mnist` cannot be scored on split `validation`",
        "the data set has examples of `nine`, a class that the head does not have",
        "`mnist` cannot be scored on split `test`",
        "the map of the joint head (`evaluation.map`) has no labels of `emoji`",
    ];
    let joint = example("mini8/joint.yaml");
    place.run(&["plan", &joint, "-o", &map]).fails(65, &words);
    place.run(&["plan", &joint]).succeeds();
}

#[test]
fn what_is_elsewhere_does_not_keep_what_is_here_from_being_looked_at() {
    let place = Place::new();
    let args = ["plan", "sweep.yaml", "-o", "base=hf://owner/base", "-o", "tasks.mnist.adapter=nowhere"];
    let ran = place.run_online(&args);
    ran.fails(65, &["`tasks[1].adapter`", "nowhere` is not there"]);
    assert!(ran.stdout.contains("`hf://owner/base`: the hub is out of reach: "), "{}", ran.stdout);
    // Nothing is wrong with what could be looked at.
    let ran = place.run_online(&args[..4]);
    let words = [
        "a run downloads it:\n    hf://owner/base: its size is not known",
        "against the base, which could not be looked at",
    ];
    words.iter().for_each(|words| assert!(ran.succeeds().stdout.contains(words), "{}", ran.stdout));
}

#[test]
fn of_a_base_on_the_hub_headers_are_enough() {
    let place = Place::new();
    let hub = Hub::start(&[("owner/base", mini8().join("base"))]);
    let base = "base=hf://owner/base";
    let ran = with_hub(&place, &hub, &["plan", "sweep.yaml", "-o", base]);
    let text = &ran.succeeds().stdout;
    assert!(text.contains("adapter mnist: 24 matrices, all of them in the base"), "{text}");
    assert!(text.contains("a run downloads it, 9 MiB:\n    hf://owner/base: 9 MiB in 8 files"), "{text}");
    let sent = hub.sent();
    assert!(sent.contains(&"owner/base/model.safetensors 0-65535".to_owned()), "{sent:?}");
    assert!(sent.iter().all(|sent| !sent.ends_with("model.safetensors")), "{sent:?}");
    assert!(!place.path("hub/hub").exists(), "nothing goes into the hub's cache");
    let document = with_hub(&place, &hub, &["plan", "sweep.yaml", "--json", "-o", base]).succeeds().json();
    let weights = fs::metadata(mini8().join("base/model.safetensors")).unwrap().len();
    assert!(document["download_bytes"].as_u64().unwrap() > weights, "{document}");
    assert_eq!(document["downloads"][0]["files"], 8);
    assert_eq!((&document["problems"], &document["jobs_stored"]), (&serde_json::json!([]), &serde_json::Value::Null));
    hub.sent();

    // An adapter of another base is found before any weight is fetched.
    let adapter = format!("tasks.mnist.adapter={}", example("nli6/adapters/rte"));
    let ran = with_hub(&place, &hub, &["run", "sweep.yaml", "-o", base, "-o", &adapter]);
    ran.fails(65, &["cannot use the adapter `mnist`"]);
    let sent = hub.sent();
    assert!(sent.iter().all(|sent| !sent.ends_with("model.safetensors")), "{sent:?}");

    with_hub(&place, &hub, &["run", "sweep.yaml", "-o", base]).succeeds();
    let ran = with_hub(&place, &hub, &["plan", "sweep.yaml", "-o", base]);
    assert!(ran.succeeds().stdout.contains("at most 5 jobs, 5 of them stored"), "{}", ran.stdout);
    assert!(!ran.stdout.contains("downloads"), "{}", ran.stdout);
    place.run(&["plan", "sweep.yaml", "-o", base]).succeeds();
}

#[test]
fn an_adapter_and_a_head_on_the_hub_are_held_against_the_base() {
    let repositories = [
        ("owner/mnist", mini8().join("adapters/mnist")),
        ("owner/rte", example("nli6/adapters/rte").into()),
        ("owner/heads", mini8().join("heads")),
    ];
    let place = Place::new();
    let hub = Hub::start(&repositories);
    let plan = |changes: &[&str]| {
        let changes = changes.iter().flat_map(|change| ["-o", change]);
        with_hub(&place, &hub, &["plan", "sweep.yaml"].into_iter().chain(changes).collect::<Vec<_>>())
    };
    let ran = plan(&["tasks.mnist.adapter=hf://owner/mnist", "tasks.mnist.head=hf://owner/heads/mnist.safetensors"]);
    let text = &ran.succeeds().stdout;
    assert!(text.contains("adapter mnist: 24 matrices") && text.contains("2 inputs are not on this machine"), "{text}");
    assert!(text.contains("`hf://owner/mnist`: the numbers of its tensors"), "{text}");
    let ran = plan(&["tasks.mnist.adapter=hf://owner/rte"]);
    ran.fails(65, &["cannot use the adapter `mnist`", "hf://owner/rte/adapter_model.safetensors"]);
    let ran = plan(&["tasks.mnist.head=hf://owner/heads/flags.safetensors"]);
    ran.fails(65, &["the head has 40 classes, the data set has 10"]);
    let ran = plan(&["tasks.mnist.head=hf://owner/heads/none.safetensors", "tasks.mnist.adapter=hf://owner/none"]);
    let words =
        ["2 problems", "`hf://owner/heads/none.safetensors` is not there", "the hub does not give `hf://owner/none`"];
    ran.fails(65, &words);
    assert!(!place.path("hub/hub").exists(), "nothing goes into the hub's cache");
}

#[test]
fn a_rule_for_a_split_that_is_not_evaluated_is_worth_a_note() {
    let place = Place::new();
    let args = ["plan", "sweep.yaml", "-o", "tasks.mnist.data={source: DATA, splits: {train: {from: nowhere}}}"];
    let data = args[3].replace("DATA", mini8().join("data/mnist").to_str().unwrap());
    let text = place.run(&[&args[..3], &[data.as_str()]].concat()).succeeds().stdout.clone();
    assert!(text.contains("note: `tasks[1].data.splits.train` is not evaluated here, and could not be: "), "{text}");
}

#[test]
fn weights_that_tell_nothing_from_afar_are_said_not_to_be_checked() {
    let place = Place::new();
    let config = fs::read(mini8().join("adapters/mnist/adapter_config.json")).unwrap();
    place.write("pickled/adapter_config.json", config);
    place.write("pickled/adapter_model.bin", "a pickle");
    let hub = Hub::start(&[("owner/pickled", place.path("pickled"))]);
    let ran = with_hub(&place, &hub, &["plan", "sweep.yaml", "-o", "tasks.mnist.adapter=hf://owner/pickled"]);
    let expected = "`hf://owner/pickled`: `adapter_model.bin` has no header that describes its content";
    assert!(ran.succeeds().stdout.contains(expected), "{}", ran.stdout);
    assert!(ran.stdout.contains("hf://owner/pickled: 1 MiB in 2 files"), "{}", ran.stdout);
}

#[test]
fn rows_that_a_list_names_are_looked_for() {
    let place = Place::new();
    let data = mini8().join("data/mnist");
    let plan = |rows: &str| {
        let indices = format!("{{source: {}, splits: {{validation: {{indices: {rows}}}}}}}", data.display());
        place.run(&["plan", "sweep.yaml", "-o", &format!("tasks.mnist.data={indices}")])
    };
    place.write("rows.json", "[0, 100000]");
    plan("rows.json").fails(65, &["row 100000 is selected, but `", "cannot be used on split `validation`"]);
    place.write("rows.json", "[0, 0]");
    plan("rows.json").fails(65, &["lists a row twice, the second time as its entry 2"]);
    plan("nowhere.json").fails(65, &["nowhere.json` is not there"]);
    place.write("rows.json", "[0, 1]");
    plan("rows.json").succeeds();
}
