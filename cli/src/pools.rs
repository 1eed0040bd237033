//! Which pools the sweeps of a store run in.

use crate::clock::now_ms;
use coordinator::is_active;
use futures_util::{StreamExt, stream};
use jobs::Progress;
use std::time::Duration;
use store::{Store, StoreError};
use tokio::time::timeout;

/// Sweeps that are read at the same time.
const CONCURRENT: usize = 16;

/// How long a starting worker looks for sweeps. The result is only a note for people, and jobs may wait.
const TIME_LIMIT: Duration = Duration::from_secs(5);

/// The warning for a person who starts a worker in `pool` while sweeps run only in other pools; `None` otherwise.
pub(crate) async fn warning(store: &Store, pool: &str) -> Option<String> {
    let running = timeout(TIME_LIMIT, running(store)).await.ok()?.ok()?;
    in_words(&running, pool)
}

/// The sweeps that are run now through a queue, and their pools.
async fn running(store: &Store) -> Result<Vec<(String, String)>, StoreError> {
    let look = |name: String| async move {
        let progress = store.dated_document::<Progress>(&name, Progress::DOCUMENT).await.ok()??;
        let pool = is_active(&progress, now_ms()).then_some(progress.content.pool)??;
        Some((name, pool))
    };
    let names = store.sweeps().await?;
    let found: Vec<Option<(String, String)>> =
        stream::iter(names.into_iter().map(look)).buffered(CONCURRENT).collect().await;
    Ok(found.into_iter().flatten().collect())
}

fn in_words(running: &[(String, String)], pool: &str) -> Option<String> {
    let (_, other) = running.first()?;
    if running.iter().any(|(_, of_sweep)| of_sweep == pool) {
        return None;
    }
    let listed: Vec<_> = running.iter().map(|(sweep, pool)| format!("`{sweep}` in pool `{pool}`")).collect();
    Some(format!(
        "no sweep of this store runs in pool `{pool}`, whose jobs this worker takes; running: {}; `--pool {other}` takes jobs there",
        listed.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_hears_of_sweeps_in_other_pools_only_where_none_runs_in_its_own() {
        let running = |pools: &[&str]| -> Vec<(String, String)> {
            pools.iter().map(|pool| (format!("s-{pool}"), (*pool).to_owned())).collect()
        };
        assert_eq!(in_words(&running(&[]), "cpu"), None);
        assert_eq!(in_words(&running(&["a40", "cpu"]), "cpu"), None);
        let said = in_words(&running(&["a40", "h100"]), "cpu").unwrap();
        assert!(said.contains("no sweep of this store runs in pool `cpu`"), "{said}");
        assert!(said.contains("`s-a40` in pool `a40`, `s-h100` in pool `h100`; `--pool a40`"), "{said}");
    }
}
