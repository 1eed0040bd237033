use super::{
    Cell, Column, ColumnKind, Table, TableRow,
    values::{cell, number, text},
};
use crate::{Frame, FrameError, Spent};
use polars::prelude::{DataFrame, DataType, Expr, JoinArgs, JoinType, LazyFrame, col, len, lit, when};
use std::collections::BTreeMap;

const PARTS: [&str; 4] = ["load_s", "align_s", "merge_s", "evaluate_s"];

/// What the jobs of a sweep took, by method.
pub(super) fn cost(frame: &Frame, sweep: &str) -> Result<Table, FrameError> {
    let jobs = jobs_of(frame, sweep);
    let of_methods = Frame::answer(jobs.clone().group_by_stable([col("what")]).agg(sums()))?;
    let of_all = Frame::answer(jobs.clone().select(sums()).with_column(lit("all").alias("what")))?;
    let devices = devices(jobs.clone())?;
    let shared = shared(frame, sweep, jobs)?;
    let mut columns = vec![Column::new("method", ColumnKind::Text), Column::new("jobs", ColumnKind::Count)];
    columns.extend(shared.as_ref().map(|_| Column::new("shared", ColumnKind::Count)));
    let seconds = ["load", "align", "merge", "evaluate", "sum", "wall"];
    columns.extend(seconds.map(|name| Column::new(name, ColumnKind::Seconds)));
    columns.push(Column::new("devices", ColumnKind::Text));
    let line = |found: &DataFrame, row: usize| {
        let what = text(found, "what", row).unwrap_or_default();
        let mut cells = vec![Cell::text(&what), cell(found, "jobs", row)];
        cells.extend(shared.as_ref().map(|shared| {
            Cell::Count(match what.as_str() {
                "all" => shared.values().sum(),
                what => shared.get(what).copied().unwrap_or_default(),
            })
        }));
        cells.extend(PARTS.iter().chain(&["sum", "wall"]).map(|name| cell(found, name, row)));
        cells.push(Cell::text(match what.as_str() {
            "all" => distinct(devices.values().flatten()),
            what => distinct(devices.get(what).into_iter().flatten()),
        }));
        TableRow { is_chosen: false, cells }
    };
    let mut rows: Vec<TableRow> = (0..of_methods.height()).map(|row| line(&of_methods, row)).collect();
    // One method is all of them.
    let mut notes = vec![
        "seconds of the runs that computed the jobs; wall: from the beginning of the first job to the end of the last, \
         with all pauses between"
            .to_owned(),
    ];
    if rows.is_empty() {
        notes = vec!["no job has a result".to_owned()];
    } else {
        rows.push(line(&of_all, 0));
        notes.push(match shared {
            Some(_) => {
                "shared: jobs that another sweep names as well; they were computed once, for whichever came first"
                    .to_owned()
            }
            None => "jobs that other sweeps share are counted when these are read as well".to_owned(),
        });
    }
    Ok(Table { name: "cost".to_owned(), title: "cost, in seconds".to_owned(), columns, rows, notes })
}

impl Frame {
    /// What the jobs of a sweep took.
    ///
    /// # Errors
    /// [`FrameError::Query`].
    pub(crate) fn spent(&self, sweep: &str) -> Result<Spent, FrameError> {
        let sums = PARTS.into_iter().map(|name| col(name).sum()).chain([len().alias("jobs")]).collect::<Vec<Expr>>();
        let found = Self::answer(self.lazy().filter(col("sweep").eq(lit(sweep))).select(sums))?;
        let sum = |name| number(&found, name, 0).unwrap_or_default();
        Ok(Spent {
            jobs: sum("jobs") as u64,
            load_s: sum("load_s"),
            align_s: sum("align_s"),
            merge_s: sum("merge_s"),
            evaluate_s: sum("evaluate_s"),
        })
    }
}

/// The jobs of a sweep, with what they compute as `what`, their seconds as `sum`, and when they began.
fn jobs_of(frame: &Frame, sweep: &str) -> LazyFrame {
    let what = when(col("subject").eq(lit("merge")))
        .then(col("method"))
        .otherwise(when(col("subject").eq(lit("adapter"))).then(lit("single adapters")).otherwise(lit("zero-shot")));
    let sum = PARTS.into_iter().map(col).reduce(|sum, part| sum + part).unwrap_or_else(|| lit(0.0));
    let end = col("finished_ms").cast(DataType::Float64) / lit(1000.0);
    let columns = ["job", "device"].into_iter().chain(PARTS).map(col);
    frame
        .lazy()
        .filter(col("sweep").eq(lit(sweep)))
        .select(columns.chain([what.alias("what"), sum.alias("sum"), end.alias("end")]).collect::<Vec<Expr>>())
        .with_column((col("end") - col("sum")).alias("begin"))
}

fn sums() -> Vec<Expr> {
    let wall = (col("end").max() - col("begin").min()).alias("wall");
    let seconds = PARTS.into_iter().chain(["sum"]).map(|name| col(name).sum());
    seconds.chain([len().alias("jobs"), wall]).collect()
}

fn devices(jobs: LazyFrame) -> Result<BTreeMap<String, Vec<String>>, FrameError> {
    let found = Frame::answer(jobs.group_by_stable([col("what"), col("device")]).agg([len()]))?;
    let mut devices: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in 0..found.height() {
        if let (Some(what), Some(device)) = (text(&found, "what", row), text(&found, "device", row)) {
            devices.entry(what).or_default().push(device);
        }
    }
    Ok(devices)
}

fn distinct<'a>(devices: impl Iterator<Item = &'a String>) -> String {
    let mut distinct: Vec<&str> = devices.map(String::as_str).collect();
    distinct.sort_unstable();
    distinct.dedup();
    distinct.join(", ")
}

/// How many jobs other sweeps of the frame name as well, by what they compute; `None` if there is no other sweep.
fn shared(frame: &Frame, sweep: &str, jobs: LazyFrame) -> Result<Option<BTreeMap<String, u64>>, FrameError> {
    let others = frame.lazy().filter(col("sweep").is_not_null().and(col("sweep").neq(lit(sweep))));
    let others = others.group_by([col("job")]).agg([len().alias("times")]);
    if Frame::answer(others.clone().limit(1))?.height() == 0 {
        return Ok(None);
    }
    let both = jobs.join(others, [col("job")], [col("job")], JoinArgs::new(JoinType::Inner));
    let found = Frame::answer(both.group_by([col("what")]).agg([len().alias("jobs")]))?;
    let count = |row| Some((text(&found, "what", row)?, number(&found, "jobs", row)? as u64));
    Ok(Some((0..found.height()).filter_map(count).collect()))
}
