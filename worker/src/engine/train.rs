//! Jobs that train an adapter, leg by leg.

mod finished;
mod room;
mod run;
mod states;

use super::{
    attempt::{Attempt, EvaluateJob},
    family::FamilySession,
    memory::check_training_step,
};
use crate::{JobError, OutputFiles};
use evaluation::{
    Delta, ExampleKind, Examples, Head, Model, ModelError, ModelFamily, PerTaskScore, TrainError, TrainTask,
    TrainedAdapter, Trainer, Validation, Watch, initial_head,
};
use finished::{Finished, facts};
use jobs::{Digest, Meaning, Precision, SplitInput, TaskInput, TrainSpec};
use room::{HeldImages, check_room, image_bytes};
use run::{Gone, Run};
use states::{hand_on, rests, scratch, scratch_folder, start, stopped_state, write_checkpoint};
use std::{collections::HashMap, sync::Arc};

/// Images take the same bytes in all number formats as they are read.
const F32_IMAGES: Precision = Precision::F32;

/// A leg with the evaluations of its splits, by which their examples are found.
#[derive(Clone, Copy)]
pub(super) struct TrainJob<'a> {
    pub(super) spec: &'a TrainSpec,
    pub(super) splits: &'a TrainSplits,
}

/// The evaluations of the base on the splits of a leg.
pub(super) struct TrainSplits {
    pub(super) training: Meaning,
    validation: Meaning,
    apart: Vec<Meaning>,
}

impl TrainSplits {
    pub(super) fn of(spec: &TrainSpec) -> Self {
        let on = |split: &SplitInput| spec.as_evaluation(split);
        Self {
            training: on(&spec.training),
            validation: on(&spec.validation),
            apart: spec.apart.iter().map(on).collect(),
        }
    }
}

impl<F: ModelFamily> FamilySession<F> {
    /// Makes the steps of a leg, measures the accuracy, and writes the checkpoint or the adapter.
    ///
    /// It runs on the processor, in `f32`, whatever the device: the base is held once more for it.
    pub(super) fn train<'a>(&mut self, attempt: &mut Attempt<'a>, job: TrainJob<'a>) -> Result<OutputFiles, JobError> {
        let TrainJob { spec, splits } = job;
        self.check_leg(spec)?;
        if let Some(state) = stopped_state(attempt, spec)? {
            return hand_on(spec, &state);
        }
        let room = check_room(&*self.configuration, spec, HeldImages::default(), self.free)?;
        let training = self.read_trained(attempt, &splits.training, room)?;
        if spec.leg.first == 0 {
            self.check_apart(attempt, &splits.apart, spec, &training)?;
        }
        let places = attempt.job.places;
        attempt.job = EvaluateJob { meaning: &splits.validation, places };
        let validation = self.splits.get(attempt, &self.base, task_of(&splits.validation)?)?;
        let images = self.held_images(spec, &training, validation.count().examples());
        check_room(&*self.configuration, spec, images, self.free)?;
        let classes = self.evaluated_classes(attempt, job, validation.class_count())?;
        attempt.job = EvaluateJob { meaning: &splits.training, places };
        let mut run = self.begin(attempt, job, training, classes)?;
        match self.finish_leg(attempt, job, &mut run, &validation) {
            // A step that is cancelled leaves the state as it was before it.
            Err(JobError::Interrupted) if run.has_progressed() && attempt.context().keeps_when_cancelled() => {
                Err(rests(spec, &run.state))
            }
            finished => finished,
        }
    }

    /// Makes the steps that are left, measures the accuracy, and writes what the leg leaves.
    fn finish_leg<'a>(
        &mut self,
        attempt: &mut Attempt<'a>,
        job: TrainJob<'a>,
        run: &mut Run,
        validation: &F::Examples,
    ) -> Result<OutputFiles, JobError> {
        let TrainJob { spec, splits } = job;
        let context = attempt.context();
        let gone = attempt.evaluating(|watch| Ok(run.go_to(spec, context, watch)))?;
        match gone.map_err(|error| failure(spec, error))? {
            Gone::ToTheEnd => {}
            Gone::ToRest => {
                tracing::info!(steps = run.state.steps(), "the leg rests: it has computed for long");
                return Err(rests(spec, &run.state));
            }
        }
        // A leg is measured as it is; the adapter may be one of an earlier step.
        let Run { trainer, state, .. } = &*run;
        let adapter = if spec.is_last() { trainer.adapter(state) } else { trainer.last_adapter(state) };
        attempt.job = EvaluateJob { meaning: &splits.validation, places: attempt.job.places };
        let score = self.score_trained(attempt, spec, &adapter, validation, run)?;
        let classes = run.head.classes();
        self.write_leg(&Finished { spec, state: &run.state, adapter: &adapter, classes, score })
    }

    /// Refuses a leg that is none of its training, and settings that no base of the family can be trained with.
    fn check_leg(&self, spec: &TrainSpec) -> Result<(), JobError> {
        if !spec.is_consistent() {
            return Err(JobError::Incomplete("its leg is none of its training".to_owned()));
        }
        let checked = spec.settings.check_family(self.base.train_family(), spec.head.is_some());
        checked.map_err(|error| failure(spec, error.into()))
    }

    /// The images that the leg will hold, once those that it is trained on are read.
    fn held_images(&self, spec: &TrainSpec, training: &F::Split, validation: usize) -> HeldImages {
        let bytes = self.base.split_memory(training).read_bytes;
        let image = image_bytes(&*self.configuration);
        // Both are in files, or neither is.
        if bytes == 0 || image == 0 {
            return HeldImages::default();
        }
        let validation = if spec.settings.early_stopping.is_some() { validation as u64 } else { 0 };
        HeldImages { training: bytes / image, validation }
    }

    /// Reads the training split if its images fit into the memory that a step leaves.
    fn read_trained<'a>(
        &mut self,
        attempt: &mut Attempt<'a>,
        meaning: &'a Meaning,
        room: Option<u64>,
    ) -> Result<F::Split, JobError> {
        attempt.job = EvaluateJob { meaning, places: attempt.job.places };
        let at_most = room.unwrap_or(u64::MAX);
        let read = self.splits.read_at_most(attempt, &self.base, task_of(meaning)?, at_most);
        read.map_err(|error| match error {
            JobError::Data { source, .. } if source.is_too_large() && self.splits.allows(at_most) => {
                JobError::TrainingImages { available: at_most, source }
            }
            error => error,
        })
    }

    fn read_split<'a>(&mut self, attempt: &mut Attempt<'a>, meaning: &'a Meaning) -> Result<F::Split, JobError> {
        attempt.job = EvaluateJob { meaning, places: attempt.job.places };
        self.splits.read_within_budget(attempt, &self.base, task_of(meaning)?, None)
    }

    /// Fails if an example of a split that is evaluated is trained on: the same image or text, wherever it lies.
    fn check_apart<'a>(
        &mut self,
        attempt: &mut Attempt<'a>,
        apart: &'a [Meaning],
        spec: &TrainSpec,
        training: &F::Split,
    ) -> Result<(), JobError> {
        let digests = F::example_digests(training).into_iter().enumerate();
        let trained: HashMap<Digest, usize> = digests.map(|(place, digest)| (digest, place)).collect();
        for meaning in apart {
            let others = F::example_digests(&self.read_split(attempt, meaning)?);
            let mut shared = others.iter().enumerate().filter(|(_, digest)| trained.contains_key(*digest));
            if let Some((first, digest)) = shared.next() {
                return Err(JobError::Overlap {
                    task: spec.task.clone(),
                    split: meaning.split.clone(),
                    training: spec.training.name.clone(),
                    shared: 1 + shared.count(),
                    n: others.len(),
                    first,
                    trained: trained[digest],
                });
            }
        }
        Ok(())
    }

    /// The classes that a new head has to have for the splits that are evaluated, beside those of `validation`: a label that only
    /// one of them has would end the sweep after all training.
    fn evaluated_classes<'a>(
        &mut self,
        attempt: &mut Attempt<'a>,
        job: TrainJob<'a>,
        validation: Option<usize>,
    ) -> Result<Option<usize>, JobError> {
        let mut classes = validation;
        if job.spec.head.is_none() {
            for meaning in &job.splits.apart {
                let split = self.read_split(attempt, meaning)?;
                let examples = attempt.evaluating(|watch| self.base.prepare(split, 0, watch))?;
                classes = classes.max(examples.class_count());
            }
        }
        Ok(classes)
    }

    /// Prepares the examples, the head and the base, and reads the checkpoint of the leg before.
    fn begin<'a>(
        &mut self,
        attempt: &mut Attempt<'a>,
        job: TrainJob<'a>,
        training: F::Split,
        evaluated_classes: Option<usize>,
    ) -> Result<Run, JobError> {
        let TrainJob { spec, splits } = job;
        let task = task_of(&splits.training)?;
        let training_bytes = self.base.split_memory(&training).read_bytes;
        // Examples are kept as they are, and embedded when a step takes them.
        let examples = attempt.evaluating(|watch| self.base.prepare(training, 0, watch))?;
        let tower = attempt.loading(|_| self.base.gradient_tower())?;
        let classes = examples.class_count().max(evaluated_classes);
        let head = self.start_head(attempt, spec, task, classes, tower.width())?;
        examples.check_head(&head).map_err(|source| attempt.unscored(task, source.into()))?;
        let classes = examples.class_rows(&head).map_err(|source| attempt.unscored(task, source))?;
        let readout = examples.readout(&head);
        let examples = self.base.train_examples(examples)?;
        let task = TrainTask { examples, readout, classes };
        let trainer = Trainer::new(tower, task, spec.settings.clone(), None);
        let trainer = trainer.map_err(|error| failure(spec, error))?;
        let trainer = match spec.settings.early_stopping {
            Some(_) => {
                let validation = self.validation(attempt, job, &head)?;
                trainer.validating(validation).map_err(|error| failure(spec, error))?
            }
            None => trainer,
        };
        let memory = trainer.memory(rayon::current_num_threads());
        // What was not known before counts here: the tokens of texts, and the classes of a new head.
        check_training_step(memory.least().saturating_add(training_bytes), self.free)?;
        let held = memory.base.saturating_add(memory.validation).saturating_add(training_bytes);
        let is_large = self.free.is_some_and(|free| memory.step > free.saturating_sub(held) / 2);
        let trainer = trainer.recomputing(is_large);
        let state = start(attempt, spec, &trainer)?;
        Ok(Run::new(trainer, state, head))
    }

    /// The examples that early stopping looks at, as training takes them: they are embedded at each evaluation.
    fn validation<'a>(
        &mut self,
        attempt: &mut Attempt<'a>,
        job: TrainJob<'a>,
        head: &Head,
    ) -> Result<Validation, JobError> {
        let TrainSplits { training, validation, .. } = job.splits;
        let places = attempt.job.places;
        let split = self.read_split(attempt, validation)?;
        let bytes = self.base.split_memory(&split).read_bytes;
        let examples = attempt.evaluating(|watch| self.base.prepare(split, 0, watch))?;
        let task = task_of(validation)?;
        examples.check_head(head).map_err(|source| attempt.unscored(task, source.into()))?;
        let classes = examples.class_rows(head).map_err(|source| attempt.unscored(task, source))?;
        attempt.job = EvaluateJob { meaning: training, places };
        Ok(Validation { examples: self.base.train_examples(examples)?, classes, bytes })
    }

    /// The head that is named, or a new one for texts.
    fn start_head(
        &mut self,
        attempt: &mut Attempt<'_>,
        spec: &TrainSpec,
        task: &TaskInput,
        classes: Option<usize>,
        width: usize,
    ) -> Result<Arc<Head>, JobError> {
        if spec.head.is_some() {
            return attempt.loading(|attempt| self.heads.of_task(attempt, &mut self.base, &self.header, task));
        }
        let data = attempt.job.places.data.get(&task.name);
        let labels = data.and_then(|data| data.text.as_ref()).map(|text| &text.labels);
        let stated = labels.and_then(|labels| labels.values().max()).map(|last| *last as usize + 1);
        let count = classes.max(stated);
        let count = count.ok_or_else(|| JobError::Incomplete(format!("it names no class of `{}`", task.name)))?;
        let head = initial_head(count, width, spec.settings.seed);
        head.map(Arc::new).map_err(|source| JobError::Head { task: task.name.clone(), source })
    }

    /// Counts the examples that the base with the adapter names rightly.
    fn score_trained(
        &self,
        attempt: &mut Attempt<'_>,
        spec: &TrainSpec,
        adapter: &TrainedAdapter,
        examples: &F::Examples,
        run: &Run,
    ) -> Result<PerTaskScore, JobError> {
        let task = task_of(attempt.job.meaning)?;
        let rank = spec.settings.rank;
        let updates = adapter.modules.iter().map(|module| {
            let delta = Delta::LowRank { b: &module.b, a: &module.a, rank };
            (module.name.as_str(), delta)
        });
        let base = self.base.model();
        let model = base.patched(&base.deltas(updates)?, spec.settings.scaling())?;
        let context = attempt.context();
        let features = attempt.evaluating(|watch: &Watch<'_>| {
            run.showing(spec, context, examples.count().examples(), |progress| {
                model.features(examples, &Watch { progress: Some(progress), ..*watch })
            })
        })?;
        let start = &run.head;
        let trained = adapter.head.as_ref().map(|head| Head::new(head.clone(), start.classes(), start.width()));
        let trained = trained.transpose().map_err(|source| JobError::Head { task: task.name.clone(), source })?;
        let head = trained.as_ref().unwrap_or(start);
        examples.score(&features, head).map_err(|source| attempt.unscored(task, source))
    }

    fn write_leg(&self, finished: &Finished<'_>) -> Result<OutputFiles, JobError> {
        let Finished { spec, state, ref score, .. } = *finished;
        let facts = facts(spec, state, score.correct, score.n);
        if !spec.is_last() {
            return write_checkpoint(spec, state, facts);
        }
        let folder = scratch_folder()?;
        let modules = self.base.model().modules();
        let linears = modules.into_iter().map(|module| module.name).collect();
        finished.write_adapter(&folder, linears, F::READS == ExampleKind::Texts)?;
        OutputFiles::of(folder, facts).map_err(scratch)
    }
}

/// The only task of an evaluation.
fn task_of(meaning: &Meaning) -> Result<&TaskInput, JobError> {
    meaning.tasks.first().ok_or_else(|| JobError::Incomplete("it names no task".to_owned()))
}

fn failure(spec: &TrainSpec, error: TrainError) -> JobError {
    match error {
        TrainError::Model(ModelError::Cancelled) => JobError::Interrupted,
        TrainError::Model(error) => JobError::Model(error),
        source => JobError::Train { task: spec.task.clone(), source },
    }
}
