use crate::{Computed, JobError, Metrics, Output, Stop};
use evaluation::{ModelError, ScoreError, Watch};
use files::FilesInUse;
use inputs::{Inputs, Located};
use jobs::{Digest, InputLocations, InputRef, Meaning, TaskInput, Timings};
use std::{collections::BTreeMap, path::PathBuf, time::Instant};
use tracing::{Span, info_span, span::EnteredSpan};

/// A part of a job, timed and told of as a span until it is dropped.
pub(super) struct Stage {
    start: Instant,
    _span: EnteredSpan,
}

impl Stage {
    pub(super) fn begin(span: Span) -> Self {
        Self { start: Instant::now(), _span: span.entered() }
    }

    /// How long it has lasted.
    pub(super) fn seconds(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }
}

/// An input that is what the job was made for.
pub(super) struct Found {
    pub(super) path: PathBuf,
    /// What its digest is of.
    pub(super) files: FilesInUse,
}

/// An evaluation, and where its inputs lie.
#[derive(Debug, Clone, Copy)]
pub(super) struct Evaluated<'a> {
    pub(super) meaning: &'a Meaning,
    pub(super) places: &'a InputLocations,
}

/// One go at a job of some kind: what it is, where its inputs come from, and what it noted on the way.
pub(super) struct Attempt<'a, J = Evaluated<'a>> {
    pub(super) job: J,
    pub(super) inputs: &'a Inputs,
    pub(super) metrics: &'a Metrics,
    stop: &'a Stop,
    pub(super) timings: Timings,
    pub(super) commits: BTreeMap<String, String>,
}

impl<'a, J> Attempt<'a, J> {
    pub(super) fn new(job: J, inputs: &'a Inputs, stop: &'a Stop, metrics: &'a Metrics) -> Self {
        Self { job, inputs, metrics, stop, timings: Timings::default(), commits: BTreeMap::new() }
    }

    /// Runs `work` and counts its time as loading.
    pub(super) fn loading<T>(&mut self, work: impl FnOnce(&mut Self) -> T) -> T {
        let stage = Stage::begin(info_span!("load"));
        let loading = self.stop.loading();
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

    /// Runs the model so that a stop ends it between two batches.
    pub(super) fn watched<T>(&self, work: impl FnOnce(&Watch<'_>) -> Result<T, ModelError>) -> Result<T, JobError> {
        let cancelled = || self.stop.is_requested();
        if cancelled() {
            return Err(JobError::Interrupted);
        }
        work(&Watch { progress: None, cancelled: Some(&cancelled) }).map_err(|error| match error {
            ModelError::Cancelled => JobError::Interrupted,
            error => JobError::Model(error),
        })
    }

    /// Reads files that were hashed: fails if one of them is not the same afterwards, whatever came of reading.
    ///
    /// What is read lies in memory then, and the files may change.
    pub(super) fn read<T>(
        &self,
        files: &FilesInUse,
        read: impl FnOnce() -> Result<T, JobError>,
    ) -> Result<T, JobError> {
        tracing::trace!(?files, "an input was hashed, and is read now");
        let done = read();
        files.check()?;
        done
    }

    /// An input, if it is still what the job was made for.
    pub(super) fn checked(&mut self, place: &InputRef, located: Located, expected: Digest) -> Result<Found, JobError> {
        self.note_commit(place, located.commit);
        self.unchanged(place, located.digest, expected)?;
        Ok(Found { path: located.path, files: located.files_in_use })
    }

    /// Fails once a stop is requested.
    pub(super) fn go_on(&self) -> Result<(), JobError> {
        if self.stop.is_requested() { Err(JobError::Interrupted) } else { Ok(()) }
    }

    /// What the job came to.
    pub(super) fn computed(self, output: Output) -> Computed {
        Computed { output, timings: self.timings, commits: self.commits }
    }

    /// Fails if an input is not what the job was made for.
    pub(super) fn unchanged(&self, place: &InputRef, found: Digest, expected: Digest) -> Result<(), JobError> {
        unchanged(place, found, expected)
    }

    /// Keeps the commit that a hub input was resolved to.
    pub(super) fn note_commit(&mut self, place: &InputRef, commit: Option<String>) {
        if let Some(commit) = commit {
            self.commits.insert(place.to_string(), commit);
        }
    }
}

impl Attempt<'_> {
    /// The error of a task that cannot be scored.
    pub(super) fn unscored(&self, task: &TaskInput, source: ScoreError) -> JobError {
        JobError::Score { task: task.name.clone(), split: self.job.meaning.split.clone(), source }
    }
}

/// Fails if an input is not what a job was made for.
pub(super) fn unchanged(place: &InputRef, found: Digest, expected: Digest) -> Result<(), JobError> {
    if found == expected {
        return Ok(());
    }
    let place = place.to_string();
    Err(JobError::Changed { place, expected: expected.short(), found: found.short(), file: None })
}
