//! How far a training has come, for people.

use crate::clock::span;
use jobs::StepsMade;

/// A training with its last step, and the time that is left at its pace: for its job, and for all steps if others follow.
pub(crate) fn steps_in_words(steps: &StepsMade) -> String {
    let StepsMade { task, made, end, of, loss, rate, .. } = steps;
    let left = |until: usize| format!("{} until step {until}", span(steps.seconds_until(until)));
    let all = if end < of { format!(", {}", left(*of)) } else { String::new() };
    format!("{task}: step {made} of {of}, loss {loss:.4}, rate {rate:.2e}, {}{all}", left(*end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_until_the_end_of_the_job_and_until_the_end_of_the_training_by_the_pace_of_the_job() {
        let task = "flags".to_owned();
        let steps =
            StepsMade { task, first: 100, made: 140, end: 200, of: 400, loss: 0.53, rate: 2e-3, took_ms: 20_000 };
        let text = "flags: step 140 of 400, loss 0.5300, rate 2.00e-3, 30 s until step 200, 2 min 10 s until step 400";
        assert_eq!(steps_in_words(&steps), text);
        let last = StepsMade { first: 300, made: 400, end: 400, ..steps };
        assert_eq!(steps_in_words(&last), "flags: step 400 of 400, loss 0.5300, rate 2.00e-3, 0 s until step 400");
    }
}
