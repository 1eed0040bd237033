//! What is known of a sweep before a run publishes anything.

use super::*;

#[tokio::test]
async fn a_finished_sweep_is_compacted_and_known_from_its_parts() {
    let fixture = Fixture::new();
    let first = fixture.run(&[]).await;
    let compacted = fixture.store.compacted_jobs(store::Revision::first("small")).await.unwrap();
    assert_eq!((compacted.jobs.len(), compacted.broken.len()), (16, 0));
    // The parts alone have the same content as the results.
    std::fs::remove_dir_all(fixture._folder.path().join("results")).unwrap();
    let again = fixture.run(&[]).await;
    assert_eq!((again.computed.len(), counts(&again)), (0, (0, 16, 0)));
    assert_eq!(outcome(&again), outcome(&first));
    assert_eq!(
        fixture.store.parts(store::Revision::first("small")).await.unwrap().len(),
        1,
        "what is in a part is not compacted again"
    );
}

#[tokio::test]
async fn a_large_sweep_is_surveyed_by_a_listing_of_the_store() {
    let fixture = Fixture::new();
    let large = ["name=large", "method=grid", "parameters.scaling={min: 0.001, max: 5.0, step: 0.001}"];
    let small = fixture.run(&["method=grid"]).await;
    let resume = survey(&frozen(&large), &fixture.store, Retry::Machines).await.unwrap();
    let Survey { bound, stored, missing, .. } = resume.survey;
    // The grid of 20 000 holds all points of the small one, references and baseline.
    assert_eq!((stored, stored + missing + 5), (small.computed.len() as u64 - 5, bound));
}

#[tokio::test]
async fn a_small_sweep_in_a_large_store_finds_its_results_without_a_listing() {
    let fixture = Fixture::new();
    let first = fixture.run(&["method=grid"]).await;
    fixture.without_parts();
    let beside = fixture._folder.path().join("results/zz");
    std::fs::create_dir_all(&beside).unwrap();
    for number in 0..2_500 {
        std::fs::write(beside.join(format!("{number}.json")), "of another sweep").unwrap();
    }
    let again = fixture.run(&["method=grid"]).await;
    assert_eq!(again.computed.len(), 0);
    assert_eq!(outcome(&again), outcome(&first));
}

#[tokio::test]
async fn a_survey_counts_without_publishing() {
    let fixture = Fixture::new();
    let fresh = survey(&frozen(&[]), &fixture.store, Retry::Machines).await.unwrap();
    assert_eq!(fresh.survey, Survey { bound: 18, missing: 3, ..Survey::default() });
    fixture.run_with(&[], Settings::default(), 5, |_| false).await.unwrap();
    let begun = survey(&frozen(&[]), &fixture.store, Retry::Machines).await.unwrap().survey;
    assert_eq!((begun.stored, begun.failed), (5, 0));
    assert!(begun.missing >= 1);
}

#[tokio::test]
async fn the_stored_jobs_of_a_raced_sweep_are_all_that_it_has_left_in_the_store() {
    for method in ["method=linear", "method=grid"] {
        let fixture = Fixture::new();
        let overrides = [method, "racing={slice: 100}"];
        fixture.run(&overrides).await;
        let stored = crate::stored_jobs(&frozen(&overrides), &fixture.store).await.unwrap();
        let results = fixture.store.jobs_with_results().await.unwrap();
        let left = results.iter().filter(|job| !stored.ended.contains(job) && !stored.slices.contains(job));
        assert_eq!((left.count(), stored.slices.is_empty()), (0, false), "{method}");
        let count = stored.count();
        assert_eq!(count, fixture.run(&overrides).await.end.counts.reused as usize, "slices are no jobs: {method}");
    }
}
