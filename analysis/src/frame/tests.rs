use super::*;
use crate::testing::Made;
use polars::prelude::{AnyValue, ParquetReader, SerReader};
use tempfile::TempDir;

fn value(frame: &Frame, column: &str, row: usize) -> AnyValue<'static> {
    frame.0.column(column).unwrap().get(row).unwrap().into_static()
}

fn find(frame: &Frame, row: &str, task: &str, split: &str) -> usize {
    let is =
        |column: &str, index: usize, text: &str| value(frame, column, index) == AnyValue::String(text).into_static();
    (0..frame.len()).find(|&i| is("row", i, row) && is("task", i, task) && is("split", i, split)).unwrap()
}

#[test]
fn there_is_one_row_per_result_and_task() {
    let made = Made::small();
    let frame = Frame::of_sweep(&made.outcome, &made.results).unwrap();
    // Four rows, two splits, two tasks; the search has two more points.
    assert_eq!((frame.len(), frame.is_empty()), (20, false));
    let row = find(&frame, "knots_ties", "flags", "test");
    assert_eq!(value(&frame, "correct", row), AnyValue::UInt64(45));
    assert_eq!(value(&frame, "accuracy", row), AnyValue::Float64(0.45));
    assert_eq!(value(&frame, "normalised", row), AnyValue::Float64(0.9), "over 0.5 of the adapter alone");
    assert_eq!(value(&frame, "scaling", row), AnyValue::Float64(0.3));
    assert_eq!(value(&frame, "density", row), AnyValue::Float64(0.2), "the preset's");
    let base = find(&frame, "zero-shot", "mnist", "validation");
    assert_eq!(value(&frame, "scaling", base), AnyValue::Null);
    assert_eq!(value(&frame, "normalised", base), AnyValue::Float64(0.25));
}

#[test]
fn a_whole_store_is_normalised_by_the_same_adapters_on_the_same_data() {
    let made = Made::small();
    let frame = Frame::of_store(&made.results).unwrap();
    assert_eq!(frame.len(), 20);
    assert_eq!(value(&frame, "sweep", 0), AnyValue::Null);
    let normalised = frame.0.column("normalised").unwrap();
    assert_eq!(normalised.null_count(), 0);
}

#[test]
fn given_accuracies_normalise_a_sweep() {
    let mut made = Made::small();
    made.outcome.given_denominators.entry("test".to_owned()).or_default().insert("flags".to_owned(), 0.9);
    let frame = Frame::of_sweep(&made.outcome, &made.results).unwrap();
    let row = find(&frame, "knots_ties", "flags", "test");
    assert_eq!(value(&frame, "normalised", row), AnyValue::Float64(0.5));
}

#[test]
fn csv_and_parquet_hold_the_same_table() {
    let made = Made::small();
    let frame = Frame::of_sweep(&made.outcome, &made.results).unwrap();
    let folder = TempDir::new().unwrap();
    let (csv, parquet) = (folder.path().join("results.csv"), folder.path().join("results.parquet"));
    frame.write_csv(&csv).unwrap();
    frame.write_parquet(&parquet).unwrap();
    let read = ParquetReader::new(File::open(&parquet).unwrap()).finish().unwrap();
    assert!(read.equals_missing(&frame.0));
    let text = std::fs::read_to_string(&csv).unwrap();
    assert_eq!(text.lines().count(), 21);
    assert!(text.starts_with("sweep,row,subject,space,"), "{text}");
    let first = "small,zero-shot,base,,,,,,,,,,,,validation,per_task,mnist,100,20,0.2,0.25,";
    assert!(text.contains(first), "{text}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2, "nothing half-written is left");
}

#[test]
fn a_file_that_cannot_be_made_is_named() {
    let made = Made::small();
    let frame = Frame::of_store(&made.results).unwrap();
    let error = frame.write_csv(Path::new("/nowhere/results.csv")).unwrap_err().to_string();
    assert_eq!(error, "cannot create `/nowhere/results.csv`");
}

#[test]
fn several_sweeps_stand_one_below_the_other() {
    let (one, mut other) = (Made::small(), Made::small());
    other.outcome.sweep = "other".to_owned();
    other.outcome.rows.truncate(2);
    let frame = Frame::of_sweeps(&[(&one.outcome, &one.results), (&other.outcome, &other.results)]).unwrap();
    assert_eq!(frame.len(), 20 + 8);
    assert_eq!(value(&frame, "sweep", 19), AnyValue::StringOwned("small".into()));
    assert_eq!(value(&frame, "sweep", 20), AnyValue::StringOwned("other".into()));
    assert_eq!(value(&frame, "row", 27), AnyValue::StringOwned("fine-tuned".into()));
    assert!(Frame::of_sweeps(&[]).unwrap().is_empty());
}

#[test]
fn a_failure_while_writing_leaves_the_old_file_and_nothing_else() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("results.csv");
    std::fs::write(&path, "old").unwrap();
    let error = write(&path, |file| {
        io::Write::write_all(file, b"half of it")?;
        Err(io::Error::from(io::ErrorKind::StorageFull).into())
    });
    assert_eq!(error.unwrap_err().to_string(), format!("cannot write `{}`", path.display()));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "old");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    // A folder cannot be replaced by a file.
    let taken = folder.path().join("taken");
    std::fs::create_dir(&taken).unwrap();
    assert!(matches!(write(&taken, |_| Ok(())), Err(FrameError::Create { .. })));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
}
