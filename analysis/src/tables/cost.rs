use super::{
    Cell, Column, ColumnKind, Table, TableRow,
    values::{number, text},
};
use crate::{Frame, FrameError, SliceCost, Spent};
use jobs::Timings;
use polars::prelude::{DataType, Expr, JoinArgs, JoinType, LazyFrame, col, len, lit, when};
use std::collections::{BTreeMap, BTreeSet};

const PARTS: [&str; 4] = ["load_s", "align_s", "merge_s", "evaluate_s"];

/// What the jobs of a method took.
#[derive(Debug, Clone, Default)]
struct MethodCost {
    method: String,
    jobs: u64,
    /// Evaluations on a part of the examples.
    slices: u64,
    /// Seconds of each of [`PARTS`].
    seconds: [f64; 4],
    /// When the first one began and the last one ended, in seconds.
    time: Option<Interval>,
    devices: BTreeSet<String>,
}

#[derive(Debug, Clone, Copy)]
struct Interval {
    begin: f64,
    end: f64,
}

/// What the jobs of a sweep took, by method. The time of slices belongs to the method that they evaluate.
pub(super) fn cost(frame: &Frame, sweep: &str, slices: &[SliceCost]) -> Result<Table, FrameError> {
    let jobs = jobs_of(frame, sweep);
    let shared = shared(frame, sweep, jobs.clone())?;
    let mut costs = of_methods(jobs)?;
    for slice in slices {
        let known = costs.iter().position(|cost| cost.method == slice.method).unwrap_or_else(|| {
            costs.push(MethodCost { method: slice.method.clone(), ..MethodCost::default() });
            costs.len() - 1
        });
        costs[known].add_slice(slice);
    }
    let mut columns = vec![Column::new("method", ColumnKind::Text), Column::new("jobs", ColumnKind::Count)];
    columns.extend((!slices.is_empty()).then(|| Column::new("slices", ColumnKind::Count)));
    columns.extend(shared.as_ref().map(|_| Column::new("shared", ColumnKind::Count)));
    let seconds = ["load", "align", "merge", "evaluate", "sum", "wall"];
    columns.extend(seconds.map(|name| Column::new(name, ColumnKind::Seconds)));
    columns.push(Column::new("devices", ColumnKind::Text));
    let line = |cost: &MethodCost, shared: Option<u64>| {
        let mut cells = vec![Cell::text(&cost.method), Cell::Count(cost.jobs)];
        cells.extend((!slices.is_empty()).then_some(Cell::Count(cost.slices)));
        cells.extend(shared.map(Cell::Count));
        cells.extend(cost.seconds.map(Cell::Number));
        cells.push(Cell::Number(cost.seconds.iter().sum()));
        cells.push(Cell::number(cost.time.map(|time| time.end - time.begin)));
        cells.push(Cell::text(cost.devices.iter().map(String::as_str).collect::<Vec<_>>().join(", ")));
        TableRow { is_chosen: false, cells }
    };
    let of_method = |cost: &MethodCost| {
        let times = shared.as_ref().map(|shared| shared.get(&cost.method).copied().unwrap_or_default());
        line(cost, times)
    };
    let mut rows: Vec<TableRow> = costs.iter().map(of_method).collect();
    if rows.is_empty() {
        let notes = vec!["no job has a result".to_owned()];
        return Ok(Table { name: "cost".to_owned(), title: "cost, in seconds".to_owned(), columns, rows, notes });
    }
    rows.push(line(&of_all(&costs), shared.as_ref().map(|shared| shared.values().sum())));
    let notes = notes(shared.is_some(), !slices.is_empty());
    Ok(Table { name: "cost".to_owned(), title: "cost, in seconds".to_owned(), columns, rows, notes })
}

fn notes(are_shared: bool, has_slices: bool) -> Vec<String> {
    let mut notes = vec![
        "seconds of the runs that computed the jobs; wall: from the beginning of the first job to the end of the last, \
         with all pauses between"
            .to_owned(),
    ];
    if has_slices {
        notes.push(
            "slices: evaluations on a part of the examples, by which races are decided; their seconds are in those of their method; \
             slices that only an interrupted run needed may be missing"
                .to_owned(),
        );
    }
    let shared = if are_shared {
        "shared: jobs that another sweep names as well; they were computed once, for whichever came first"
    } else {
        "jobs that other sweeps share are counted when these are read as well"
    };
    notes.push(shared.to_owned());
    notes
}

/// The jobs of each method in the frame, in the order in which they come.
fn of_methods(jobs: LazyFrame) -> Result<Vec<MethodCost>, FrameError> {
    let found = Frame::answer(jobs.clone().group_by_stable([col("what")]).agg(sums()))?;
    let devices = devices(jobs)?;
    let of_row = |row: usize| {
        let method = text(&found, "what", row).unwrap_or_default();
        let sum = |name: &str| number(&found, name, row).unwrap_or_default();
        let interval = || Some(Interval { begin: number(&found, "begin", row)?, end: number(&found, "end", row)? });
        MethodCost {
            jobs: sum("jobs") as u64,
            slices: 0,
            seconds: PARTS.map(sum),
            time: interval(),
            devices: devices.get(&method).into_iter().flatten().cloned().collect(),
            method,
        }
    };
    Ok((0..found.height()).map(of_row).collect())
}

fn of_all(costs: &[MethodCost]) -> MethodCost {
    let mut all = MethodCost { method: "all".to_owned(), ..MethodCost::default() };
    for cost in costs {
        all.jobs += cost.jobs;
        all.slices += cost.slices;
        all.add_seconds(cost.seconds);
        all.add_time(cost.time);
        all.devices.extend(cost.devices.iter().cloned());
    }
    all
}

impl MethodCost {
    fn add_slice(&mut self, slice: &SliceCost) {
        let SliceCost { method: _, timings, device, finished_ms } = slice;
        let Timings { load_s, align_s, merge_s, evaluate_s } = *timings;
        self.slices += 1;
        self.add_seconds([load_s, align_s, merge_s, evaluate_s]);
        let end = *finished_ms as f64 / 1000.0;
        self.add_time(Some(Interval { begin: end - timings.total_s(), end }));
        self.devices.insert(device.clone());
    }

    fn add_seconds(&mut self, seconds: [f64; 4]) {
        for (sum, part) in self.seconds.iter_mut().zip(seconds) {
            *sum += part;
        }
    }

    fn add_time(&mut self, other: Option<Interval>) {
        self.time = match (self.time, other) {
            (Some(one), Some(other)) => {
                Some(Interval { begin: one.begin.min(other.begin), end: one.end.max(other.end) })
            }
            (one, other) => one.or(other),
        };
    }
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
    let seconds = PARTS.into_iter().map(|name| col(name).sum());
    seconds.chain([len().alias("jobs"), col("end").max(), col("begin").min()]).collect()
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
