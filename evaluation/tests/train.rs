//! Fine-tuning against PEFT's golden runs, and what holds for every run.

use crate::fixture::{base, head, images as read, json, nli6, root, tensors, values};
use candle_core::Device;
use evaluation::{
    BegunEvaluation, DecoderModel, Examples, GradientTower, Head, PairTokenizer, Readout, Real, TextSource, Texts,
    TrainError, TrainExamples, TrainMemory, TrainPlacement, TrainState, TrainTask, TrainedAdapter, TrainedModule,
    Trainer, Validation, Watch,
};
use jobs::{
    DataFiles, EarlyStopping, Precision, RateSchedule, Rows, StoppingMetric, TextSpec, TrainFamily, TrainLength,
    TrainSettings, TrainTargets, Warmup,
};
use serde_json::Value;
use std::path::{Path, PathBuf};

fn golden(name: &str) -> PathBuf {
    root().join("testdata/training").join(name)
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

fn settings(case: &Value) -> TrainSettings {
    let schedule = match case["schedule"].as_str().unwrap() {
        "cosine" => RateSchedule::Cosine,
        "linear" => RateSchedule::Linear,
        other => panic!("no schedule {other}"),
    };
    let batches = case["batches"].as_array().unwrap();
    let is_of_texts = case["setting"] == "nli6";
    TrainSettings {
        rank: case["rank"].as_u64().unwrap() as usize,
        alpha: number(&case["alpha"]),
        rslora: case["use_rslora"].as_bool().unwrap_or(false),
        dropout: 0.0,
        targets: TrainTargets::Attention,
        rate: number(&case["lr"]),
        betas: [0.9, 0.999],
        eps: 1e-8,
        weight_decay: number(&case["weight_decay"]),
        schedule,
        warmup: Warmup::Share(number(&case["warmup"])),
        batch: case["batch"].as_u64().unwrap() as usize,
        accumulation: 1,
        micro_batch: None,
        length: TrainLength::Steps(batches.len()),
        clip: case["clip"].as_f64(),
        label_smoothing: number(&case["label_smoothing"]),
        trains_head: is_of_texts,
        augmentation: Vec::new(),
        seed: 0,
        class_balanced: false,
        early_stopping: None,
    }
}

/// The adapter in a file of a golden, in the order of `modules`.
fn adapter(path: &Path, prefix: &str, modules: &[String], rank: usize) -> TrainedAdapter {
    let found = tensors(path);
    let of = |name: &str| found.get(&format!("base_model.model.{name}.weight")).map(values);
    let module = |name: &String| {
        let own = name.strip_prefix(prefix).unwrap();
        let a = of(&format!("{own}.lora_A")).unwrap();
        let b = of(&format!("{own}.lora_B")).unwrap();
        assert!(a.len() % rank == 0 && b.len() % rank == 0);
        TrainedModule { name: name.clone(), a, b }
    };
    let adapter = TrainedAdapter { modules: modules.iter().map(module).collect(), head: of("score") };
    let expected = 2 * adapter.modules.len() + usize::from(adapter.head.is_some());
    assert_eq!(found.len(), expected, "no tensor of the golden is left out");
    adapter
}

fn attention<T: Real>(tower: &GradientTower<T>) -> Vec<String> {
    let is_attention = |name: &&str| name.contains("self_attn");
    tower.linears().map(|(name, _)| name).filter(is_attention).map(str::to_owned).collect()
}

fn image_task(task: &str) -> TrainTask {
    let model = base();
    let images = model.embed(&read(task, "train", &Rows::All), u64::MAX, &Watch::default()).unwrap();
    let head = head(task);
    let classes = images.class_rows(&head).unwrap();
    let examples = TrainExamples::Fixed(model.sequences(&images, &Watch::default()).unwrap());
    TrainTask { examples, readout: images.readout(&head), classes }
}

fn text_spec(task: &str) -> TextSpec {
    let labels = [("0", 0), ("1", if task == "rte" { 2 } else { 1 }), ("2", 2)];
    let count = if task == "rte" { 2 } else { 3 };
    TextSpec {
        columns: vec!["text1".to_owned(), "text2".to_owned()],
        labels: labels.into_iter().take(count).map(|(raw, class)| (raw.to_owned(), class)).collect(),
        mask_classes: if task == "rte" { [1].into() } else { [].into() },
        ..TextSpec::default()
    }
}

fn text_task(task: &str, init: &TrainedAdapter) -> TrainTask {
    let spec = text_spec(task);
    let files = DataFiles::Jsonl(vec![nli6(&format!("data/{task}/train.jsonl"))]);
    let source = TextSource { files: &files, spec: &spec, label_column: "label", rows: &Rows::All };
    let tokenizer = PairTokenizer::open(&nli6("base/tokenizer.json"), None).unwrap();
    let texts = Texts::read(&source, &tokenizer, None).unwrap();
    let model = DecoderModel::open(&nli6("base"), &Device::Cpu, Precision::F32).unwrap();
    let head = Head::new(init.head.clone().unwrap(), 3, 128).unwrap();
    let masked: Vec<u32> = spec.mask_classes.into_iter().collect();
    TrainTask {
        examples: TrainExamples::Fixed(model.sequences(&texts).unwrap()),
        readout: Readout::of_states(&head, &masked),
        classes: texts.labels().iter().map(|label| *label as usize).collect(),
    }
}

/// A golden run, ready.
struct Golden {
    trainer: Trainer,
    batches: Vec<Vec<usize>>,
    modules: Vec<String>,
    folder: PathBuf,
    prefix: &'static str,
    rank: usize,
}

impl Golden {
    fn open(name: &str) -> Self {
        let folder = golden(name);
        let case = json(&folder.join("case.json"));
        let settings = settings(&case);
        let rank = settings.rank;
        let task = case["task"].as_str().unwrap();
        let is_of_texts = case["setting"] == "nli6";
        let prefix = if is_of_texts { "" } else { "vision_model." };
        let tower = if is_of_texts {
            GradientTower::open_decoder(&nli6("base")).unwrap()
        } else {
            GradientTower::open_clip(&root().join("examples/mini8/base")).unwrap()
        };
        let modules = attention(&tower);
        let init = adapter(&folder.join("init.safetensors"), prefix, &modules, rank);
        let task = if is_of_texts { text_task(task, &init) } else { image_task(task) };
        assert_eq!(task.classes.len() as u64, case["train_rows"].as_u64().unwrap());
        let trainer = Trainer::new(tower, task, settings, Some(init)).unwrap();
        let batches: Vec<Vec<usize>> = serde_json::from_value(case["batches"].clone()).unwrap();
        Self { trainer, batches, modules, folder, prefix, rank }
    }

    /// The largest relative difference of a tensor from those in a file of the golden.
    fn difference(&self, state: &TrainState, file: &str) -> f64 {
        let want = adapter(&self.folder.join(file), self.prefix, &self.modules, self.rank);
        let got = self.trainer.adapter(state);
        let head = got.head.iter().zip(&want.head);
        let modules = got.modules.iter().zip(&want.modules);
        let factors = modules.flat_map(|(got, want)| [(&got.a, &want.a), (&got.b, &want.b)]);
        factors.chain(head).map(|(got, want)| relative(got, want)).fold(0.0, f64::max)
    }

    /// Runs all steps: losses within 1e-4, and the tensors after the last within `tolerance`.
    fn expect(mut self, after_first: f64, tolerance: f64) {
        let trace = json(&self.folder.join("trace.json"));
        let mut state = self.trainer.start();
        for (n, batch) in self.batches.clone().iter().enumerate() {
            let made = self.trainer.step_on(&mut state, batch, &Watch::default()).unwrap();
            let want = &trace["steps"][n];
            let near = |got: f64, key: &str, tolerance: f64| {
                let want = number(&want[key]);
                assert!((got - want).abs() <= tolerance * want.abs(), "step {n}: {key} {got}, expected {want}");
            };
            near(made.loss, "loss", 1e-4);
            near(made.rate, "rate", 1e-12);
            near(made.gradient_norm, "gradient_norm", 1e-3);
            if n == 0 {
                let off = self.difference(&state, "after1.safetensors");
                assert!(off <= after_first, "a tensor differs by {off:e} after the first step");
            }
        }
        let off = self.difference(&state, "final.safetensors");
        assert!(off <= tolerance, "a tensor differs by {off:e} after the last step");
    }
}

fn relative(got: &[f32], want: &[f32]) -> f64 {
    assert_eq!(got.len(), want.len());
    let square = |x: f32| f64::from(x) * f64::from(x);
    let off = got.iter().zip(want).map(|(got, want)| square(got - want)).sum::<f64>();
    (off / want.iter().map(|want| square(*want)).sum::<f64>().max(1e-24)).sqrt()
}

/// With a warm-up the first step has no rate, and the adapter stays as it was, to the bit.
#[test]
fn images_train_as_peft_trains_them_with_rslora_smoothing_clipping_and_warm_up() {
    Golden::open("mini8_flags_rslora_smooth_clip").expect(0.0, 1e-3);
}

/// Adam divides gradients that are nearly zero by themselves: without a warm-up, such entries differ between f32 and f64 as well.
#[test]
fn images_train_as_peft_trains_them_at_the_full_rate_from_the_first_step() {
    Golden::open("mini8_letters_cosine").expect(1e-2, 2e-2);
}

#[test]
fn texts_train_as_peft_trains_them_with_a_masked_class_and_their_head() {
    Golden::open("nli6_rte_linear").expect(0.0, 1e-3);
}

#[test]
fn texts_train_as_peft_trains_them_with_clipping() {
    Golden::open("nli6_mnli_linear_clip").expect(0.0, 1e-3);
}

/// The examples of one task at these places of its training split.
fn flags(places: std::ops::Range<u64>) -> TrainTask {
    let model = base();
    let images = model.embed(&read("flags", "train", &Rows::Indices(places.collect())), u64::MAX, &Watch::default());
    let images = images.unwrap();
    let head = head("flags");
    let classes = images.class_rows(&head).unwrap();
    let examples = TrainExamples::Fixed(model.sequences(&images, &Watch::default()).unwrap());
    TrainTask { examples, readout: images.readout(&head), classes }
}

/// A short run on a few images of one task.
fn short(settings: TrainSettings) -> Result<Trainer, TrainError> {
    let tower = GradientTower::open_clip(&root().join("examples/mini8/base")).unwrap();
    Trainer::new(tower, flags(0..40), settings, None)
}

fn short_settings() -> TrainSettings {
    TrainSettings {
        rank: 2,
        rate: 0.01,
        batch: 12,
        augmentation: Vec::new(),
        ..TrainFamily::Images.defaults(TrainLength::Steps(4))
    }
}

fn run_to_the_end(trainer: &mut Trainer, mut state: TrainState) -> TrainState {
    while state.steps() < trainer.steps() {
        trainer.step(&mut state, &Watch::default()).unwrap();
    }
    state
}

#[test]
fn a_run_that_continues_from_a_stored_state_ends_in_the_same_bits_whatever_the_threads() {
    let mut trainer = short(short_settings()).unwrap();
    let start = trainer.start();
    let whole = run_to_the_end(&mut trainer, start);
    assert!(
        whole
            .tensors
            .iter()
            .any(|tensor| tensor.name.ends_with("lora_B") && tensor.values.iter().any(|x| x.abs() > 1e-4))
    );
    let mut state = trainer.start();
    trainer.step(&mut state, &Watch::default()).unwrap();
    let bytes = state.to_bytes("run").unwrap();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
    let again = pool.install(|| {
        let mut other = short(short_settings()).unwrap().recomputing(true);
        let state = TrainState::from_bytes(&bytes, "run").unwrap();
        run_to_the_end(&mut other, state)
    });
    assert_eq!(again, whole);
}

#[test]
fn a_loss_that_is_not_finite_stops_the_run_and_leaves_the_state() {
    let mut trainer = short(short_settings()).unwrap();
    let mut state = trainer.start();
    trainer.step(&mut state, &Watch::default()).unwrap();
    let good = state.clone();
    state.tensors[1].values.fill(f32::MAX);
    let huge = state.clone();
    let error = trainer.step(&mut state, &Watch::default()).unwrap_err().to_string();
    assert!(error.contains(" is not finite in step 2, at a learning rate of 0.0"), "{error}");
    assert_eq!(state, huge, "nothing of the step stays");
    state.tensors[1].values.fill(f32::NAN);
    let error = trainer.step(&mut state, &Watch::default()).unwrap_err().to_string();
    assert!(error.contains("holds a number that is not finite"), "{error}");
    assert!(trainer.check_state(&good).is_ok());
}

#[test]
fn settings_that_do_not_fit_the_model_are_refused_by_name() {
    let refused = |settings| short(settings).err().unwrap().to_string();
    let targets = |names: &[&str]| TrainTargets::Names(names.iter().map(|name| (*name).to_owned()).collect());
    let error = refused(TrainSettings { targets: targets(&["o_proj"]), ..short_settings() });
    assert!(error.starts_with("`targets` has `o_proj`, which is the name of no linear layer"), "{error}");
    let error = refused(TrainSettings { rank: 193, ..short_settings() });
    assert!(
        error.starts_with(
            "`rank` is 193, expected at most 192, the rank of `vision_model.encoder.layers.0.self_attn.q_proj`"
        ),
        "{error}"
    );
    let error = refused(TrainSettings { rate: 0.0, ..short_settings() });
    assert_eq!(error, "the settings of training cannot be used");
}

/// A run whose rate is so high that it soon gets worse on the validation split.
fn early(stopping: EarlyStopping) -> Trainer {
    early_on(stopping, 40..110)
}

/// The same, with these examples as the validation split.
fn early_on(stopping: EarlyStopping, places: std::ops::Range<u64>) -> Trainer {
    let settings = TrainSettings {
        rate: 0.05,
        schedule: RateSchedule::Constant,
        early_stopping: Some(stopping),
        ..TrainSettings { length: TrainLength::Steps(12), ..short_settings() }
    };
    let TrainTask { examples, classes, .. } = flags(places);
    short(settings).unwrap().validating(Validation { examples, classes, bytes: 1 << 20 }).unwrap()
}

fn advance_to_the_end(trainer: &mut Trainer, state: &mut TrainState) {
    while trainer.advance(state, usize::MAX, &Watch::default()).unwrap().is_some() {}
}

const STOPPING: EarlyStopping = EarlyStopping { metric: StoppingMetric::Loss, every: 1, patience: 2, min_delta: 0.0 };

#[test]
fn training_stops_early_and_keeps_the_step_with_the_best_value() {
    let mut trainer = early(STOPPING);
    let mut state = trainer.start();
    advance_to_the_end(&mut trainer, &mut state);
    let kept = *state.kept_evaluation(&STOPPING).unwrap();
    assert_eq!(trainer.memory(1).validation, 1 << 20);
    assert!(state.steps() < 12 && kept.steps + 2 == state.steps(), "{:?}", state.evaluations);
    assert_eq!(kept.n, 70);
    let least = state.evaluations.iter().map(|evaluation| evaluation.loss).fold(f64::INFINITY, f64::min);
    assert!(kept.loss <= least);
    // The adapter is that of a run which ends at the step that was kept.
    let mut shorter = early(STOPPING);
    let mut until_kept = shorter.start();
    while shorter.advance(&mut until_kept, kept.steps, &Watch::default()).unwrap().is_some() {}
    assert_eq!(until_kept.steps(), kept.steps);
    assert_eq!(trainer.adapter(&state), shorter.last_adapter(&until_kept));
    assert_ne!(trainer.adapter(&state), trainer.last_adapter(&state));
    let mut without = short(trainer.settings().clone()).unwrap();
    let mut begun = without.start();
    let none = without.advance(&mut begun, 1, &Watch::default());
    assert!(none.is_err(), "without examples it cannot be decided");
}

#[test]
fn a_run_that_stops_early_resumes_between_any_two_calls_to_the_same_bits_whatever_the_threads() {
    // More examples than are embedded at once.
    let places = 40..400;
    let mut trainer = early_on(STOPPING, places.clone());
    let mut state = trainer.start();
    let mut states = vec![state.clone()];
    while trainer.advance(&mut state, usize::MAX, &Watch::default()).unwrap().is_some() {
        states.push(state.clone());
    }
    let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
    let begun = states.iter().position(|state| state.begun.is_some()).expect("an evaluation has several parts");
    for place in [0, 1, begun, begun + 1, states.len() - 2, states.len() - 1] {
        let bytes = states[place].to_bytes("run").unwrap();
        let mut resumed = TrainState::from_bytes(&bytes, "run").unwrap();
        let mut other = early_on(STOPPING, places.clone()).recomputing(true);
        pool.install(|| advance_to_the_end(&mut other, &mut resumed));
        assert_eq!(resumed, state, "after call {place}");
    }
}

#[test]
fn a_state_with_evaluations_that_its_run_cannot_have_made_is_refused() {
    let mut trainer = early(STOPPING);
    let mut state = trainer.start();
    advance_to_the_end(&mut trainer, &mut state);
    assert!(trainer.check_state(&state).is_ok());
    let begun = |done| Some(BegunEvaluation { done, correct: 0, loss: 0.0 });
    let changes: [&dyn Fn(&mut TrainState); 8] = [
        &|state| {
            state.evaluations.remove(0);
        },
        &|state| state.evaluations[0].n += 1,
        &|state| state.evaluations[0].loss = f64::NAN,
        &|state| state.kept.clear(),
        &|state| state.kept[0][0] = f32::NAN,
        // All evaluations that are due are made.
        &|state| state.begun = begun(1),
        &|state| {
            state.evaluations.pop();
            state.begun = begun(70);
        },
        &|state| {
            state.evaluations.pop();
            state.begun = Some(BegunEvaluation { done: 1, correct: 2, loss: 0.0 });
        },
    ];
    for change in changes {
        let mut wrong = state.clone();
        change(&mut wrong);
        assert!(trainer.check_state(&wrong).is_err(), "{:?}", wrong.evaluations);
    }
    let plain = short(TrainSettings { early_stopping: None, ..trainer.settings().clone() }).unwrap();
    let error = plain.check_state(&state).unwrap_err().to_string();
    assert!(error.contains("the run has no early stopping"), "{error}");
}

#[test]
fn steps_with_balanced_classes_have_equal_shares_of_them() {
    let settings = TrainSettings { class_balanced: true, batch: 40, ..short_settings() };
    let trainer = short(settings).unwrap();
    let classes = flags(0..40).classes;
    let present: std::collections::BTreeSet<usize> = classes.iter().copied().collect();
    let drawn: Vec<usize> = (0..present.len()).flat_map(|step| trainer.batch(step)).collect();
    assert_eq!(drawn.len(), 40 * present.len());
    for class in &present {
        assert_eq!(drawn.iter().filter(|example| classes[**example] == *class).count(), 40, "class {class}");
    }
}

#[test]
fn the_memory_that_is_planned_is_that_of_a_run_on_the_longest_examples() {
    let trainer = short(short_settings()).unwrap();
    let base = evaluation::configuration(&root().join("examples/mini8/base")).unwrap();
    let longest = base.example_tokens().unwrap();
    for threads in [1, 2, 16] {
        let place = TrainPlacement { threads, longest, classes: 1, validation: 0 };
        assert_eq!(TrainMemory::of(base.as_ref(), trainer.settings(), place).unwrap(), trainer.memory(threads));
    }
    let tower = GradientTower::<f32>::open_decoder(&nli6("base")).unwrap();
    assert_eq!(tower.block_shape(), evaluation::configuration(&nli6("base")).unwrap().blocks());
}
