use crate::bowline::Place;
use std::{fs, path::Path};

fn example(name: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/nli6").canonicalize().unwrap();
    root.join(name).to_str().unwrap().to_owned()
}

#[test]
fn a_sweep_over_texts_goes_from_the_file_to_the_adapter() {
    let place = Place::new();
    let sweep = example("task-arithmetic.yaml");
    let plan = place.run(&["plan", &sweep]).succeeds().stdout.clone();
    assert!(plan.contains("memory on the processor: ") && plan.contains("memory on a GPU: "), "{plan}");

    let ran = place.run(&["run", &sweep, "-o", "parameters={scaling: {values: [0.2]}}"]).succeeds().stdout.clone();
    assert!(ran.contains("few examples, and the points that they leave open: rte 138 (± 7."), "{ran}");
    let best = place.path("bowline-results/sweeps/nli6-task-arithmetic/best");
    let config = fs::read_to_string(best.join("adapter_config.json")).unwrap();
    assert!(config.contains(r#""task_type": "SEQ_CLS""#), "{config}");
    let json = place.run(&["analyze", "--json"]).json();
    let rows = json[0]["rows"].as_array().unwrap();
    let scitail = |row: usize| rows[row]["splits"]["test"]["tasks"][5]["correct"].as_u64();
    // What the reference finds: 385 of 700 with the base, 531 with the task's own adapter.
    assert_eq!((scitail(0), scitail(1)), (Some(385), Some(531)));
}

#[test]
fn a_sweep_over_texts_says_what_is_wrong_with_it() {
    let sweep = example("task-arithmetic.yaml");
    // Each in a store of its own: another sweep of the same name is refused.
    let run = |overrides: &[&str]| {
        let place = Place::new();
        let given = overrides.iter().flat_map(|text| ["-o", text]);
        place.run(&["run", &sweep].into_iter().chain(given).collect::<Vec<_>>())
    };
    run(&["tasks.rte.data.text_columns=[text1, text3]"]).fails(65, &["`text3`", "text2", "label_text"]);
    run(&["tasks.scitail.data.labels={entails: 0}"]).fails(65, &["neutral"]);
    run(&["tasks.rte.data.mask_classes=[0]"]).fails(65, &["which `mask_classes` masks"]);
    run(&["base=../mini8/base"]).fails(65, &["cannot use the adapter `snli`"]);
}
