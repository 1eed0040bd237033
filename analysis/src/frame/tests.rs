use super::*;
use crate::testing::Made;
use jobs::JobResult;
use polars::prelude::AnyValue;
use polars_io::prelude::{ParquetReader, SerReader};
use std::{collections::BTreeMap, fs::File, path::Path};
use store::Store;
use tempfile::TempDir;

/// A store in a folder that goes with it.
struct Kept {
    folder: TempDir,
    store: Store,
}

impl Kept {
    async fn of(made: &Made) -> Self {
        let folder = TempDir::new().unwrap();
        let store = Store::folder(folder.path()).unwrap();
        for result in made.results.found.values() {
            assert_eq!(store.put_result(result).await.unwrap(), store::Put::Created);
        }
        Self { folder, store }
    }

    async fn frame(&self, made: &Made) -> Frame {
        Frame::of_sweeps(&self.store, &[sweep(made)]).await.unwrap()
    }

    fn object(&self, result: &JobResult) -> std::path::PathBuf {
        let job = result.job.to_string();
        self.folder.path().join("results").join(&job[..2]).join(format!("{job}.json"))
    }
}

fn sweep(made: &Made) -> Sweep<'_> {
    Sweep::of(&made.outcome)
}

fn value(frame: &Frame, column: &str, row: usize) -> AnyValue<'static> {
    frame.table.column(column).unwrap().get(row).unwrap().into_static()
}

fn find(frame: &Frame, wanted: &[(&str, &str)]) -> usize {
    let is = |index: usize| {
        wanted.iter().all(|(column, text)| value(frame, column, index) == AnyValue::String(text).into_static())
    };
    (0..frame.len()).find(|index| is(*index)).unwrap()
}

fn number(frame: &Frame, column: &str, row: usize) -> f64 {
    value(frame, column, row).try_extract().unwrap()
}

fn near(found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-12, "{found}, expected {expected}");
}

fn problems(frame: &Frame) -> Vec<String> {
    frame.problems().iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn there_is_one_row_per_job_with_numbers_that_one_can_check_by_hand() {
    let made = Made::small();
    let frame = Kept::of(&made).await.frame(&made).await;
    // Two splits of zero-shot, two adapters, a fixed and a chosen recipe, and two more points.
    assert_eq!((frame.len(), frame.is_empty(), frame.problems().len()), (12, false, 0));
    let row = find(&frame, &[("row", "knots_ties"), ("split", "test")]);
    assert_eq!(value(&frame, "correct.flags", row), AnyValue::UInt64(45));
    assert_eq!(value(&frame, "n", row), AnyValue::UInt64(200));
    near(number(&frame, "accuracy.flags", row), 0.45);
    near(number(&frame, "normalised.flags", row), 0.9);
    near(number(&frame, "mean_accuracy", row), 0.425);
    // 0.4 / 0.8 and 0.45 / 0.5.
    near(number(&frame, "mean_normalised", row), 0.7);
    near(number(&frame, "worst_normalised", row), 0.5);
    near(number(&frame, "worst_accuracy", row), 0.4);
    near(number(&frame, "scaling", row), 0.3);
    near(number(&frame, "density", row), 0.2);
    near(number(&frame, "drop_rate", row), 0.0);
    assert_eq!(value(&frame, "method", row), AnyValue::String("knots_ties").into_static());
    let base = find(&frame, &[("row", "zero-shot"), ("split", "validation")]);
    assert_eq!((value(&frame, "scaling", base), value(&frame, "method", base)), (AnyValue::Null, AnyValue::Null));
    near(number(&frame, "normalised.mnist", base), 0.25);
    let alone = find(&frame, &[("adapter", "flags"), ("split", "test")]);
    assert_eq!(value(&frame, "accuracy.mnist", alone), AnyValue::Null, "it was not evaluated there");
    near(number(&frame, "mean_normalised", alone), 1.0);
}

#[tokio::test]
async fn names_of_columns_stay() {
    let mut made = Made::small();
    for result in made.results.found.values_mut() {
        result.scores.iter_mut().for_each(|score| score.hits = BTreeMap::from([(1, score.correct), (3, 90)]));
    }
    let frame = Kept::of(&made).await.frame(&made).await;
    let names: Vec<_> = frame.table.get_column_names().into_iter().map(|name| name.as_str()).collect();
    insta::assert_snapshot!(names.join(" "));
    let row = find(&frame, &[("row", "sum"), ("split", "test")]);
    near(number(&frame, "hits_1", row), 0.45);
    near(number(&frame, "hits_3.flags", row), 0.9);
    assert_eq!(value(&frame, "hits_5", row), AnyValue::Null);
}

#[tokio::test]
async fn parts_and_single_objects_make_the_same_table() {
    let made = Made::small();
    let kept = Kept::of(&made).await;
    let from_objects = kept.frame(&made).await;
    let results: Vec<JobResult> = made.results.found.values().cloned().collect();
    // Parts overlap, and do not hold everything.
    kept.store.put_part(store::Revision::first("small"), results[..7].to_vec()).await.unwrap();
    kept.store.put_part(store::Revision::first("small"), results[5..9].to_vec()).await.unwrap();
    for result in &results[..9] {
        std::fs::remove_file(kept.object(result)).unwrap();
    }
    let from_parts = kept.frame(&made).await;
    assert_eq!(problems(&from_parts), Vec::<String>::new());
    let sorted = |frame: &Frame| frame.table.sort(["job"], Default::default()).unwrap();
    assert!(sorted(&from_parts).equals_missing(&sorted(&from_objects)));
}

#[tokio::test]
async fn a_sweep_that_has_not_finished_shows_what_is_compacted() {
    let made = Made::small();
    let kept = Kept::of(&made).await;
    let results: Vec<JobResult> = made.results.found.values().take(4).cloned().collect();
    kept.store.put_part(store::Revision::first("going-on"), results).await.unwrap();
    let unfinished = Sweep { name: "going-on", revision: 1, outcome: None };
    let frame = Frame::of_sweeps(&kept.store, &[unfinished]).await.unwrap();
    assert_eq!((frame.len(), value(&frame, "row", 0)), (4, AnyValue::Null));
    let whole = Frame::of_store(&kept.store, &[unfinished]).await.unwrap();
    assert_eq!((whole.len(), whole.table.column("sweep").unwrap().null_count()), (12, 8));
}

#[tokio::test]
async fn results_that_nothing_names_are_told_to_be_missing() {
    let mut made = Made::small();
    let Some(jobs::RowKind::Search { points, left_out, .. }) = made.outcome.rows.last_mut().map(|row| &mut row.kind)
    else {
        panic!()
    };
    // The search looked at one point more, which has a result, and at one that failed.
    let left = points.remove(0).job;
    *left_out = jobs::LeftOut { points: 2, failed: 1 };
    let kept = Kept::of(&made).await;
    let frame = kept.frame(&made).await;
    assert_eq!(frame.len(), 11);
    let told = problems(&frame);
    assert!(told[0].starts_with("at least 1 results of sweep `small` lie in no compacted part"), "{told:?}");
    kept.store.put_part(store::Revision::first("small"), vec![made.results.found[&left].clone()]).await.unwrap();
    let frame = kept.frame(&made).await;
    assert_eq!((frame.len(), problems(&frame)), (12, Vec::new()));
}

#[tokio::test]
async fn several_sweeps_stand_one_below_the_other_and_may_share_jobs() {
    let one = Made::small();
    let mut other = Made::small();
    other.outcome.sweep = "other".to_owned();
    other.outcome.rows.truncate(2);
    // What a sweep was given goes before what was measured, in that sweep.
    other.outcome.given_denominators.entry("test".to_owned()).or_default().insert("flags".to_owned(), 0.8);
    let kept = Kept::of(&one).await;
    let frame = Frame::of_sweeps(&kept.store, &[sweep(&one), sweep(&other)]).await.unwrap();
    assert_eq!(frame.len(), 12 + 6);
    let zero = |name| find(&frame, &[("sweep", name), ("row", "zero-shot"), ("split", "test")]);
    near(number(&frame, "normalised.flags", zero("small")), 0.8);
    near(number(&frame, "normalised.flags", zero("other")), 0.5);
    let whole = Frame::of_store(&kept.store, &[sweep(&other)]).await.unwrap();
    assert_eq!((whole.len(), whole.table.column("sweep").unwrap().null_count()), (12, 6));
}

#[tokio::test]
async fn what_is_missing_or_broken_is_named_and_the_rest_is_there() {
    let made = Made::small();
    let kept = Kept::of(&made).await;
    let results: Vec<JobResult> = made.results.found.values().cloned().collect();
    kept.store.put_part(store::Revision::first("small"), results[..6].to_vec()).await.unwrap();
    let part = kept.folder.path().join("sweeps/small/parts/0.parquet");
    let whole = std::fs::read(&part).unwrap();
    std::fs::write(&part, &whole[..whole.len() / 2]).unwrap();
    let frame = kept.frame(&made).await;
    assert_eq!(frame.len(), 12, "results have objects of their own");
    assert_eq!(problems(&frame), ["something in the compacted parts of sweep `small` cannot be read"]);
    let source = std::error::Error::source(&frame.problems()[0]).unwrap().to_string();
    assert_eq!(source, "the part `sweeps/small/parts/0.parquet` of the store cannot be used");

    std::fs::remove_file(kept.object(&results[0])).unwrap();
    std::fs::write(kept.object(&results[11]), "{").unwrap();
    let frame = kept.frame(&made).await;
    let told = problems(&frame);
    assert_eq!((frame.len(), told.len()), (10, 3), "{told:?}");
    assert!(told.iter().any(|told| told.ends_with("is missing from the store")), "{told:?}");
    assert!(
        told.iter().any(
            |told| told.ends_with("`bowline run --repair` computes it again") && told.contains("the result of job")
        ),
        "{told:?}"
    );

    let unfinished =
        Frame::of_sweeps(&kept.store, &[Sweep { name: "small", revision: 1, outcome: None }]).await.unwrap();
    let told = problems(&unfinished);
    assert_eq!(unfinished.len(), 5);
    assert!(
        told.iter().any(|told| told.ends_with("lies in a part of sweep `small` that cannot be read, and nowhere else")),
        "{told:?}"
    );
}

#[tokio::test]
async fn csv_and_parquet_hold_the_same_table() {
    let made = Made::small();
    let frame = Kept::of(&made).await.frame(&made).await;
    let folder = TempDir::new().unwrap();
    let csv = folder.path().join("results.csv");
    let parquet = folder.path().join("results.parquet");
    frame.write_csv(&csv).unwrap();
    frame.write_parquet(&parquet).unwrap();
    let read = ParquetReader::new(File::open(&parquet).unwrap()).finish().unwrap();
    assert!(read.equals_missing(&frame.table));
    let text = std::fs::read_to_string(&csv).unwrap();
    assert_eq!(text.lines().count(), 13);
    assert!(text.starts_with("sweep,row,job,subject,"), "{text}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2, "nothing half-written is left");
}

#[tokio::test]
async fn a_file_that_cannot_be_made_is_named() {
    let made = Made::small();
    let frame = Kept::of(&made).await.frame(&made).await;
    let error = frame.write_csv(Path::new("/nowhere/results.csv")).unwrap_err().to_string();
    assert_eq!(error, "cannot create `/nowhere/results.csv`");
}

#[tokio::test]
async fn a_store_without_results_is_an_empty_frame() {
    let kept = Kept::of(&Made::new(&["mnist"])).await;
    assert!(Frame::of_store(&kept.store, &[]).await.unwrap().is_empty());
}

#[test]
fn the_documentation_names_every_column_of_a_recipe() {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/analysis.md")).unwrap();
    let rows = text.lines().filter(|line| line.starts_with("| `"));
    let names: Vec<&str> =
        rows.filter_map(|row| row.split(" | ").next()).flat_map(|names| names.split('`').skip(1).step_by(2)).collect();
    for key in jobs::RecipeKey::resolved() {
        assert!(names.contains(&key.name()), "`{}` has no row in docs/analysis.md", key.name());
    }
}

#[tokio::test]
async fn slices_have_no_rows() {
    let made = Made::small();
    let kept = Kept::of(&made).await;
    let mut slice = made.results.found.values().find(|result| result.meaning.split == "validation").unwrap().clone();
    let of_task = |score: &jobs::TaskScore| jobs::TaskShare { examples: score.n, weight: 1.0 };
    let tasks = slice.scores.iter().map(of_task).collect();
    slice.meaning.slice = Some(jobs::Slice { seed: 0, sequence_of: None, from: 0, to: 10, tasks });
    slice.job = slice.meaning.id();
    let examples = slice.meaning.slice_examples().unwrap().unwrap();
    for (score, examples) in slice.scores.iter_mut().zip(examples) {
        score.n = examples.len() as u64;
        score.correct = 0;
        score.right = Some(examples.iter().map(|_| false).collect());
    }
    slice.scores.retain(|score| score.n > 0);
    assert_eq!(kept.store.put_result(&slice).await.unwrap(), store::Put::Created);
    let frame = Frame::of_store(&kept.store, &[sweep(&made)]).await.unwrap();
    assert_eq!((frame.len(), problems(&frame)), (12, Vec::<String>::new()));
}
