use super::{TrainSettingsError, refuse};
use serde::{Deserialize, Serialize};

/// Ends a training before its last step once it no longer gets better on the validation split, and keeps the best step.
///
/// The adapter is evaluated after every `every` steps, and after the last step. An evaluation is better if its metric exceeds that
/// of the best one so far by more than `min_delta`; the first evaluation is always the best so far. Training stops after `patience`
/// evaluations in a row that are not better. The adapter is that of the best evaluation, whether or not training stopped early.
///
/// # Source
/// `EarlyStopping` of Keras with `restore_best_weights`; `EarlyStoppingCallback` of transformers.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EarlyStopping {
    /// What is compared.
    pub metric: StoppingMetric,
    /// Steps between two evaluations.
    pub every: usize,
    /// Evaluations in a row that may fail to be better.
    pub patience: usize,
    /// By how much an evaluation must exceed the best one.
    pub min_delta: f64,
}

/// What early stopping compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StoppingMetric {
    /// The share of examples that are named rightly: more is better.
    Accuracy,
    /// The mean cross-entropy without label smoothing: less is better.
    Loss,
}

impl EarlyStopping {
    /// Whether the adapter is evaluated after so many steps, of a training of `last`.
    pub fn is_due(&self, steps: usize, last: usize) -> bool {
        steps > 0 && (steps.is_multiple_of(self.every) || steps == last)
    }

    /// The number of evaluations that were due after so many steps, of a training of `last`.
    pub fn evaluations(&self, steps: usize, last: usize) -> usize {
        let is_extra = steps > 0 && steps == last && !steps.is_multiple_of(self.every);
        steps / self.every + usize::from(is_extra)
    }

    /// Whether one value of the metric exceeds another by enough.
    pub fn is_better(&self, value: f64, best: f64) -> bool {
        match self.metric {
            StoppingMetric::Accuracy => value - best > self.min_delta,
            StoppingMetric::Loss => best - value > self.min_delta,
        }
    }

    /// The place of the best of these values, which follow each other; `None` if there are none.
    pub fn best(&self, values: &[f64]) -> Option<usize> {
        let better = |best: usize, place: usize| if self.is_better(values[place], values[best]) { place } else { best };
        (0..values.len()).reduce(better)
    }

    /// Whether training stops after these values.
    ///
    /// # Examples
    /// ```
    /// use jobs::{EarlyStopping, StoppingMetric};
    ///
    /// let stopping = EarlyStopping { metric: StoppingMetric::Loss, every: 10, patience: 2, min_delta: 0.0 };
    /// assert_eq!(stopping.best(&[0.9, 0.7, 0.8]), Some(1));
    /// assert!(!stopping.is_over(&[0.9, 0.7, 0.8]));
    /// assert!(stopping.is_over(&[0.9, 0.7, 0.8, 0.7]));
    /// ```
    pub fn is_over(&self, values: &[f64]) -> bool {
        self.best(values).is_some_and(|best| values.len() - 1 - best >= self.patience)
    }

    pub(super) fn check(&self) -> Result<(), TrainSettingsError> {
        refuse(self.every >= 1, "early_stopping.every", self.every, "at least 1")?;
        refuse(self.patience >= 1, "early_stopping.patience", self.patience, "at least 1")?;
        let is_margin = self.min_delta.is_finite() && self.min_delta >= 0.0;
        refuse(is_margin, "early_stopping.min_delta", self.min_delta, "0 or more")?;
        match self.metric {
            // No accuracy exceeds another one by 1.
            StoppingMetric::Accuracy => {
                let expected = "a share below 1: accuracies lie in [0, 1]";
                refuse(self.min_delta < 1.0, "early_stopping.min_delta", self.min_delta, expected)
            }
            StoppingMetric::Loss => Ok(()),
        }
    }

    /// Checks that a training of so many steps is evaluated before its end.
    pub(crate) fn check_steps(&self, steps: usize) -> Result<(), TrainSettingsError> {
        refuse(self.every <= steps, "early_stopping.every", self.every, "no more than the steps of the run")
    }
}

impl StoppingMetric {
    /// Its word in a sweep file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Accuracy => "accuracy",
            Self::Loss => "loss",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn stopping(metric: StoppingMetric) -> EarlyStopping {
        EarlyStopping { metric, every: 10, patience: 2, min_delta: 0.0 }
    }

    #[test]
    fn evaluations_are_due_after_every_so_many_steps_and_after_the_last() {
        let stopping = stopping(StoppingMetric::Loss);
        let due: Vec<usize> = (0..=25).filter(|steps| stopping.is_due(*steps, 25)).collect();
        assert_eq!(due, [10, 20, 25]);
        for steps in 0..=25 {
            let before = (0..=steps).filter(|steps| stopping.is_due(*steps, 25)).count();
            assert_eq!(stopping.evaluations(steps, 25), before, "{steps}");
        }
        assert_eq!(stopping.evaluations(30, 30), 3, "the last step is counted once");
    }

    #[test]
    fn an_equal_value_is_not_better_and_the_first_of_equal_values_is_kept() {
        let accuracy = stopping(StoppingMetric::Accuracy);
        assert_eq!(accuracy.best(&[0.5, 0.5, 0.5]), Some(0));
        assert!(accuracy.is_over(&[0.5, 0.5, 0.5]));
        assert!(!accuracy.is_over(&[0.5, 0.6, 0.5]));
        assert_eq!(accuracy.best(&[]), None);
        assert!(!accuracy.is_over(&[]));
    }

    #[test]
    fn a_gain_within_min_delta_is_not_better() {
        let loss = EarlyStopping { min_delta: 0.1, ..stopping(StoppingMetric::Loss) };
        assert_eq!(loss.best(&[1.0, 0.95, 0.91]), Some(0));
        assert!(loss.is_over(&[1.0, 0.95, 0.91]), "small gains do not add up");
        assert_eq!(loss.best(&[1.0, 0.95, 0.85]), Some(2));
    }

    #[test]
    fn values_that_cannot_be_followed_are_named() {
        let refused = |stopping: EarlyStopping| stopping.check().unwrap_err().to_string();
        let valid = stopping(StoppingMetric::Loss);
        assert_eq!(valid.check(), Ok(()));
        let error = refused(EarlyStopping { every: 0, ..valid });
        assert_eq!(error, "`early_stopping.every` is 0, expected at least 1");
        let error = refused(EarlyStopping { patience: 0, ..valid });
        assert_eq!(error, "`early_stopping.patience` is 0, expected at least 1");
        let error = refused(EarlyStopping { min_delta: f64::NAN, ..valid });
        assert_eq!(error, "`early_stopping.min_delta` is NaN, expected 0 or more");
        let percent = EarlyStopping { min_delta: 1.0, ..stopping(StoppingMetric::Accuracy) };
        let expected = "a share below 1: accuracies lie in [0, 1]";
        assert_eq!(refused(percent), format!("`early_stopping.min_delta` is 1, expected {expected}"));
        assert_eq!(EarlyStopping { min_delta: 1.0, ..valid }.check(), Ok(()), "a loss may fall by more");
        assert_eq!(valid.check_steps(10), Ok(()));
        let error = valid.check_steps(9).unwrap_err().to_string();
        assert_eq!(error, "`early_stopping.every` is 10, expected no more than the steps of the run");
    }

    proptest! {
        #[test]
        fn a_training_stops_at_its_first_chance_and_no_later_value_is_asked_for(
            values in prop::collection::vec(0.0f64..1.0, 1..30),
            patience in 1usize..5,
            min_delta in prop::sample::select(vec![0.0, 0.05]),
            metric in prop::sample::select(vec![StoppingMetric::Accuracy, StoppingMetric::Loss]),
        ) {
            let stopping = EarlyStopping { metric, every: 1, patience, min_delta };
            let stopped = (1..=values.len()).find(|count| stopping.is_over(&values[..*count]));
            let seen = &values[..stopped.unwrap_or(values.len())];
            let best = stopping.best(seen).unwrap();
            // Nothing after the best one is better, and it is better than the best one before it.
            prop_assert!(seen[best + 1..].iter().all(|value| !stopping.is_better(*value, seen[best])));
            if let Some(before) = stopping.best(&seen[..best]) {
                prop_assert!(stopping.is_better(seen[best], seen[before]));
            }
            let waited = seen.len() - 1 - best;
            let as_long_as_it_may = if stopped.is_some() { waited == patience } else { waited < patience };
            prop_assert!(as_long_as_it_may, "{} of {}", waited, patience);
        }
    }
}
