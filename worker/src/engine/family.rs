#[cfg(test)]
mod session_tests;

use super::{
    EngineSettings,
    attempt::Attempt,
    heads::Heads,
    memory::check_memory,
    merges::Merges,
    portion::{BEYOND, Portion, TaskPlace},
    session::JobSession,
    session_key,
    splits::{Beside, HeldSplits, NextSplit, ReadAhead, SplitBudget, Splits},
    train::TrainJob,
};
use crate::{JobError, OutputFiles};
use evaluation::{
    Configuration, ExampleCount, ExampleKind, Examples, FamilyVisitor, InputSite, Model, ModelFamily, ScoreError,
    TransferCounts, Watch,
};
use files::MappedFile;
use jobs::{
    BenchmarkInput, Digest, EnsembleRule, LayerwiseSpec, MergeFacts, Precision, StatisticsSpec, Subject, TaskScore,
    TuneSpec,
};
use merging::BaseHeader;
use std::path::Path;

/// A base of any family with the merges, splits and heads of its jobs.
pub(super) struct FamilySession<F: ModelFamily> {
    pub(super) base: F,
    /// The tensors that adapters may attach to.
    pub(super) header: BaseHeader,
    pub(super) merges: Merges<F::Model>,
    pub(super) splits: Splits<F>,
    pub(super) heads: Heads,
    /// The base as its configuration describes it.
    pub(super) configuration: Box<dyn Configuration>,
    /// The places whose rows modules take.
    pub(super) sites: Vec<InputSite>,
    /// Bytes that merges and statistics may take, if there is a limit.
    pub(super) free: Option<u64>,
}

/// Opens the base in a folder, whatever its family.
pub(super) struct Open<'a> {
    pub(super) attempt: &'a Attempt<'a>,
    pub(super) folder: &'a Path,
    pub(super) settings: &'a EngineSettings,
    /// For the splits of all sessions.
    pub(super) budget: SplitBudget,
    /// The splits that all sessions hold.
    pub(super) held: &'a HeldSplits,
}

impl FamilyVisitor for Open<'_> {
    type Output = Result<Box<dyn JobSession>, JobError>;

    fn visit<F: ModelFamily>(self) -> Self::Output {
        Ok(Box::new(FamilySession::<F>::open(&self)?))
    }
}

impl<F: ModelFamily> FamilySession<F> {
    fn open(open: &Open<'_>) -> Result<Self, JobError> {
        let Open { attempt, folder, settings, budget, held } = open;
        let precision = attempt.job.meaning.precision;
        check_precision(precision, F::PRECISIONS, F::READS)?;
        let free = check_memory(folder, precision, settings)?;
        let base = F::open(folder, settings.device, precision)?;
        let splits = Splits::new(*budget, (*held).clone(), session_key(attempt.job.meaning), settings.cache.clone());
        let merges = Merges::with_capacity(F::KEPT_MERGES, attempt.metrics).within(free);
        let configuration = F::configuration(folder)?;
        let sites = configuration.input_sites();
        let heads = Heads::new(attempt.metrics);
        Ok(Self { base, header: BaseHeader::open(folder)?, merges, splits, heads, sites, configuration, free })
    }

    /// Every task is scored with its own head: heads are never merged.
    fn per_task(&mut self, attempt: &mut Attempt<'_>, model: &F::Model) -> Result<Vec<TaskScore>, JobError> {
        let job = attempt.job;
        let stored = attempt.slices();
        let portion = Portion::of(job.meaning, &stored)?;
        let tasks = portion.tasks(&job.meaning.tasks);
        let mut scores = Vec::with_capacity(tasks.len());
        let mut ahead = None;
        for (n, TaskPlace { place, task }) in tasks.iter().copied().enumerate() {
            let head = attempt.loading(|attempt| self.heads.of_task(attempt, &mut self.base, &self.header, task))?;
            let examples = self.splits.get_or_take(attempt, &self.base, task, &mut ahead)?;
            examples.check_head(&head).map_err(|source| attempt.unscored(task, source.into()))?;
            let next = self.splits.next(attempt, &self.base, &tasks[n + 1..], &examples, ahead.as_ref());
            let answers = evaluate(attempt, next, &mut ahead, |attempt| {
                portion.answers(place, &task.name, examples.count().examples(), |some| {
                    let some = some.map(|places| examples.select(places)).transpose()?;
                    let examples = some.as_ref().unwrap_or(&examples);
                    let features = features::<F>(attempt, model, examples)?;
                    let score = attempt.scoring(task, || examples.score(&features, &head))?;
                    Ok::<_, JobError>(score.right.iter().map(|right| if *right { 0 } else { BEYOND }).collect())
                })
            })?;
            scores.push(answers.per_task(&task.name, examples.truncated()));
        }
        Ok(scores)
    }

    /// Every task is scored with one head over the labels of all tasks.
    ///
    /// Without a `model`, every adapter of the job sees all examples, each in a model of its own, and the largest score of each
    /// class counts.
    fn joint(
        &mut self,
        attempt: &mut Attempt<'_>,
        model: Option<&F::Model>,
        digest: Digest,
    ) -> Result<Vec<TaskScore>, JobError> {
        if !F::HAS_JOINT_BENCHMARK {
            let reads = F::READS.name();
            return Err(JobError::Incomplete(format!("a model that reads {reads} has no joint benchmark")));
        }
        let job = attempt.job;
        let stored = attempt.slices();
        let portion = Portion::of(job.meaning, &stored)?;
        let joint = attempt.loading(|attempt| self.heads.joint(attempt, &mut self.base, digest))?;
        let tasks = portion.tasks(&job.meaning.tasks);
        let mut scores = Vec::with_capacity(tasks.len());
        let mut ahead = None;
        for (n, TaskPlace { place, task }) in tasks.iter().copied().enumerate() {
            let missing = || JobError::Incomplete(format!("the joint head has no labels of `{}`", task.name));
            let rows = joint.rows_of(&task.name).ok_or_else(missing)?;
            let examples = self.splits.get_or_take(attempt, &self.base, task, &mut ahead)?;
            let next = self.splits.next(attempt, &self.base, &tasks[n + 1..], &examples, ahead.as_ref());
            let answers = evaluate(attempt, next, &mut ahead, |attempt| {
                portion.answers(place, &task.name, examples.count().examples(), |some| {
                    let some = some.map(|places| examples.select(places)).transpose().map_err(JobError::from)?;
                    let examples = some.as_ref().unwrap_or(&examples);
                    let Some(model) = model else {
                        let experts = 0..job.meaning.adapters.len();
                        let features = experts.map(|adapter| {
                            let model = self.merges.expert(attempt, self.base.model(), &self.header, adapter)?;
                            Ok::<_, EnsembleError>(features::<F>(attempt, &model, examples)?)
                        });
                        return Ok(evaluation::ensemble_hits(features, &joint.head, rows)?.ranks);
                    };
                    let features = features::<F>(attempt, model, examples)?;
                    let score = attempt.scoring(task, || evaluation::joint_hits(&features, &joint.head, rows))?;
                    Ok::<_, EnsembleError>(score.ranks)
                })
            });
            let answers = answers.map_err(|error| match error {
                EnsembleError::Score(source) => attempt.unscored(task, source),
                EnsembleError::Job(error) => *error,
            })?;
            scores.push(answers.joint(&task.name, examples.truncated()));
        }
        Ok(scores)
    }
}

/// Evaluates the examples of a task, and reads the `next` split meanwhile if there is one.
fn evaluate<'a, F: ModelFamily, T: Send, E: Send>(
    attempt: &mut Attempt<'a>,
    next: Option<NextSplit<'_, 'a, F>>,
    ahead: &mut Option<ReadAhead<'a, F::Split>>,
    work: impl FnOnce(&mut Attempt<'a>) -> Result<T, E> + Send,
) -> Result<T, E> {
    let Some(next) = next else { return work(attempt) };
    let Beside { done, read } = next.beside(attempt, work);
    *ahead = read;
    done
}

/// Refuses a precision in which a family is not evaluated. Computed in another one, the scores would be stored under an id that does
/// not describe them.
///
/// All families of today are evaluated in all precisions.
fn check_precision(precision: Precision, expected: &[Precision], reads: ExampleKind) -> Result<(), JobError> {
    if expected.contains(&precision) {
        return Ok(());
    }
    let expected: Vec<&str> = expected.iter().map(|precision| precision.name()).collect();
    Err(JobError::Precision { precision: precision.name(), reads: reads.name(), expected: expected.join(", ") })
}

/// Why the features of several models come to no score.
enum EnsembleError {
    /// A model cannot be made or run.
    Job(Box<JobError>),
    /// Features that cannot be scored.
    Score(ScoreError),
}

impl From<JobError> for EnsembleError {
    fn from(error: JobError) -> Self {
        Self::Job(Box::new(error))
    }
}

impl From<ScoreError> for EnsembleError {
    fn from(error: ScoreError) -> Self {
        Self::Score(error)
    }
}

impl<F: ModelFamily> JobSession for FamilySession<F> {
    fn mapped_files(&self) -> Vec<&MappedFile> {
        self.base.mapped_files()
    }

    fn transfers(&self) -> TransferCounts {
        self.base.model().transfers().unwrap_or_default()
    }

    fn compute(&mut self, attempt: &mut Attempt<'_>) -> Result<(Vec<TaskScore>, Option<MergeFacts>), JobError> {
        let meaning = attempt.job.meaning;
        if let (Subject::Ensemble { rule: EnsembleRule::Max }, BenchmarkInput::Joint { head }) =
            (&meaning.subject, &meaning.benchmark)
        {
            if meaning.adapters.is_empty() {
                return Err(JobError::Incomplete("it names no adapter of its ensemble".to_owned()));
            }
            return Ok((self.joint(attempt, None, *head)?, None));
        }
        let made = self.merges.model(attempt, self.base.model(), &self.header)?;
        let scores = match &meaning.benchmark {
            BenchmarkInput::PerTask => self.per_task(attempt, &made.model)?,
            BenchmarkInput::Joint { head } => self.joint(attempt, Some(&made.model), *head)?,
            BenchmarkInput::Command(_) => {
                return Err(JobError::Incomplete("a command is run without a session".to_owned()));
            }
        };
        Ok((scores, made.facts))
    }

    fn make_statistics(&mut self, attempt: &mut Attempt<'_>, spec: &StatisticsSpec) -> Result<OutputFiles, JobError> {
        self.make_statistics(attempt, spec)
    }

    fn merge_layerwise(&mut self, attempt: &mut Attempt<'_>, spec: &LayerwiseSpec) -> Result<OutputFiles, JobError> {
        self.merge_layerwise(attempt, spec)
    }

    fn tune(&mut self, attempt: &mut Attempt<'_>, spec: &TuneSpec) -> Result<OutputFiles, JobError> {
        self.tune(attempt, spec)
    }

    fn train<'a>(&mut self, attempt: &mut Attempt<'a>, job: TrainJob<'a>) -> Result<OutputFiles, JobError> {
        self.train(attempt, job)
    }
}

/// Runs the model over a split, and counts the examples.
fn features<F: ModelFamily>(
    attempt: &mut Attempt<'_>,
    model: &F::Model,
    examples: &F::Examples,
) -> Result<evaluation::Features, JobError> {
    let features = attempt.evaluating(|watch: &Watch<'_>| model.features(examples, watch))?;
    match examples.count() {
        ExampleCount::Images(images) => attempt.metrics.images(images as u64),
        ExampleCount::Texts { texts, tokens } => attempt.metrics.texts(texts as u64, tokens as u64),
    }
    Ok(features)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_precision_that_a_family_does_not_list_is_refused_by_name() {
        let check = |precision| check_precision(precision, &[Precision::F32, Precision::Bf16], ExampleKind::Images);
        assert!(check(Precision::F32).is_ok() && check(Precision::Bf16).is_ok());
        let refused = check(Precision::F16).unwrap_err();
        let words = "the job names the precision f16, and models that read images are evaluated only in f32, bf16";
        assert_eq!(refused.to_string(), words);
    }
}
