//! Corrupt stored results, and their repair.

use super::*;

/// A point of the search of the small sweep that loses.
pub(super) fn loser(ran: &Ran) -> JobId {
    let RowKind::Search { points, .. } = &outcome(ran).rows[3].kind else { panic!() };
    let worst = points.iter().min_by(|one, other| one.value.unwrap().total_cmp(&other.value.unwrap()));
    worst.unwrap().job
}

type Edit = fn(&mut serde_json::Value);

/// Edits that make a result impossible.
const EDITS: [(&str, Edit); 9] = [
    ("1000 right answers of 100 examples", |value| {
        value["scores"][0]["n"] = 100.into();
        value["scores"][0]["correct"] = 1000.into();
    }),
    ("task `mnist` has 18446744073709551615 examples", |value| {
        value["scores"][0]["n"] = u64::MAX.into();
        value["scores"][0]["correct"] = u64::MAX.into();
    }),
    ("task `mnist` has 0 examples", |value| {
        value["scores"][0]["n"] = 0.into();
        value["scores"][0]["correct"] = 0.into();
    }),
    // These are possible alone, and contradict the other results.
    ("task `mnist` has 1 examples, and the same data have 1000 in other results of the sweep", |value| {
        value["scores"][0]["n"] = 1.into();
        value["scores"][0]["correct"] = 1.into();
    }),
    ("task `flags` has 2000 examples, and the same data have 1000 in other results of the sweep", |value| {
        value["scores"][1]["n"] = 2000.into();
        value["scores"][1]["correct"] = 2000.into();
    }),
    ("it has scores of `mnist`, and its job asks for `mnist`, `flags`", |value| {
        value["scores"].as_array_mut().unwrap().truncate(1);
    }),
    ("it has scores of `icons`, `flags`", |value| value["scores"][0]["task"] = "icons".into()),
    ("it has scores of no task", |value| value["scores"] = serde_json::json!([])),
    ("`timings.merge_s` is -1", |value| value["timings"]["merge_s"] = (-1.0).into()),
];

#[tokio::test]
async fn an_edited_result_is_one_failed_job_and_is_repaired_on_request() {
    let fixture = Fixture::new();
    let whole = Fixture::new().run(&[]).await;
    let job = loser(&fixture.run(&[]).await);
    for (cause, edit) in EDITS {
        fixture.edit(&job, edit);
        fixture.without_parts();
        let ran = fixture.run(&[]).await;
        // The value of that point is unknown: the search stops there, and no winner is named.
        assert_eq!((counts(&ran), ran.computed.len(), outcome(&ran).missing), ((0, 8, 1), 0, 1), "{cause}");
        let reported = ran.events.iter().find_map(|event| match event {
            Event::Failed { job: failed, errors, .. } => Some((*failed, errors.join(": "))),
            _ => None,
        });
        let (failed, errors) = reported.unwrap();
        assert_eq!(failed, job);
        assert!(errors.contains("`bowline run --repair` computes it again") && errors.contains(cause), "{errors}");
        assert!(outcome(&ran).rows[3].jobs.values().all(Vec::is_empty), "nothing is chosen: {cause}");

        let survey = survey(&frozen(&[]), &fixture.store, Retry::Machines).await.unwrap().survey;
        assert_eq!((survey.corrupt, survey.failed), (1, 1), "{cause}");
        fixture.without_parts();
        let repaired = fixture.run_with(&[], repairing(), usize::MAX, |_| false).await.unwrap();
        assert_eq!((counts(&repaired), repaired.computed.len()), ((1, 15, 0), 1), "{cause}");
        assert_eq!(outcome(&repaired), outcome(&whole), "{cause}");
    }
}

#[tokio::test]
async fn a_corrupt_result_of_the_base_model_fails_its_row_and_does_not_stop_the_sweep() {
    let fixture = Fixture::new();
    let whole = fixture.run(&["method=grid"]).await;
    let base = frozen(&["method=grid"]).meaning(jobs::Subject::Base, "validation").id();
    std::fs::write(fixture.path(&base), "").unwrap();
    fixture.without_parts();
    let ran = fixture.run(&["method=grid"]).await;
    assert_eq!((counts(&ran).2, ran.computed.len()), (1, 0));
    let best = |ran: &Ran| outcome(ran).rows[3].jobs.clone();
    assert_eq!(best(&ran), best(&whole), "the search does not need it");
    fixture.without_parts();
    let repaired = fixture.run_with(&["method=grid"], repairing(), usize::MAX, |_| false).await.unwrap();
    assert_eq!((repaired.computed.len(), outcome(&repaired)), (1, outcome(&whole)));
}

pub(super) fn repairing() -> Settings {
    Settings { repair: true, ..Settings::default() }
}

#[tokio::test]
async fn an_empty_or_unreadable_result_fails_one_job() {
    let fixture = Fixture::new();
    let whole = Fixture::new().run(&[]).await;
    let jobs: Vec<JobId> = outcome(&whole).rows.iter().flat_map(|row| row.jobs.values().flatten().copied()).collect();
    fixture.run(&[]).await;
    for (job, content) in
        jobs.iter().zip([&b""[..], b"{", b"\0\xff", b"null", b"[]", b"{\"version\": 1}"].into_iter().cycle())
    {
        fixture.without_parts();
        std::fs::write(fixture.path(job), content).unwrap();
        let repaired = fixture.run_with(&[], repairing(), usize::MAX, |_| false).await.unwrap();
        assert_eq!((counts(&repaired), repaired.computed.len()), ((1, 15, 0), 1));
        assert_eq!(outcome(&repaired), outcome(&whole));
    }
}

#[tokio::test]
async fn a_result_that_contradicts_all_later_ones_is_found_at_the_end() {
    let fixture = Fixture::new();
    let whole = Fixture::new().run(&[]).await;
    // One job is computed, and its result is edited before the others are computed.
    let first = fixture.run_with(&[], Settings::default(), 1, |_| false).await.unwrap();
    fixture.edit(&first.computed[0].id(), |value| value["scores"][0]["n"] = 4000.into());
    let ran = fixture.run(&[]).await;
    assert_eq!((counts(&ran), ran.computed.len()), ((15, 1, 1), 15));
    let repaired = fixture.run_with(&[], repairing(), usize::MAX, |_| false).await.unwrap();
    assert_eq!(repaired.computed.len(), 1);
    assert_eq!(outcome(&repaired), outcome(&whole));
}

#[tokio::test]
async fn a_corrupt_result_is_repaired_in_the_run_that_meets_it() {
    let fixture = Fixture::new();
    let whole = Fixture::new().run(&[]).await;
    let first = fixture.run_with(&[], Settings::default(), 1, |_| false).await.unwrap();
    fixture.edit(&first.computed[0].id(), |value| value["scores"][0]["n"] = 4000.into());
    let ran = fixture.run_with(&[], repairing(), usize::MAX, |_| false).await.unwrap();
    assert_eq!((ran.computed.len(), counts(&ran).2), (16, 0));
    assert_eq!(outcome(&ran), outcome(&whole));
}

#[tokio::test]
async fn a_record_of_a_failure_that_cannot_be_read_does_not_end_the_run() {
    let fixture = Fixture::new();
    let whole = fixture.run(&[]).await;
    let job = loser(&whole);
    fixture.without_parts();
    std::fs::remove_file(fixture.path(&job)).unwrap();
    let folder = fixture._folder.path().join("failures").join(job.to_string());
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("1.json"), "").unwrap();
    let ran = fixture.run(&[]).await;
    assert_eq!((counts(&ran), ran.computed.len()), ((1, 15, 0), 1));
}
