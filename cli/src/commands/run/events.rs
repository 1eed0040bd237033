use super::{Account, counted};
use crate::{clock::span, progress::Progress, revised, watching::RunMetrics};
use analysis::fixed;
use coordinator::{Counts, Event};
use jobs::{ByteSize, RecipeSpec};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// Prints the events of a run for people, and passes them on to its metrics and its account.
pub(super) struct EventPrinter<'a> {
    progress: &'a Progress,
    shown: &'a RunMetrics,
    account: &'a mut Account,
    /// The revision that was printed before the run began.
    revision: u32,
    bound: u64,
    counts: Counts,
    started: Instant,
    /// The best point so far, in words.
    best: String,
}

impl<'a> EventPrinter<'a> {
    pub(super) fn new(progress: &'a Progress, shown: &'a RunMetrics, account: &'a mut Account, revision: u32) -> Self {
        Self {
            progress,
            shown,
            account,
            revision,
            bound: 0,
            counts: Counts::default(),
            started: Instant::now(),
            best: String::new(),
        }
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
            Event::Best { search, spec, value } => {
                self.best = jobs::escaped(&format!("best {}", best_in_words(&search, &spec, value))).into_owned();
            }
        }
        self.progress.position(self.counts.total(), self.bound);
        let left = self.bound.saturating_sub(self.counts.total());
        let eta = time_left(self.started.elapsed(), self.counts.run, left);
        let parts = [Some(self.best.clone()).filter(|best| !best.is_empty()), eta];
        self.progress.message(&parts.into_iter().flatten().collect::<Vec<_>>().join(", "));
    }
}

/// The jobs after which a time is estimated: the first ones read the inputs.
const FEWEST: u64 = 4;

/// How long the rest takes at most, at the rate so far: the number of jobs left is an upper bound.
fn time_left(elapsed: Duration, run: u64, left: u64) -> Option<String> {
    (run >= FEWEST && left > 0).then(|| {
        let seconds = elapsed.as_secs_f64() / run as f64 * left as f64;
        format!("at most {} left", span(seconds))
    })
}

/// A point with its values, as its row is called: `knots_ties scaling=0.3 density=0.2 0.7375`.
fn best_in_words(search: &str, spec: &RecipeSpec, value: f64) -> String {
    let keys = match serde_json::to_value(spec) {
        Ok(serde_json::Value::Object(keys)) => keys,
        Ok(_) | Err(_) => serde_json::Map::new(),
    };
    let is_named = |key: &str, value: &serde_json::Value| key == "preset" && value.as_str() == Some(search);
    let shown: Vec<String> = keys
        .iter()
        .filter(|(key, value)| !value.is_object() && !is_named(key, value))
        .map(|(key, value)| format!("{key}={}", value.as_str().map_or_else(|| value.to_string(), str::to_owned)))
        .collect();
    [vec![search.to_owned()], shown, vec![fixed(value, 4)]].concat().join(" ")
}

/// What a leg of training has come to, in words; `None` for other jobs.
fn learned(facts: &BTreeMap<String, f64>) -> Option<String> {
    let loss = facts.get("loss")?;
    let correct = facts.get("correct")?;
    let percent = 100.0 * correct / facts.get("examples")?.max(1.0);
    // The loss is of the last step, and the adapter may be of an earlier one.
    let after = facts.get("measured_step").map(|step| format!(" after step {step}")).unwrap_or_default();
    Some(format!("loss {}, {} % right{after}", fixed(*loss, 4), fixed(percent, 1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_point_is_told_with_its_values() {
        let spec = RecipeSpec::from_yaml("{preset: knots_ties, density: 0.2, scaling: 0.6, weights: {a: 2}}").unwrap();
        assert_eq!(best_in_words("knots_ties", &spec, 0.73746), "knots_ties density=0.2 scaling=0.6 0.7375");
        assert_eq!(best_in_words("mine", &spec, 0.5), "mine preset=knots_ties density=0.2 scaling=0.6 0.5000");
    }

    #[test]
    fn the_time_that_is_left_is_told_once_it_can_be_estimated() {
        let minute = Duration::from_secs(60);
        assert_eq!(time_left(minute, 3, 30), None);
        assert_eq!(time_left(minute, 10, 0), None);
        assert_eq!(time_left(minute, 10, 30).as_deref(), Some("at most 3 min 00 s left"));
    }
}
