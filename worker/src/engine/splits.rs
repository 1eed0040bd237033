mod held;

pub(super) use held::HeldSplits;

use super::{attempt::Attempt, place};
use crate::{JobError, metrics::Cache};
use evaluation::{DiskCache, ExampleKind, Examples, Limits, ModelFamily, SplitError, SplitMemory, SplitSource};
use held::SessionSplits;
use jobs::{Digest, Rows, TaskInput};
use std::{collections::BTreeSet, path::PathBuf, sync::Arc};

/// Bytes that the splits of all sessions may take together.
#[derive(Debug, Clone, Copy)]
pub(super) struct SplitBudget {
    /// In the memory of the processor.
    pub(super) host_bytes: u64,
    /// On a device of its own memory, where prepared splits lie then.
    pub(super) device_bytes: Option<u64>,
}

impl SplitBudget {
    /// Whether what is held takes away from what may be read.
    fn is_shared(self) -> bool {
        self.device_bytes.is_none()
    }

    /// Bytes that a split may take while it is read, beside what is held.
    fn reading(self, held_bytes: u64) -> u64 {
        let left = if self.is_shared() { self.host_bytes.saturating_sub(held_bytes) } else { self.host_bytes };
        left.max(LEAST_BYTES)
    }

    /// Bytes that a split may take which is prepared for one use, beside what is held.
    fn preparing_once(self, reads: ExampleKind, held_bytes: u64) -> u64 {
        match (self.device_bytes, reads) {
            // The split lies in the same memory already.
            (None, ExampleKind::Images | ExampleKind::Texts) => u64::MAX,
            (Some(bytes), ExampleKind::Images) => bytes.saturating_sub(held_bytes),
            // Their ids are sent when they are used: placed before, they would be sent twice.
            (Some(_), ExampleKind::Texts) => 0,
        }
    }
}

/// The splits that the job at hand needs.
fn own_splits(attempt: &Attempt<'_>) -> BTreeSet<Digest> {
    attempt.job.meaning.tasks.iter().map(|task| task.data).collect()
}

/// Prepared splits of the tasks that the last jobs of one base used, within a memory budget that all bases share.
///
/// What the job at hand needs is not dropped to hold another one of its splits: a job goes through all of its splits in turn, and
/// would find none of them in the next turn. A split that no longer fits is held in a smaller form, or prepared for every job. Only
/// where a split could not be read otherwise, because both lie in the memory of the processor, the job's own are dropped too.
pub(super) struct Splits<F: ModelFamily> {
    budget: SplitBudget,
    held: SessionSplits<F::Examples>,
    cache: Option<PathBuf>,
}

/// Bytes that a split may take while it is read, even if the budget for kept splits is smaller.
const LEAST_BYTES: u64 = 256 << 20;

impl<F: ModelFamily> Splits<F> {
    /// Those of the session with this key.
    pub(super) fn new(budget: SplitBudget, held: HeldSplits, session: Digest, cache: Option<PathBuf>) -> Self {
        Self { budget, held: SessionSplits::new(held, session), cache }
    }

    /// The task's examples on the split of the job, read and prepared at first use.
    pub(super) fn get(
        &mut self,
        attempt: &mut Attempt<'_>,
        base: &F,
        task: &TaskInput,
    ) -> Result<Arc<F::Examples>, JobError> {
        let held = self.held.get(task.data);
        attempt.metrics.looked_up(Cache::Data, held.is_some());
        if let Some(examples) = held {
            return Ok(examples);
        }
        let split = self.read_within_budget(attempt, base, task, None)?;
        let SplitMemory { read_bytes, prepared_bytes } = base.split_memory(&split);
        // The split as it was read stays in the memory of the processor until it is prepared.
        let (budget, beside) = match self.budget {
            SplitBudget { host_bytes, device_bytes: None } => (host_bytes, read_bytes),
            SplitBudget { device_bytes: Some(device_bytes), .. } => (device_bytes, 0),
        };
        let own = own_splits(attempt);
        let is_own = |data: &Digest| own.contains(data);
        // Nothing makes room for a form that does not fit beside the job's own splits. As pixels a split takes what it took when it was
        // read.
        let left_at_most = budget.saturating_sub(self.held.own_bytes(is_own)).saturating_sub(beside);
        let form_bytes = if prepared_bytes <= left_at_most { prepared_bytes } else { read_bytes };
        let needed = if form_bytes <= left_at_most { form_bytes.saturating_add(beside) } else { 0 };
        while self.held.bytes().saturating_add(needed) > budget && self.held.drop_oldest_but(is_own) {}
        while self.held.len() >= F::KEPT_SPLITS && self.held.drop_oldest_here_but(is_own) {}
        let left = budget.saturating_sub(self.held.bytes()).saturating_sub(beside);
        let examples = Arc::new(attempt.evaluating(|watch| base.prepare(split, left, watch))?);
        if let Some(bytes) = examples.kept_bytes()
            && self.held.len() < F::KEPT_SPLITS
        {
            self.held.put(task.data, &examples, bytes);
        }
        Ok(examples)
    }

    /// The first `count` examples of the task on the split of the job, read and prepared for one use.
    pub(super) fn first(
        &mut self,
        attempt: &mut Attempt<'_>,
        base: &F,
        task: &TaskInput,
        count: u64,
    ) -> Result<F::Examples, JobError> {
        let split = self.read_within_budget(attempt, base, task, Some(count))?;
        let budget = self.budget.preparing_once(F::READS, self.held.bytes());
        attempt.evaluating(|watch| base.prepare(split, budget, watch))
    }

    /// Reads the task's split, or its first examples. Held splits are dropped until it fits, if they lie where it is read.
    pub(super) fn read_within_budget(
        &mut self,
        attempt: &mut Attempt<'_>,
        base: &F,
        task: &TaskInput,
        first: Option<u64>,
    ) -> Result<F::Split, JobError> {
        self.read_bounded(attempt, base, task, first, u64::MAX)
    }

    /// The same of the whole split, if its images take no more than so many bytes of memory.
    pub(super) fn read_at_most(
        &mut self,
        attempt: &mut Attempt<'_>,
        base: &F,
        task: &TaskInput,
        bytes: u64,
    ) -> Result<F::Split, JobError> {
        self.read_bounded(attempt, base, task, None, bytes)
    }

    /// Whether the budget is larger than that, so that another limit was the reason if a split was too large for it.
    pub(super) fn allows(&self, bytes: u64) -> bool {
        self.budget.reading(self.held.bytes()) > bytes
    }

    fn read_bounded(
        &mut self,
        attempt: &mut Attempt<'_>,
        base: &F,
        task: &TaskInput,
        first: Option<u64>,
        at_most: u64,
    ) -> Result<F::Split, JobError> {
        let own = own_splits(attempt);
        loop {
            let image_bytes = self.budget.reading(self.held.bytes()).min(at_most);
            let read = attempt.loading(|attempt| self.read(attempt, base, task, first, Limits { image_bytes }));
            // The size of a split is known after its first rows, so a repeated read repeats little.
            let is_too_large = matches!(&read, Err(JobError::Data { source, .. }) if source.is_too_large());
            if !(is_too_large && self.make_room(&own)) {
                return read;
            }
        }
    }

    /// Drops a held split so that another one can be read, those in `own` last. Returns `false` if that makes no room.
    fn make_room(&mut self, own: &BTreeSet<Digest>) -> bool {
        self.budget.is_shared() && (self.held.drop_oldest_but(|data| own.contains(data)) || self.held.drop_oldest())
    }

    fn read(
        &self,
        attempt: &mut Attempt<'_>,
        base: &F,
        task: &TaskInput,
        first: Option<u64>,
        limits: Limits,
    ) -> Result<F::Split, JobError> {
        let job = attempt.job;
        let spec = place(&job.places.data, task, "data")?;
        let located = attempt.inputs.expecting(task.data).data(spec, &job.meaning.split)?;
        attempt.note_commit(&spec.source, located.commit);
        attempt.unchanged(&spec.source, located.digest, task.data)?;
        let digest = task.data.to_string();
        let cache = self.cache.as_deref().map(|folder| DiskCache { folder, digest: &digest });
        let rows = match first {
            Some(count) => Rows::First { count, of: Box::new(located.rows) },
            None => located.rows,
        };
        let source = SplitSource { files: &located.files, spec, rows: &rows, cache: cache.as_ref() };
        let wrong =
            |source: SplitError| JobError::Data { task: task.name.clone(), split: job.meaning.split.clone(), source };
        let split = attempt.read(&located.files_in_use, || base.read(&source, limits).map_err(wrong))?;
        let absent = F::absent_classes(&split);
        // Of a few first examples, many classes are absent.
        if !absent.is_empty() && first.is_none() {
            let task = &task.name;
            let split = &job.meaning.split;
            tracing::warn!(%task, %split, classes = absent.join(", "), "the split has no image of some classes");
        }
        Ok(split)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_on_a_device_takes_nothing_away_from_reading() {
        let host_bytes = 4 << 30;
        let shared = SplitBudget { host_bytes, device_bytes: None };
        assert!(shared.is_shared());
        assert_eq!(shared.reading(1 << 30), 3 << 30);
        assert_eq!(shared.reading(host_bytes), LEAST_BYTES);
        let apart = SplitBudget { host_bytes, device_bytes: Some(1 << 40) };
        assert!(!apart.is_shared(), "dropping there would make no room");
        assert_eq!(apart.reading(1 << 39), host_bytes);
    }

    #[test]
    fn texts_that_are_used_once_are_not_placed_on_a_device_before() {
        let shared = SplitBudget { host_bytes: 10, device_bytes: None };
        let apart = SplitBudget { host_bytes: 10, device_bytes: Some(100) };
        assert_eq!(shared.preparing_once(ExampleKind::Texts, 30), u64::MAX);
        assert_eq!(shared.preparing_once(ExampleKind::Images, 30), u64::MAX);
        assert_eq!(apart.preparing_once(ExampleKind::Images, 30), 70);
        assert_eq!(apart.preparing_once(ExampleKind::Texts, 30), 0);
    }
}
