//! How far a training has come, for people.

use crate::clock::span;
use jobs::{Evaluated, StepsMade};

/// A training with its last step, and the time that is left at its pace: for its job, and for all steps if others follow.
pub(crate) fn steps_in_words(steps: &StepsMade) -> String {
    let StepsMade { task, made, end, of, loss, rate, evaluated, .. } = steps;
    let evaluates = match evaluated {
        Some(Evaluated { done, n }) => format!(", {done} of {n} examples evaluated"),
        None => String::new(),
    };
    let left = |until: usize| Some(format!(", {} until step {until}", span(steps.seconds_until(until)?)));
    let left_here = left(*end).unwrap_or_default();
    let left_in_all = left(*of).filter(|_| end < of).unwrap_or_default();
    format!("{task}: step {made} of {of}, loss {loss:.4}, rate {rate:.2e}{evaluates}{left_here}{left_in_all}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps() -> StepsMade {
        StepsMade {
            task: "flags".to_owned(),
            first: 100,
            made: 140,
            end: 200,
            of: 400,
            loss: 0.53,
            rate: 2e-3,
            took_ms: 20_000,
            evaluated: None,
        }
    }

    #[test]
    fn times_are_told_until_the_end_of_the_job_and_until_the_end_of_the_training_by_the_pace_of_the_job() {
        let text = "flags: step 140 of 400, loss 0.5300, rate 2.00e-3, 30 s until step 200, 2 min 10 s until step 400";
        assert_eq!(steps_in_words(&steps()), text);
        let last = StepsMade { first: 300, made: 400, end: 400, ..steps() };
        assert_eq!(steps_in_words(&last), "flags: step 400 of 400, loss 0.5300, rate 2.00e-3, 0 s until step 400");
    }

    #[test]
    fn a_leg_that_goes_on_tells_its_step_at_once_and_its_evaluation_while_it_goes_on() {
        let resumed = StepsMade { first: 140, took_ms: 900, ..steps() };
        assert_eq!(steps_in_words(&resumed), "flags: step 140 of 400, loss 0.5300, rate 2.00e-3", "no pace is known");
        let evaluated = Some(Evaluated { done: 300, n: 5206 });
        let text = "flags: step 140 of 400, loss 0.5300, rate 2.00e-3, 300 of 5206 examples evaluated";
        assert_eq!(steps_in_words(&StepsMade { evaluated, ..resumed }), text);
        let both = steps_in_words(&StepsMade { evaluated, ..steps() });
        assert!(both.contains("examples evaluated, 30 s until step 200"), "{both}");
    }
}
