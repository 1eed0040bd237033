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
    Delta, DeviceChoice, ExampleKind, Examples, FamilyVisitor, Head, HeadError, Limits, Model, ModelFamily,
    PerTaskScore, TrainError, TrainExamples, TrainState, TrainTask, TrainedAdapter, Trainer, Watch, initial_head,
    prompts,
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
        let limits = Limits { image_bytes: self.args.compute.image_memory.saturating_mul(1 << 20) };
        let cache = self.args.compute.example_cache.as_deref();
        let reader = SplitReader { inputs: self.inputs, task: self.task, cache, limits };
        let training: ReadSplit<F> = reader.read(&base, self.training.split())?;
        let selection = self.checked_splits(&reader, &base, &training)?;
        let Start { trainer, head, run } = self.start(&mut base, training, &settings)?;
        let split = selection.name;
        let examples = base.prepare(selection.split, u64::MAX, &Watch::default())?;
        let before = self.score::<F>(base.model(), &examples, &head)?;
        self.base.files_in_use.check()?;
        let (adapter, state) = match self.train(trainer, &run, &settings, F::READS)? {
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
            split: &split,
            before: &before,
            after: &after,
        };
        finished.write(&self.args.out)?;
        self.checkpoint.remove();
        Ok(format!("wrote {}: {}", self.args.out.display(), finished.accuracies()))
    }
}

/// A run before its first step of this call.
struct Start {
    trainer: Trainer<f32>,
    /// The head: fixed, or what its training starts from.
    head: Head,
    /// What decides the run, for the checkpoint.
    run: String,
}

/// What a call came to.
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
    ) -> Result<Start, Failure> {
        let quiet = Watch::default();
        let data = training.digest;
        let is_augmented = !settings.augmentation.is_empty();
        // Images that change in every step are kept as they are.
        let examples = base.prepare(training.split, if is_augmented { 0 } else { u64::MAX }, &quiet)?;
        let FoundHead { head, digest } = self.head(base, &examples, settings)?;
        let readout = examples.readout(&head);
        let classes = self.class_rows(&examples, &head)?;
        let examples = if is_augmented {
            let make = base.augmenting(examples);
            TrainExamples::Augmented(make.ok_or_else(|| self.augmented_texts())?)
        } else {
            TrainExamples::Fixed(base.sequences(&examples, &quiet)?)
        };
        let task = TrainTask { examples, readout, classes };
        let run = Digest::of_json(&(TRAIN_SEMANTICS, EVALUATION_SEMANTICS, self.base.digest, data, digest, settings));
        let trainer = Trainer::new(base.gradient_tower()?, task, settings.clone(), None);
        let trainer = self.within_memory(trainer.map_err(|source| self.train_failure(source))?)?;
        Ok(Start { trainer, head, run: run.to_string() })
    }

    /// Counts the examples that a model names rightly.
    fn score<F: ModelFamily>(
        &self,
        model: &F::Model,
        examples: &F::Examples,
        head: &Head,
    ) -> Result<PerTaskScore, Failure> {
        let features = model.features(examples, &Watch::default())?;
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
        if !self.training.allows_overlap() {
            refuse_overlap(&self.task.name, training, &selection)?;
            if sweep.report != sweep.select {
                refuse_overlap(&self.task.name, training, &reader.read(base, &sweep.report)?)?;
            }
        }
        Ok(selection)
    }

    /// The head: the one that the sweep file names, or, for texts, a new one.
    fn head<F: ModelFamily>(
        &self,
        base: &mut F,
        examples: &F::Examples,
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
                let count = examples.class_count().ok_or_else(|| FinetuneFailure::NoHead { task: task() })?;
                let (width, _) = F::configuration(&self.base.path)?.width();
                let head = Head::new(initial_head(count, width, settings.seed), count, width);
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
    fn within_memory(&self, trainer: Trainer<f32>) -> Result<Trainer<f32>, Failure> {
        let bytes = trainer.recorded_bytes(rayon::current_num_threads());
        let is_large = bytes.map_err(|source| self.train_failure(source))? > free_memory() / 2;
        if is_large {
            terminal::note("note: blocks are computed twice in each step, because memory is short");
        }
        Ok(trainer.recomputing(is_large))
    }

    /// Makes the steps that are left, or as many as this call may.
    fn train(
        &self,
        mut trainer: Trainer<f32>,
        run: &str,
        settings: &TrainSettings,
        reads: ExampleKind,
    ) -> Result<Trained, Failure> {
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
        let mut progress =
            TrainProgress::start(&self.task.name, first, steps, settings.examples_per_step(), reads.name());
        let is_cancelled = || self.signals.have_arrived();
        let watch = Watch { progress: None, cancelled: Some(&is_cancelled) };
        let mut kept = Instant::now();
        while state.steps() < last {
            match trainer.step(&mut state, &watch) {
                Ok(made) => progress.step(state.steps(), &made),
                Err(error) => {
                    // What was learned so far is kept, whatever came then.
                    self.checkpoint.keep(run, &state)?;
                    return Err(self.ended(error));
                }
            }
            if kept.elapsed() >= CHECKPOINT_EVERY {
                self.checkpoint.keep(run, &state)?;
                kept = Instant::now();
            }
        }
        if last < steps {
            self.checkpoint.keep(run, &state)?;
            return Ok(Trained::Stopped { steps: last, of: steps });
        }
        Ok(Trained::Whole(trainer.adapter(&state), state))
    }

    fn stopped(&self, steps: usize, of: usize) -> String {
        let path = self.checkpoint.path().display();
        format!("stopped after step {steps} of {of}; the state is in {path}, and the same command resumes")
    }

    fn ended(&self, error: TrainError) -> Failure {
        match error {
            TrainError::Model(evaluation::ModelError::Cancelled) => Failure::Interrupted,
            error => self.train_failure(error),
        }
    }

    fn augmented_texts(&self) -> Failure {
        FinetuneFailure::AugmentedTexts { task: self.task.name.clone() }.into()
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
