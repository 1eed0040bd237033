use super::{
    checkpoint::Checkpoint,
    output::Finished,
    progress::TrainProgress,
    splits::{ReadSplit, SplitReader, refuse_overlap},
};
use crate::{
    args,
    failure::{Failure, FinetuneFailure, InputFailure},
    interrupt::ShutdownSignals,
    local::free_memory,
    sweep_file::FinetuneFile,
    terminal,
};
use evaluation::{
    Advance, Delta, DeviceChoice, ExampleKind, Examples, FamilyVisitor, Head, HeadError, Limits, Model, ModelError,
    ModelFamily, PerTaskScore, TrainError, TrainState, TrainTask, TrainedAdapter, Trainer, Validation, Watch,
    initial_head, prompts,
};
use inputs::{Inputs, Located};
use jobs::{
    Digest, EVALUATION_SEMANTICS, FinetuneTask, HeadSpec, Precision, TRAIN_SEMANTICS, TrainSettings, TrainingKeys,
};
use std::time::{Duration, Instant};

/// How often the state is kept.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(30);

/// The training of one adapter, whatever the family of the base.
pub(super) struct Session<'a> {
    pub(super) args: &'a args::Finetune,
    pub(super) file: &'a FinetuneFile,
    pub(super) task: &'a FinetuneTask,
    pub(super) training: &'a TrainingKeys,
    pub(super) inputs: &'a Inputs,
    pub(super) base: Located,
    pub(super) checkpoint: Checkpoint,
    pub(super) signals: ShutdownSignals,
}

/// A head, and the digest of what it comes from.
struct FoundHead {
    head: Head,
    digest: Digest,
}

impl FamilyVisitor for Session<'_> {
    type Output = Result<String, Failure>;

    fn visit<F: ModelFamily>(self) -> Self::Output {
        let mut base = F::open(&self.base.path, DeviceChoice::Cpu, Precision::F32)?;
        let settings = self.training.settings(base.train_family()).map_err(|error| self.file.wrong(error))?;
        self.check_task::<F>(&settings)?;
        let limits = Limits { image_bytes: self.args.compute.image_memory.saturating_mul(1 << 20) };
        let cache = self.args.compute.example_cache.as_deref();
        let reader = SplitReader { inputs: self.inputs, task: self.task, cache, limits };
        let training: ReadSplit<F> = reader.read(&base, self.training.split())?;
        self.go_on()?;
        let selection = self.checked_splits(&reader, &base, &training)?;
        let split = selection.name;
        let is_cancelled = || self.signals.have_arrived();
        let watch = Watch { progress: None, cancelled: Some(&is_cancelled) };
        let selected = selection.digest;
        let examples = base.prepare(selection.split, limits.image_bytes, &watch).map_err(outside)?;
        let evaluated = Evaluated { classes: examples.class_count(), digest: selected };
        let Start { trainer, head, run } = self.start(&mut base, training, &settings, evaluated)?;
        let trainer = self.validating(&reader, &base, trainer, &head, selected)?;
        let before = self.score::<F>(base.model(), &examples, &head)?;
        self.base.files_in_use.check()?;
        let (adapter, state) = match self.train(trainer, &run, F::READS)? {
            Trained::Whole(adapter, state) => (adapter, state),
            Trained::Stopped { steps, of } => return Ok(self.stopped(steps, of)),
        };
        let model = patched(&base, &adapter, &settings)?;
        let classes = head.classes();
        let own = match &adapter.head {
            Some(trained) => {
                Head::new(trained.clone(), classes, head.width()).map_err(|source| self.head_error(source))?
            }
            None => head,
        };
        let after = self.score::<F>(&model, &examples, &own)?;
        self.base.files_in_use.check()?;
        let finished = Finished {
            adapter: &adapter,
            state: &state,
            settings: &settings,
            classes,
            is_of_texts: F::READS == ExampleKind::Texts,
            task: &self.task.name,
            base: &self.file.sweep.base,
            linears: base.model().modules().into_iter().map(|module| module.name).collect(),
            split: &split,
            before: &before,
            after: &after,
        };
        finished.write(&self.args.out)?;
        self.checkpoint.remove();
        let kept = finished.kept_in_words();
        Ok(format!("wrote {}: {}.{kept}", self.args.out.display(), finished.accuracies()))
    }
}

/// A run before its first step of this call.
struct Start {
    trainer: Trainer,
    /// The head: fixed, or what its training starts from.
    head: Head,
    /// What decides the run, for the checkpoint.
    run: String,
}

/// The split that is evaluated.
#[derive(Clone, Copy)]
struct Evaluated {
    /// Its classes, as far as it tells.
    classes: Option<usize>,
    digest: Digest,
}

/// How a call ended.
enum Trained {
    Whole(TrainedAdapter, TrainState),
    Stopped { steps: usize, of: usize },
}

impl Session<'_> {
    /// Prepares the examples, the head and the base.
    fn start<F: ModelFamily>(
        &self,
        base: &mut F,
        training: ReadSplit<F>,
        settings: &TrainSettings,
        evaluated: Evaluated,
    ) -> Result<Start, Failure> {
        let data = training.digest;
        // Examples are kept as they are, and embedded when a step takes them.
        let examples = base.prepare(training.split, 0, &Watch::default())?;
        let FoundHead { head, digest } = self.head(base, examples.class_count().max(evaluated.classes), settings)?;
        self.go_on()?;
        let readout = examples.readout(&head);
        let classes = self.class_rows(&examples, &head)?;
        let examples = base.train_examples(examples)?;
        let task = TrainTask { examples, readout, classes };
        let run = (TRAIN_SEMANTICS, EVALUATION_SEMANTICS, self.base.digest, data, digest, settings);
        // The split that early stopping looks at decides the adapter as well.
        let run = match settings.early_stopping {
            Some(_) => Digest::of_json(&(run, evaluated.digest)),
            None => Digest::of_json(&run),
        };
        let trainer = Trainer::new(base.gradient_tower()?, task, settings.clone(), None);
        let trainer = Self::within_memory(trainer.map_err(|source| self.train_failure(source))?);
        Ok(Start { trainer, head, run: run.to_string() })
    }

    /// The same run with the examples that early stopping looks at, if it does: they are embedded at each evaluation.
    fn validating<F: ModelFamily>(
        &self,
        reader: &SplitReader<'_>,
        base: &F,
        trainer: Trainer,
        head: &Head,
        expected: Digest,
    ) -> Result<Trainer, Failure> {
        if trainer.settings().early_stopping.is_none() {
            return Ok(trainer);
        }
        let selection: ReadSplit<F> = reader.read(base, &self.file.sweep.select)?;
        if selection.digest != expected {
            return Err(FinetuneFailure::Changed { task: self.task.name.clone(), split: selection.name }.into());
        }
        let bytes = base.split_memory(&selection.split).read_bytes;
        let examples = base.prepare(selection.split, 0, &Watch::default())?;
        let classes = self.class_rows(&examples, head)?;
        let validation = Validation { examples: base.train_examples(examples)?, classes, bytes };
        trainer.validating(validation).map_err(|source| self.train_failure(source))
    }

    /// Counts the examples that a model names rightly.
    fn score<F: ModelFamily>(
        &self,
        model: &F::Model,
        examples: &F::Examples,
        head: &Head,
    ) -> Result<PerTaskScore, Failure> {
        let is_cancelled = || self.signals.have_arrived();
        let watch = Watch { progress: None, cancelled: Some(&is_cancelled) };
        let features = model.features(examples, &watch).map_err(outside)?;
        examples.score(&features, head).map_err(|source| self.head_failure(source))
    }

    /// Reads the splits that are evaluated, and refuses examples that are trained on. Returns the one that recipes are chosen on.
    fn checked_splits<F: ModelFamily>(
        &self,
        reader: &SplitReader<'_>,
        base: &F,
        training: &ReadSplit<F>,
    ) -> Result<ReadSplit<F>, Failure> {
        let sweep = &self.file.sweep;
        let selection = reader.read(base, &sweep.select)?;
        self.go_on()?;
        if !self.training.allows_overlap() {
            refuse_overlap(&self.task.name, training, &selection)?;
            if sweep.report != sweep.select {
                refuse_overlap(&self.task.name, training, &reader.read(base, &sweep.report)?)?;
                self.go_on()?;
            }
        }
        Ok(selection)
    }

    /// The head: the one that the sweep file names, or, for texts, a new one.
    fn head<F: ModelFamily>(
        &self,
        base: &mut F,
        classes: Option<usize>,
        settings: &TrainSettings,
    ) -> Result<FoundHead, Failure> {
        let task = || self.task.name.clone();
        match &self.task.head {
            Some(HeadSpec::File(file)) => {
                let located = self
                    .inputs
                    .file(file)
                    .map_err(|source| InputFailure::Argument { argument: file.to_string(), source })?;
                let head = Head::read(&located.path);
                located.files_in_use.check()?;
                Ok(FoundHead { head: head.map_err(|source| self.head_error(source))?, digest: located.digest })
            }
            Some(HeadSpec::Prompts { classes, templates }) => {
                let text = base.text_tower()?;
                let text = text.ok_or_else(|| FinetuneFailure::Prompts { task: task(), base: F::DESCRIPTION })?;
                let head = Head::from_prompts(text, &prompts(classes, templates)).and_then(|head| head.named(classes));
                let digest = HeadSpec::prompts_digest(classes, templates);
                Ok(FoundHead { head: head.map_err(|source| self.head_error(source))?, digest })
            }
            Some(HeadSpec::Adapter(_)) | None => {
                let text = self.task.data.text.as_ref();
                let stated = text.and_then(|text| text.labels.values().max()).map(|last| *last as usize + 1);
                let count = classes.max(stated).ok_or_else(|| FinetuneFailure::NoHead { task: task() })?;
                let (width, _) = F::configuration(&self.base.path)?.width();
                let head = initial_head(count, width, settings.seed);
                let digest = Digest::of_json(&("new head", count));
                Ok(FoundHead { head: head.map_err(|source| self.head_error(source))?, digest })
            }
        }
    }

    fn class_rows(&self, examples: &impl Examples, head: &Head) -> Result<Vec<usize>, Failure> {
        let task = || self.task.name.clone();
        examples.check_head(head).map_err(|source| FinetuneFailure::Classes { task: task(), source })?;
        examples.class_rows(head).map_err(|source| self.head_failure(source))
    }

    /// Runs blocks again on the way back if keeping them might take half of the free memory.
    fn within_memory(trainer: Trainer) -> Trainer {
        let is_large = trainer.memory(rayon::current_num_threads()).step > free_memory() / 2;
        if is_large {
            terminal::note("note: blocks are computed twice in each step, because memory is short");
        }
        trainer.recomputing(is_large)
    }

    /// Makes the steps that are left, or as many as this call may.
    fn train(&self, mut trainer: Trainer, run: &str, reads: ExampleKind) -> Result<Trained, Failure> {
        let steps = trainer.steps();
        let mut state = match self.checkpoint.last(run, &trainer)? {
            Some(state) => {
                let done = state.steps();
                terminal::note(format_args!("resuming after step {done} of {steps}"));
                state
            }
            None => trainer.start(),
        };
        let first = state.steps();
        let last = self.args.stop_after.map_or(steps, |stop| steps.min(first.saturating_add(stop as usize)));
        let per_step = trainer.batch(0).len();
        let mut progress = TrainProgress::start(&self.task.name, first, steps, per_step, reads.name());
        let is_cancelled = || self.signals.have_arrived();
        let watch = Watch { progress: None, cancelled: Some(&is_cancelled) };
        let mut kept = Instant::now();
        loop {
            match trainer.advance(&mut state, last, &watch) {
                Ok(None) => break,
                Ok(Some(Advance::Step(made))) => progress.step(state.steps(), &made),
                Ok(Some(Advance::Begun(_))) => {}
                Ok(Some(Advance::Evaluated(made))) => progress.evaluated(&made),
                Err(error) => {
                    let kept = self.checkpoint.keep(run, &state);
                    return Err(self.ended(error, kept, [state.steps(), steps]));
                }
            }
            if kept.elapsed() >= CHECKPOINT_EVERY {
                self.checkpoint.keep(run, &state)?;
                kept = Instant::now();
            }
        }
        // The final state as well: what comes after the last step may fail.
        self.checkpoint.keep(run, &state)?;
        let stopping = trainer.settings().early_stopping;
        let is_over = stopping.is_some_and(|stopping| state.is_stopped(&stopping));
        if last < steps && !is_over {
            return Ok(Trained::Stopped { steps: last, of: steps });
        }
        Ok(Trained::Whole(trainer.adapter(&state), state))
    }

    fn stopped(&self, steps: usize, of: usize) -> String {
        let path = self.checkpoint.path().display();
        format!("stopped after step {steps} of {of}; the state is in {path}, and the same command resumes")
    }

    /// Why a step was not made. A state that could not be kept is only a warning where the step failed by itself.
    fn ended(&self, error: TrainError, kept: Result<(), Failure>, [steps, of]: [usize; 2]) -> Failure {
        match (error, kept) {
            (TrainError::Model(ModelError::Cancelled), Ok(())) => {
                FinetuneFailure::Interrupted { steps, of, path: self.checkpoint.path().to_owned() }.into()
            }
            (TrainError::Model(ModelError::Cancelled), Err(failure)) => failure,
            (error, kept) => {
                if let Err(failure) = kept {
                    tracing::warn!(error = %failure, "the checkpoint was not written");
                }
                self.train_failure(error)
            }
        }
    }

    /// Refuses what no base of the family can be trained with, before anything is read.
    fn check_task<F: ModelFamily>(&self, settings: &TrainSettings) -> Result<(), Failure> {
        let task = || self.task.name.clone();
        if F::READS == ExampleKind::Texts && !settings.augmentation.is_empty() {
            return Err(FinetuneFailure::AugmentedTexts { task: task() }.into());
        }
        if !F::TAKES_ADAPTER_HEADS && settings.trains_head {
            let base = F::DESCRIPTION;
            return Err(FinetuneFailure::ImageHead { task: task(), base }.into());
        }
        if self.task.head.is_some() {
            return Ok(());
        }
        if !F::TAKES_ADAPTER_HEADS {
            return Err(FinetuneFailure::NoHead { task: task() }.into());
        }
        if !settings.trains_head {
            return Err(FinetuneFailure::FrozenNewHead { task: task() }.into());
        }
        Ok(())
    }

    /// Fails if a signal has arrived.
    fn go_on(&self) -> Result<(), Failure> {
        if self.signals.have_arrived() { Err(FinetuneFailure::InterruptedOutside.into()) } else { Ok(()) }
    }

    fn train_failure(&self, source: TrainError) -> Failure {
        FinetuneFailure::Train { task: self.task.name.clone(), source }.into()
    }

    fn head_failure(&self, source: evaluation::ScoreError) -> Failure {
        FinetuneFailure::Head { task: self.task.name.clone(), source }.into()
    }

    fn head_error(&self, source: HeadError) -> Failure {
        InputFailure::Head { task: self.task.name.clone(), source }.into()
    }
}

/// A failure of the model before or after the steps.
fn outside(error: ModelError) -> Failure {
    match error {
        ModelError::Cancelled => FinetuneFailure::InterruptedOutside.into(),
        error => error.into(),
    }
}

/// The base with the adapter.
fn patched<F: ModelFamily>(base: &F, adapter: &TrainedAdapter, settings: &TrainSettings) -> Result<F::Model, Failure> {
    let rank = settings.rank;
    let updates = adapter.modules.iter().map(|module| {
        let delta = Delta::LowRank { b: &module.b, a: &module.a, rank };
        (module.name.as_str(), delta)
    });
    let deltas = base.model().deltas(updates)?;
    Ok(base.model().patched(&deltas, settings.scaling())?)
}
