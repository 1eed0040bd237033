use crate::{Heart, Reading, process, readings::Readings};
use prometheus_client::{encoding::text::encode, registry::Registry};
use std::{
    fmt,
    sync::{Mutex, PoisonError, RwLock},
};

/// The prefix of all metrics but those of the process, which have names that everybody knows.
const PREFIX: &str = "bowline";

type Condition = Box<dyn Fn() -> Result<(), String> + Send + Sync>;

/// What a process shows of itself.
pub struct Board {
    registry: RwLock<Registry>,
    /// Held while metrics are read: one reading at a time is enough for drivers.
    reading: Mutex<()>,
    heart: Heart,
    ready: RwLock<Condition>,
}

impl fmt::Debug for Board {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Board").field("heart", &self.heart).finish_non_exhaustive()
    }
}

impl Default for Board {
    /// A board of a process that is starting.
    fn default() -> Self {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Readings(process::readings)));
        let ready: Condition = Box::new(|| Err("starting".to_owned()));
        Self {
            registry: RwLock::new(registry),
            reading: Mutex::default(),
            heart: Heart::default(),
            ready: RwLock::new(ready),
        }
    }
}

impl Board {
    /// The heart, which somebody has to let beat.
    pub fn heart(&self) -> &Heart {
        &self.heart
    }

    /// Adds metrics, which get the prefix `bowline_`.
    pub fn register(&self, add: impl FnOnce(&mut Registry)) {
        let mut registry = self.registry.write().unwrap_or_else(PoisonError::into_inner);
        add(registry.sub_registry_with_prefix(PREFIX));
    }

    /// Adds numbers that are read at every scrape; they get the prefix `bowline_`.
    pub fn read(&self, readings: impl Fn() -> Vec<Reading> + Send + Sync + 'static) {
        self.register(|registry| registry.register_collector(Box::new(Readings(readings))));
    }

    /// From now on the process is ready as far as `condition` says; its error says in a sentence what it waits for.
    pub fn ready_if(&self, condition: impl Fn() -> Result<(), String> + Send + Sync + 'static) {
        *self.ready.write().unwrap_or_else(PoisonError::into_inner) = Box::new(condition);
    }

    /// Whether the process lives.
    ///
    /// # Errors
    /// What is wrong, in a sentence.
    pub fn check_live(&self) -> Result<(), String> {
        self.heart.check()
    }

    /// Whether the process does what it is for.
    ///
    /// # Errors
    /// What it waits for, in a sentence.
    pub fn check_ready(&self) -> Result<(), String> {
        (self.ready.read().unwrap_or_else(PoisonError::into_inner))()
    }

    /// All metrics, in the text format of OpenMetrics. It may wait for drivers of devices.
    pub fn metrics(&self) -> String {
        let mut text = String::new();
        let _alone = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        let registry = self.registry.read().unwrap_or_else(PoisonError::into_inner);
        encode(&mut text, &registry).expect("text takes text");
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_alive_and_not_ready_until_it_says_so() {
        let board = Board::default();
        assert_eq!((board.check_live(), board.check_ready()), (Ok(()), Err("starting".to_owned())));
        board.ready_if(|| Ok(()));
        assert_eq!(board.check_ready(), Ok(()));
        board.ready_if(|| Err("draining".to_owned()));
        assert_eq!(board.check_ready(), Err("draining".to_owned()));
    }

    #[test]
    fn metrics_are_shown_as_they_are_when_asked() {
        let board = Board::default();
        board.read(|| {
            let state = |state: &str, value| Reading::gauge("state", "What it does", value).labelled("state", state);
            vec![state("idle", 0.0), state("bu\"sy", 1.0), Reading::counter("reconnects", "How often", 2.0)]
        });
        let text = board.metrics();
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
