//! The variants of a sweep file: sweeps that run one after the other, and a table of all of them.

use super::{Account, Hooks, ReadySweep, Session, connect, print, surveyed};
use crate::{
    failure::{Failure, RunFailure},
    report, terminal,
};
use analysis::Summary;
use coordinator::{CoordinatorError, Frozen, StopReason};
use std::sync::Arc;

/// Runs all of them. A failure that is about one of them does not stop the others; what ended is shown in every case.
pub(super) fn run(
    session: &mut Session<'_>,
    first: ReadySweep,
    later: Vec<Frozen>,
    hooks: &Hooks<'_>,
) -> Result<(), Failure> {
    let json = session.args.output.json;
    let mut summaries: Vec<Summary> = Vec::new();
    let mut failed = None;
    let mut first = Some(first);
    let names: Vec<String> = first.iter().map(|sweep| &sweep.frozen).chain(&later).map(name_of).collect();
    let mut later = later.into_iter();
    for name in &names {
        let next = match first.take() {
            Some(sweep) => Ok(sweep),
            None => {
                later.next().map(|frozen| session.next(frozen)).unwrap_or_else(|| unreachable!("one for each name"))
            }
        };
        let ended = match next {
            Ok(sweep) => session.run_notifying(sweep, hooks, &mut |summary| {
                if !json {
                    print(summary, false);
                }
                summaries.push(summary.clone());
            }),
            Err(failure) => {
                let ended = Err(failure);
                hooks.notify(&Account::of(name), &ended);
                ended
            }
        };
        let Err(failure) = ended else { continue };
        if !is_of_one_sweep(&failure) {
            failed = Some(failure);
            break;
        }
        terminal::note(format_args!("warning: {name}: {}", jobs::error_line(&failure)));
        failed.get_or_insert(failure);
    }
    if json {
        terminal::data(serde_json::to_string_pretty(&summaries).expect("summaries are plain data"));
    }
    conclude(session, &summaries);
    failed.map_or(Ok(()), Err)
}

fn name_of(frozen: &Frozen) -> String {
    frozen.sweep().name.clone()
}

impl Session<'_> {
    /// Prepares for a later variant: what its jobs share with earlier ones is in the store by now.
    fn next(&mut self, frozen: Frozen) -> Result<ReadySweep, Failure> {
        let name = name_of(&frozen);
        if let Some(queue) = connect(&self.runner.runtime, self.args, &name)? {
            self.runner.publish_through(Arc::clone(&queue) as Arc<_>);
            self.queue = Some(queue);
        }
        self.shown.begin(&name, self.queue.as_ref());
        surveyed(&self.runner.runtime, frozen, self.args)
    }
}

/// Whether other sweeps may succeed all the same: neither the user, nor the store, the queue or this machine ends the run.
fn is_of_one_sweep(failure: &Failure) -> bool {
    match failure {
        Failure::Run(failure) => is_run_of_one_sweep(failure),
        Failure::Store(error) => error.is_of_one_object(),
        Failure::Input(_) | Failure::Merge(_) | Failure::Stored(_) | Failure::Analysis(_) => true,
        Failure::Argument { .. }
        | Failure::Init(_)
        | Failure::Finetune(_)
        | Failure::File(_)
        | Failure::Worker(_)
        | Failure::Queue(_)
        | Failure::Watching(_)
        | Failure::K8s(_)
        | Failure::Doctor(_)
        | Failure::Interrupted
        | Failure::Panicked
        | Failure::Runtime(_) => false,
    }
}

fn is_run_of_one_sweep(failure: &RunFailure) -> bool {
    match failure {
        RunFailure::Coordinator(error) | RunFailure::Evaluation(error) => match error {
            CoordinatorError::Queue(_) => false,
            CoordinatorError::Store(error) => error.is_of_one_object(),
            CoordinatorError::Strategy(_)
            | CoordinatorError::Baseline { .. }
            | CoordinatorError::Denominator { .. }
            | CoordinatorError::ZeroDenominator { .. }
            | CoordinatorError::Statistics { .. }
            | CoordinatorError::Training { .. }
            | CoordinatorError::Metric { .. }
            | CoordinatorError::OtherSweep { .. }
            | CoordinatorError::Superseded { .. }
            | CoordinatorError::Removed { .. }
            | CoordinatorError::Cancelled { .. }
            | CoordinatorError::Manifest(_) => true,
        },
        // The variants share the base.
        RunFailure::Stopped(StopReason::Base { .. }) => false,
        RunFailure::Stopped(StopReason::SameFailure { .. } | StopReason::Time(_) | StopReason::DeviceTime(_))
        | RunFailure::Freeze(_)
        | RunFailure::Cancelled
        | RunFailure::TooManyFailures { .. }
        | RunFailure::TooManyJobs { .. }
        | RunFailure::Jobs { .. }
        | RunFailure::NotWritten { .. }
        | RunFailure::Evaluated { .. } => true,
        RunFailure::Webhook { .. } => false,
    }
}

/// Prints the table of all variants, and adds it to the reports of the sweeps that ended before the last one.
fn conclude(session: &Session<'_>, summaries: &[Summary]) {
    let Some(last) = summaries.last() else { return };
    if !session.args.output.json
        && let Some(group) = analysis::Variants::around(last, summaries)
    {
        let text = group.table().render_within(terminal::style(), terminal::width());
        terminal::styled_data(format_args!("\n{}", text.trim_end()));
    }
    session.runner.runtime.block_on(report::renew_beside(&session.runner.store, &last.sweep));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_failures_about_one_sweep_let_the_others_run() {
        let denominator = CoordinatorError::Superseded { sweep: "ranks-rank-4".to_owned(), revision: 1, newest: 2 };
        for failure in [
            Failure::from(RunFailure::Jobs { failed: 1, corrupt: 0, total: 2 }),
            Failure::from(RunFailure::Cancelled),
            Failure::from(RunFailure::TooManyFailures { failed: 9, limit: 8 }),
            Failure::from(denominator),
        ] {
            assert!(is_of_one_sweep(&failure), "{failure:?}");
        }
        for failure in [Failure::Interrupted, Failure::Panicked, Failure::from(queue::QueueError::SenderEnded)] {
            assert!(!is_of_one_sweep(&failure), "{failure:?}");
        }
    }
}
