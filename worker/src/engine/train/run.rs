//! The steps of a leg.

use crate::AttemptContext;
use evaluation::{Head, TrainError, TrainState, TrainStep, Trainer, Watch};
use jobs::{Evaluated, StepsMade, TrainSpec};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

/// Where a leg stands: what is trained, and the head that examples are scored with unless it is trained as well.
pub(super) struct Run {
    pub(super) trainer: Trainer,
    pub(super) state: TrainState,
    pub(super) head: Arc<Head>,
    /// Where the attempt began, and when.
    from: Position,
    began: Instant,
}

/// How far an attempt at a leg has gone.
pub(super) enum Gone {
    /// All steps of the leg are made, or training was stopped early.
    ToTheEnd,
    /// The leg has computed for long enough.
    ToRest,
}

/// The place of a state in its run.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Position {
    steps: usize,
    evaluations: usize,
    /// Examples of the evaluation that has begun.
    examples: usize,
}

impl Position {
    fn of(state: &TrainState) -> Self {
        let examples = state.begun.map_or(0, |begun| begun.done);
        Self { steps: state.steps(), evaluations: state.evaluations.len(), examples }
    }
}

impl Run {
    pub(super) fn new(trainer: Trainer, state: TrainState, head: Arc<Head>) -> Self {
        let from = Position::of(&state);
        Self { trainer, state, head, from, began: Instant::now() }
    }

    /// Whether the attempt has made a step or a part of an evaluation.
    pub(super) fn has_progressed(&self) -> bool {
        Position::of(&self.state) != self.from
    }

    /// Makes the steps of a leg, or those until training is stopped early or the leg has to rest. Each attempt makes a step or a part of
    /// an evaluation, so that a leg comes to its end however long these take. After the last one the leg may rest as well: what follows is
    /// the accuracy, for which the whole time of an attempt is left then.
    pub(super) fn go_to(
        &mut self,
        spec: &TrainSpec,
        context: &AttemptContext,
        watch: &Watch<'_>,
    ) -> Result<Gone, TrainError> {
        // A leg that goes on shows its step before it makes one.
        context.made_steps(self.steps_made(spec));
        while self.trainer.advance(&mut self.state, spec.leg.end, watch)?.is_some() {
            // An evaluation makes no step, but takes time, which the time that is left depends on.
            context.made_steps(self.steps_made(spec));
            if context.is_to_rest() {
                return Ok(Gone::ToRest);
            }
        }
        Ok(Gone::ToTheEnd)
    }

    /// How far the attempt has come; `None` before the first step of the training.
    fn steps_made(&self, spec: &TrainSpec) -> Option<StepsMade> {
        let TrainStep { loss, rate, .. } = *self.state.trace.last()?;
        let took_ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let n = self.trainer.validation_examples();
        Some(StepsMade {
            task: spec.task.clone(),
            first: self.from.steps,
            made: self.state.steps(),
            end: spec.leg.end,
            of: spec.steps(),
            loss,
            rate,
            took_ms,
            evaluated: self.state.begun.map(|begun| Evaluated { done: begun.done, n }),
        })
    }

    /// Runs an evaluation of `n` examples after the last step, and shows how far it has come.
    pub(super) fn showing<T>(
        &self,
        spec: &TrainSpec,
        context: &AttemptContext,
        n: usize,
        evaluate: impl FnOnce(&(dyn Fn(usize) + Sync)) -> T,
    ) -> T {
        let made = self.steps_made(spec);
        let done = AtomicUsize::new(0);
        evaluate(&|count: usize| {
            let done = count + done.fetch_add(count, Ordering::Relaxed);
            let evaluated = Some(Evaluated { done: done.min(n), n });
            context.made_steps(made.clone().map(|made| StepsMade { evaluated, ..made }));
        })
    }
}
