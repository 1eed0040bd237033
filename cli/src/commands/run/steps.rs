//! Shows how far the training has come that this process computes.

use crate::{
    progress::{LINES_EVERY, Progress},
    training::steps_in_words,
};
use jobs::StepsMade;
use std::{
    convert::Infallible,
    future::pending,
    time::{Duration, Instant},
};
use tokio::time::sleep;
use worker::Worker;

/// How often the worker is asked.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Polls `background`, and shows the training of the worker in this process, if there is one.
///
/// A bar shows the last step beside it. Where there is no bar, a line is printed for the first step that is seen, and at most one every
/// [`LINES_EVERY`] after it.
pub(super) async fn beside(
    background: impl Future<Output = Infallible>,
    worker: Option<&Worker>,
    progress: &Progress,
) -> Infallible {
    let shown = async {
        let Some(worker) = worker else { return pending().await };
        let mut lines = Lines::default();
        loop {
            let steps = worker.steps_made();
            progress.step(steps.as_ref().map(|steps| jobs::escaped(&steps_in_words(steps)).into_owned()));
            if let Some(steps) = steps.filter(|steps| !progress.is_bar() && lines.is_due(steps, Instant::now())) {
                progress.line(&format!("  {}", steps_in_words(&steps)));
            }
            sleep(LOOK_EVERY).await;
        }
    };
    tokio::select! {
        never = background => never,
        never = shown => never,
    }
}

/// Which steps have a line of their own.
#[derive(Debug, Default)]
struct Lines {
    last: Option<(Instant, StepsMade)>,
}

impl Lines {
    /// Whether a line for these steps is due. If it is, it counts as printed.
    fn is_due(&mut self, steps: &StepsMade, now: Instant) -> bool {
        let is_due = self.last.as_ref().is_none_or(|(printed, last)| {
            now.saturating_duration_since(*printed) >= LINES_EVERY
                && (&last.task, last.made, last.evaluated) != (&steps.task, steps.made, steps.evaluated)
        });
        if is_due {
            self.last = Some((now, steps.clone()));
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(task: &str, made: usize) -> StepsMade {
        let task = task.to_owned();
        StepsMade { task, first: 0, made, end: 100, of: 100, loss: 1.0, rate: 0.1, took_ms: 10, evaluated: None }
    }

    #[test]
    fn lines_follow_each_other_at_a_bounded_rate_and_no_step_has_two() {
        let start = Instant::now();
        let after = |seconds: u64| start + Duration::from_secs(seconds);
        let mut lines = Lines::default();
        assert!(lines.is_due(&steps("flags", 1), start), "the first step is told at once");
        assert!(!lines.is_due(&steps("flags", 2), after(9)));
        assert!(!lines.is_due(&steps("icons", 1), after(9)), "whatever the task");
        assert!(lines.is_due(&steps("flags", 3), after(10)));
        assert!(!lines.is_due(&steps("flags", 3), after(60)), "it stands still");
        assert!(lines.is_due(&steps("icons", 3), after(60)));
        assert!(!lines.is_due(&steps("icons", 4), after(69)));
        let evaluated = |done| StepsMade { evaluated: Some(jobs::Evaluated { done, n: 9 }), ..steps("icons", 4) };
        assert!(lines.is_due(&evaluated(1), after(70)));
        assert!(lines.is_due(&evaluated(2), after(80)), "the evaluation goes on");
        assert!(!lines.is_due(&evaluated(2), after(90)));
    }
}
