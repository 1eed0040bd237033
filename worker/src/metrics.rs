use jobs::Timings;
use prometheus_client::{
    metrics::{counter::Counter, family::Family, histogram::Histogram},
    registry::Registry,
};
use std::time::Duration;

/// Upper bounds of the histogram buckets for times, in seconds. Jobs take from milliseconds (a new λ on a small model)
/// to a quarter of an hour.
const SECONDS: [f64; 16] =
    [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0, 1800.0];

type Label = [(&'static str, &'static str); 1];

/// The metrics of a worker and its engine. Clones share them.
///
/// `docs/environment.md` describes each one.
#[derive(Debug, Clone)]
pub struct Metrics {
    settled: Family<Label, Counter>,
    seconds: Histogram,
    phases: Family<Label, Histogram, fn() -> Histogram>,
    waited: Histogram,
    examples: Family<Label, Counter>,
    tokens: Counter,
    lookups: Family<[(&'static str, &'static str); 2], Counter>,
    read_ahead: Counter,
}

/// How a worker settled a job.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Outcome {
    /// Computed, and the result stored.
    Done,
    /// The result was stored before.
    Known,
    /// Failed, and will be tried again.
    Retried,
    /// Failed permanently.
    DeadLettered,
    /// Returned to the queue: the worker ended, another machine may succeed, the job was taken ahead and its turn
    /// came too late, or a leg of a training rests.
    GivenBack,
    /// Acknowledged because its sweep is cancelled or finished.
    Dropped,
    /// Left to a worker of another version.
    Deferred,
}

impl Outcome {
    const ALL: [Self; 7] =
        [Self::Done, Self::Known, Self::Retried, Self::DeadLettered, Self::GivenBack, Self::Dropped, Self::Deferred];

    fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Known => "known",
            Self::Retried => "retried",
            // Like the queue of dead letters, `bowline.parked.<pool>`: alerts of users name it.
            Self::DeadLettered => "parked",
            Self::GivenBack => "given_back",
            Self::Dropped => "dropped",
            Self::Deferred => "deferred",
        }
    }
}

/// A cache of the engine.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Cache {
    Model,
    Adapters,
    Alignment,
    Merge,
    Head,
    Data,
}

impl Cache {
    const ALL: [Self; 6] = [Self::Model, Self::Adapters, Self::Alignment, Self::Merge, Self::Head, Self::Data];

    fn name(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Adapters => "adapters",
            Self::Alignment => "alignment",
            Self::Merge => "merge",
            Self::Head => "head",
            Self::Data => "data",
        }
    }
}

impl Default for Metrics {
    fn default() -> Self {
        let histogram: fn() -> Histogram = || Histogram::new(SECONDS);
        let metrics = Self {
            settled: Family::default(),
            seconds: histogram(),
            phases: Family::new_with_constructor(histogram),
            waited: histogram(),
            examples: Family::default(),
            tokens: Counter::default(),
            lookups: Family::default(),
            read_ahead: Counter::default(),
        };
        // A series that starts with its first event starts at 1, and no rate and no increase shows that event.
        for outcome in Outcome::ALL {
            drop(metrics.settled.get_or_create(&[("outcome", outcome.name())]));
        }
        for (cache, outcome) in Cache::ALL.into_iter().flat_map(|cache| [(cache, "hit"), (cache, "miss")]) {
            drop(metrics.lookups.get_or_create(&[("cache", cache.name()), ("outcome", outcome)]));
        }
        for kind in ["image", "text"] {
            drop(metrics.examples.get_or_create(&[("kind", kind)]));
        }
        metrics
    }
}

impl Metrics {
    /// Registers the metrics. The prefix of `registry` completes their names.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("jobs_settled", "Jobs that the worker settled, by outcome", self.settled.clone());
        registry.register("job_seconds", "Seconds from taking a job to storing its result", self.seconds.clone());
        registry.register("job_phase_seconds", "Seconds that the parts of computed jobs took", self.phases.clone());
        registry.register("queue_wait_seconds", "Seconds that jobs waited in the queue", self.waited.clone());
        registry.register("examples", "Images or texts that models were evaluated on", self.examples.clone());
        registry.register("tokens", "Tokens of texts that models were evaluated on", self.tokens.clone());
        registry.register("cache_lookups", "Lookups in the caches of the engine", self.lookups.clone());
        registry.register("splits_read_ahead", "Splits that were read beside an evaluation", self.read_ahead.clone());
    }

    pub(crate) fn settled(&self, outcome: Outcome) {
        self.settled.get_or_create(&[("outcome", outcome.name())]).inc();
    }

    pub(crate) fn waited(&self, waited: Duration) {
        self.waited.observe(waited.as_secs_f64());
    }

    /// A job was computed. `total` is the time from taking it to storing its output.
    pub(crate) fn computed(&self, total: Duration) {
        self.seconds.observe(total.as_secs_f64());
    }

    /// The parts of a job that the engine timed. A part that did not happen is not counted.
    pub(crate) fn phases(&self, timings: &Timings) {
        let Timings { load_s, align_s, merge_s, evaluate_s } = *timings;
        let parts = [("load", load_s), ("align", align_s), ("merge", merge_s), ("evaluate", evaluate_s)];
        for (phase, seconds) in parts.into_iter().filter(|(_, seconds)| *seconds > 0.0) {
            self.phases.get_or_create(&[("phase", phase)]).observe(seconds);
        }
    }

    pub(crate) fn stored(&self, took: Duration) {
        self.phases.get_or_create(&[("phase", "store")]).observe(took.as_secs_f64());
    }

    pub(crate) fn images(&self, count: u64) {
        self.examples.get_or_create(&[("kind", "image")]).inc_by(count);
    }

    pub(crate) fn texts(&self, count: u64, tokens: u64) {
        self.examples.get_or_create(&[("kind", "text")]).inc_by(count);
        self.tokens.inc_by(tokens);
    }

    /// Counts a split that was read while the one before it was evaluated.
    pub(crate) fn read_ahead(&self) {
        self.read_ahead.inc();
    }

    /// How many splits were read ahead.
    #[cfg(test)]
    pub(crate) fn splits_read_ahead(&self) -> u64 {
        self.read_ahead.get()
    }

    /// Counts a lookup in `cache`.
    pub(crate) fn looked_up(&self, cache: Cache, is_hit: bool) {
        let outcome = if is_hit { "hit" } else { "miss" };
        self.lookups.get_or_create(&[("cache", cache.name()), ("outcome", outcome)]).inc();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus_client::encoding::text::encode;

    #[test]
    fn metrics_have_the_documented_names_and_labels() {
        let metrics = Metrics::default();
        let mut registry = Registry::with_prefix("bowline");
        metrics.register(&mut registry);
        metrics.settled(Outcome::GivenBack);
        metrics.phases(&Timings { load_s: 0.0, align_s: 0.02, merge_s: 0.0, evaluate_s: 3.0 });
        metrics.looked_up(Cache::Alignment, true);
        metrics.texts(3, 120);
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        for line in [
            "bowline_jobs_settled_total{outcome=\"given_back\"} 1",
            "bowline_job_phase_seconds_sum{phase=\"evaluate\"} 3.0",
            "bowline_job_phase_seconds_count{phase=\"align\"} 1",
            "bowline_cache_lookups_total{cache=\"alignment\",outcome=\"hit\"} 1",
            "bowline_examples_total{kind=\"text\"} 3",
            "bowline_tokens_total 120",
            "bowline_jobs_settled_total{outcome=\"parked\"} 0",
            "bowline_cache_lookups_total{cache=\"model\",outcome=\"miss\"} 0",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
        assert!(!text.contains("phase=\"load\""), "a part that did not happen is not counted:\n{text}");
    }
}
