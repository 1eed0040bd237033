use super::{Account, counted};
use crate::{progress::Progress, revised, watching::RunMetrics};
use analysis::fixed;
use coordinator::{Counts, Event};
use jobs::ByteSize;
use std::collections::BTreeMap;

/// Prints the events of a run for people, and passes them on to its metrics and its account.
pub(super) struct EventPrinter<'a> {
    progress: &'a Progress,
    shown: &'a RunMetrics,
    account: &'a mut Account,
    /// The revision that was printed before the run began.
    revision: u32,
    bound: u64,
    counts: Counts,
}

impl<'a> EventPrinter<'a> {
    pub(super) fn new(progress: &'a Progress, shown: &'a RunMetrics, account: &'a mut Account, revision: u32) -> Self {
        Self { progress, shown, account, revision, bound: 0, counts: Counts::default() }
    }

    pub(super) fn print(&mut self, event: Event) {
        self.shown.note(&event);
        self.counts.note(&event);
        if !matches!(event, Event::Revision(_)) {
            // From the plan on: an earlier end has no revision to name.
            self.account.update(self.revision, counted(self.counts));
        }
        match event {
            // Another run may have made a revision since then.
            Event::Revision(revision) if revision.number != self.revision => {
                revised::in_lines(&revision).iter().for_each(|line| self.progress.line(line));
            }
            Event::Revision(_) => {}
            Event::Plan { bound, .. } => self.bound = bound,
            Event::Phase(phase) => self.progress.phase(&phase.to_string()),
            Event::Published { .. } => {}
            Event::Finished { label, value, timings, is_reused, .. } => {
                if !is_reused {
                    let value = value.map(|value| fixed(value, 4)).unwrap_or_default();
                    let seconds = timings.total_s();
                    self.progress.line(&jobs::escaped(&format!("  {label:<52} {value:>7} {seconds:>7.1} s")));
                }
            }
            Event::Failed { label, errors, .. } => {
                let line = format!("  {label} failed: {}", errors.join(": "));
                self.progress.line(&jobs::escaped(&line));
            }
            Event::Written { label, size, facts, is_reused, .. } => {
                if let (false, Some(learned)) = (is_reused, learned(&facts)) {
                    self.progress.line(&jobs::escaped(&format!("  {label:<52} {learned}")));
                } else if !is_reused {
                    self.progress.line(&jobs::escaped(&format!("  {label:<52} {:>11}", ByteSize(size).to_string())));
                }
            }
            Event::NotWritten { label, errors, .. } => {
                let line = format!("  {label} failed: {}", errors.join(": "));
                self.progress.line(&jobs::escaped(&line));
            }
            Event::WeakAdapter(adapter) => self.progress.line(&jobs::escaped(&format!("note: {adapter}"))),
            Event::Best { search, value, .. } => {
                self.progress.best(&jobs::escaped(&format!("{search} {}", fixed(value, 4))));
            }
        }
        self.progress.position(self.counts.total(), self.bound);
    }
}

/// What a leg of training has come to, in words; `None` for other jobs.
fn learned(facts: &BTreeMap<String, f64>) -> Option<String> {
    let loss = facts.get("loss")?;
    let correct = facts.get("correct")?;
    let percent = 100.0 * correct / facts.get("examples")?.max(1.0);
    Some(format!("loss {}, {} % right", fixed(*loss, 4), fixed(percent, 1)))
}
