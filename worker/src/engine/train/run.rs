//! The steps of a leg.

use crate::AttemptContext;
use evaluation::{Head, TrainError, TrainState, TrainStep, Trainer, Watch};
use jobs::{StepsMade, TrainLeg, TrainSpec};
use std::{sync::Arc, time::Instant};

/// Where a leg stands: what is trained, and the head that examples are scored with unless it is trained as well.
pub(super) struct Run {
    pub(super) trainer: Trainer,
    pub(super) state: TrainState,
    pub(super) head: Arc<Head>,
    /// Whether the leg may rest.
    pub(super) may_rest: bool,
}

/// How far an attempt at a leg has gone.
pub(super) enum Gone {
    /// All steps of the leg are made, or training was stopped early.
    ToTheEnd,
    /// The leg has computed for long enough.
    ToRest,
}

impl Run {
    /// Makes the steps of a leg, or those until training is stopped early or the leg has to rest. Each attempt makes a step or a part of
    /// an evaluation, so that a leg comes to its end however long these take. After the last one the leg may rest as well: what follows is
    /// the accuracy, for which the whole time of an attempt is left then.
    pub(super) fn go_to(
        &mut self,
        spec: &TrainSpec,
        context: &AttemptContext,
        watch: &Watch<'_>,
    ) -> Result<Gone, TrainError> {
        let TrainLeg { first, end, .. } = spec.leg;
        // An attempt that goes on after a rest makes the steps from there.
        let first = first.max(self.state.steps());
        let began = Instant::now();
        while self.trainer.advance(&mut self.state, end, watch)?.is_some() {
            // An evaluation makes no step, but takes time, which the time that is left depends on.
            context.made_steps(self.steps_made(spec, first, began));
            if self.may_rest && context.is_to_rest() {
                return Ok(Gone::ToRest);
            }
        }
        Ok(Gone::ToTheEnd)
    }

    /// How far the attempt has come that began after the step `first`; `None` before its first step.
    fn steps_made(&self, spec: &TrainSpec, first: usize, began: Instant) -> Option<StepsMade> {
        let made = self.state.steps();
        let TrainStep { loss, rate, .. } = *self.state.trace.last().filter(|_| made > first)?;
        let took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        Some(StepsMade {
            task: spec.task.clone(),
            first,
            made,
            end: spec.leg.end,
            of: spec.steps(),
            loss,
            rate,
            took_ms,
        })
    }
}
