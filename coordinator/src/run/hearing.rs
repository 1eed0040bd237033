use jobs::WorkerStatus;
use std::{collections::HashMap, time::Duration};
use store::StoreError;
use tokio::time::Instant;

/// A worker that was not heard of for so long does not hold its job any more, as far as a coordinator is concerned.
const HEARD_WITHIN: Duration = Duration::from_secs(60);

/// When workers were last heard of, by our own clock: theirs may be wrong.
#[derive(Debug, Default)]
pub(super) struct Hearing(HashMap<String, (u64, Instant)>);

impl Hearing {
    /// Those of `workers` that are alive: what they tell has changed lately, or was not known before.
    pub(super) fn alive(&mut self, workers: Vec<(String, Result<WorkerStatus, StoreError>)>) -> Vec<WorkerStatus> {
        let now = Instant::now();
        let mut heard = HashMap::with_capacity(workers.len());
        let mut alive = Vec::new();
        for (name, status) in workers {
            // What cannot be read was written by another version; it counts as nobody.
            let Ok(status) = status else { continue };
            let since = match self.0.get(&name) {
                Some((beat, since)) if *beat == status.beat_ms => *since,
                _ => now,
            };
            heard.insert(name, (status.beat_ms, since));
            if since.elapsed() < HEARD_WITHIN {
                alive.push(status);
            }
        }
        self.0 = heard;
        alive
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(beat_ms: u64) -> Vec<(String, Result<WorkerStatus, StoreError>)> {
        let status = WorkerStatus { beat_ms, ..WorkerStatus::fresh("w", "cpu", 0) };
        vec![("w".to_owned(), Ok(status))]
    }

    #[tokio::test(start_paused = true)]
    async fn a_worker_lives_as_long_as_it_tells_something_new_whatever_its_clock_says() {
        let mut hearing = Hearing::default();
        for beat in [5, 1, 3] {
            assert_eq!(hearing.alive(told(beat)).len(), 1);
            tokio::time::sleep(Duration::from_secs(45)).await;
            assert_eq!(hearing.alive(told(beat)).len(), 1);
        }
        tokio::time::sleep(Duration::from_secs(20)).await;
        assert!(hearing.alive(told(3)).is_empty());
        assert_eq!(hearing.alive(told(4)).len(), 1, "it is back");
    }
}
