//! The workers of a store, as `bowline watch` shows them.

use super::MISSING_AFTER_MS;
use crate::{clock::span, training::steps_in_words};
use jobs::{WorkerState, WorkerStatus};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use store::Dated;

/// Workers that are shown one by one.
const MAX_WORKERS: usize = 40;

/// The difference of a clock from which it is reported. A slow write makes a clock look behind, and S3 counts in
/// seconds.
const SKEW_FROM_MS: u64 = 10_000;

/// A worker, and the age of its heartbeat.
#[derive(Debug, Serialize)]
pub(super) struct Seen {
    #[serde(flatten)]
    status: WorkerStatus,
    /// The age of its heartbeat in milliseconds, by the store's clock.
    #[serde(rename = "heard_ms_ago")]
    pub(super) heartbeat_age_ms: u64,
    /// Milliseconds by which its clock is ahead of the store's; negative where it is behind.
    #[serde(skip_serializing_if = "Option::is_none")]
    clock_ahead_ms: Option<i64>,
}

impl Seen {
    /// `now_ms` is used only if the store does not know the age of its objects.
    pub(super) fn new(dated: Dated<WorkerStatus>, now_ms: u64) -> Self {
        let stamped_ms = dated.content.beat_ms;
        Self {
            heartbeat_age_ms: millis(dated.age(stamped_ms, now_ms)),
            clock_ahead_ms: dated.skew_ms(stamped_ms),
            status: dated.content,
        }
    }

    fn is_missing(&self) -> bool {
        self.heartbeat_age_ms > MISSING_AFTER_MS
    }

    /// Whether it can take a job of a sweep that runs in `pool`, or of any sweep if the pool is not known.
    fn is_able(&self, pool: Option<&str>) -> bool {
        !self.is_missing() && pool.is_none_or(|pool| self.status.takes_jobs_of(pool))
    }

    fn machine(&self) -> &str {
        self.status.machine.as_deref().unwrap_or(&self.status.worker)
    }
}

pub(super) fn millis(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// The workers of a sweep whose jobs go to `pool`: a line for all, and one for each.
pub(super) fn lines(workers: &[Seen], pool: Option<&str>) -> Vec<String> {
    let mut lines = vec![counted(workers, pool)];
    lines.extend(workers.iter().take(MAX_WORKERS).map(|worker| line(worker, pool)));
    if workers.len() > MAX_WORKERS {
        lines.push(format!("    and {} more", workers.len() - MAX_WORKERS));
    }
    lines
}

/// How many workers can do the sweep's jobs, on how many machines, and which other workers there are.
fn counted(workers: &[Seen], pool: Option<&str>) -> String {
    let able: Vec<&Seen> = workers.iter().filter(|worker| worker.is_able(pool)).collect();
    let of_pool = pool.map(|pool| format!(" in pool `{pool}`")).unwrap_or_default();
    let mut text = match able.len() {
        0 => format!("  no worker{of_pool}"),
        count => {
            let machines = able.iter().map(|worker| worker.machine()).collect::<BTreeSet<_>>().len();
            let on = if machines < count { format!(" on {}", some(machines, "machine")) } else { String::new() };
            let busy = able.iter().filter(|worker| worker.status.job.is_some()).count();
            format!("  {}{of_pool}{on}, {busy} with a job", some(count, "worker"))
        }
    };
    let mut elsewhere = BTreeMap::<&str, usize>::new();
    for worker in workers.iter().filter(|worker| !worker.is_missing() && !worker.is_able(pool)) {
        // A worker without a pool computes the jobs of a run in its own process.
        if let Some(pool) = &worker.status.pool {
            *elsewhere.entry(pool).or_default() += 1;
        }
    }
    elsewhere.iter().for_each(|(pool, count)| text += &format!("; {count} in pool `{pool}`"));
    match workers.iter().filter(|worker| worker.is_missing()).count() {
        0 => text,
        missing => format!("{text}; {missing} missing"),
    }
}

fn some(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn line(worker: &Seen, pool: Option<&str>) -> String {
    let status = &worker.status;
    let state = match (status.state, &status.job) {
        _ if worker.is_missing() => format!("no heartbeat for {}", span(worker.heartbeat_age_ms as f64 / 1e3)),
        (state, Some(in_hand)) => {
            // Both times are by its own clock.
            let until_told = status.beat_ms.saturating_sub(in_hand.since_ms);
            let since = span(until_told.saturating_add(worker.heartbeat_age_ms) as f64 / 1e3);
            let draining = if state == WorkerState::Draining { "draining, " } else { "" };
            let steps = in_hand.steps.as_ref().map(|steps| format!(", {}", steps_in_words(steps))).unwrap_or_default();
            format!("{draining}{} of {} for {since}{steps}", in_hand.job.short(), in_hand.sweep)
        }
        (WorkerState::Draining, None) => "draining".to_owned(),
        (_, None) => "idle".to_owned(),
    };
    let left = match status.left.len() {
        0 => String::new(),
        left => format!("; leaves {left} to workers of another version, or with `--allow-commands`"),
    };
    let failed = if status.failed > 0 { format!(", {} failed", status.failed) } else { String::new() };
    let other_pool = status.pool.as_ref().filter(|own| pool.is_none_or(|pool| pool != *own));
    let other_pool = other_pool.map(|pool| format!("; pool `{pool}`")).unwrap_or_default();
    let clock = worker.clock_ahead_ms.and_then(skew).map(|skew| format!("; {skew}")).unwrap_or_default();
    format!(
        "    {:<28} {:<18} {:>6} done{failed}  {state}{left}{other_pool}{clock}",
        status.worker, status.device, status.done
    )
}

/// The note on a clock that is this far ahead, if it is far enough.
pub(super) fn skew(ahead_ms: i64) -> Option<String> {
    let off_ms = ahead_ms.unsigned_abs();
    let way = if ahead_ms > 0 { "ahead" } else { "behind" };
    (off_ms >= SKEW_FROM_MS).then(|| format!("clock {} {way}", span(off_ms as f64 / 1e3)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use jobs::{JobInHand, StepsMade};
    use store::Written;

    /// A worker with a heartbeat of this age in seconds, and a clock that is this many seconds ahead.
    fn seen(name: &str, pool: Option<&str>, age_s: u64, ahead_s: i64) -> Seen {
        let at_ms = 1_000_000_000;
        let beat_ms = at_ms + ahead_s * 1000;
        let content = WorkerStatus {
            pool: pool.map(str::to_owned),
            beat_ms: beat_ms as u64,
            ..WorkerStatus::fresh(name, "cpu", 0)
        };
        let written = Written { at_ms: at_ms as u64, now_ms: at_ms as u64 + age_s * 1000 };
        Seen::new(Dated { content, written: Some(written) }, u64::MAX)
    }

    #[test]
    fn only_workers_of_the_sweeps_pool_count_as_able_to_do_its_jobs() {
        let workers = [seen("w1", Some("cpu"), 1, 0)];
        assert_eq!(lines(&workers, Some("a40"))[0], "  no worker in pool `a40`; 1 in pool `cpu`");
        assert!(lines(&workers, Some("a40"))[1].ends_with("0 done  idle; pool `cpu`"));
        assert_eq!(lines(&workers, Some("cpu"))[0], "  1 worker in pool `cpu`, 0 with a job");
        assert!(lines(&workers, Some("cpu"))[1].ends_with("0 done  idle"));
        assert_eq!(lines(&workers, None)[0], "  1 worker, 0 with a job");
        let old = [seen("w1", Some("cpu"), 100, 0)];
        assert_eq!(lines(&old, Some("cpu"))[0], "  no worker in pool `cpu`; 1 missing");
    }

    #[test]
    fn machines_are_counted_and_not_processes() {
        let on = |name: &str, machine: &str| {
            let mut worker = seen(name, Some("cpu"), 1, 0);
            worker.status.machine = Some(machine.to_owned());
            worker
        };
        let workers = [on("w1", "a"), on("w2", "a"), on("w3", "b")];
        assert_eq!(lines(&workers, Some("cpu"))[0], "  3 workers in pool `cpu` on 2 machines, 0 with a job");
    }

    #[test]
    fn a_worker_whose_clock_is_wrong_is_alive_as_long_as_the_store_hears_of_it_and_its_skew_is_told() {
        let shown = |age_s, ahead_s| lines(&[seen("w1", None, age_s, ahead_s)], None).remove(1);
        assert!(shown(3, -90).ends_with("idle; clock 1 min 30 s behind"), "{}", shown(3, -90));
        assert!(shown(3, 86_400).ends_with("idle; clock 1 d 00 h ahead"));
        assert!(shown(3, -9).ends_with("idle"));
        // One that was killed is missing however far ahead its clock was.
        assert!(shown(99, 86_400).contains("no heartbeat for 1 min 39 s"));
        let mut busy = seen("w1", None, 3, -7200);
        let job = jobs::JobId::from(jobs::Digest::from_bytes([7; 32]));
        let since_ms = busy.status.beat_ms - 20_000;
        busy.status.job = Some(JobInHand { job, sweep: "small".to_owned(), attempt: 1, since_ms, steps: None });
        assert!(line(&busy, None).contains("of small for 23 s; clock 2 h 00 min behind"), "{}", line(&busy, None));
    }

    #[test]
    fn a_worker_that_trains_shows_its_step_its_loss_and_the_time_that_is_left() {
        let mut busy = seen("w1", None, 0, 0);
        let job = jobs::JobId::from(jobs::Digest::from_bytes([7; 32]));
        let since_ms = busy.status.beat_ms - 20_000;
        let steps = Some(StepsMade {
            task: "flags".to_owned(),
            first: 100,
            made: 140,
            end: 200,
            of: 400,
            loss: 0.53,
            rate: 0.002,
            took_ms: 16_000,
            evaluated: Some(jobs::Evaluated { done: 3, n: 40 }),
        });
        busy.status.job = Some(JobInHand { job, sweep: "small".to_owned(), attempt: 1, since_ms, steps });
        let text = line(&busy, None);
        let end = "for 20 s, flags: step 140 of 400, loss 0.5300, rate 2.00e-3, 3 of 40 examples evaluated, 24 s until step 200, 1 min 44 s until step 400";
        assert!(text.ends_with(end), "{text}");
        let json = serde_json::to_string(&busy.status).unwrap();
        assert_eq!(serde_json::from_str::<WorkerStatus>(&json).unwrap(), busy.status);
    }
}
