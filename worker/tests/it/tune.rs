//! Learned coefficients as a job, against the reference.

use inputs::Inputs;
use jobs::{CoefficientScope, Job, JobKind, LEARNED_FILE, LearnedCoefficients, Sweep, TuneObjective, TuneSettings};
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};
use worker::{AttemptContext, Engine, EngineSettings, JobError, Output, OutputFiles};

const TASKS: [&str; 4] = ["mnist", "letters", "flags", "emoji"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

/// A sweep over four tasks of mini8, with a row of learned coefficients.
fn frozen(inputs: &Inputs, learned: &str) -> coordinator::Frozen {
    let mut text = "name: learned\nbase: base\ntasks:\n".to_owned();
    for task in TASKS {
        text += &format!(
            "  - {{name: {task}, adapter: adapters/{task}, head: heads/{task}.safetensors, data: {{source: data/{task}, \
             splits: {{tuning: {{from: validation}}, select: {{from: test, share: [0.0, 0.5]}}}}}}}}\n"
        );
    }
    text += "evaluation: {select: select, report: test}\nmetric: {name: mean_accuracy}\n";
    text += &format!("learned: [{{split: tuning, {learned}}}]\n");
    let sweep = Sweep::from_yaml(&text, &root().join("examples/mini8"), &[]).unwrap();
    coordinator::freeze(sweep, inputs).unwrap()
}

fn job(frozen: &coordinator::Frozen) -> Job {
    let learned = &frozen.sweep().learned[0];
    frozen.job(frozen.tune_spec(&learned.split, learned.examples, &learned.settings).unwrap())
}

fn compute(learned: &str) -> Result<OutputFiles, JobError> {
    compute_with(learned, |_| ())
}

/// The same with other settings than a sweep file may state.
fn compute_with(learned: &str, change: impl FnOnce(&mut TuneSettings)) -> Result<OutputFiles, JobError> {
    let inputs = Arc::new(Inputs::new(inputs::Settings::default()));
    let settings = EngineSettings {
        device: Default::default(),
        threads: Some(2),
        image_bytes: 0,
        cache: None,
        memory_bytes: None,
    };
    let mut engine = Engine::new(settings, Arc::clone(&inputs)).unwrap();
    let mut job = job(&frozen(&inputs, learned));
    if let jobs::JobSpec::Tune(spec) = &mut job.spec {
        change(&mut spec.settings);
    }
    assert_eq!(job.spec.kind(), JobKind::Tune);
    match engine.compute(&job, &AttemptContext::default())?.output {
        Output::Files(files) => Ok(files),
        Output::Scores(_) => unreachable!("coefficients are files"),
    }
}

fn learned(made: &OutputFiles) -> LearnedCoefficients {
    LearnedCoefficients::read(&fs::read(made.folder().join(LEARNED_FILE)).unwrap()).unwrap()
}

#[test]
fn a_job_learns_the_coefficients_of_the_reference() {
    // A sweep file gives entropy a guard; the reference has none.
    let settings = "objective: entropy, per: layer, start: 0.3, rate: 0.01, steps: 30, batch: 16";
    let made = compute_with(settings, |settings| settings.guard = None).unwrap();
    let learned = learned(&made);
    let path = root().join("testdata/statistics/adamerging_layer_sub4_lr0.01.json");
    let golden: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    assert!(learned.weights.is_empty());
    assert_eq!(learned.losses.len(), 30);
    for (task, want) in TASKS.into_iter().zip(golden["lambdas"].as_array().unwrap()) {
        for (layer, want) in want.as_array().unwrap().iter().enumerate() {
            let (got, want) = (learned.layer_weights[task][&layer.to_string()], want.as_f64().unwrap());
            assert!((got - want).abs() <= 1e-3, "{task} {layer}: {got}, the reference has {want}");
        }
    }
    let facts = &made.artefact().facts;
    assert!((facts["coefficients"] - 24.0).abs() < 0.5 && (facts["steps"] - 30.0).abs() < 0.5, "{facts:?}");
}

#[test]
fn a_job_takes_the_first_examples_alone_and_needs_labels_for_labels_only() {
    for objective in ["agreement", "labels"] {
        let made = compute(&format!("objective: {objective}, per: task, examples: 8, steps: 3")).unwrap();
        let learned = learned(&made);
        assert_eq!(learned.weights.keys().collect::<Vec<_>>(), ["emoji", "flags", "letters", "mnist"]);
        assert!(learned.layer_weights.is_empty() && learned.losses.is_sorted_by(|a, b| a > b), "{learned:?}");
    }
}

#[test]
fn coefficients_that_run_away_fail_the_job_with_a_reason() {
    let error = compute("objective: entropy, examples: 8, rate: 1.0e+30, steps: 3").unwrap_err();
    assert_eq!(error.to_string(), "the coefficients cannot be learned");
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.contains("is not finite in step 1") || source.contains("is not finite in step 2"), "{source}");
    assert_eq!(error.blame(), jobs::Blame::Job);
}

#[test]
fn what_decides_coefficients_changes_the_id_of_their_job() {
    let inputs = Inputs::new(inputs::Settings::default());
    let frozen = frozen(&inputs, "objective: agreement");
    let first = frozen.sweep().learned[0].settings.clone();
    let id =
        |settings: &TuneSettings, examples| frozen.job(frozen.tune_spec("tuning", examples, settings).unwrap()).id();
    let base = id(&first, None);
    assert_ne!(id(&first, Some(8)), base);
    assert_ne!(id(&TuneSettings { per: CoefficientScope::Module, ..first.clone() }, None), base);
    assert_ne!(id(&TuneSettings { objective: TuneObjective::Labels, ..first.clone() }, None), base);
    assert!(frozen.has_inputs_of_job(&job(&frozen).spec));
    assert!(frozen.tune_spec("no such split", None, &first).is_none());
}
