//! The steps of a leg.

use crate::AttemptContext;
use evaluation::{Advance, Head, TrainError, TrainState, TrainStep, Trainer, Watch};
use jobs::{StepsMade, TrainLeg, TrainSpec};
use std::{sync::Arc, time::Instant};

/// Where a leg stands: what is trained, and the head that examples are scored with unless it is trained as well.
pub(super) struct Run {
    pub(super) trainer: Trainer,
    pub(super) state: TrainState,
    pub(super) head: Arc<Head>,
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
    /// an evaluation, so that a leg comes to its end however long these take.
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
        while let Some(advance) = self.trainer.advance(&mut self.state, end, watch)? {
            if let Advance::Step(TrainStep { loss, rate, .. }) = advance {
                context.made_steps(StepsMade {
                    task: spec.task.clone(),
                    first,
                    made: self.state.steps(),
                    end,
                    of: spec.steps(),
                    loss,
                    rate,
                    took_ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
                });
            }
            if context.rest.is_some_and(|rest| began.elapsed() >= rest) {
                return Ok(Gone::ToRest);
            }
        }
        Ok(Gone::ToTheEnd)
    }
}
