//! Points that are evaluated ahead of a linear search.

use super::*;
use crate::{points_ahead, stored_jobs};

#[tokio::test(start_paused = true)]
async fn a_sweep_whose_pool_has_idle_workers_has_the_same_table_and_counts() {
    let alone = Fixture::new().run(&[]).await;
    let fixture = Fixture::new();
    let queue = MemoryQueue::new();
    let settings = Settings { pool: Some("cpu".to_owned()), ..Settings::default() };
    let coordinator = Coordinator { publisher: Arc::new(queue.clone()), store: fixture.store.clone(), settings };
    let worker = async {
        for beat_ms in 0.. {
            // Four workers are alive, and one of them computes: the coordinator sees that while each job takes its time.
            for name in ["a", "b", "c", "d"] {
                let status = WorkerStatus { beat_ms, ..WorkerStatus::fresh(name, "cpu", 0) };
                fixture.store.put_worker(name, &status).await.unwrap();
            }
            let delivery = queue.next().await.unwrap().unwrap();
            tokio::time::sleep(Duration::from_secs(20)).await;
            let _first_or_not = fixture.store.put_result(&result(delivery.job())).await.unwrap();
            delivery.ack().await.unwrap();
        }
    };
    let mut on_event = |_| ();
    let resume = Resume::fresh(&frozen(&[])).unwrap();
    let end = tokio::select! {
        end = coordinator.run(frozen(&[]), resume, &mut on_event, std::future::pending()) => end.unwrap(),
        () = worker => unreachable!("the queue is never closed"),
    };
    let Ended::Finished(outcome_ahead) = &end.ended else { panic!("{end:?}") };
    assert_eq!(**outcome_ahead, *outcome(&alone));
    assert_eq!(end.counts, alone.end.counts);
    let results: std::collections::HashSet<JobId> =
        fixture.store.jobs_with_results().await.unwrap().into_iter().collect();
    assert_eq!(results.len(), 17, "λ 0.5 was evaluated, which the search passes over");
    let stored = stored_jobs(&frozen(&[]), &fixture.store).await.unwrap();
    assert_eq!(stored.ended, results, "what was evaluated ahead belongs to the sweep");
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

#[tokio::test]
async fn a_raced_sweep_that_runs_again_names_the_same_slices() {
    for method in ["method=linear", "method=grid"] {
        let fixture = Fixture::new();
        let overrides = [method, "racing={slice: 100}"];
        let first = fixture.run(&overrides).await;
        let points = outcome(&first).rows.last().unwrap().points();
        assert!(points.iter().any(|point| !point.slices.is_empty()));
        let second = fixture.run(&overrides).await;
        assert_eq!(outcome(&second), outcome(&first), "{method}");
    }
}
