//! Reading the splits of a job.

use super::super::{
    attempt::{EvaluateJob, read_unchanged, unchanged},
    place,
};
use crate::JobError;
use evaluation::{DiskCache, Limits, ModelFamily, SplitError, SplitSource};
use inputs::{Inputs, LocatedData};
use jobs::{InputRef, Rows, TaskInput};
use std::path::PathBuf;

/// Reads the splits of the job at hand, on any thread.
pub(super) struct SplitReader<'a> {
    pub(super) job: EvaluateJob<'a>,
    pub(super) inputs: &'a Inputs,
    pub(super) cache: Option<PathBuf>,
}

/// A split as it was read, and what is noted of its source.
pub(super) struct ReadSplit<'a, S> {
    pub(super) split: S,
    pub(super) source: &'a InputRef,
    /// The commit that a source on the hub was resolved to.
    pub(super) commit: Option<String>,
}

impl<'a> SplitReader<'a> {
    /// Whether the data of a task are on this machine.
    pub(super) fn is_here(&self, task: &TaskInput) -> bool {
        place(&self.job.places.data, task, "data").is_ok_and(|spec| self.inputs.is_local(&spec.source))
    }

    /// Finds the task's split, and fetches what is not on this machine.
    pub(super) fn find(&self, task: &TaskInput) -> Result<LocatedData, JobError> {
        let spec = place(&self.job.places.data, task, "data")?;
        let located = self.inputs.expecting(task.data).data(spec, &self.job.meaning.split)?;
        unchanged(&spec.source, located.digest, task.data)?;
        Ok(located)
    }

    /// Reads the task's split where it was [found](Self::find), or its first examples.
    pub(super) fn read<F: ModelFamily>(
        &self,
        base: &F,
        task: &TaskInput,
        first: Option<u64>,
        located: LocatedData,
        limits: Limits,
    ) -> Result<ReadSplit<'a, F::Split>, JobError> {
        let Self { job, inputs: _, cache } = self;
        let spec = place(&job.places.data, task, "data")?;
        let digest = task.data.to_string();
        let cache = cache.as_deref().map(|folder| DiskCache { folder, digest: &digest });
        let rows = match first {
            Some(count) => Rows::First { count, of: Box::new(located.rows) },
            None => located.rows,
        };
        let source = SplitSource { files: &located.files, spec, rows: &rows, cache: cache.as_ref() };
        let wrong =
            |source: SplitError| JobError::Data { task: task.name.clone(), split: job.meaning.split.clone(), source };
        let split = read_unchanged(&located.files_in_use, || base.read(&source, limits).map_err(wrong))?;
        let absent = F::absent_classes(&split);
        // Of a few first examples, many classes are absent.
        if !absent.is_empty() && first.is_none() {
            let task = &task.name;
            let split = &job.meaning.split;
            tracing::warn!(%task, %split, classes = absent.join(", "), "the split has no image of some classes");
        }
        Ok(ReadSplit { split, source: &spec.source, commit: located.commit })
    }
}
