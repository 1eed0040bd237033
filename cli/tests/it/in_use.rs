//! Inputs that are overwritten or truncated while the real program computes with them.

use crate::bowline::Place;
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use std::{
    fs::{self, File, OpenOptions},
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    process::{Child, Command},
    thread,
};

const SWEEP: &str = "
name: two
base: base
tasks:
  - {name: rte, adapter: NLI6/adapters/rte, data: {source: NLI6/data/rte, convention: rte}, head: NLI6/heads/rte.safetensors, finetuned: {test: 0.8}}
  - {name: sick, adapter: NLI6/adapters/sick, data: {source: NLI6/data/sick, convention: sick}, head: NLI6/heads/sick.safetensors, finetuned: {test: 0.8}}
evaluation: {benchmark: per_task, select: validation, report: test}
recipe: {preset: ties, density: 0.2, scaling: 0.6}
";

/// A sweep over a base of its own, in half-width numbers: it stays mapped.
fn place() -> Place {
    let nli6 = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/nli6").canonicalize().unwrap();
    let place = Place::new();
    place.write("sweep.yaml", SWEEP.replace("NLI6", nli6.to_str().unwrap()));
    for name in ["config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"] {
        place.write(&format!("base/{name}"), fs::read(nli6.join("base").join(name)).unwrap());
    }
    let mut tensors = Vec::new();
    for shard in ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"] {
        let content = fs::read(nli6.join("base").join(shard)).unwrap();
        for (name, view) in SafeTensors::deserialize(&content).unwrap().tensors() {
            let half: Vec<u8> = view.data().chunks_exact(4).flat_map(|number| [number[2], number[3]]).collect();
            tensors.push((name, view.shape().to_vec(), half));
        }
    }
    let views =
        tensors.iter().map(|(name, shape, half)| (name, TensorView::new(Dtype::BF16, shape.clone(), half).unwrap()));
    place.write("base/model.safetensors", safetensors::serialize(views, None).unwrap());
    place
}

/// Evaluates the base on both tasks, one after the other.
fn evaluate(place: &Place, store: &str) -> Command {
    let args = ["evaluate", "sweep.yaml", "--split", "test", "--picture-cache", "cache", "--store", store, "--json"];
    place.command(&args)
}

/// A job that waits for its texts twice: before the first task is evaluated, and between the tasks.
struct Waiting {
    job: Child,
    pipes: Vec<PathBuf>,
}

impl Waiting {
    /// Starts a job whose cached texts are pipes.
    fn start(place: &Place, store: &str) -> Self {
        let pipes: Vec<PathBuf> = fs::read_dir(place.path("cache")).unwrap().map(|file| file.unwrap().path()).collect();
        assert_eq!(pipes.len(), 2, "one for each task");
        for pipe in &pipes {
            fs::remove_file(pipe).unwrap();
            assert!(Command::new("mkfifo").arg(pipe).status().unwrap().success());
        }
        Self { job: evaluate(place, store).spawn().unwrap(), pipes }
    }

    /// Lets the job go on that waits for one of its pipes; `false` if it has ended.
    fn go_on(&mut self) -> bool {
        loop {
            // Opens only while a process waits at the other end.
            let opens =
                |pipe: &PathBuf| OpenOptions::new().write(true).custom_flags(libc::O_NONBLOCK).open(pipe).is_ok();
            if let Some(open) = self.pipes.iter().position(opens) {
                self.pipes.remove(open);
                return true;
            }
            if self.job.try_wait().unwrap().is_some() {
                return false;
            }
            thread::yield_now();
        }
    }

    fn ends(self) -> (Option<i32>, String) {
        let output = self.job.wait_with_output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    }
}

fn stored(place: &Place, store: &str) -> usize {
    let Ok(folders) = fs::read_dir(place.path(store).join("results")) else { return 0 };
    folders.map(|folder| fs::read_dir(folder.unwrap().path()).unwrap().count()).sum()
}

#[test]
fn a_base_that_is_overwritten_gives_no_results_and_the_same_ones_once_it_is_restored() {
    let place = place();
    let undisturbed = Place::ran(evaluate(&place, "undisturbed")).json();
    let weights = place.path("base/model.safetensors");
    let content = fs::read(&weights).unwrap();

    let mut job = Waiting::start(&place, "store");
    assert!(job.go_on(), "the base is mapped");
    let mut other = content.clone();
    let half = other.len() / 2;
    other[half..].iter_mut().skip(1).step_by(2).for_each(|byte| *byte ^= 0x80);
    // Without cutting the file short first: for a moment it would be truncated, which ends the job otherwise.
    File::options().write(true).open(&weights).unwrap().write_all(&other).unwrap();
    assert!(job.go_on(), "the second task is evaluated");
    let (code, stderr) = job.ends();
    assert_ne!(code, Some(0), "{stderr}");
    let expected = "base/model.safetensors` has changed since it was hashed: it was written to";
    assert!(stderr.contains(expected), "{stderr}");
    assert_eq!(stored(&place, "store"), 0, "nothing of other weights is stored");

    fs::write(&weights, content).unwrap();
    let restored = Place::ran(evaluate(&place, "store")).json();
    assert_eq!(restored["rows"], undisturbed["rows"]);
    assert!(restored["rows"][0]["splits"]["test"]["tasks"][1]["correct"].is_u64(), "{restored}");
}

#[test]
fn a_base_that_is_truncated_ends_the_program_with_its_name_and_a_code_to_run_again() {
    let place = place();
    Place::ran(evaluate(&place, "undisturbed")).succeeds();
    let mut job = Waiting::start(&place, "store");
    assert!(job.go_on(), "the base is mapped");
    File::options().write(true).open(place.path("base/model.safetensors")).unwrap().set_len(1).unwrap();
    job.go_on();
    let (code, stderr) = job.ends();
    assert_eq!(code, Some(75), "{stderr}");
    assert!(stderr.contains("base/model.safetensors` was truncated"), "{stderr}");
    assert!(stderr.contains("hint: nothing of the job in hand is stored; restore the file"), "{stderr}");
    assert_eq!(stored(&place, "store"), 0);
}
