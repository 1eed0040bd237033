use super::{
    Axis, AxisScale, AxisUnit, Chart, ChartData, WorkerLine,
    caption::shown,
    points::{numbers, rows_of, words},
};
use crate::{Frame, Summary};
use polars::prelude::{DataFrame, DataType, IntoLazy, PolarsResult, SortMultipleOptions, col, lit};

/// Workers that have room.
const MOST_WORKERS: usize = 40;
/// Parts of the whole time; what lies closer than one of them touches.
const PARTS: f64 = 600.0;
/// Fewer jobs make no chart.
const FEWEST_JOBS: u64 = 2;

/// When workers were busy, as far as results tell: a job ends when its result is stored, and took what its timings say.
pub(super) fn chart(frame: &Frame, summary: &Summary) -> PolarsResult<Option<Chart>> {
    let seconds = |name: &str| col(name).fill_null(lit(0.0));
    let took = seconds("load_s") + seconds("align_s") + seconds("merge_s") + seconds("evaluate_s");
    let end = || col("finished_ms").cast(DataType::Float64) / lit(1000.0);
    let jobs = rows_of(frame, summary)
        .filter(col("worker").is_not_null().and(col("finished_ms").is_not_null()))
        .select([col("worker"), col("device"), (end() - took).alias("begin"), end().alias("end")])
        .filter(col("begin").is_finite())
        .sort(["begin"], SortMultipleOptions::default().with_maintain_order(true))
        .collect()?;
    let all = jobs.height() as u64;
    let Some((first, last)) = last_run(&jobs)? else { return Ok(None) };
    let jobs = jobs
        .lazy()
        .filter(col("begin").gt_eq(lit(first)))
        .with_columns([(col("begin") - lit(first)).alias("begin"), (col("end") - lit(first)).alias("end")]);
    let workers = workers(jobs, last - first)?;
    let shown_jobs: u64 = workers.iter().map(|worker| worker.1).sum();
    if shown_jobs < FEWEST_JOBS || last <= first {
        return Ok(None);
    }
    let busy = busy(&workers, last - first);
    let count = workers.len() as u64;
    let workers: Vec<WorkerLine> = workers.into_iter().take(MOST_WORKERS).map(|worker| worker.0).collect();
    let mut caption = vec![format!(
        "A bar is the time in which a worker had jobs. {}, {}; {:.0} % of the time busy.",
        shown(workers.len() as u64, count, "worker"),
        shown(shown_jobs, shown_jobs, "job"),
        busy * 100.0
    )];
    if shown_jobs < all {
        let earlier = all - shown_jobs;
        caption.push(format!("Left out: {} of an earlier time.", shown(earlier, earlier, "result")));
    }
    Ok(Some(Chart {
        slug: "time-line".to_owned(),
        title: "Workers over time".to_owned(),
        caption: caption.join(" "),
        data: ChartData::TimeLine {
            x: Axis {
                name: "time since the first job began".to_owned(),
                unit: AxisUnit::Seconds,
                scale: AxisScale::Linear,
            },
            workers,
            jobs: shown_jobs,
        },
    }))
}

/// The beginning and end of the jobs, without those before a pause of half of the time and more: results that were
/// there already would leave the others no room.
fn last_run(jobs: &DataFrame) -> PolarsResult<Option<(f64, f64)>> {
    let begins = numbers(jobs, "begin")?;
    let ends = numbers(jobs, "end")?;
    let spans: Vec<(f64, f64)> = begins.into_iter().zip(ends).filter_map(|(begin, end)| Some((begin?, end?))).collect();
    let last = spans.iter().map(|span| span.1).fold(f64::NEG_INFINITY, f64::max);
    let Some(mut first) = spans.first().map(|span| span.0) else { return Ok(None) };
    let mut until = f64::NEG_INFINITY;
    // From each pause the whole looks shorter, so one pass finds all.
    for (begin, end) in spans {
        if until.is_finite() && begin - until >= (last - first) / 2.0 {
            first = begin;
        }
        until = until.max(end);
    }
    Ok(Some((first, last)))
}

/// The workers by their first job, each with its number of jobs.
fn workers(jobs: polars::prelude::LazyFrame, whole: f64) -> PolarsResult<Vec<(WorkerLine, u64)>> {
    let part = (whole / PARTS).max(f64::MIN_POSITIVE);
    // Jobs that begin in the same part of the time are one span already.
    let place = (col("begin") / lit(part)).cast(DataType::Int64).alias("part");
    let spans = jobs
        .group_by([col("worker"), place])
        .agg([col("device").first(), col("begin").min(), col("end").max(), col("end").count().alias("n")])
        .sort(["worker", "begin"], Default::default())
        .collect()?;
    let names = words(&spans, "worker")?;
    let devices = words(&spans, "device")?;
    let begins = numbers(&spans, "begin")?;
    let ends = numbers(&spans, "end")?;
    let counts = numbers(&spans, "n")?;
    let mut workers: Vec<(WorkerLine, u64)> = Vec::new();
    for row in 0..spans.height() {
        let (Some(name), Some(begin), Some(end)) = (&names[row], begins[row], ends[row]) else { continue };
        let begin = begin.max(0.0);
        if workers.last().is_none_or(|(worker, _)| worker.name != *name) {
            let device = devices[row].clone().unwrap_or_default();
            workers.push((WorkerLine { name: name.clone(), device, spans: Vec::new() }, 0));
        }
        let Some((worker, jobs)) = workers.last_mut() else { continue };
        *jobs += counts[row].unwrap_or_default() as u64;
        match worker.spans.last_mut() {
            Some(span) if begin - span[1] < part => span[1] = span[1].max(end),
            _ => worker.spans.push([begin, end]),
        }
    }
    workers.sort_by(|one, other| one.0.spans[0][0].total_cmp(&other.0.spans[0][0]).then(one.0.name.cmp(&other.0.name)));
    Ok(workers)
}

/// The share of all workers' time in which they were busy.
fn busy(workers: &[(WorkerLine, u64)], whole: f64) -> f64 {
    let spans = workers.iter().flat_map(|worker| &worker.0.spans);
    let sum: f64 = spans.map(|span| span[1] - span[0]).sum();
    (sum / (whole * workers.len() as f64)).clamp(0.0, 1.0)
}
