mod ahead;
mod held;
mod reader;

pub(super) use ahead::{Beside, NextSplit, ReadAhead};
pub(super) use held::HeldSplits;

use super::{attempt::Attempt, portion::TaskPlace};
use crate::{JobError, metrics::Cache};
use evaluation::{ExampleKind, Examples, HostBytes, Limits, ModelFamily, SplitMemory};
use held::SessionSplits;
use jobs::{Digest, TaskInput};
use reader::{ReadSplit, SplitReader};
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

    /// Bytes that the next split may take while it is read beside an evaluation of examples with `present_bytes` in the memory of the
    /// processor; `None` if it has to wait for its turn.
    ///
    /// While a device of its own computes, the processor has nothing to do. Where models run on the processor, reading would take its
    /// threads from the evaluation, whose steps are spread over all of them as decoding is: both together would take as long as one
    /// after the other, and one more split would lie in memory.
    fn reading_ahead(self, present_bytes: u64) -> Option<u64> {
        let left = self.host_bytes.saturating_sub(present_bytes);
        (!self.is_shared() && left > 0).then_some(left)
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
        self.get_or_take(attempt, base, task, &mut None)
    }

    /// The same, which takes the split that was read ahead if it is this one.
    pub(super) fn get_or_take(
        &mut self,
        attempt: &mut Attempt<'_>,
        base: &F,
        task: &TaskInput,
        ahead: &mut Option<ReadAhead<'_, F::Split>>,
    ) -> Result<Arc<F::Examples>, JobError> {
        if let Some(examples) = self.look_up(attempt, task) {
            self.place(attempt, base, task, &examples)?;
            return Ok(examples);
        }
        let split = match ahead.take_if(|ahead| ahead.data == task.data) {
            Some(ReadAhead { read, .. }) => noted(attempt, read),
            None => self.read_within_budget(attempt, base, task, None)?,
        };
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
        self.hold(task, &examples);
        Ok(examples)
    }

    /// The task's examples on the split of the job, for a use on the processor. Texts get no place on a device for it: their ids are sent
    /// once, for their embeddings, and would be sent twice.
    pub(super) fn get_for_gradients(
        &mut self,
        attempt: &mut Attempt<'_>,
        base: &F,
        task: &TaskInput,
    ) -> Result<Arc<F::Examples>, JobError> {
        match F::READS {
            ExampleKind::Images => return self.get(attempt, base, task),
            ExampleKind::Texts => {}
        }
        if let Some(examples) = self.look_up(attempt, task) {
            return Ok(examples);
        }
        let split = self.read_within_budget(attempt, base, task, None)?;
        let own = own_splits(attempt);
        while self.held.len() >= F::KEPT_SPLITS && self.held.drop_oldest_here_but(|data| own.contains(data)) {}
        let examples = Arc::new(attempt.evaluating(|watch| base.prepare(split, 0, watch))?);
        self.hold(task, &examples);
        Ok(examples)
    }

    fn look_up(&self, attempt: &Attempt<'_>, task: &TaskInput) -> Option<Arc<F::Examples>> {
        let held = self.held.get(task.data);
        attempt.metrics.looked_up(Cache::Data, held.is_some());
        held
    }

    /// Holds examples if that saves something and there is a place.
    fn hold(&self, task: &TaskInput, examples: &Arc<F::Examples>) {
        if let Some(bytes) = examples.kept_bytes()
            && self.held.len() < F::KEPT_SPLITS
        {
            self.held.put(task.data, examples, bytes);
        }
    }

    /// Places held examples on the device which found no room there before, once there is room beside the job's own splits.
    fn place(
        &self,
        attempt: &mut Attempt<'_>,
        base: &F,
        task: &TaskInput,
        examples: &Arc<F::Examples>,
    ) -> Result<(), JobError> {
        let needed = examples.unplaced_bytes();
        let Some(budget) = self.budget.device_bytes.filter(|_| needed > 0) else { return Ok(()) };
        let own = own_splits(attempt);
        let is_own = |data: &Digest| own.contains(data);
        if needed > budget.saturating_sub(self.held.own_bytes(is_own)) {
            return Ok(());
        }
        while self.held.bytes().saturating_add(needed) > budget && self.held.drop_oldest_but(is_own) {}
        let left = budget.saturating_sub(self.held.bytes());
        attempt.evaluating(|_| base.place(examples, left))?;
        // A split that is put again counts once.
        self.held.put(task.data, examples, examples.kept_bytes().unwrap_or(0));
        Ok(())
    }

    /// Bytes of all splits that are held.
    #[cfg(test)]
    pub(super) fn held_bytes(&self) -> u64 {
        self.held.bytes()
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
            let reader = self.reader(attempt);
            let limits = Limits { image_bytes };
            let read = attempt
                .loading(|_| reader.find(task).and_then(|located| reader.read(base, task, first, located, limits)));
            // The size of a split is known after its first rows, so a repeated read repeats little.
            let is_too_large = matches!(&read, Err(JobError::Data { source, .. }) if source.is_too_large());
            if !(is_too_large && self.make_room(&own)) {
                return Ok(noted(attempt, read?));
            }
        }
    }

    /// Drops a held split so that another one can be read, those in `own` last. Returns `false` if that makes no room.
    fn make_room(&mut self, own: &BTreeSet<Digest>) -> bool {
        self.budget.is_shared() && (self.held.drop_oldest_but(|data| own.contains(data)) || self.held.drop_oldest())
    }

    /// The first split of the tasks `after` the one at hand that is not held, to be [read](NextSplit::beside) while `present` is evaluated;
    /// `None` if there is none, one was read `ahead` before, or it has to wait. A split that has to be fetched first waits for its turn: the
    /// end of a job that is cancelled would wait for the network.
    pub(super) fn next<'s, 'a>(
        &'s self,
        attempt: &Attempt<'a>,
        base: &'s F,
        after: &[TaskPlace<'a>],
        present: &F::Examples,
        ahead: Option<&ReadAhead<'_, F::Split>>,
    ) -> Option<NextSplit<'s, 'a, F>> {
        let image_bytes = self.budget.reading_ahead(present.host_bytes()).filter(|_| ahead.is_none())?;
        // One thread alone evaluates, and would read afterwards.
        if rayon::current_num_threads() < 2 {
            return None;
        }
        let task = after.iter().map(|after| after.task).find(|task| !self.held.has(task.data))?;
        let reader = self.reader(attempt);
        let next = NextSplit { reader, base, task, limits: Limits { image_bytes } };
        next.reader.is_here(task).then_some(next)
    }

    fn reader<'a>(&self, attempt: &Attempt<'a>) -> SplitReader<'a> {
        SplitReader { job: attempt.job, inputs: attempt.inputs, cache: self.cache.clone() }
    }
}

/// Notes where a split came from.
fn noted<S>(attempt: &mut Attempt<'_>, read: ReadSplit<'_, S>) -> S {
    let ReadSplit { split, source, commit } = read;
    attempt.note_commit(source, commit);
    split
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
    fn the_next_split_has_what_the_present_one_leaves_and_waits_on_a_processor() {
        let apart = SplitBudget { host_bytes: 10, device_bytes: Some(1) };
        assert_eq!([0, 4, 10, 11].map(|present| apart.reading_ahead(present)), [Some(10), Some(6), None, None]);
        let shared = SplitBudget { device_bytes: None, ..apart };
        assert_eq!(shared.reading_ahead(0), None);
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
