//! `evaluation.precision: auto`, and the memory of a GPU that a command does not use.

use crate::bowline::Place;

const AUTO: [&str; 2] = ["-o", "evaluation.precision=auto"];

/// A broker that is not there.
const BROKER: [&str; 2] = ["--queue", "amqp://guest:guest@127.0.0.1:1"];

#[test]
fn a_run_takes_the_precision_of_its_device_for_auto_and_a_plan_says_so() {
    let place = Place::new();
    let plan = place.run(&[&["plan", "sweep.yaml", "--json"], &AUTO[..]].concat()).json();
    let notes = plan["notes"].to_string();
    assert!(notes.contains("is planned as `f32`") && notes.contains("`run --queue` refuses `auto`"), "{plan}");

    place.run(&[&["run", "sweep.yaml"], &AUTO[..]].concat()).succeeds();
    for precision in ["auto", "f32"] {
        let plan =
            place.run(&["plan", "sweep.yaml", "--json", "-o", &format!("evaluation.precision={precision}")]).json();
        assert_eq!((&plan["revision"], &plan["changes"]), (&1.into(), &serde_json::Value::Null), "{precision}: {plan}");
        assert!(plan["jobs_stored"].as_u64() > Some(0), "{precision}: {plan}");
    }
}

#[test]
fn a_plan_with_auto_states_the_memory_of_what_each_device_would_take() {
    let place = Place::new();
    let sweep = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/nli6/task-arithmetic.yaml");
    let memory = |precision: &str| {
        let plan = place.run(&["plan", sweep, "--json", "-o", &format!("evaluation.precision={precision}")]).json();
        plan["memory"].clone()
    };
    let auto = memory("auto");
    assert_eq!(auto["processor"], memory("f32")["processor"]);
    assert_eq!(auto["device"], memory("bf16")["device"]);
    assert_ne!(auto["device"], memory("f32")["device"]);
}

#[test]
fn a_plan_says_what_stays_on_a_gpu_with_so_much_memory() {
    let place = Place::new();
    let plan = |memory: &str| place.run(&["plan", "sweep.yaml", "--json", "--device-memory", memory]).json();
    let residency = plan("1000")["residency"].clone();
    assert!(residency["base_bytes"].as_u64() > residency["adapted_bytes"].as_u64(), "{residency}");
    assert!(residency["update_bytes"].as_u64() > Some(0), "the last merges stay as well: {residency}");
    let splits = residency["splits"].as_array().unwrap();
    assert_eq!(splits.len(), 2, "{residency}");
    for split in splits {
        assert_eq!(split["held_as"], "tokens");
        assert_eq!(split["bytes"].as_u64(), split["images"].as_u64().map(|images| images * 17 * 192 * 4));
    }
    let none = plan("0")["residency"].clone();
    assert_eq!(none["splits"][0]["held_as"], "nothing", "{none}");
    let words = place.run(&["plan", "sweep.yaml", "--device-memory", "1000"]);
    let words = &words.succeeds().stdout;
    assert!(words.contains("on a GPU with 1000 MiB for data") && words.contains("images stay as tokens"), "{words}");

    let texts = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/nli6/task-arithmetic.yaml");
    let plan = place.run(&["plan", texts, "--json", "--device-memory", "1000"]).json();
    assert_eq!(plan["residency"], serde_json::Value::Null);
    assert!(plan["notes"].to_string().contains("data of texts count by their tokens"), "{plan}");
}

#[test]
fn a_run_without_avx512_has_the_same_answers() {
    let answers = |value: &str, precision: &str| {
        let place = Place::new();
        let precision = format!("evaluation.precision={precision}");
        let mut command = place.command(&["run", "sweep.yaml", "--json", "-o", &precision]);
        command.env("BOWLINE_WITHOUT_AVX512", value);
        let document = Place::ran(command).json();
        let rows = document["rows"].as_array().unwrap().iter();
        rows.map(|row| (row["name"].clone(), row["splits"].clone())).collect::<Vec<_>>()
    };
    for precision in ["f32", "bf16"] {
        let narrow = answers("1", precision);
        assert!(!narrow.is_empty());
        assert_eq!(narrow, answers("0", precision), "{precision}");
    }

    // The name of the device says whether the kernels of `bf16` take their instruction.
    let place = Place::new();
    let device = |value: &str| {
        let mut command = place.command(&["doctor", "--threads", "1"]);
        command.env("BOWLINE_WITHOUT_AVX512", value);
        let said = Place::ran(command).succeeds().stdout.clone();
        said.lines().next().unwrap_or_default().to_owned()
    };
    assert!(!device("1").contains("avx512-bf16"), "{}", device("1"));
    let widest = format!("cpu (1 thread, {})", evaluation::instructions());
    assert!(device("0").ends_with(&widest), "{} in place of {widest}", device("0"));

    let mut command = place.command(&["schema"]);
    command.env("BOWLINE_WITHOUT_AVX512", "yes");
    Place::ran(command).fails(2, &["`BOWLINE_WITHOUT_AVX512` is `yes`", "is not `1` or `0`"]);
}

#[test]
fn a_run_for_workers_refuses_auto_before_it_looks_for_the_broker() {
    let place = Place::new();
    let words = ["`evaluation.precision` is `auto`", "other machines compute the jobs: state `f32`, `bf16` or `f16`"];
    place.run(&[&["run", "sweep.yaml"], &AUTO[..], &BROKER].concat()).fails(65, &words);
}

#[test]
fn memory_of_a_gpu_is_refused_where_nothing_is_kept_on_one() {
    let place = Place::new();
    let option = ["--device-memory", "8000"];
    let commands = [
        &["run", "sweep.yaml"][..],
        &["run", "sweep.yaml", "--device", "cuda:0", BROKER[0], BROKER[1]],
        &["finetune", "sweep.yaml", "--task", "mnist", "--out", "out"],
    ];
    for command in commands {
        let refused = place.run(&[command, &option].concat());
        refused.fails(2, &["`--device-memory` is `8000`", "nothing is kept on a GPU here"]);
    }
    assert!(!place.path("bowline-results").exists());
    // One check of several fails.
    let doctor = place.run(&[&["doctor"], &option[..]].concat());
    assert!(doctor.code != Some(0) && doctor.stdout.contains("`--device-memory` is `8000`"), "{doctor:?}");
}

#[test]
fn the_device_auto_is_the_processor_in_a_build_without_gpus_and_says_so() {
    let place = Place::new();
    let ran = place.run(&["doctor", "--device", "auto"]);
    let said = ran.succeeds().stderr.clone();
    assert!(said.contains("note: `--device auto` is `cpu`: this program is built without CUDA"), "{said}");
    let gpu = place.run(&["doctor", "--device", "gpu"]);
    assert!(gpu.code != Some(0) && format!("{gpu:?}").contains("`auto`, `cpu`, `cuda` or `cuda:N`"), "{gpu:?}");
}
