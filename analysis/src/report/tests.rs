use super::*;
use crate::{AxisScale, AxisUnit, ChartData, Counts, Frame, ParallelAxis, ParallelLine, Sweep, testing::Made};
use serde_json::Value;
use store::Store;
use tempfile::TempDir;

/// A store that holds what was made, and the frame that is read from it.
async fn frame(made: &Made) -> Frame {
    let folder = TempDir::new().unwrap();
    let store = Store::folder(folder.path()).unwrap();
    for result in made.results.found.values() {
        let _ = store.put_result(result).await.unwrap();
    }
    let sweep = Sweep::of(&made.outcome);
    Frame::of_sweeps(&store, &[sweep]).await.unwrap()
}

fn html(frame: &Frame, summary: &Summary, charts: &[Chart]) -> String {
    let report = Report {
        summary,
        tables: &[],
        charts,
        rows: RunRows::of(frame, summary, charts),
        provenance: Provenance::of(None, frame, summary),
    };
    report.html()
}

/// What the page was told.
async fn told(made: &Made, counts: Option<Counts>) -> Value {
    let summary = Summary::build(&made.outcome, &made.results, counts);
    data(&html(&frame(made).await, &summary, &[]))
}

fn data(html: &str) -> Value {
    let (_, after) = html.split_once(r#"<script type="application/json" id="report-data">"#).unwrap();
    serde_json::from_str(after.split_once("</script>").unwrap().0).unwrap()
}

#[tokio::test]
async fn the_page_begins_with_what_was_chosen_and_what_it_is_better_than() {
    let told = told(&Made::small(), None).await;
    insta::assert_snapshot!(serde_json::to_string_pretty(&told["headline"]).unwrap());
    assert_eq!(told["subtitle"], "2 tasks · searched by mean normalised accuracy on validation, reported on test");
}

#[tokio::test]
async fn a_baseline_that_is_better_than_the_choice_is_told_first_and_is_no_runner_up() {
    let mut made = Made::small();
    made.baseline("ties", 0.2, &[60, 45]);
    let headline = &told(&made, None).await["headline"];
    assert_eq!(
        headline["beaten"],
        "knots_ties (70.0\u{a0}%) is not the best by mean normalised accuracy on validation: the baseline ties (82.5\u{a0}%) is better; \
         only what was searched or learned is chosen"
    );
    let roles: Vec<(&str, &str)> = headline["others"]
        .as_array()
        .unwrap()
        .iter()
        .map(|other| (other["role"].as_str().unwrap(), other["name"].as_str().unwrap()))
        .collect();
    assert_eq!(roles[..2], [("better on validation", "ties"), ("runner-up", "sum")]);
}

#[tokio::test]
async fn a_later_revision_is_named_with_what_changed() {
    let mut made = Made::small();
    assert!(!told(&made, None).await["subtitle"].as_str().unwrap().contains("revision"));
    made.outcome.revision = 3;
    let subtitle = told(&made, None).await["subtitle"].clone();
    assert!(subtitle.as_str().unwrap().ends_with("reported on test · revision 3"), "{subtitle}");
}

#[tokio::test]
async fn a_choice_at_the_border_is_warned_of() {
    let told = told(&Made::small(), Some(Counts { run: 5, reused: 0, failed: 2 })).await;
    let texts: Vec<&str> = told["notices"].as_array().unwrap().iter().map(|of| of["text"].as_str().unwrap()).collect();
    assert_eq!(
        texts,
        [
            "2 jobs failed: `bowline failures list` says why",
            "knots_ties chose the largest scaling that it looked at; a wider range may hold a better one",
        ]
    );
}

#[tokio::test]
async fn an_adapter_that_is_worse_than_the_base_is_warned_of() {
    let mut made = Made::new(&["mnist"]);
    made.row("zero-shot", jobs::RowKind::ZeroShot, &[30]);
    made.row("fine-tuned", jobs::RowKind::Finetuned, &[9]);
    made.merge("sum", &[60], None);
    let told = told(&made, None).await;
    let text = told["notices"][0]["text"].as_str().unwrap();
    assert!(text.starts_with("the adapter of `mnist` is worse on its own task"), "{text}");
    assert_eq!(told["notices"][0]["level"], "warning");
}

#[tokio::test]
async fn runs_are_ordered_by_what_was_searched_by() {
    let runs = &told(&Made::small(), None).await["runs"];
    insta::assert_snapshot!(serde_json::to_string(&runs["columns"]).unwrap());
    let at = |name: &str| {
        let columns = runs["columns"].as_array().unwrap();
        columns.iter().position(|column| column["name"] == name).unwrap()
    };
    let rows = runs["rows"].as_array().unwrap();
    let scaling: Vec<&Value> =
        rows.iter().filter(|row| row[at("row")] == "knots_ties").map(|row| &row[at("scaling")]).collect();
    assert_eq!(scaling.len(), 4, "three points, and the chosen one on the report split");
    assert_eq!(runs["total"], rows.len());
    let chosen: Vec<u64> = runs["chosen"].as_array().unwrap().iter().filter_map(Value::as_u64).collect();
    assert_eq!(chosen.len(), 2, "the chosen recipe on both splits");
    assert!(chosen.iter().all(|row| rows[*row as usize][at("scaling")] == 0.3));
}

#[tokio::test]
async fn text_of_results_stays_text() {
    let evil = "</script><script>alert(1)</script>";
    let mut made = Made::new(&[evil, "flags"]);
    made.outcome.sweep = evil.to_owned();
    made.row(evil, jobs::RowKind::ZeroShot, &[20, 40]);
    let summary = Summary::build(&made.outcome, &made.results, None);
    let frame = Frame::of_sweeps(&Store::folder(TempDir::new().unwrap().path()).unwrap(), &[]).await.unwrap();
    let html = html(&frame, &summary, &[]);
    assert!(!html.contains("<script>"));
    assert_eq!(data(&html)["sweep"], evil);
}

#[tokio::test]
async fn a_sweep_that_came_to_nothing_has_a_page_that_says_so() {
    let nothing = told(&Made::new(&["mnist"]), None).await;
    assert_eq!(nothing["headline"], Value::Null);
    assert_eq!(nothing["notices"][0]["text"], "no job of this sweep has a result");
    assert_eq!(nothing["runs"]["rows"], Value::Array(Vec::new()));

    let mut made = Made::new(&["mnist"]);
    made.merge("ties", &[1], Some(&[0.1, 0.2]));
    made.fail_the_search();
    let failed = told(&made, None).await;
    assert_eq!(failed["headline"], Value::Null);
    assert_eq!(failed["notices"][1]["text"], "ties chose nothing: all of its points failed (2 of 2)");
}

#[tokio::test]
async fn one_result_has_a_page() {
    let mut made = Made::new(&["mnist"]);
    made.outcome.objective.metric = jobs::Metric::MeanAccuracy;
    made.merge("sum", &[60], None);
    let told = told(&made, None).await;
    assert_eq!(told["headline"]["why"], "the only recipe; nothing was searched");
    assert_eq!(told["headline"]["others"], Value::Array(Vec::new()));
}

#[tokio::test]
async fn of_very_many_runs_the_page_has_the_best_those_that_it_draws_and_a_sample() {
    let mut made = Made::new(&["mnist"]);
    let scalings: Vec<f64> = (1..=60).map(|step| f64::from(step) / 100.0).collect();
    made.merge("ties", &[50], Some(&scalings));
    let summary = Summary::build(&made.outcome, &made.results, None);
    let frame = frame(&made).await;
    let jobs: Vec<&str> = crate::columns::Columns(frame.table()).texts("job").into_iter().flatten().collect();
    let chart = parallel(jobs.iter().copied().rev().take(3));
    let rows = || RunRows::at_most(20, &frame, &summary, std::slice::from_ref(&chart));
    assert_eq!((rows().len(), rows().total()), (20, jobs.len() as u64));
    assert_eq!(rows(), rows());
    let rows = serde_json::to_value(rows()).unwrap();
    let has =
        |job: &str| rows["rows"].as_array().unwrap().iter().any(|row| row.as_array().unwrap().last().unwrap() == job);
    assert!(jobs.iter().rev().take(3).all(|job| has(job)));
}

fn parallel<'a>(jobs: impl Iterator<Item = &'a str>) -> Chart {
    let axis = ParallelAxis { name: "scaling".to_owned(), unit: AxisUnit::None, scale: AxisScale::Linear, words: None };
    let line = |job: &str| ParallelLine { job: job.to_owned(), method: "ties".to_owned(), values: vec![Some(0.1)] };
    let data = ChartData::Parallel { axes: vec![axis], lines: jobs.map(line).collect(), total: 6000 };
    Chart { slug: "parallel".to_owned(), title: "All".to_owned(), caption: "…".to_owned(), data }
}

#[tokio::test]
async fn the_page_says_where_its_numbers_come_from() {
    let made = Made::small();
    let frame = frame(&made).await;
    let summary = Summary::build(&made.outcome, &made.results, None);
    let provenance = Provenance::of(None, &frame, &summary);
    let jobs = made.results.found.len();
    assert_eq!(
        provenance.facts,
        [
            ("Jobs with results", format!("{jobs}, by 1 worker")),
            ("Devices", format!("cpu (2 threads): {jobs}")),
            ("Precision", "f32".to_owned()),
        ]
    );
    assert_eq!((provenance.first_ms, provenance.last_ms), (Some(1000), Some(1000)));
}
