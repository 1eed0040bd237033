//! Runs whose merges need statistics.

use super::*;

/// The baseline merges by statistics of both tasks.
const BY_INPUTS: [&str; 3] =
    ["method=grid", "metric.name=mean_accuracy", "baselines=[{name: fixed, preset: regmean, examples: 32}]"];

fn is_statistics(job: &Job) -> bool {
    job.spec().kind() == jobs::JobKind::Statistics
}

#[tokio::test]
async fn statistics_are_counted_as_the_bound_counts_them() {
    let fixture = Fixture::new();
    let bound = survey(&frozen(&BY_INPUTS), &fixture.store, Retry::Machines).await.unwrap().survey.bound;
    let first = fixture.run(&BY_INPUTS).await;
    assert_eq!(first.computed.iter().filter(|job| is_statistics(job)).count(), 2);
    assert_eq!((counts(&first), first.computed.len() as u64), ((bound, 0, 0), bound));
    let seen = first.events.iter().fold(Counts::default(), |mut seen, event| {
        seen.note(event);
        seen
    });
    assert_eq!(seen, first.end.counts);

    let known = survey(&frozen(&BY_INPUTS), &fixture.store, Retry::Machines).await.unwrap().survey;
    assert_eq!((known.stored, known.missing), (bound, 0));
    assert_eq!(counts(&fixture.run(&BY_INPUTS).await), (0, bound, 0));
}
