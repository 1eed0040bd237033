use crate::{Liveness, Sample, process, samples::SampleCollector};
use parking_lot::{Mutex, RwLock};
use prometheus_client::{encoding::text::encode, registry::Registry};
use std::fmt;

/// The prefix of all metrics but those of the process, whose names are Prometheus' conventional ones.
const PREFIX: &str = "bowline";

type ReadyCheck = Box<dyn Fn() -> Result<(), String> + Send + Sync>;

/// What a running process shows of itself: metrics, liveness and readiness.
pub struct ProcessStatus {
    registry: RwLock<Registry>,
    /// Held while metrics are read, so that drivers of devices answer one scrape at a time.
    scrape: Mutex<()>,
    liveness: Liveness,
    ready: RwLock<ReadyCheck>,
}

impl fmt::Debug for ProcessStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProcessStatus").field("liveness", &self.liveness).finish_non_exhaustive()
    }
}

impl Default for ProcessStatus {
    /// The status of a process that is starting.
    fn default() -> Self {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(SampleCollector(process::samples)));
        let ready: ReadyCheck = Box::new(|| Err("starting".to_owned()));
        Self {
            registry: RwLock::new(registry),
            scrape: Mutex::default(),
            liveness: Liveness::default(),
            ready: RwLock::new(ready),
        }
    }
}

impl ProcessStatus {
    /// Whether the event loop runs. The process has to poll its [`heartbeat`](Liveness::heartbeat).
    pub fn liveness(&self) -> &Liveness {
        &self.liveness
    }

    /// Adds metrics, which get the prefix `bowline_`.
    pub fn register(&self, add: impl FnOnce(&mut Registry)) {
        add(self.registry.write().sub_registry_with_prefix(PREFIX));
    }

    /// Adds samples that are taken at every scrape; they get the prefix `bowline_`.
    pub fn sample_with(&self, samples: impl Fn() -> Vec<Sample> + Send + Sync + 'static) {
        self.register(|registry| registry.register_collector(Box::new(SampleCollector(samples))));
    }

    /// Replaces the readiness check. The error of `check` says in a sentence what the process waits for.
    pub fn ready_if(&self, check: impl Fn() -> Result<(), String> + Send + Sync + 'static) {
        *self.ready.write() = Box::new(check);
    }

    /// Whether the process is alive.
    ///
    /// # Errors
    /// What is wrong, in a sentence.
    pub fn check_live(&self) -> Result<(), String> {
        self.liveness.check()
    }

    /// Whether the process is ready to work.
    ///
    /// # Errors
    /// What it waits for, in a sentence.
    pub fn check_ready(&self) -> Result<(), String> {
        (self.ready.read())()
    }

    /// All metrics, in the text format of OpenMetrics. It may block on drivers of devices.
    pub fn metrics(&self) -> String {
        let mut text = String::new();
        let _one_scrape_at_a_time = self.scrape.lock();
        encode(&mut text, &self.registry.read()).expect("a string takes any text");
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_alive_and_not_ready_until_it_says_so() {
        let status = ProcessStatus::default();
        assert_eq!((status.check_live(), status.check_ready()), (Ok(()), Err("starting".to_owned())));
        status.ready_if(|| Ok(()));
        assert_eq!(status.check_ready(), Ok(()));
        status.ready_if(|| Err("draining".to_owned()));
        assert_eq!(status.check_ready(), Err("draining".to_owned()));
    }

    #[test]
    fn metrics_are_shown_as_they_are_when_asked() {
        let status = ProcessStatus::default();
        status.sample_with(|| {
            let state = |state: &str, value| Sample::gauge("state", "What it does", value).labelled("state", state);
            vec![state("idle", 0.0), state("bu\"sy", 1.0), Sample::counter("reconnects", "How often", 2.0)]
        });
        let text = status.metrics();
        for line in [
            "# TYPE bowline_state gauge",
            "bowline_state{state=\"idle\"} 0.0",
            "bowline_state{state=\"bu\\\"sy\"} 1.0",
            "# TYPE bowline_reconnects counter",
            "bowline_reconnects_total 2.0",
            "# EOF",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
        assert_eq!(text.matches("# TYPE bowline_state ").count(), 1, "one head for all of a name");
        assert!(text.contains("\nprocess_resident_memory_bytes "), "{text}");
    }
}
