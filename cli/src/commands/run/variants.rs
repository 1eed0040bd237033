//! The variants of a sweep file: sweeps that run one after the other, and a table of all of them.

use super::{Account, Hooks, ReadySweep, Session, connect, print, surveyed};
use crate::{
    failure::{Failure, RunFailure},
    report, terminal,
};
use analysis::{Style, Summary};
use jobs::Outcome;
use std::{
    io::{IsTerminal, stdout},
    sync::Arc,
};

/// Runs all of them. One whose jobs failed does not stop the others; everything else does.
pub(super) fn run(session: &mut Session<'_>, sweeps: Vec<ReadySweep>, hooks: &Hooks<'_>) -> Result<(), Failure> {
    let json = session.args.output.json;
    let mut failed = None;
    let mut summaries: Vec<Summary> = Vec::new();
    for (place, sweep) in sweeps.into_iter().enumerate() {
        let name = sweep.frozen.sweep().name.clone();
        let next = if place == 0 { Ok(sweep) } else { session.next(sweep) };
        let sweep = match next {
            Ok(sweep) => sweep,
            Err(failure) => {
                let ended = Err(failure);
                hooks.notify(&Account::of(&name), &ended);
                return ended;
            }
        };
        let ended = session.run_notifying(sweep, hooks, &mut |summary| {
            if !json {
                print(summary, false);
            }
            summaries.push(summary.clone());
        });
        match ended {
            Ok(()) => {}
            Err(failure @ Failure::Run(RunFailure::Jobs { .. })) => {
                terminal::note(format_args!("warning: {name}: {}", jobs::error_line(&failure)));
                failed.get_or_insert(failure);
            }
            Err(failure) => return Err(failure),
        }
    }
    if json {
        terminal::data(serde_json::to_string_pretty(&summaries).expect("summaries are plain data"));
    }
    conclude(session, &summaries)?;
    failed.map_or(Ok(()), Err)
}

impl Session<'_> {
    /// Prepares for a later variant: what its jobs share with earlier ones is in the store by now.
    fn next(&mut self, ReadySweep { frozen, resume }: ReadySweep) -> Result<ReadySweep, Failure> {
        drop(resume);
        let name = frozen.sweep().name.clone();
        if let Some(queue) = connect(&self.runner.runtime, self.args, &name)? {
            self.runner.publish_through(Arc::clone(&queue) as Arc<_>);
            self.queue = Some(queue);
        }
        self.shown.begin(&name, self.queue.as_ref());
        surveyed(&self.runner.runtime, frozen, self.args)
    }
}

/// Prints the table of all variants, and adds it to the reports of those that ended before the last one.
fn conclude(session: &Session<'_>, summaries: &[Summary]) -> Result<(), Failure> {
    let store = &session.runner.store;
    if !session.args.output.json
        && let Some(group) = analysis::Variants::of(summaries).into_iter().next()
    {
        let style = if stdout().is_terminal() { Style::Terminal } else { Style::Plain };
        terminal::styled_data(format_args!("\n{}", group.table().render(style).trim_end()));
    }
    let earlier = summaries.split_last().map(|(_, earlier)| earlier).unwrap_or_default();
    for summary in earlier {
        let again = async {
            let stored: Option<Outcome> = store.document(&summary.sweep, Outcome::DOCUMENT).await?;
            match stored.filter(|stored| stored.revision == summary.revision) {
                Some(outcome) => report::keep_again(store, &outcome).await,
                // A later revision has its own report.
                None => Ok(()),
            }
        };
        session.runner.runtime.block_on(again)?;
    }
    Ok(())
}
