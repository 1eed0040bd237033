use crate::failure::{Failure, FinetuneFailure, InputFailure};
use evaluation::{DiskCache, Limits, ModelFamily, SplitSource};
use inputs::Inputs;
use jobs::{Digest, FinetuneTask};
use std::{collections::HashMap, path::Path};

/// A split of the task that is trained for, as it was read.
pub(super) struct ReadSplit<F: ModelFamily> {
    pub(super) name: String,
    pub(super) split: F::Split,
    pub(super) digest: Digest,
}

/// How splits are read.
pub(super) struct SplitReader<'a> {
    pub(super) inputs: &'a Inputs,
    pub(super) task: &'a FinetuneTask,
    pub(super) cache: Option<&'a Path>,
    pub(super) limits: Limits,
}

impl SplitReader<'_> {
    /// Reads a split. A file that changed between hashing and the end of reading is refused.
    pub(super) fn read<F: ModelFamily>(&self, base: &F, name: &str) -> Result<ReadSplit<F>, Failure> {
        let spec = &self.task.data;
        let located = self
            .inputs
            .data(spec, name)
            .map_err(|source| InputFailure::Argument { argument: spec.source.to_string(), source })?;
        let digest = located.digest.to_string();
        let cache = self.cache.map(|folder| DiskCache { folder, digest: &digest });
        let source = SplitSource { files: &located.files, spec, rows: &located.rows, cache: cache.as_ref() };
        let split = base.read(&source, self.limits);
        // Checked even if reading failed: the change may be the cause of the error.
        located.files_in_use.check()?;
        let wrong = |source| FinetuneFailure::Split { task: self.task.name.clone(), split: name.to_owned(), source };
        Ok(ReadSplit { name: name.to_owned(), split: split.map_err(wrong)?, digest: located.digest })
    }
}

/// Fails if an example of `other` is trained on: the same image or text, wherever it lies.
pub(super) fn refuse_overlap<F: ModelFamily>(
    task: &str,
    training: &ReadSplit<F>,
    other: &ReadSplit<F>,
) -> Result<(), Failure> {
    let trained: HashMap<Digest, usize> =
        F::example_digests(&training.split).into_iter().enumerate().map(|(n, digest)| (digest, n)).collect();
    let others = F::example_digests(&other.split);
    let shared: Vec<(usize, usize)> =
        others.iter().enumerate().filter_map(|(n, digest)| Some((n, *trained.get(digest)?))).collect();
    match shared.first() {
        None => Ok(()),
        Some((first, trained)) => Err(FinetuneFailure::Overlap {
            task: task.to_owned(),
            split: other.name.clone(),
            training: training.name.clone(),
            shared: shared.len(),
            n: others.len(),
            first: *first,
            trained: *trained,
        }
        .into()),
    }
}
