//! Learned coefficients against AdaMerging's golden runs, and what holds for every run.

use crate::{
    fixture::{base, chain, embedded, example, head, images as read, json, nli6},
    gradients::{adapter, deltas},
};
use candle_core::Device;
use evaluation::{
    Coefficient, CoefficientPlace, DecoderModel, Embedded, Examples, GradientTower, Head, ImageModel, Readout,
    Sequences, Texts, TuneError, TuneState, TuneTask, Tuner, Watch,
};
use jobs::{CoefficientScope, Precision, Rows, TuneGuard, TuneObjective, TuneSettings};
use serde_json::Value;
use std::{path::Path, sync::LazyLock};

const TASKS: [&str; 4] = ["mnist", "letters", "flags", "emoji"];

static BASE: LazyLock<ImageModel> = LazyLock::new(base);
/// All images, as the golden runs take them.
static ALL: LazyLock<[Embedded; 4]> = LazyLock::new(|| TASKS.map(|task| embedded(&BASE, task, "validation")));
/// A few images for what needs no more.
static FEW: LazyLock<[Embedded; 4]> = LazyLock::new(|| TASKS.map(few));

fn few(task: &str) -> Embedded {
    let images = read(task, "validation", &Rows::Indices((0..48).collect()));
    BASE.embed(&images, u64::MAX, &Watch::default()).unwrap()
}

fn settings() -> TuneSettings {
    TuneSettings {
        objective: TuneObjective::Entropy,
        per: CoefficientScope::Task,
        basis: jobs::CoefficientBasis::Own,
        start: 0.3,
        rate: 0.01,
        steps: 30,
        batch: 16,
        seed: None,
        guard: None,
    }
}

fn images(with_labels: bool) -> Vec<TuneTask> {
    tasks(&*FEW, with_labels)
}

fn tasks(splits: &[Embedded], with_labels: bool) -> Vec<TuneTask> {
    let task = |(name, split): (&str, &Embedded)| TuneTask {
        name: name.to_owned(),
        sequences: BASE.sequences(split, &Watch::default()).unwrap(),
        readout: split.readout(&head(name)),
        classes: with_labels.then(|| split.class_rows(&head(name)).unwrap()),
    };
    TASKS.into_iter().zip(splits).map(task).collect()
}

fn tower() -> GradientTower<f32> {
    let factors = TASKS.map(|task| adapter(&example(&format!("adapters/{task}")), "vision_model.", 16, 1.0));
    GradientTower::open_clip(&example("base"))
        .unwrap()
        .with_tasks(&factors.each_ref().map(|task| deltas(task)))
        .unwrap()
}

fn tuner(settings: TuneSettings) -> Tuner {
    let with_labels = settings.objective == TuneObjective::Labels;
    Tuner::new(tower(), images(with_labels), settings, &Watch::default()).unwrap()
}

fn run(tuner: &Tuner) -> TuneState {
    let mut state = tuner.start();
    tuner.run(&mut state, &Watch::default(), &mut |_| ()).unwrap();
    state
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

/// The run in f64 that the golden records: coefficients after 30 steps to 1e-3, and the loss of every step.
fn expect_golden(name: &str, per: CoefficientScope) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../testdata/statistics/{name}.json"));
    let golden = json(&path);
    let config = &golden["config"];
    let settings = TuneSettings {
        per,
        start: config["start"].as_f64().unwrap(),
        rate: config["rate"].as_f64().unwrap(),
        steps: config["steps"].as_u64().unwrap() as usize,
        batch: config["batch"].as_u64().unwrap() as usize,
        ..settings()
    };
    let tuner = Tuner::new(tower(), tasks(&*ALL, false), settings, &Watch::default()).unwrap();
    let state = run(&tuner);
    let want: Vec<f64> = golden["lambdas"].as_array().unwrap().iter().flat_map(numbers).collect();
    let learned = tuner.learned(&state);
    assert_eq!(learned.len(), want.len());
    for (got, want) in learned.iter().zip(want) {
        assert!((got.value - want).abs() <= 1e-3, "{got:?}, the reference has {want}");
    }
    for (step, (got, want)) in state.losses.iter().zip(numbers(&golden["losses"])).enumerate() {
        assert!((got - want).abs() <= 1e-3 * want, "step {step}: {got}, the reference has {want}");
    }
    let task = |place: CoefficientPlace| Coefficient { task: 0, place, value: learned[0].value };
    let first = if per == CoefficientScope::Task { CoefficientPlace::Task } else { CoefficientPlace::Layer(0) };
    assert_eq!(learned[0], task(first));
}

#[test]
fn adamerging_per_task_learns_the_coefficients_of_the_reference() {
    expect_golden("adamerging_task_sub4_lr0.01", CoefficientScope::Task);
}

#[test]
fn adamerging_per_layer_learns_the_coefficients_of_the_reference() {
    expect_golden("adamerging_layer_sub4_lr0.01", CoefficientScope::Layer);
}

#[test]
fn a_run_that_was_interrupted_ends_as_one_that_was_not() {
    let guard = Some(TuneGuard { every: 2, fall: 0.5 });
    let settings = TuneSettings { steps: 5, seed: Some(3), guard, per: CoefficientScope::Module, ..settings() };
    let whole = run(&tuner(settings.clone()));
    let mut first = tuner(settings.clone()).start();
    tuner(settings.clone()).step(&mut first, &Watch::default()).unwrap();
    tuner(settings.clone()).step(&mut first, &Watch::default()).unwrap();
    let text = serde_json::to_string(&first).unwrap();
    let mut read: TuneState = serde_json::from_str(&text).unwrap();
    assert_eq!(read, first);
    tuner(settings).run(&mut read, &Watch::default(), &mut |_| ()).unwrap();
    assert_eq!(read, whole);
    let steps: Vec<usize> = whole.checks.iter().map(|check| check.step).collect();
    assert_eq!(steps, [0, 2, 4, 5]);
}

/// A rate at which entropy alone makes the merge sure and wrong.
#[test]
fn the_guard_stops_entropy_where_the_tasks_own_models_are_left_behind() {
    let unguarded = TuneSettings { rate: 0.1, steps: 24, batch: 32, ..settings() };
    let guard = Some(TuneGuard { every: 2, fall: 0.02 });
    let tuner = tuner(TuneSettings { guard, ..unguarded.clone() });
    let state = run(&tuner);
    let agreements: Vec<f64> = state.checks.iter().map(|check| check.agreement).collect();
    assert!(state.is_stopped && state.steps() < 24, "{agreements:?}");
    let best = agreements.iter().copied().fold(0.0, f64::max);
    let last = agreements[agreements.len() - 1];
    assert!(last < best - 0.02, "{agreements:?}");
    let kept = state.checks.iter().rev().find(|check| check.agreement >= best).unwrap();
    assert_eq!(state.learned(), kept.coefficients);
    assert!(tuner.is_done(&state));
}

#[test]
fn every_objective_lowers_its_loss_and_the_label_free_ones_need_no_labels() {
    for objective in [TuneObjective::Entropy, TuneObjective::Agreement, TuneObjective::Labels] {
        // Batches are all examples: losses of two steps can be compared.
        let tuner = tuner(TuneSettings { objective, steps: 4, batch: 1000, ..settings() });
        let losses = run(&tuner).losses;
        assert!(losses.is_sorted_by(|a, b| a > b), "{objective:?}: {losses:?}");
    }
    let refused = Tuner::new(
        tower(),
        images(false),
        TuneSettings { objective: TuneObjective::Labels, ..settings() },
        &Watch::default(),
    );
    let message = refused.err().unwrap().to_string();
    let tail = "which `labels` tunes for; `agreement` and `entropy` need none";
    assert_eq!(message, format!("task `mnist` has no labels, {tail}"));
}

#[test]
fn the_same_numbers_come_of_any_number_of_threads() {
    let settings = TuneSettings { steps: 2, batch: 40, per: CoefficientScope::Direction, ..settings() };
    let on = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| run(&tuner(settings.clone())))
    };
    assert_eq!(on(1), on(3));
}

#[test]
fn coefficients_that_run_away_are_an_error_that_names_task_and_step() {
    let tuner = tuner(TuneSettings { rate: 1e30, steps: 3, ..settings() });
    let mut state = tuner.start();
    tuner.step(&mut state, &Watch::default()).unwrap();
    let before = state.clone();
    let error = tuner.step(&mut state, &Watch::default()).unwrap_err();
    assert!(matches!(error, TuneError::NotFinite { step: 2, .. }), "{error:?}");
    let message = error.to_string();
    assert!(message.starts_with("the loss of task `mnist` is not finite in step 2"), "{message}");
    assert!(message.contains("which a smaller `rate` than 1000000000000000000000000000000 prevents"), "{message}");
    assert_eq!(state, before);
}

#[test]
fn what_cannot_be_tuned_is_refused_before_a_step() {
    let refused = |tower, tasks, settings| chain(&Tuner::new(tower, tasks, settings, &Watch::default()).err().unwrap());
    let message = refused(tower(), Vec::new(), settings());
    assert_eq!(message, "there is no task to tune with");
    let bare = GradientTower::open_clip(&example("base")).unwrap();
    assert_eq!(refused(bare, images(false), settings()), "there is no adapted module to tune with");
    let message = refused(tower(), images(false), TuneSettings { batch: 0, ..settings() });
    assert_eq!(message, "the settings of tuning cannot be used: `batch` is 0, expected at least 1");
    let mut tasks = images(false);
    tasks[1].readout = Readout::of_units(&Head::new(vec![1.0; 6], 2, 3).unwrap());
    let tail = "the head has vectors of 3 numbers, the features have 128";
    assert_eq!(
        refused(tower(), tasks, settings()),
        format!("the examples of task `letters` do not fit its head: {tail}")
    );
    let mut tasks = images(true);
    tasks[2].classes.as_mut().unwrap()[5] = 1000;
    let message = refused(tower(), tasks, settings());
    assert!(message.contains("task `flags`") && message.contains("example 5 has label 1000"), "{message}");
    let other = tuner(TuneSettings { per: CoefficientScope::Layer, ..settings() });
    let error = tuner(settings()).step(&mut other.start(), &Watch::default()).unwrap_err().to_string();
    let tail = "it was made with other settings or adapters";
    assert_eq!(error, format!("the state has 24 coefficients, the run has 4: {tail}"));
}

#[test]
fn a_decoder_learns_coefficients_of_texts() {
    let folder = nli6("base");
    let model = DecoderModel::open(&folder, &Device::Cpu, Precision::F32).unwrap();
    let names = ["snli", "rte"];
    let factors = names.map(|task| {
        let folder = nli6(&format!("adapters/{task}"));
        let rank = json(&folder.join("adapter_config.json"))["r"].as_u64().unwrap() as usize;
        adapter(&folder, "", rank, 1.0)
    });
    let texts = Texts::new((0..12).map(|n| ((0..20 + n).map(|token| (token * 37 + n * 11) % 1000).collect(), 0)));
    let task = |name: &str| {
        let head = Head::read(&nli6(&format!("heads/{name}.safetensors"))).unwrap();
        let sequences: Sequences = model.sequences(&texts).unwrap();
        TuneTask { name: name.to_owned(), sequences, readout: Readout::of_states(&head, &[]), classes: None }
    };
    let tower = GradientTower::<f32>::open_decoder(&folder).unwrap();
    let tower = tower.with_tasks(&factors.each_ref().map(|task| deltas(task))).unwrap();
    let settings = TuneSettings {
        objective: TuneObjective::Agreement,
        per: CoefficientScope::Module,
        steps: 4,
        batch: 12,
        ..settings()
    };
    let tuner = Tuner::new(tower, names.map(task).into(), settings, &Watch::default()).unwrap();
    let state = run(&tuner);
    assert!(state.losses.is_sorted_by(|a, b| a > b), "{:?}", state.losses);
    assert_eq!(tuner.learned(&state).len(), 48);
}
