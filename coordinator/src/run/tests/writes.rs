//! Runs that write their winner.

use super::*;
use crate::Phase;

fn writing() -> Settings {
    Settings { writes: true, ..Settings::default() }
}

fn is_write(job: &Job) -> bool {
    job.spec().as_evaluation().is_none()
}

#[tokio::test]
async fn the_winner_is_the_last_job_of_a_sweep_and_no_count_includes_it() {
    let fixture = Fixture::new();
    let first = fixture.run_with(&[], writing(), usize::MAX, |_| false).await.unwrap();
    assert_eq!(counts(&first), (16, 0, 0), "as without");
    let (last, before) = first.computed.split_last().unwrap();
    assert!(is_write(last) && !before.iter().any(is_write));
    assert!(fixture.store.artefact_result(&last.id()).await.unwrap().is_some());
    assert!(first.events.contains(&Event::Phase(Phase::Write)));
    let is_written = |event: &Event| matches!(event, Event::Written { job, is_reused: false, .. } if *job == last.id());
    assert!(first.events.iter().any(is_written));

    let second = fixture.run_with(&[], writing(), usize::MAX, |_| false).await.unwrap();
    assert_eq!((counts(&second), second.computed.len()), ((0, 16, 0), 0));
    assert!(second.events.iter().any(|event| matches!(event, Event::Written { is_reused: true, .. })));
    assert_eq!(outcome(&second), outcome(&first));
}

#[tokio::test]
async fn a_winner_that_cannot_be_written_leaves_the_outcome_and_is_tried_again() {
    let fixture = Fixture::new();
    let first = fixture.run_with(&[], writing(), usize::MAX, is_write).await.unwrap();
    assert_eq!(counts(&first), (16, 0, 0), "every evaluation succeeded");
    let reported = |event: &Event| matches!(event, Event::NotWritten { errors, .. } if !errors.is_empty());
    assert!(first.events.iter().any(reported));
    let stored: Outcome = fixture.store.document("small", OUTCOME).await.unwrap().unwrap();
    assert_eq!(stored, *outcome(&first));
    // The job is to blame, so it is not tried again without a flag.
    let second = fixture.run_with(&[], writing(), usize::MAX, |_| false).await.unwrap();
    assert_eq!(second.computed.len(), 0);
    let settings = Settings { retry: Retry::Everything, ..writing() };
    let third = fixture.run_with(&[], settings, usize::MAX, |_| false).await.unwrap();
    assert!(third.computed.len() == 1 && is_write(&third.computed[0]));
}

#[tokio::test]
async fn a_winner_without_one_of_its_files_is_corrupt_and_a_repair_writes_it_again() {
    let fixture = Fixture::new();
    let first = fixture.run_with(&[], writing(), usize::MAX, |_| false).await.unwrap();
    let job = first.computed.last().unwrap().id();
    let made = fixture.store.artefact_result(&job).await.unwrap().unwrap();
    std::fs::remove_file(std::path::Path::new(&fixture.store.artefact_place(&job, &made.artefact)).join("weights"))
        .unwrap();

    let second = fixture.run_with(&[], writing(), usize::MAX, |_| false).await.unwrap();
    let reported = |event: &Event| matches!(event, Event::NotWritten { errors, .. } if errors[0].contains("--repair"));
    assert!(second.events.iter().any(reported) && second.computed.is_empty(), "{:?}", second.events);

    let settings = Settings { repair: true, ..writing() };
    let third = fixture.run_with(&[], settings, usize::MAX, |_| false).await.unwrap();
    assert_eq!(third.computed.iter().map(Job::id).collect::<Vec<_>>(), [job]);
    fixture.store.check_artefact_files(&made).await.unwrap();
}
