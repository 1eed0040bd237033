use super::Account;
use crate::{progress::Progress, revised, watching::RunMetrics};
use analysis::fixed;
use coordinator::Event;

/// Prints the events of a run for people, and passes them on to its metrics and its account.
pub(super) struct EventPrinter<'a> {
    progress: &'a Progress,
    shown: &'a RunMetrics,
    account: &'a mut Account,
    /// The revision that was printed before the run began.
    revision: u32,
    bound: u64,
    done: u64,
}

impl<'a> EventPrinter<'a> {
    pub(super) fn new(progress: &'a Progress, shown: &'a RunMetrics, account: &'a mut Account, revision: u32) -> Self {
        Self { progress, shown, account, revision, bound: 0, done: 0 }
    }

    pub(super) fn print(&mut self, event: Event) {
        self.shown.note(&event);
        match event {
            // Another run may have made a revision since then.
            Event::Revision(revision) if revision.number != self.revision => {
                revised::in_lines(&revision).iter().for_each(|line| self.progress.line(line));
            }
            Event::Revision(_) => {}
            Event::Plan { bound, stored } => {
                self.bound = bound;
                self.done = stored;
                self.account.begins(self.revision, stored);
            }
            Event::Phase(phase) => self.progress.phase(&phase.to_string()),
            Event::Published { .. } => {}
            Event::Finished { label, value, timings, is_reused, .. } => {
                self.done += 1;
                self.account.finished(is_reused);
                if !is_reused {
                    let value = value.map(|value| fixed(value, 4)).unwrap_or_default();
                    let seconds = timings.load_s + timings.align_s + timings.merge_s + timings.evaluate_s;
                    self.progress.line(&jobs::escaped(&format!("  {label:<52} {value:>7} {seconds:>7.1} s")));
                }
            }
            Event::Failed { label, errors, .. } => {
                self.done += 1;
                self.account.failed();
                let line = format!("  {label} failed: {}", errors.join(": "));
                self.progress.line(&jobs::escaped(&line));
            }
            Event::Written { label, size, is_reused, .. } => {
                if !is_reused {
                    self.progress.line(&jobs::escaped(&format!("  {label:<52} {:>7.1} MiB", mib(size))));
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
        self.progress.position(self.done, self.bound);
    }
}

/// Bytes in MiB.
fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
