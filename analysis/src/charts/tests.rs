use super::{Chart, ChartData};
use crate::{Frame, Summary, testing::Made};
use jobs::{RecipeKey, RowKind};
use polars::prelude::{Column, DataFrame};
use std::collections::BTreeMap;

/// A job on validation, as far as charts look at it.
#[derive(Clone)]
struct Job {
    row: &'static str,
    scaling: f64,
    density: Option<f64>,
    seed: Option<u64>,
    tasks: [Option<f64>; 2],
    finished_ms: u64,
    worker: &'static str,
}

const JOB: Job = Job {
    row: "knots_ties",
    scaling: 0.1,
    density: Some(0.2),
    seed: None,
    tasks: [Some(0.5), Some(0.5)],
    finished_ms: 10_000,
    worker: "a",
};

fn frame(jobs: &[Job]) -> Frame {
    let all = |text: &'static str| vec![text; jobs.len()];
    let no_words = vec![None::<&str>; jobs.len()];
    let no_numbers = vec![None::<f64>; jobs.len()];
    let of = |value: fn(&Job) -> Option<f64>| jobs.iter().map(value).collect::<Vec<_>>();
    let mean = |job: &Job| Some((job.tasks[0]? + job.tasks[1]?) / 2.0);
    let mut columns = vec![
        Column::new("sweep".into(), all("small")),
        Column::new("row".into(), jobs.iter().map(|job| job.row).collect::<Vec<_>>()),
        Column::new("job".into(), (0..jobs.len()).map(|place| format!("{place:08}")).collect::<Vec<_>>()),
        Column::new("subject".into(), all("merge")),
        Column::new("adapters".into(), vec![2u64; jobs.len()]),
        Column::new("split".into(), all("validation")),
        Column::new("method".into(), all("knots_ties")),
        Column::new("mean_normalised".into(), of(mean)),
        Column::new("mean_accuracy".into(), of(mean)),
        Column::new("normalised.mnist".into(), of(|job| job.tasks[0])),
        Column::new("normalised.flags".into(), of(|job| job.tasks[1])),
        Column::new("finished_ms".into(), jobs.iter().map(|job| job.finished_ms).collect::<Vec<_>>()),
        Column::new("worker".into(), jobs.iter().map(|job| job.worker).collect::<Vec<_>>()),
        Column::new("device".into(), all("cpu (2 threads)")),
        Column::new("scaling".into(), of(|job| Some(job.scaling))),
        Column::new("density".into(), of(|job| job.density)),
        Column::new("seed".into(), jobs.iter().map(|job| job.seed).collect::<Vec<_>>()),
        Column::new("weights".into(), no_words.clone()),
        Column::new("merge_s".into(), vec![0.5; jobs.len()]),
        Column::new("evaluate_s".into(), vec![0.5; jobs.len()]),
    ];
    columns.extend(["load_s", "align_s"].map(|name| Column::new(name.into(), no_numbers.clone())));
    for key in RecipeKey::resolved() {
        let name = key.name();
        if columns.iter().all(|column| column.name() != name) {
            let is_number = key.is_number();
            columns.push(if is_number {
                Column::new(name.into(), no_numbers.clone())
            } else {
                Column::new(name.into(), no_words.clone())
            });
        }
    }
    Frame::of_table(DataFrame::new(jobs.len(), columns).unwrap())
}

fn summary() -> Summary {
    let made = Made::small();
    Summary::build(&made.outcome, &made.results, None)
}

fn charts(jobs: &[Job]) -> Vec<Chart> {
    Chart::all(&frame(jobs), &summary()).unwrap()
}

fn slugs(charts: &[Chart]) -> Vec<&str> {
    charts.iter().map(|chart| chart.slug.as_str()).collect()
}

fn find<'a>(charts: &'a [Chart], slug: &str) -> &'a Chart {
    charts.iter().find(|chart| chart.slug == slug).unwrap_or_else(|| panic!("no {slug} in {:?}", slugs(charts)))
}

/// Scalings 0.1 to 0.4 by densities 0.2, 0.5 and 1; best at 0.3 and 0.5.
fn grid() -> Vec<Job> {
    let mut jobs = Vec::new();
    for (i, scaling) in [0.1, 0.2, 0.3, 0.4].into_iter().enumerate() {
        for (j, density) in [0.2, 0.5, 1.0].into_iter().enumerate() {
            let value = 0.9 - f64::abs(i as f64 - 2.0) * 0.1 - f64::abs(j as f64 - 1.0) * 0.02;
            let finished_ms = 10_000 + 1000 * jobs.len() as u64;
            let tasks = [Some(value), Some(value - 0.01 * j as f64)];
            jobs.push(Job { scaling, density: Some(density), tasks, finished_ms, ..JOB });
        }
    }
    jobs
}

fn near(found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-9, "{found}, expected {expected}");
}

#[test]
fn a_curve_holds_the_best_and_the_ends_at_each_value() {
    let charts = charts(&grid());
    let ChartData::Curve { series, .. } = &find(&charts, "curve-scaling").data else { panic!("no curve") };
    assert_eq!((series.len(), series[0].name.as_str(), series[0].points.len()), (1, "knots_ties", 4));
    let point = series[0].points[2];
    near(point.x, 0.3);
    // At density 0.5: 0.9 and 0.89; the worst is 1.0: 0.88 and 0.86.
    near(point.y, 0.895);
    near(point.low.unwrap(), 0.87);
    near(point.high.unwrap(), 0.895);
    assert_eq!(point.n, 3);
    let caption = &find(&charts, "curve-scaling").caption;
    assert!(caption.contains("from the worst to the best") && caption.contains("12 points"), "{caption}");
    assert!(caption.contains("each on 200 examples of validation"), "{caption}");
}

#[test]
fn seeds_make_a_mean_with_its_deviation() {
    let job = |scaling: f64, seed, value| Job { scaling, seed: Some(seed), tasks: [Some(value); 2], ..JOB };
    let jobs = [job(0.1, 1, 0.5), job(0.1, 2, 0.7), job(0.2, 1, 0.8), job(0.2, 2, 0.8)];
    let charts = charts(&jobs);
    let ChartData::Curve { series, .. } = &find(&charts, "curve-scaling").data else { panic!("no curve") };
    let [first, second] = series[0].points[..] else { panic!("{series:?}") };
    near(first.y, 0.6);
    near(first.high.unwrap() - first.y, 0.02f64.sqrt());
    assert_eq!((first.n, second.low), (2, Some(second.y)));
    assert!(!slugs(&charts).contains(&"curve-seed"));
}

#[test]
fn a_heat_map_has_the_best_of_each_cell() {
    let charts = charts(&grid());
    let ChartData::HeatMap { x, xs, ys, cells, best, .. } = &find(&charts, "heat-map").data else { panic!("no map") };
    let is_across = x.name == "scaling";
    assert_eq!((xs.len() * ys.len(), cells.iter().flatten().flatten().count()), (12, 12));
    assert_eq!(*best, Some(if is_across { [1, 2] } else { [2, 1] }));
    near(cells[best.unwrap()[0]][best.unwrap()[1]].unwrap(), 0.895);
}

#[test]
fn what_has_no_value_is_in_no_chart() {
    let mut jobs = grid();
    jobs.push(Job { scaling: 9.0, tasks: [Some(f64::NAN); 2], ..JOB });
    jobs.push(Job { scaling: 9.0, tasks: [None, Some(0.5)], ..JOB });
    let with = charts(&jobs);
    let without = charts(&grid());
    let of_points = |charts: &[Chart]| {
        let kept = charts.iter().filter(|chart| chart.slug != "time-line" && chart.slug != "curve-density");
        kept.cloned().collect::<Vec<_>>()
    };
    assert_eq!(of_points(&with), of_points(&without));
}

#[test]
fn the_front_has_what_no_other_point_beats_in_both() {
    let job = |scaling, one, other| Job { scaling, tasks: [Some(one), Some(other)], ..JOB };
    // Means and worst tasks: (0.6, 0.3), (0.5, 0.5), (0.45, 0.4).
    let charts = charts(&[job(0.1, 0.9, 0.3), job(0.2, 0.5, 0.5), job(0.3, 0.4, 0.5)]);
    let ChartData::Pareto { points, front, total, .. } = &find(&charts, "pareto").data else { panic!("no front") };
    let front: Vec<(f64, f64)> = front.iter().map(|place| (points[*place].x, points[*place].y)).collect();
    assert_eq!((front, *total), (vec![(0.5, 0.5), (0.6, 0.3)], 3));
    assert_eq!(points[0].name, "knots_ties: scaling 0.2");
}

#[test]
fn the_best_so_far_only_rises() {
    let job = |finished_ms, value| Job { finished_ms, tasks: [Some(value); 2], ..JOB };
    let charts = charts(&[job(14_000, 0.4), job(10_000, 0.5), job(12_000, 0.75), job(13_000, 0.25)]);
    let ChartData::BestSoFar { best, points, .. } = &find(&charts, "best-so-far").data else { panic!("no course") };
    // A pause of half of the time makes it a matter of numbers, not of seconds.
    assert_eq!(*best, [[1.0, 0.5], [2.0, 0.75], [4.0, 0.75]]);
    assert_eq!(points.len(), 4);
}

#[test]
fn a_worker_is_busy_while_its_jobs_last() {
    let job = |finished_ms, worker| Job { finished_ms, worker, ..JOB };
    // A second each; results of long ago are not of this run.
    let jobs = [job(100, "b"), job(900_000, "a"), job(901_000, "a"), job(904_000, "a"), job(902_000, "b")];
    let charts = charts(&jobs);
    let chart = find(&charts, "time-line");
    let ChartData::TimeLine { workers, jobs, .. } = &chart.data else { panic!("no time line") };
    let spans: Vec<_> = workers.iter().map(|worker| (worker.name.as_str(), worker.spans.clone())).collect();
    assert_eq!(spans, [("a", vec![[0.0, 2.0], [4.0, 5.0]]), ("b", vec![[2.0, 3.0]])]);
    assert_eq!(*jobs, 4);
    assert!(chart.caption.contains("Left out: 1 result of an earlier time."), "{}", chart.caption);
}

#[test]
fn rows_of_the_table_become_dots_and_a_scatter() {
    let charts = charts(&[]);
    assert_eq!(slugs(&charts), ["dots", "validation-test"], "one can have them without any job");
    let ChartData::Dots { tasks, rows, .. } = &charts[0].data else { panic!("no dots") };
    assert_eq!(tasks, &["mnist", "flags", "mean of tasks"]);
    let chosen = rows.iter().find(|row| row.is_chosen).unwrap();
    assert_eq!(chosen.name, "knots_ties");
    let mean = chosen.dots[2].unwrap();
    near(mean.value, 0.425);
    assert!(mean.low.unwrap() < 0.425 && mean.high.unwrap() > 0.425);
    let ChartData::Scatter { points, .. } = &charts[1].data else { panic!("no scatter") };
    assert_eq!(points.iter().map(|point| point.name.as_str()).collect::<Vec<_>>(), ["sum", "knots_ties"]);
    assert!(points.iter().all(|point| {
        let [low, high] = point.y_interval.unwrap();
        low < point.y && point.y < high && point.x_interval.is_some()
    }));
    assert!(charts[1].caption.contains("Bars are 95 % intervals"), "{}", charts[1].caption);
}

#[test]
fn too_little_makes_no_chart() {
    let mut made = Made::new(&["mnist", "flags"]);
    made.row("zero-shot", RowKind::ZeroShot, &[20, 40]);
    let summary = Summary::build(&made.outcome, &made.results, None);
    assert_eq!(Chart::all(&frame(&[]), &summary).unwrap(), [], "only failures");
    let one = Chart::all(&frame(&[JOB]), &summary).unwrap();
    assert_eq!(one, [], "one result");
}

/// Thousands of points with every parameter, so that every chart is there.
fn many() -> Vec<Job> {
    let job = |place: u64| {
        let scaling = (place * 7919 % 1000) as f64 / 1000.0;
        let density = (place * 104_729 % 997 + 1) as f64 / 997.0;
        let value = 0.9 - (scaling - 0.6).powi(2) - 0.2 * (density - 0.4).powi(2);
        let worker = ["a", "b", "c"][place as usize % 3];
        let tasks = [Some(value), Some(value * (0.8 + 0.2 * density))];
        Job { scaling, density: Some(density), tasks, finished_ms: 1_000_000 + place * 350, worker, ..JOB }
    };
    (0..6000).map(job).collect()
}

#[test]
fn every_chart_is_drawn_with_its_title_and_caption() {
    let all = charts(&many());
    assert_eq!(
        slugs(&all),
        [
            "dots",
            "validation-test",
            "curve-scaling",
            "curve-density",
            "heat-map",
            "importance",
            "parallel",
            "pareto",
            "best-so-far",
            "time-line"
        ]
    );
    for chart in &all {
        let svg = chart.svg();
        let text = texts(&svg);
        assert!(text.contains(chart.title.split(' ').next().unwrap()), "{}: {text}", chart.slug);
        let said: Vec<&str> = chart.caption.split_whitespace().collect();
        assert!(said.iter().all(|word| text.contains(word)), "{}: {text}", chart.slug);
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{}", chart.slug);
        let png = chart.png().unwrap();
        assert_eq!(&png[..8], b"\x89PNG\r\n\x1a\n");
        let number = |at: usize| u32::from_be_bytes(png[at..at + 4].try_into().unwrap());
        assert!(number(16) >= 1440 && number(20) > 600, "{}: {} by {}", chart.slug, number(16), number(20));
    }
    assert!(find(&all, "parallel").caption.contains("500 of 6,000 points"));
    assert!(find(&all, "best-so-far").caption.contains("2,000 of 6,000 points"));
    assert!(find(&all, "curve-scaling").caption.contains("taken together in 24 ranges"));
}

#[test]
fn the_same_results_make_the_same_charts() {
    let one = charts(&many());
    let other = charts(&many());
    assert_eq!(one, other);
    for (one, other) in one.iter().zip(&other) {
        assert_eq!((one.svg(), one.png().unwrap()), (other.svg(), other.png().unwrap()), "{}", one.slug);
    }
}

#[test]
fn names_that_mean_something_elsewhere_are_only_names() {
    let mut made = Made::small();
    for (row, name) in made.outcome.rows.iter_mut().zip(["<b>&\"x\"", "$\\sigma$", "tab\there", "ünï çødé"]) {
        row.name = name.to_owned();
    }
    let summary = Summary::build(&made.outcome, &made.results, None);
    let chart = &Chart::all(&frame(&[]), &summary).unwrap()[0];
    let text = texts(&chart.svg());
    assert!(text.contains("<b>&\"x\"") && text.contains("ünï çødé"), "{text}");
    assert!(text.contains("$\\sigma$"), "{text}");
    chart.png().unwrap();
}

/// The texts of an SVG, whose tags must be in pairs.
fn texts(svg: &str) -> String {
    let mut open = Vec::new();
    let mut texts = String::new();
    for part in svg.split('<').skip(1) {
        let (tag, text) = part.split_once('>').expect("a tag ends");
        let name = tag.split([' ', '/']).next().unwrap_or_default();
        if let Some(closed) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(closed.to_owned()), "tags are in pairs");
        } else if !tag.ends_with('/') && !tag.starts_with(['?', '!']) {
            open.push(name.to_owned());
        }
        assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{text:?}");
        texts += text;
        texts.push(' ');
    }
    assert_eq!(open, Vec::<String>::new());
    let entities = BTreeMap::from([("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'")]);
    let plain = entities.iter().fold(texts, |texts, (entity, c)| texts.replace(entity, c));
    plain.replace("&amp;", "&")
}

#[test]
fn a_row_looks_the_same_in_every_chart() {
    let all = charts(&grid());
    let ChartData::Dots { rows, .. } = &find(&all, "dots").data else { panic!("no dots") };
    let ChartData::Scatter { points, .. } = &find(&all, "validation-test").data else { panic!("no scatter") };
    let ChartData::Curve { series, .. } = &find(&all, "curve-scaling").data else { panic!("no curve") };
    let looks: BTreeMap<&str, usize> = rows.iter().map(|row| (row.name.as_str(), row.look)).collect();
    assert_eq!(looks.len(), rows.len());
    assert!(points.iter().all(|point| looks[point.name.as_str()] == point.look));
    assert_eq!(series[0].look, looks["knots_ties"]);
}

#[test]
fn ranges_of_drawn_values_hold_enough_points_to_compare() {
    let drawn: Vec<Job> = many().into_iter().take(120).collect();
    let all = charts(&drawn);
    let chart = find(&all, "curve-scaling");
    let ChartData::Curve { series, .. } = &chart.data else { panic!("no curve") };
    assert_eq!(series[0].points.len(), 10);
    assert!(chart.caption.starts_with("Best in each range of scaling"), "{}", chart.caption);
    // One point each: nothing is there by chance, so nothing is taken together.
    let alone: Vec<Job> = (0..40).map(|place| Job { scaling: f64::from(place) / 40.0, ..JOB }).collect();
    let all = charts(&alone);
    let ChartData::Curve { series, .. } = &find(&all, "curve-scaling").data else { panic!("no curve") };
    assert_eq!(series[0].points.len(), 40);
}

#[test]
fn long_names_are_whole() {
    let long = "stanford_cars_fine_grained_196";
    let short = "flags";
    let mut made = Made::new(&[long, short]);
    let name =
        "TIES as it was published, trimmed over the whole model, with the scaling of the second version of the paper";
    made.row("fine-tuned", RowKind::Finetuned, &[90, 90]);
    made.merge(name, &[40, 50], None);
    made.merge("knots_ties", &[60, 50], Some(&[0.1, 0.3]));
    let summary = Summary::build(&made.outcome, &made.results, None);
    let all = Chart::all(&frame(&[]), &summary).unwrap();
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let text = words(&texts(&find(&all, "dots").svg()));
    assert!(text.contains("stanford_cars_fine_ grained_196"), "{text}");
    let text = words(&texts(&find(&all, "validation-test").svg()));
    let said: Vec<&str> = name.split(' ').collect();
    assert!(said.iter().all(|word| text.contains(word)) && text.contains("2 knots_ties (chosen)"), "{text}");
}

#[test]
fn a_single_point_in_front_is_no_line() {
    let job = |scaling, value| Job { scaling, tasks: [Some(value); 2], ..JOB };
    let all = charts(&[job(0.1, 0.3), job(0.2, 0.5), job(0.3, 0.4)]);
    let caption = &find(&all, "pareto").caption;
    assert!(caption.starts_with("No other point beats the one in front in both. 3 points"), "{caption}");
}

#[test]
fn subsets_are_curves_over_the_number_of_tasks_with_a_band() {
    let mut made = Made::small();
    assert!(super::subsets::chart(&Summary::build(&made.outcome, &made.results, None)).is_none());
    made.subsets();
    let chart = super::subsets::chart(&Summary::build(&made.outcome, &made.results, None)).unwrap();
    assert!(chart.caption.contains("which overlap"), "{}", chart.caption);
    let ChartData::Curve { x, y, series } = &chart.data else { panic!("a curve") };
    assert_eq!((x.name.as_str(), y.name.as_str()), ("number of tasks", "mean normalised accuracy on test"));
    let [curve] = &series[..] else { panic!("one recipe has subsets") };
    let points: Vec<_> = curve.points.iter().map(|point| (point.x, point.n, point.low.is_some())).collect();
    assert_eq!(points, [(1.0, 2, true), (2.0, 1, false)]);
    assert!(!chart.svg().is_empty());
}
