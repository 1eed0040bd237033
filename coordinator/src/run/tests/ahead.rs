//! Points that are evaluated ahead of a linear search.

use super::*;
use crate::{points_ahead, stored_jobs};

#[tokio::test]
async fn a_sweep_whose_pool_has_idle_workers_has_the_same_table_and_counts() {
    let alone = Fixture::new().run(&[]).await;
    let fixture = Fixture::new();
    for name in ["a", "b", "c", "d"] {
        fixture.store.put_worker(name, &WorkerStatus::fresh(name, "cpu", 0)).await.unwrap();
    }
    let settings = Settings { pool: Some("cpu".to_owned()), ..Settings::default() };
    let ran = fixture.run_with(&[], settings, usize::MAX, |_| false).await.unwrap();
    assert_eq!(outcome(&ran), outcome(&alone));
    assert_eq!(counts(&ran), counts(&alone));
    let results = fixture.store.jobs_with_results().await.unwrap();
    let stored = stored_jobs(&frozen(&[]), &fixture.store).await.unwrap();
    assert_eq!(stored.ended, results.into_iter().collect(), "what was evaluated ahead belongs to the sweep");
    let again = fixture.run(&[]).await;
    assert_eq!((counts(&again), again.computed.len()), ((0, 16, 0), 0));
    assert_eq!(outcome(&again), outcome(&alone));
}

#[tokio::test]
async fn a_stored_point_that_a_scan_passed_over_belongs_to_the_sweep() {
    let fixture = Fixture::new();
    fixture.run(&[]).await;
    let frozen = frozen(&[]);
    let passed_over = points_ahead(&frozen, &fixture.store).await.unwrap();
    assert_eq!(passed_over.len(), 1, "λ 0.5: the scan ends at 0.4, and that of the density at its last value");
    let before = stored_jobs(&frozen, &fixture.store).await.unwrap();
    assert!(!before.ended.contains(&passed_over[0]));
    // A grid has evaluated it.
    fixture.run(&["name=other", "method=grid"]).await;
    let after = stored_jobs(&frozen, &fixture.store).await.unwrap();
    assert_eq!(after.ended.len(), before.ended.len() + 1);
    assert!(after.ended.contains(&passed_over[0]));
}
