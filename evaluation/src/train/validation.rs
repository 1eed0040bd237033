//! Evaluations between steps, by which early stopping decides.

use super::{
    BegunEvaluation, StepAugmentation, TrainError, TrainExamples, TrainState, TrainStep, Trainer,
    groups::ROWS,
    trainer::{HELD_GROUPS, check_classes},
};
use crate::{Watch, tune};
use jobs::{EarlyStopping, StoppingMetric};
use serde::{Deserialize, Serialize};

/// Tokens that are embedded at a time, about: as many as the groups of a step hold.
const HELD_ROWS: usize = HELD_GROUPS * ROWS;

/// The examples that early stopping looks at.
pub struct Validation {
    /// The examples.
    pub examples: TrainExamples,
    /// The row of the head of each example's class.
    pub classes: Vec<usize>,
    /// Bytes of memory that the examples take as they were read.
    pub bytes: u64,
}

/// What an adapter in training came to on the validation split.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evaluation {
    /// The steps that were made before it.
    pub steps: usize,
    /// Examples that are named rightly.
    pub correct: usize,
    /// All examples.
    pub n: usize,
    /// The mean cross-entropy, without label smoothing.
    pub loss: f64,
}

/// What a run did next.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Advance {
    /// It made a step.
    Step(TrainStep),
    /// It evaluated the adapter on some more examples.
    Begun(BegunEvaluation),
    /// It evaluated the adapter on the last examples.
    Evaluated(Evaluation),
}

impl Evaluation {
    /// The value that early stopping compares.
    pub fn value(&self, metric: StoppingMetric) -> f64 {
        match metric {
            StoppingMetric::Accuracy => self.correct as f64 / self.n as f64,
            StoppingMetric::Loss => self.loss,
        }
    }
}

impl TrainState {
    /// The evaluation whose adapter is kept, by the rules of early stopping; `None` before the first one.
    pub fn kept_evaluation(&self, stopping: &EarlyStopping) -> Option<&Evaluation> {
        self.evaluations.get(stopping.best(&self.values(stopping))?)
    }

    /// Whether training is over before its last step.
    pub fn is_stopped(&self, stopping: &EarlyStopping) -> bool {
        stopping.is_over(&self.values(stopping))
    }

    fn values(&self, stopping: &EarlyStopping) -> Vec<f64> {
        self.evaluations.iter().map(|evaluation| evaluation.value(stopping.metric)).collect()
    }
}

impl Trainer {
    /// The same run with the examples that early stopping looks at.
    ///
    /// # Errors
    /// There are none, or a class lies beyond the head or is masked.
    pub fn validating(mut self, validation: Validation) -> Result<Self, TrainError> {
        check_classes(&validation.classes, &self.readout)?;
        self.validation = Some(validation);
        Ok(self)
    }

    /// The number of examples that early stopping looks at; none without them.
    pub fn validation_examples(&self) -> usize {
        self.validation.as_ref().map_or(0, |validation| validation.classes.len())
    }

    /// Makes the next step, or the next part of the evaluation that is due after the last one; `None` once `end` steps are made, or once training
    /// was stopped early.
    ///
    /// A call takes about as long as a step, so that a caller can stop after any of them and loses nothing.
    ///
    /// # Errors
    /// As [`step`](Self::step); early stopping without [examples](Self::validating).
    pub fn advance(
        &mut self,
        state: &mut TrainState,
        end: usize,
        watch: &Watch<'_>,
    ) -> Result<Option<Advance>, TrainError> {
        if let Some(stopping) = self.settings.early_stopping {
            // Said before a step is made, and not after it.
            if self.validation.is_none() {
                return Err(TrainError::NoExamples);
            }
            if state.evaluations.len() < stopping.evaluations(state.steps(), self.steps()) {
                return self.evaluate_part(state, &stopping, watch).map(Some);
            }
            if state.is_stopped(&stopping) {
                return Ok(None);
            }
        }
        if state.steps() >= end.min(self.steps()) {
            return Ok(None);
        }
        self.step(state, watch).map(|made| Some(Advance::Step(made)))
    }

    /// Evaluates the adapter of a state on the next examples, and keeps it after the last ones if it is the best one.
    ///
    /// # Numerics
    /// As in a step: on the processor in `f32`, and the same whatever the threads. Sums are in `f64`, example by example in their order,
    /// so that parts do not change them. Examples are not augmented.
    fn evaluate_part(
        &mut self,
        state: &mut TrainState,
        stopping: &EarlyStopping,
        watch: &Watch<'_>,
    ) -> Result<Advance, TrainError> {
        self.check_state(state)?;
        self.take_values(state);
        let validation = self.validation.as_ref().ok_or(TrainError::NoExamples)?;
        let n = validation.classes.len();
        let mut sums = state.begun.unwrap_or_default();
        let left: Vec<usize> = (sums.done..n).collect();
        let held = first_part(&left, |example| validation.examples.tokens(example));
        let unchanged = StepAugmentation { kinds: &[], seed: 0, step: 0, first: 0 };
        let taken = validation.examples.take(held, unchanged)?;
        let quiet = Watch { progress: None, cancelled: watch.cancelled };
        let features = self.tower.features(&taken.sequences, &taken.places, &self.scales, &quiet)?;
        for (logits, example) in self.readout.logits(&features).iter().zip(held) {
            let class = validation.classes[*example];
            sums.loss += tune::loss(logits, tune::Target::Class(class)).value;
            sums.correct += usize::from(first_largest(logits) == Some(class));
        }
        sums.done += held.len();
        let steps = state.steps();
        if !sums.loss.is_finite() {
            let rate = self.settings.rate_of(steps.saturating_sub(1), self.steps());
            return Err(TrainError::NotFinite { what: "the loss on the validation split", step: steps, rate });
        }
        if sums.done < n {
            state.begun = Some(sums);
            return Ok(Advance::Begun(sums));
        }
        let made = Evaluation { steps, correct: sums.correct, n, loss: sums.loss / n as f64 };
        state.begun = None;
        state.evaluations.push(made);
        if state.kept_evaluation(stopping) == Some(&made) {
            state.kept = state.tensors.iter().map(|tensor| tensor.values.clone()).collect();
        }
        Ok(Advance::Evaluated(made))
    }

    /// What is wrong with the evaluations of a state, if anything.
    pub(super) fn evaluation_problem(&self, state: &TrainState) -> Option<String> {
        let made = &state.evaluations;
        let Some(stopping) = self.settings.early_stopping else {
            let has_none = made.is_empty() && state.kept.is_empty() && state.begun.is_none();
            return (!has_none).then(|| "it has evaluations, and the run has no early stopping".to_owned());
        };
        // This is checked in every step, and must not look at all steps.
        let due = |place: usize| (place + 1).saturating_mul(stopping.every).min(self.steps());
        let are_due = made.iter().enumerate().all(|(place, evaluation)| evaluation.steps == due(place));
        let expected = stopping.evaluations(state.steps(), self.steps());
        // The last one may be missing, where the caller was interrupted.
        let is_complete = (expected.saturating_sub(1)..=expected).contains(&made.len());
        if !are_due || !is_complete {
            return Some(format!("it has {} evaluations, expected {expected}", made.len()));
        }
        let n = self.validation.as_ref().map(|validation| validation.classes.len());
        if let Some(BegunEvaluation { done, correct, loss }) = state.begun {
            let is_part = n.is_some_and(|n| (1..n).contains(&done)) && correct <= done && loss.is_finite();
            if !is_part || made.len() == expected {
                return Some(format!(
                    "its evaluation after step {} cannot have begun on {done} examples",
                    state.steps()
                ));
            }
        }
        if let Some(other) = made.iter().find(|evaluation| Some(evaluation.n) != n || !evaluation.loss.is_finite()) {
            return Some(format!("its evaluation after step {} is of other examples, or not finite", other.steps));
        }
        let lengths = state.tensors.iter().map(|tensor| tensor.values.len());
        let is_kept = state.kept.iter().map(Vec::len).eq(lengths) && state.kept.iter().flatten().all(|x| x.is_finite());
        let fits = if made.is_empty() { state.kept.is_empty() } else { is_kept };
        (!fits).then(|| "the adapter that it keeps does not fit".to_owned())
    }
}

/// The examples that are embedded at once; the last one goes over their tokens.
fn first_part(left: &[usize], tokens_of: impl Fn(usize) -> usize) -> &[usize] {
    let mut tokens = 0;
    let is_full = |example: &usize| {
        tokens += tokens_of(*example);
        tokens >= HELD_ROWS
    };
    let end = left.iter().position(is_full).map_or(left.len(), |last| last + 1);
    &left[..end]
}

/// The class of the largest logit, the first of equal ones.
fn first_largest(logits: &[f64]) -> Option<usize> {
    let larger = |best: usize, class: usize| if logits[class] > logits[best] { class } else { best };
    (0..logits.len()).reduce(larger)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_holds_about_so_many_tokens_and_at_least_one_example() {
        let places: Vec<usize> = (3..13).collect();
        let size = |tokens: usize| first_part(&places, |_| tokens).len();
        assert_eq!([size(HELD_ROWS / 4), size(HELD_ROWS * 2), size(1)], [4, 1, 10]);
        assert_eq!(first_part(&places, |_| HELD_ROWS / 2), [3, 4]);
        assert!(first_part(&[], |_| 1).is_empty());
    }

    #[test]
    fn the_first_of_equal_logits_is_the_answer_and_a_masked_class_is_none() {
        assert_eq!(first_largest(&[f64::NEG_INFINITY, 2.0, 2.0]), Some(1));
        assert_eq!(first_largest(&[]), None);
    }
}
