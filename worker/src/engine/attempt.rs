use crate::{AttemptContext, Checkpoints, Computed, JobError, Metrics, Output};
use evaluation::{ModelError, ScoreError, Watch};
use files::FilesInUse;
use inputs::{Inputs, Located};
use jobs::{Digest, InputLocations, InputRef, JobResult, Meaning, TaskInput, Timings};
use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Instant};
use tracing::{Span, info_span, span::EnteredSpan};

/// A part of a job: a timer and a span, until it is dropped.
pub(super) struct Stage {
    start: Instant,
    _span: EnteredSpan,
}

impl Stage {
    pub(super) fn begin(span: Span) -> Self {
        Self { start: Instant::now(), _span: span.entered() }
    }

    /// How long it has taken so far.
    pub(super) fn seconds(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }
}

/// An input whose digest is the one that the job names.
pub(super) struct CheckedInput {
    pub(super) path: PathBuf,
    /// The files that the digest covers.
    pub(super) files: FilesInUse,
}

/// An evaluation and the locations of its inputs.
#[derive(Debug, Clone, Copy)]
pub(super) struct EvaluateJob<'a> {
    pub(super) meaning: &'a Meaning,
    pub(super) places: &'a InputLocations,
}

/// One attempt at a job of some kind: the job, the source of its inputs, and what was measured.
pub(super) struct Attempt<'a, J = EvaluateJob<'a>> {
    pub(super) job: J,
    pub(super) inputs: &'a Inputs,
    pub(super) metrics: &'a Metrics,
    context: &'a AttemptContext,
    pub(super) timings: Timings,
    pub(super) commits: BTreeMap<String, String>,
}

impl<'a, J> Attempt<'a, J> {
    pub(super) fn new(job: J, inputs: &'a Inputs, context: &'a AttemptContext, metrics: &'a Metrics) -> Self {
        Self { job, inputs, metrics, context, timings: Timings::default(), commits: BTreeMap::new() }
    }

    /// Runs `work` and counts its time as loading.
    pub(super) fn loading<T>(&mut self, work: impl FnOnce(&mut Self) -> T) -> T {
        let stage = Stage::begin(info_span!("load"));
        let loading = self.context.loading();
        let done = work(self);
        drop(loading);
        self.timings.load_s += stage.seconds();
        done
    }

    /// Runs the model and counts its time as evaluation.
    pub(super) fn evaluating<T>(
        &mut self,
        work: impl FnOnce(&Watch<'_>) -> Result<T, ModelError>,
    ) -> Result<T, JobError> {
        let stage = Stage::begin(info_span!("evaluate"));
        let done = self.watched(work);
        self.timings.evaluate_s += stage.seconds();
        done
    }

    /// Runs the model so that a cancellation stops it between two batches.
    pub(super) fn watched<T>(&self, work: impl FnOnce(&Watch<'_>) -> Result<T, ModelError>) -> Result<T, JobError> {
        let cancelled = || self.context.cancellation.is_cancelled();
        if cancelled() {
            return Err(JobError::Interrupted);
        }
        work(&Watch { progress: None, cancelled: Some(&cancelled) }).map_err(|error| match error {
            ModelError::Cancelled => JobError::Interrupted,
            error => JobError::Model(error),
        })
    }

    /// Reads files that were hashed. Fails if one of them changed meanwhile, whether the read succeeded or not.
    ///
    /// `read` copies what it needs into memory, so that the files may change afterwards.
    pub(super) fn read<T>(
        &self,
        files: &FilesInUse,
        read: impl FnOnce() -> Result<T, JobError>,
    ) -> Result<T, JobError> {
        read_unchanged(files, read)
    }

    /// An input, if its digest is still the one that the job names.
    pub(super) fn checked(
        &mut self,
        place: &InputRef,
        located: Located,
        expected: Digest,
    ) -> Result<CheckedInput, JobError> {
        self.note_commit(place, located.commit);
        self.unchanged(place, located.digest, expected)?;
        Ok(CheckedInput { path: located.path, files: located.files_in_use })
    }

    /// The adapter of a task, if it is the one that the job names.
    pub(super) fn adapter(&mut self, place: &InputRef, expected: Digest) -> Result<CheckedInput, JobError> {
        let Located { path, digest: _, commit, files_in_use } = located_adapter(self.inputs, place, expected)?;
        self.note_commit(place, commit);
        Ok(CheckedInput { path, files: files_in_use })
    }

    /// What an earlier attempt kept, and where this one keeps its state.
    pub(super) fn checkpoints(&self) -> Checkpoints {
        self.context.checkpoints.clone()
    }

    /// What the attempt shares with the worker.
    pub(super) fn context(&self) -> &'a AttemptContext {
        self.context
    }

    /// The results of slices of the job that the store had.
    pub(super) fn slices(&self) -> Arc<Vec<JobResult>> {
        Arc::clone(&self.context.slices)
    }

    /// Fails once the attempt is cancelled.
    pub(super) fn check_cancelled(&self) -> Result<(), JobError> {
        if self.context.cancellation.is_cancelled() { Err(JobError::Interrupted) } else { Ok(()) }
    }

    /// The output with what was measured.
    pub(super) fn computed(self, output: Output) -> Computed {
        Computed { output, timings: self.timings, commits: self.commits }
    }

    /// Fails if the digest of an input is not the one that the job names.
    pub(super) fn unchanged(&self, place: &InputRef, found: Digest, expected: Digest) -> Result<(), JobError> {
        unchanged(place, found, expected)
    }

    /// Records the commit that a hub input was resolved to.
    pub(super) fn note_commit(&mut self, place: &InputRef, commit: Option<String>) {
        if let Some(commit) = commit {
            self.commits.insert(place.to_string(), commit);
        }
    }
}

impl Attempt<'_> {
    /// Scores features of a task, and counts the time as evaluation: a device may finish the features only then.
    pub(super) fn scoring<T>(
        &mut self,
        task: &TaskInput,
        score: impl FnOnce() -> Result<T, ScoreError>,
    ) -> Result<T, JobError> {
        let stage = Stage::begin(info_span!("score"));
        let scored = score();
        self.timings.evaluate_s += stage.seconds();
        scored.map_err(|source| self.unscored(task, source))
    }

    /// The error of a task that cannot be scored.
    pub(super) fn unscored(&self, task: &TaskInput, source: ScoreError) -> JobError {
        if let ScoreError::Device(source) = source {
            return JobError::Model(source);
        }
        JobError::Score { task: task.name.clone(), split: self.job.meaning.split.clone(), source }
    }
}

/// Reads files that were hashed; see [`Attempt::read`].
pub(super) fn read_unchanged<T>(files: &FilesInUse, read: impl FnOnce() -> Result<T, JobError>) -> Result<T, JobError> {
    tracing::trace!(?files, "an input was hashed, and is read now");
    let done = read();
    files.check()?;
    done
}

/// The adapter at `place`, if it is the one that a job names.
///
/// The id of the job that trained an adapter stands for its content, and its first artefact stays. So the digest of the files is
/// not known before, and is not compared: whoever reads an artefact compares the files with its record.
pub(super) fn located_adapter(inputs: &Inputs, place: &InputRef, expected: Digest) -> Result<Located, JobError> {
    match place {
        InputRef::Artefact(job) => {
            unchanged(place, job.digest(), expected)?;
            inputs.adapter(place).map_err(JobError::Artefact)
        }
        InputRef::Path(_) | InputRef::Hub(_) | InputRef::S3(_) => {
            let located = inputs.expecting(expected).adapter(place)?;
            unchanged(place, located.digest, expected)?;
            Ok(located)
        }
    }
}

/// Fails if the digest of an input is not the one that a job names.
pub(super) fn unchanged(place: &InputRef, found: Digest, expected: Digest) -> Result<(), JobError> {
    if found == expected {
        return Ok(());
    }
    let place = place.to_string();
    Err(JobError::Changed { place, expected: expected.short(), found: found.short(), file: None })
}
