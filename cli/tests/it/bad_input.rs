use crate::bowline::{Place, mini8};
use std::fs;

/// Copies mini8's adapter of mnist, with `change` made to the bytes of its weights, and plans a sweep with it.
fn plan_with_weights(change: impl FnOnce(Vec<u8>) -> Vec<u8>) -> crate::bowline::Ran {
    let place = Place::new();
    let source = mini8().join("adapters/mnist");
    place.write("mnist/adapter_config.json", fs::read(source.join("adapter_config.json")).unwrap());
    place.write("mnist/adapter_model.safetensors", change(fs::read(source.join("adapter_model.safetensors")).unwrap()));
    place.run(&["plan", "sweep.yaml", "-o", "tasks.mnist.adapter=mnist"])
}

/// Replaces the first `from` in the header of a safetensors file by `to`, which is as long.
fn in_header(mut file: Vec<u8>, from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let at = file.windows(from.len()).position(|window| window == from.as_bytes()).unwrap();
    file[at..at + from.len()].copy_from_slice(to.as_bytes());
    file
}

#[test]
fn a_sweep_file_that_is_wrong_is_refused_with_key_and_hint() {
    let place = Place::new();
    let plan = |change: &str| place.run(&["plan", "sweep.yaml", "-o", change]);
    plan("recipe.density=1.4").fails(65, &["`sweep.yaml`", "`density` is 1.4, outside (0, 1]", "hint: density is"]);
    plan("recipe.density=0").fails(65, &["`density` is 0, outside (0, 1]"]);
    plan("recipe.scaling=-1").fails(65, &["`scaling` is -1, outside [0, ∞)", "negative weight"]);
    plan("recipe.preset=knotties").fails(65, &["`knotties`", "did you mean `knots_ties`?"]);
    plan("parameters.scaling.values=[]").fails(65, &["`parameters.scaling.values` is empty"]);
    plan("recipe.densty=0.5").fails(65, &["unknown key `recipe.densty`; did you mean `density`?"]);
    place.run(&["plan", "nowhere.yaml"]).fails(65, &["cannot read the sweep file `nowhere.yaml`"]);
}

#[test]
fn inputs_that_are_not_there_are_named_with_their_key() {
    let place = Place::new();
    let plan = |change: &str| place.run(&["plan", "sweep.yaml", "-o", change]);
    plan("base=nowhere").fails(65, &["`base`: this input cannot be used", "nowhere` is not there"]);
    plan("tasks.mnist.adapter=.").fails(65, &["`tasks[1].adapter`", "adapter_config.json"]);
    plan("evaluation.select=dev").fails(65, &["`tasks[0].data`", "no split `dev`", "validation"]);
}

#[test]
fn an_adapter_with_a_missing_tensor_is_refused_by_name() {
    let ran = plan_with_weights(|file| in_header(file, "q_proj.lora_B.weight", "q_proj.lora_X.weight"));
    ran.fails(65, &["cannot use the adapter `mnist`", "adapter_model.safetensors", "lora_X"]);
}

#[test]
fn an_adapter_of_another_base_is_refused_by_name() {
    let both = |file, factor: &str| {
        let name = |layer: u8| format!("layers.{layer}.self_attn.q_proj.{factor}");
        in_header(file, &name(0), &name(9))
    };
    let ran = plan_with_weights(|file| both(both(file, "lora_A"), "lora_B"));
    ran.fails(65, &["cannot use the adapter `mnist`", "layers.9.self_attn.q_proj"]);
}

#[test]
fn an_adapter_with_nan_is_refused_by_name() {
    let ran = plan_with_weights(|mut file| {
        let last = file.len() - 4;
        file[last..].copy_from_slice(&f32::NAN.to_le_bytes());
        file
    });
    ran.fails(65, &["cannot use the adapter `mnist`", "NaN", "lora_"]);
}

#[test]
fn a_truncated_adapter_is_refused_by_name() {
    let ran = plan_with_weights(|mut file| {
        file.truncate(file.len() - 1000);
        file
    });
    ran.fails(65, &["cannot use the adapter `mnist`", "adapter_model.safetensors"]);
}

#[test]
fn data_that_does_not_fit_its_head_is_named() {
    let place = Place::new();
    let head = format!("tasks.mnist.head={}", mini8().join("heads/flags.safetensors").display());
    let ran = place.run(&["evaluate", "sweep.yaml", "--split", "validation", "-o", &head]);
    ran.fails(65, &["`mnist` cannot be scored", "the head has 40 classes, the data set has 10"]);
}

#[test]
fn a_model_for_texts_is_shown_no_images() {
    let base = format!("base={}", mini8().join("../nli6/base").display());
    let ran = Place::new().run(&["plan", "sweep.yaml", "-o", &base]);
    ran.fails(65, &["is a language model, which reads texts, and the data of `optdigits` are images"]);
}

/// Ten classes of images, one of which is damaged, which only decoding detects.
pub(crate) fn write_images_with_a_damaged_one(place: &Place) {
    for class in 0..10 {
        place.write(&format!("images/validation/{class}/a.png"), PNG);
    }
    let mut damaged = PNG.to_vec();
    damaged[41] = 0;
    place.write("images/validation/9/b.png", damaged);
}

/// One grey pixel.
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\0\0\0\0:~\x9bU\0\0\0\nIDATx\x9cc`\0\0\0\x02\0\x01H\xaf\xa4q\0\0\0\0IEND\xaeB`\x82";

#[test]
fn a_sweep_goes_on_past_a_job_that_fails() {
    let place = Place::new();
    write_images_with_a_damaged_one(&place);
    let raw = ["-o", "metric.name=accuracy:optdigits"];
    let ran = place.run(&[&["run", "sweep.yaml", "--brake", "0", "-o", "tasks.mnist.data=images"], &raw[..]].concat());
    ran.fails(3, &["mnist alone failed", "jobs failed"]);
}

#[test]
fn an_evaluation_whose_jobs_fail_says_what_to_correct() {
    let place = Place::new();
    write_images_with_a_damaged_one(&place);
    let args = ["evaluate", "sweep.yaml", "--split", "validation", "-o", "tasks.mnist.data=images"];
    let ran = place.run(&args);
    ran.fails(65, &["9/b.png` cannot be decoded", "correct the input"]);
    assert!(!ran.stderr.contains("--retry-failed"), "`evaluate` has no such flag: {}", ran.stderr);
}

#[test]
fn an_image_that_cannot_be_read_is_named() {
    let place = Place::new();
    for class in ["one", "two"] {
        place.write(&format!("images/validation/{class}/a.png"), b"not an image");
    }
    let args = ["evaluate", "sweep.yaml", "--split", "validation", "-o", "tasks.mnist.data=images"];
    place.run(&args).fails(65, &["the data of `mnist` cannot be used", "a.png"]);
}

#[test]
fn a_store_that_cannot_be_written_is_named() {
    // A file where a folder should be stops every user, the superuser too.
    let place = Place::new();
    place.write("taken", "");
    let ran = place.run(&["run", "sweep.yaml", "--store", "taken/results"]);
    ran.fails(69, &["cannot use the store", "taken/results"]);
}

#[test]
fn arguments_that_are_wrong_are_usage_errors() {
    let place = Place::new();
    place.run(&["run", "sweep.yaml", "--device", "tpu"]).fails(2, &["`--device` is `tpu`"]);
    // Simulated devices belong to the testbed: their scores are made up.
    place.run(&["run", "sweep.yaml", "--device", "simulated:a40"]).fails(2, &["`--device` is `simulated:a40`"]);
    place.run(&["run", "sweep.yaml", "--threads", "0"]).fails(2, &["`--threads` is `0`"]);
    place.run(&["run", "sweep.yaml", "--max-jobs", "2"]).fails(2, &["up to 5 jobs, more than 2"]);
    place.run(&["merge"]).fails(2, &["--base"]);
    assert!(!place.path("bowline-results").exists(), "nothing is made before all is checked");
}

#[test]
fn class_names_in_another_order_are_told_before_anything_is_computed() {
    let place = Place::new();
    let head = ["-o", "tasks.mnist.head=null", "-o", "tasks.mnist.templates=['the digit {}.']"];
    let sorted = "tasks.mnist.classes=[eight, five, four, nine, one, seven, six, three, two, zero]";
    let ran = place.run(&[&["plan", "sweep.yaml", "-o", sorted], &head[..]].concat());
    ran.fails(
        65,
        &["`mnist` cannot be scored on split `validation`", "in another order", "`zero`, `one`", "`eight`, `five`"],
    );
    let ran = place.run(&[&["evaluate", "sweep.yaml", "--split", "test", "-o", sorted], &head[..]].concat());
    ran.fails(65, &["in another order", "`zero`, `one`", "`eight`, `five`"]);
}

#[test]
fn a_head_that_bowline_wrote_knows_its_classes() {
    let place = Place::new();
    let head = ["-o", "tasks.mnist.head=null", "-o", "tasks.mnist.templates=['the digit {}.']", "--out", "heads"];
    let sorted = "tasks.mnist.classes=[eight, five, four, nine, one, seven, six, three, two, zero]";
    let heads = |more: &[&str]| place.run(&[&["heads", "sweep.yaml", "-o", sorted], &head[..], more].concat());
    heads(&[]).fails(65, &["`mnist` cannot be scored on split `validation`", "in another order"]);
    let ran = heads(&["-o", "tasks.mnist.data=nowhere"]);
    assert!(ran.succeeds().stderr.contains("note: the classes of `mnist` are not held against its data"));
    let ran = place.run(&["plan", "sweep.yaml", "-o", "tasks.mnist.head=heads/mnist.safetensors"]);
    ran.fails(
        65,
        &["`mnist` cannot be scored on split `validation`", "in another order", "`zero`, `one`", "`eight`, `five`"],
    );
}

#[test]
fn splits_that_name_their_classes_differently_are_refused() {
    let place = Place::new();
    for (split, classes) in [("validation", ["a", "b"]), ("test", ["c", "d"])] {
        for class in classes {
            place.write(&format!("images/{split}/{class}/1.png"), PNG);
        }
    }
    let data = ["-o", "tasks.mnist.data=images", "-o", "tasks.mnist.head=null"];
    let head = ["-o", "tasks.mnist.classes=[x, y]", "-o", "tasks.mnist.templates=['a {}.']"];
    let ran = place.run(&[&["plan", "sweep.yaml", "-o", "evaluation.report=test"], &data[..], &head[..]].concat());
    ran.fails(
        65,
        &[
            "`mnist` cannot be scored on split `test`",
            "two splits name the classes differently: `a`, `b`, and `c`, `d`",
        ],
    );
    let evaluate = ["evaluate", "sweep.yaml", "--split", "test"];
    let ran = place.run(&[&evaluate[..], &data[..], &head[..]].concat());
    ran.fails(65, &["two splits name the classes differently: `c`, `d`, and `a`, `b`"]);
}

#[test]
fn classes_that_are_matched_by_place_are_noted_once() {
    let place = Place::new();
    let head = ["-o", "tasks.mnist.head=null", "-o", "tasks.mnist.templates=['{}.']"];
    let others = "tasks.mnist.classes=[nought, i, ii, iii, iv, v, vi, vii, viii, ix]";
    let plan = |more: &[&str]| {
        let ran = place.run(&[&["plan", "sweep.yaml"], more].concat());
        ran.succeeds();
        ran.stdout + &ran.stderr
    };
    let printed = plan(&[&["-o", others], &head[..]].concat());
    assert_eq!(printed.matches("`mnist`: classes are matched by their place").count(), 1, "{printed}");
    assert!(printed.contains("`zero` is `nought`, `one` is `i`"), "{printed}");
    let printed = plan(&[]);
    assert!(!printed.contains("matched by their place") && !printed.contains("alphabetical"), "{printed}");
    for class in ["eight", "five", "four", "nine", "one", "seven", "six", "three", "two", "zero"] {
        place.write(&format!("images/validation/{class}/a.png"), PNG);
    }
    let printed = plan(&["-o", "tasks.mnist.data=images"]);
    assert!(printed.contains("`mnist`: the folders of classes in alphabetical order, `eight`, `five`"), "{printed}");
}
