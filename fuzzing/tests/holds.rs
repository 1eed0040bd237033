//! Every target, for a moment: the inputs that it takes, those that once broke something, and some hundred damaged
//! ones.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "what fails here should stop at once, and say where"
)]

use fuzzing::{Session, Target, kept};
use std::{fs, io::ErrorKind, path::PathBuf};

/// Damaged inputs of each target.
const INPUTS: usize = 200;

fn target(name: &str) -> Target {
    Target::all().into_iter().find(|target| target.name == name).unwrap_or_else(|| panic!("no target `{name}`"))
}

/// The inputs in the folder of a target, by name.
fn kept_inputs(name: &str) -> Vec<PathBuf> {
    let entries = match fs::read_dir(kept(name)) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Vec::new(),
        entries => entries.unwrap(),
    };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

fn holds(name: &str) {
    let target = target(name);
    let folder = tempfile::tempdir().unwrap();
    let mut session = Session::new(&target, folder.path(), 1);
    for (number, seed) in session.seeds().iter().enumerate() {
        let read = session.judge(seed).unwrap_or_else(|what| panic!("an input that is whole: {what}"));
        // Others may belong to other files than those that lie there.
        assert!(read.is_accepted || number > 0, "{name}: {:?}", (target.read)(folder.path(), seed));
    }
    for path in kept_inputs(name) {
        // Shown where the input ends the process.
        eprintln!("{}", path.display());
        session.judge(&fs::read(&path).unwrap()).unwrap_or_else(|what| panic!("{}: {what}", path.display()));
    }
    for number in 0..INPUTS {
        let input = session.next_input();
        eprintln!("input {number}");
        session.judge(&input).unwrap_or_else(|what| panic!("input {number} of {} bytes: {what}", input.len()));
    }
}

macro_rules! tests {
    ($($test:ident: $target:literal),* $(,)?) => {
        $(#[test]
        fn $test() {
            holds($target);
        })*

        #[test]
        fn every_target_has_a_test() {
            let names: Vec<&str> = Target::all().iter().map(|target| target.name).collect();
            assert_eq!(names, [$($target),*]);
        }
    };
}

tests! {
    damage_does_not_break_what_holds_of_adapter_config: "adapter-config",
    damage_does_not_break_what_holds_of_adapter_tensors: "adapter-tensors",
    damage_does_not_break_what_holds_of_adapter_pickle: "adapter-pickle",
    damage_does_not_break_what_holds_of_base_tensors: "base-tensors",
    damage_does_not_break_what_holds_of_base_pickle: "base-pickle",
    damage_does_not_break_what_holds_of_base_index: "base-index",
    damage_does_not_break_what_holds_of_head: "head",
    damage_does_not_break_what_holds_of_preprocessor_config: "preprocessor-config",
    damage_does_not_break_what_holds_of_image: "image",
    damage_does_not_break_what_holds_of_idx_images: "idx-images",
    damage_does_not_break_what_holds_of_idx_labels: "idx-labels",
    damage_does_not_break_what_holds_of_image_parquet: "image-parquet",
    damage_does_not_break_what_holds_of_result: "result",
    damage_does_not_break_what_holds_of_failure: "failure",
    damage_does_not_break_what_holds_of_manifest: "manifest",
    damage_does_not_break_what_holds_of_outcome: "outcome",
    damage_does_not_break_what_holds_of_progress: "progress",
    damage_does_not_break_what_holds_of_cancellation: "cancellation",
    damage_does_not_break_what_holds_of_finish: "finish",
    damage_does_not_break_what_holds_of_worker_status: "worker-status",
    damage_does_not_break_what_holds_of_similarity: "similarity",
    damage_does_not_break_what_holds_of_part: "part",
    damage_does_not_break_what_holds_of_clip_tensors: "clip-tensors",
    damage_does_not_break_what_holds_of_clip_config: "clip-config",
    damage_does_not_break_what_holds_of_llama_tensors: "llama-tensors",
    damage_does_not_break_what_holds_of_llama_config: "llama-config",
    damage_does_not_break_what_holds_of_statistics_index: "statistics-index",
    damage_does_not_break_what_holds_of_statistics_tensors: "statistics-tensors",
    damage_does_not_break_what_holds_of_sweep: "sweep",
    damage_does_not_break_what_holds_of_recipe: "recipe",
    damage_does_not_break_what_holds_of_published: "published",
    damage_does_not_break_what_holds_of_message: "message",
    damage_does_not_break_what_holds_of_json_lines: "json-lines",
    damage_does_not_break_what_holds_of_text_parquet: "text-parquet",
    damage_does_not_break_what_holds_of_tokenizer: "tokenizer",
    damage_does_not_break_what_holds_of_clip_tokenizer: "clip-tokenizer",
}
