use crate::clock::now_ms;
use jobs::WorkerStatus;
use std::{collections::HashMap, time::Duration};
use store::{Dated, StoreError};
use tokio::time::Instant;

/// A worker that was not heard of for so long does not hold its job any more, as far as a coordinator is concerned.
const HEARD_WITHIN: Duration = Duration::from_secs(60);

/// When workers were last heard of, by the store's clock and by our own: theirs may be wrong.
#[derive(Debug, Default)]
pub(super) struct Hearing(HashMap<String, (u64, Instant)>);

impl Hearing {
    /// Those of `workers` that are alive: what they tell has changed lately. What is seen for the first time is as old as the
    /// store says; where it does not say, it is new.
    pub(super) fn alive(
        &mut self,
        workers: Vec<(String, Result<Dated<WorkerStatus>, StoreError>)>,
    ) -> Vec<WorkerStatus> {
        let now = Instant::now();
        let mut heard = HashMap::with_capacity(workers.len());
        let mut alive = Vec::new();
        for (name, status) in workers {
            // What cannot be read was written by another version; it counts as nobody.
            let Ok(dated) = status else { continue };
            let age = dated.written.map_or(Duration::ZERO, |_| dated.age(0, now_ms()));
            let status = dated.content;
            let since = match self.0.get(&name) {
                Some((beat, since)) if *beat == status.beat_ms => *since,
                _ if age >= HEARD_WITHIN => continue,
                _ => now.checked_sub(age).unwrap_or(now),
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
    use store::Written;

    fn told(beat_ms: u64) -> Vec<(String, Result<Dated<WorkerStatus>, StoreError>)> {
        let content = WorkerStatus { beat_ms, ..WorkerStatus::fresh("w", "cpu", 0) };
        vec![("w".to_owned(), Ok(Dated { content, written: None }))]
    }

    #[tokio::test(start_paused = true)]
    async fn a_worker_that_the_store_heard_of_long_ago_is_not_alive_when_it_is_first_seen() {
        let seen = |age_s: u64| {
            let mut told = told(7);
            let written = Written { at_ms: 0, now_ms: age_s * 1000 };
            told.iter_mut().for_each(|(_, dated)| dated.as_mut().unwrap().written = Some(written));
            told
        };
        let mut hearing = Hearing::default();
        assert!(hearing.alive(seen(3600)).is_empty());
        assert!(hearing.alive(seen(3605)).is_empty());
        assert_eq!(Hearing::default().alive(seen(20)).len(), 1);
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
