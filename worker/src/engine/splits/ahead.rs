//! Reading the next split while a device evaluates the one before.

use super::{
    super::attempt::Attempt,
    reader::{ReadSplit, SplitReader},
};
use crate::JobError;
use evaluation::{Limits, ModelFamily};
use jobs::{Digest, TaskInput};
use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Instant,
};
use tracing::{Span, debug};

/// A split that was read before its turn: at most one at a time.
pub(in crate::engine) struct ReadAhead<'a, S> {
    pub(super) data: Digest,
    pub(super) read: ReadSplit<'a, S>,
}

/// The split that is read while the one before it is evaluated.
pub(in crate::engine) struct NextSplit<'s, 'a, F> {
    pub(super) reader: SplitReader<'a>,
    pub(super) base: &'s F,
    pub(super) task: &'a TaskInput,
    pub(super) limits: Limits,
}

impl<'a, F: ModelFamily> NextSplit<'_, 'a, F> {
    /// Reads it, unless the job `is_over` before it is found; `None` if that fails. It is read again in its turn then, within what is free by
    /// that time, and a failure is reported there.
    fn read(self, is_over: &(dyn Fn() -> bool + Sync)) -> Option<ReadAhead<'a, F::Split>> {
        let Self { reader, base, task, limits } = self;
        let read = reader.find(task).and_then(|located| {
            if is_over() { Err(JobError::Interrupted) } else { reader.read(base, task, None, located, limits) }
        });
        match read {
            Ok(read) => Some(ReadAhead { data: task.data, read }),
            Err(error) => {
                debug!(task = task.name, %error, "a split is not read ahead");
                None
            }
        }
    }

    /// Evaluates, and reads the split [beside](beside) that.
    pub(in crate::engine) fn beside<T: Send, E: Send>(
        self,
        attempt: &mut Attempt<'a>,
        evaluate: impl FnOnce(&mut Attempt<'a>) -> Result<T, E> + Send,
    ) -> Beside<Result<T, E>, ReadAhead<'a, F::Split>> {
        beside(attempt, evaluate, |is_over| self.read(is_over))
    }
}

/// What an evaluation came to, and what was read beside it.
pub(in crate::engine) struct Beside<T, R> {
    pub(in crate::engine) done: T,
    pub(in crate::engine) read: Option<R>,
}

/// Evaluates, and reads meanwhile on another thread of the current rayon pool. Where no other thread is idle before the evaluation is done,
/// its own reads after it. `read` is told whether the job is over, because it was cancelled or the evaluation failed: it needs no other split
/// then, and its end waits for what `read` still does.
///
/// Time that is left for reading after the evaluation counts as loading, and the rest of it not at all: no job waits for it.
fn beside<'a, T: Send, E: Send, R: Send>(
    attempt: &mut Attempt<'a>,
    evaluate: impl FnOnce(&mut Attempt<'a>) -> Result<T, E> + Send,
    read: impl FnOnce(&(dyn Fn() -> bool + Sync)) -> Option<R> + Send,
) -> Beside<Result<T, E>, R> {
    let span = Span::current();
    let context = attempt.context();
    let has_failed = AtomicBool::new(false);
    let is_over = || has_failed.load(Ordering::Relaxed) || context.cancellation.is_cancelled();
    let evaluated = || {
        let done = evaluate(attempt);
        has_failed.store(done.is_err(), Ordering::Relaxed);
        (done, context.loading(), Instant::now())
    };
    let read = || if is_over() { None } else { span.in_scope(|| read(&is_over)) };
    let ((done, loading, since), read) = rayon::join(evaluated, read);
    attempt.timings.load_s += since.elapsed().as_secs_f64();
    drop(loading);
    if read.is_some() {
        attempt.metrics.read_ahead();
    }
    Beside { done, read }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AttemptContext, Metrics, engine::attempt::EvaluateJob};
    use inputs::Inputs;
    use jobs::{Subject, Sweep};
    use std::{fs, path::Path, sync::mpsc::channel, time::Duration};

    /// Long enough for any machine. A test that waits so long fails.
    const NEVER: Duration = Duration::from_secs(300);

    fn with_attempt<T: Send>(work: impl FnOnce(&mut Attempt<'_>) -> T + Send) -> T {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/mini8");
        let text = fs::read_to_string(folder.join("knots-ties.yaml")).unwrap();
        let inputs = Inputs::new(inputs::Settings::default());
        let frozen = coordinator::freeze(Sweep::from_yaml(&text, &folder, &[]).unwrap(), &inputs).unwrap();
        let meaning = frozen.meaning(Subject::Base, "validation");
        let job = frozen.job(meaning.clone());
        let context = AttemptContext::default();
        let metrics = Metrics::default();
        let job = EvaluateJob { meaning: &meaning, places: &job.places };
        let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
        pool.install(|| work(&mut Attempt::new(job, &inputs, &context, &metrics)))
    }

    #[test]
    fn the_next_split_is_read_before_the_evaluation_beside_it_ends() {
        with_attempt(|attempt| {
            let (has_read, read) = channel();
            let (has_begun, begun) = channel();
            // Each waits for the other one: one after the other, they would never end.
            let evaluate = move |_: &mut Attempt<'_>| {
                has_begun.send(()).unwrap();
                read.recv_timeout(NEVER)
            };
            let read = move |_: &(dyn Fn() -> bool + Sync)| {
                begun.recv_timeout(NEVER).ok()?;
                has_read.send(()).ok()?;
                Some(7)
            };
            let Beside { done, read } = beside(attempt, evaluate, read);
            assert!(done.is_ok(), "the evaluation ended before the split was read");
            assert_eq!((read, attempt.metrics.splits_read_ahead()), (Some(7), 1));
        });
    }

    #[test]
    fn a_job_that_is_over_reads_nothing_ahead_and_a_read_that_has_begun_is_told() {
        with_attempt(|attempt| {
            let (has_begun, begun) = channel();
            let evaluate = move |_: &mut Attempt<'_>| begun.recv_timeout(NEVER).map_err(drop).and(Err::<(), ()>(()));
            let read = move |is_over: &(dyn Fn() -> bool + Sync)| {
                let before = is_over();
                has_begun.send(()).ok()?;
                while !is_over() {
                    std::thread::yield_now();
                }
                (!before).then_some(7)
            };
            let Beside { done, read } = beside(attempt, evaluate, read);
            assert_eq!((done, read), (Err(()), Some(7)), "the evaluation failed while the split was read");

            attempt.context().cancellation.cancel();
            let Beside { done, read } = beside(attempt, |_| Ok::<_, ()>(1), |_| Some(7));
            assert_eq!((done, read), (Ok(1), None), "cancelled before");
        });
    }

    #[test]
    fn what_the_job_waits_for_counts_as_loading_and_a_failed_read_is_no_split() {
        with_attempt(|attempt| {
            let context = attempt.context();
            let (has_evaluated, evaluated) = channel();
            let read = move |_: &(dyn Fn() -> bool + Sync)| {
                evaluated.recv_timeout(NEVER).ok()?;
                // The evaluation marks that it is done just after it says so.
                while !context.load_time().is_loading {
                    std::thread::yield_now();
                }
                None::<u32>
            };
            let Beside { done, read } = beside(attempt, |_| has_evaluated.send(()), read);
            assert!(done.is_ok() && read.is_none() && !context.load_time().is_loading);
            assert!(attempt.timings.load_s > 0.0 && attempt.timings.evaluate_s <= 0.0, "{:?}", attempt.timings);
            assert_eq!(attempt.metrics.splits_read_ahead(), 0);
        });
    }
}
