use super::*;
use crate::{Cell, Comparison, Failures, Side, SliceCost, Style, testing::Made, wrap::WIDTH};
use jobs::{Bitmap, FailureKind, JobId, Metric, Point, RecipeSpec, Row, RowKind, Subject};

/// A sweep with its tables.
struct Of {
    made: Made,
    summary: Summary,
    tables: Vec<Table>,
}

async fn of(made: Made) -> Of {
    let frame = made.frame().await;
    let summary = Summary::build(&made.outcome, &made.results, None);
    let failures = [FailureKind { errors: vec!["a".to_owned(), "b | c".to_owned()], jobs: 3, example: example() }];
    let of = Tables {
        frame: &frame,
        outcome: &made.outcome,
        results: &made.results,
        summary: &summary,
        failures: &failures,
        top: 3,
    };
    let tables = of.all().unwrap();
    Of { made, summary, tables }
}

fn example() -> JobId {
    jobs::Digest::of(b"a job").into()
}

/// Of every score, the right answers come first.
fn with_examples(mut made: Made) -> Made {
    for score in made.results.found.values_mut().flat_map(|result| &mut result.scores) {
        score.right = Some((0..score.n).map(|index| index < score.correct).collect::<Bitmap>());
    }
    made
}

impl Of {
    fn table(&self, name: &str) -> &Table {
        self.tables.iter().find(|table| table.name == name).unwrap_or_else(|| panic!("no table {name}"))
    }

    fn side(&self) -> Side<'_> {
        Side { outcome: &self.made.outcome, results: &self.made.results, summary: &self.summary }
    }
}

fn row<'a>(table: &'a Table, name: &str) -> &'a [Cell] {
    &table.rows.iter().find(|row| row.cells[0] == Cell::text(name)).unwrap().cells
}

fn value(cell: &Cell) -> f64 {
    match cell {
        Cell::Number(value) | Cell::Measured { value, .. } => *value,
        Cell::Count(count) => *count as f64,
        other => panic!("{other:?} is no number"),
    }
}

fn near(cell: &Cell, expected: f64) {
    assert!((value(cell) - expected).abs() < 1e-12, "{cell:?}, expected {expected}");
}

#[tokio::test]
async fn every_table_reads_well_in_every_style() {
    let of = of(with_examples(Made::small())).await;
    let names: Vec<&str> = of.tables.iter().map(|table| table.name.as_str()).collect();
    assert_eq!(names[..4], ["accuracy-test", "normalised-test", "accuracy-validation", "normalised-validation"]);
    assert_eq!(
        names[4..],
        ["best", "differences-test", "differences-validation", "top", "importance", "cost", "failures"]
    );
    for style in [Style::Plain, Style::Markdown, Style::Latex, Style::Csv] {
        let shown: Vec<String> =
            of.tables.iter().map(|table| format!("[{}]\n{}", table.name, table.render(style))).collect();
        insta::assert_snapshot!(format!("{style:?}").to_lowercase(), shown.join("\n"));
        let is_fitting = |line: &str| line.chars().count() <= WIDTH;
        assert!(style != Style::Plain || shown.iter().all(|text| text.lines().all(is_fitting)));
    }
}

fn ends(cell: &Cell) -> Option<(f64, f64)> {
    let Cell::Measured { low, high, .. } = cell else { panic!("{cell:?} is not measured") };
    low.zip(*high)
}

#[tokio::test]
async fn numbers_are_those_that_one_computes_by_hand() {
    let of = of(with_examples(Made::small())).await;
    // 40 and 45 right of 100 each, over 80 and 50: 0.5 and 0.9, hence 0.7 in the mean.
    let cells = row(of.table("normalised-test"), "knots_ties");
    near(&cells[1], 0.5);
    near(&cells[2], 0.9);
    near(&cells[3], 0.7);
    // 60 / 80 and 30 / 50 make 0.75 and 0.6, hence 0.675: the sum is the best of its method, and its only point.
    let best = of.table("best");
    let place = |name: &str| best.columns.iter().position(|column| column.name == name).unwrap();
    let cells = row(best, "task_arithmetic");
    near(&cells[place("validation")], 0.675);
    near(&cells[place("points")], 1.0);
    let cells = row(best, "knots_ties");
    near(&cells[place("validation")], 0.7);
    // All three points are equal: the one that the search chose comes first.
    near(&cells[place("scaling")], 0.3);
    near(&cells[place("test")], 0.7);
    near(&cells[place("points")], 3.0);
    // The same examples and own accuracies are behind the means of the normalised table.
    for split in ["validation", "test"] {
        let means = row(of.table(&format!("normalised-{split}")), "knots_ties");
        assert_eq!(ends(&cells[place(split)]), ends(&means[3]));
        assert!(ends(&means[3]).is_some());
    }
    assert!(best.rows[0].is_chosen && best.notes.iter().any(|note| note.starts_with("warning: knots_ties chose")));
    // The sum gets examples 40 to 59 of mnist right that the chosen one does not, which has 30 to 44 of flags for it:
    // it is better by accuracy, but worse by normalised accuracy, (0.2 / 0.8 − 0.15 / 0.5) / 2. All outcomes of 20 and 15 tosses
    // of a fair coin, counted in Python, give a mid-p of 0.5989.
    let cells = row(of.table("differences-test"), "sum");
    near(&cells[1], -0.025);
    near(&cells[2], 20.0);
    near(&cells[3], 15.0);
    assert!((value(&cells[4]) - 0.5989).abs() < 1e-4, "{cells:?}");
    assert_eq!(cells[4], cells[5], "one comparison needs no correction");
    assert_eq!(cells[7], Cell::text("tie"));
    // Twelve jobs of 0.5 + 0.25 + 0.125 + 1 seconds, all of which end at the same time.
    let cells = row(of.table("cost"), "all");
    near(&cells[1], 12.0);
    near(&cells[6], 22.5);
    near(&cells[7], 1.875);
    near(&row(of.table("cost"), "knots_ties")[1], 4.0);
    assert_eq!(
        of.table("importance").notes,
        ["4 runs are too few to estimate which parameters matter; at least 8 are needed"]
    );
}

#[tokio::test]
async fn the_seconds_of_slices_are_those_of_their_method() {
    let without = of(Made::small()).await;
    let mut made = Made::small();
    let slice = |method: &str, finished_ms| SliceCost {
        method: method.to_owned(),
        timings: jobs::Timings { merge_s: 0.5, evaluate_s: 2.0, ..jobs::Timings::default() },
        device: "cuda:7".to_owned(),
        finished_ms,
    };
    made.results.slices = vec![slice("knots_ties", 0), slice("knots_ties", 0), slice("tsv", 0)];
    let with = of(made).await;
    let cost = with.table("cost");
    assert!(cost.columns[2].name.contains("slices"), "{:?}", cost.columns[2]);
    assert!(cost.notes.iter().any(|note| note.starts_with("slices: ")), "{:?}", cost.notes);
    let seconds = |table: &Table, name: &str, from: usize| -> Vec<f64> {
        row(table, name)[from..from + 5].iter().map(value).collect()
    };
    for (name, slices) in [("knots_ties", 2.0), ("all", 3.0)] {
        let before = seconds(without.table("cost"), name, 2);
        let after = seconds(cost, name, 3);
        assert_eq!(row(cost, name)[1], row(without.table("cost"), name)[1], "slices count as no jobs");
        near(&row(cost, name)[2], slices);
        let added: Vec<f64> = before.iter().zip(&after).map(|(before, after)| after - before).collect();
        let expected = [0.0, 0.0, 0.5, 2.0, 2.5].map(|seconds| seconds * slices);
        assert!(added.iter().zip(expected).all(|(added, expected)| (added - expected).abs() < 1e-9), "{added:?}");
    }
    // A method of which all points lost their races has no other job.
    assert_eq!(row(cost, "tsv")[1], Cell::Count(0));
    assert!(row(cost, "all").contains(&Cell::text("cpu (2 threads), cuda:7")), "{:?}", row(cost, "all"));
    let spent = with.summary.timings;
    assert!((spent.evaluate_s - without.summary.timings.evaluate_s - 6.0).abs() < 1e-9);
    assert_eq!(spent.jobs, without.summary.timings.jobs);
}

#[tokio::test]
async fn a_sweep_without_any_result_has_tables_that_say_so() {
    let mut made = Made::small();
    made.results.found.clear();
    made.outcome.rows.iter_mut().for_each(|row| row.jobs.clear());
    let of = of(made).await;
    assert!(of.tables.iter().all(|table| !table.name.starts_with("differences")));
    let notes = |name: &str| of.table(name).notes.join("; ");
    assert!(notes("best").contains("no merge has a value of mean_normalised_accuracy on validation"));
    assert!(notes("cost").contains("no job has a result"));
    assert_eq!(of.table("top").rows, []);
    of.tables.iter().for_each(|table| assert!(!table.render(Style::Plain).is_empty()));
}

#[tokio::test]
async fn a_single_merge_is_the_best_and_has_none_to_differ_from() {
    let mut made = with_examples(Made::new(&["mnist"]));
    made.merge("sum", &[60], None);
    let of = of(with_examples(made)).await;
    // Without an own accuracy there is no normalised one.
    assert!(of.tables.iter().all(|table| !table.name.starts_with("normalised")));
    assert!(of.table("best").notes[0].contains("no merge has a value"));
    let mut made = Made::new(&["mnist"]);
    made.outcome.objective.metric = jobs::Metric::MeanAccuracy;
    made.merge("sum", &[60], None);
    let of = self::of(with_examples(made)).await;
    let top = of.table("top");
    let place = top.columns.iter().position(|column| column.name == "validation").unwrap();
    near(&row(top, "task_arithmetic")[place], 0.6);
    assert_eq!(of.table("differences-test").notes, ["there is no merge beside sum"]);
}

#[tokio::test]
async fn two_sweeps_are_compared_on_what_they_have_in_common() {
    let one = of(with_examples(Made::small())).await;
    let mut other = Made::new(&["flags", "mnist"]);
    other.outcome.sweep = "other".to_owned();
    other.row("fine-tuned", jobs::RowKind::Finetuned, &[50, 80]);
    other.merge("knots_ties", &[5, 50], Some(&[0.4]));
    let other = of(with_examples(other)).await;
    let [chosen, rows] = Comparison { first: one.side(), second: other.side() }.tables();
    // mnist 0.4 − 0.5, flags 0.45 − 0.05, and the mean of both.
    near(&row(&chosen, "mnist")[3], -0.1);
    near(&row(&chosen, "flags")[3], 0.4);
    near(&row(&chosen, "mean")[3], 0.15);
    near(&row(&chosen, "mean")[2], 0.275);
    assert_eq!(row(&chosen, "flags")[8], Cell::text("better"));
    assert_eq!((rows.rows.len(), value(&row(&rows, "knots_ties")[1])), (1, 2.0));
    insta::assert_snapshot!(chosen.render(Style::Plain) + "\n" + &rows.render(Style::Plain));
}

#[tokio::test]
async fn sweeps_of_other_tasks_have_nothing_to_compare_and_it_is_said() {
    let one = of(with_examples(Made::small())).await;
    let mut other = Made::new(&["letters"]);
    other.row("fine-tuned", jobs::RowKind::Finetuned, &[50]);
    other.merge("knots_ties", &[5], Some(&[0.4]));
    let other = of(with_examples(other)).await;
    let [chosen, _] = Comparison { first: one.side(), second: other.side() }.tables();
    assert_eq!(chosen.rows, []);
    let notes = chosen.notes.join("\n");
    assert!(
        notes.contains("no examples in common") && notes.contains("mnist, flags: evaluated in the first alone"),
        "{notes}"
    );
    assert!(notes.contains("letters: evaluated in the second alone"), "{notes}");
}

#[tokio::test]
async fn results_without_examples_are_not_compared_and_it_is_said() {
    let of = of(Made::small()).await;
    let table = of.table("differences-test");
    assert_eq!(row(table, "sum")[1], Cell::Empty);
    assert!(table.notes[0].contains("results of older programs do not record"), "{:?}", table.notes);
}

#[tokio::test]
async fn failures_of_a_kind_are_counted_together() {
    let of = of(Made::small()).await;
    let table = of.table("failures");
    assert_eq!(table.rows[0].cells, [Cell::Count(3), Cell::text(example().short()), Cell::text("a: b | c")]);
    assert!(Failures::by_kind([]).is_empty());
}

/// A point of which `correct` of 100 examples are right.
fn measured(spec: RecipeSpec, result: &jobs::JobResult, correct: u64) -> Point {
    Point { spec, job: result.job, value: Some(correct as f64 / 100.0), raced: None, slices: Vec::new() }
}

#[tokio::test]
async fn recipes_that_differ_in_the_seed_alone_are_taken_together() {
    let mut made = Made::new(&["mnist"]);
    made.outcome.objective.metric = jobs::Metric::MeanAccuracy;
    let of_seed = |scaling, seed| RecipeSpec {
        preset: Some("dare_ties".to_owned()),
        seed: Some(seed),
        scaling: Some(scaling),
        ..RecipeSpec::default()
    };
    let mut points = Vec::new();
    for (scaling, seed, correct) in [(0.3, 1, 71), (0.3, 2, 68), (0.3, 3, 73), (0.3, 4, 70), (0.3, 5, 69), (0.5, 1, 90)]
    {
        let spec = of_seed(scaling, seed);
        let subject = Subject::Merge { recipe: Box::new(spec.resolve().unwrap()) };
        let result = crate::testing::result(subject, "validation", &[("mnist".to_owned(), correct)]);
        points.push(measured(spec, &result, correct));
        made.results.found.insert(result.job, result);
    }
    let spec = of_seed(0.5, 1);
    let kind = RowKind::Search { recipe: spec.resolve().unwrap(), spec, points, left_out: Default::default() };
    made.outcome.rows.push(Row {
        name: "dare".to_owned(),
        kind,
        jobs: Default::default(),
        subsets: Vec::new(),
        replicates: None,
    });
    let of = of(made).await;
    let table = of.table("seeds-validation");
    assert_eq!(table.rows.len(), 1, "a single seed has no spread: {table:?}");
    let place = |name: &str| table.columns.iter().position(|column| column.name == name).unwrap();
    let cells = row(table, "dare_ties");
    near(&cells[place("seeds")], 5.0);
    // `np.mean(x)` and `np.std(x, ddof=1)` of 0.71, 0.68, 0.73, 0.70, 0.69.
    near(&cells[place("mean")], 0.702);
    near(&cells[place("sd")], 0.019_235_384_061_671_33);
}

#[tokio::test]
async fn a_method_with_replicates_is_ranked_by_its_mean_and_not_by_its_luckiest_seed() {
    let mut made = Made::new(&["mnist"]);
    made.outcome.objective.metric = jobs::Metric::MeanAccuracy;
    let sum: RecipeSpec = serde_json::from_str(r#"{"preset": "task_arithmetic", "scaling": 0.1}"#).unwrap();
    made.row("sum", RowKind::Baseline { recipe: sum.resolve().unwrap(), spec: sum }, &[75]);
    let mut points = Vec::new();
    for (scaling, seed, correct) in [(0.3, 1, 71), (0.3, 2, 69), (0.5, 1, 90), (0.5, 2, 20)] {
        let preset = Some("dare_ties".to_owned());
        let spec = RecipeSpec { preset, seed: Some(seed), scaling: Some(scaling), ..RecipeSpec::default() };
        let subject = Subject::Merge { recipe: Box::new(spec.resolve().unwrap()) };
        let result = crate::testing::result(subject, "validation", &[("mnist".to_owned(), correct)]);
        points.push(measured(spec, &result, correct));
        made.results.found.insert(result.job, result);
    }
    let on_validation = |job| [("validation".to_owned(), job)].into();
    let runs = [0, 1].map(|run| jobs::SeedRun { seed: run + 1, jobs: on_validation(points[run as usize].job) });
    let chosen = points[0].clone();
    let recipe = chosen.spec.resolve().unwrap();
    made.outcome.rows.push(Row {
        name: "dare".to_owned(),
        jobs: [("validation".to_owned(), vec![chosen.job])].into(),
        kind: RowKind::Search { recipe, spec: chosen.spec, points, left_out: Default::default() },
        subsets: Vec::new(),
        replicates: Some(jobs::RowReplicates { key: "seed".to_owned(), runs: runs.into() }),
    });
    let of = of(made).await;
    let best = of.table("best");
    let methods: Vec<&Cell> = best.rows.iter().map(|row| &row.cells[0]).collect();
    assert_eq!(methods, [&Cell::text("task_arithmetic"), &Cell::text("dare_ties")], "75 before a mean of 70");
    let place = |name: &str| best.columns.iter().position(|column| column.name == name).unwrap();
    let cells = row(best, "dare_ties");
    near(&cells[place("validation")], 0.71);
    assert_eq!(cells[place("job")], Cell::text(chosen.job.short()));
    near(&cells[place("points")], 4.0);
    assert!(best.notes.iter().any(|note| note.starts_with("rows with replicates are ranked")), "{:?}", best.notes);
}

#[tokio::test]
async fn subsets_have_a_table_and_are_no_merges_of_the_other_tables() {
    let made = Made::small();
    let plain = of(made).await;
    assert!(plain.tables.iter().all(|table| table.name != "subsets-test"));
    let mut made = Made::small();
    made.subsets();
    // The same recipe for one of the tasks, which is better than anything for both.
    let RowKind::Search { recipe, .. } = &made.outcome.rows.last().unwrap().kind else { panic!("a search") };
    let subject = Subject::Merge { recipe: Box::new(recipe.clone()) };
    for split in crate::testing::SPLITS {
        let result = crate::testing::result(subject.clone(), split, &[("mnist".to_owned(), 99)]);
        let tasks = vec!["mnist".to_owned()];
        made.outcome.rows.last_mut().unwrap().subsets.push(jobs::SubsetJob { tasks, job: Some(result.job) });
        made.results.found.insert(result.job, result);
    }
    let with = of(made).await;
    for name in ["best", "top", "importance"] {
        assert_eq!(with.table(name).rows, plain.table(name).rows, "{name}");
    }
    insta::assert_snapshot!(with.table("subsets-test").render(Style::Plain));
}

#[tokio::test]
async fn the_front_has_the_merges_that_nothing_beats_in_every_goal() {
    let mut made = Made::new(&["mnist", "flags"]);
    made.row("zero-shot", RowKind::ZeroShot, &[20, 40]);
    made.baseline("high mean", 0.1, &[90, 30]);
    made.baseline("high worst", 0.2, &[50, 48]);
    made.baseline("beaten", 0.3, &[49, 48]);
    made.outcome.objective.metric = Metric::MeanAccuracy;
    made.outcome.goals = vec![Metric::MeanAccuracy, Metric::WorstAccuracy];
    let of = of(made).await;
    let front = of.table("front-validation");
    let names: Vec<&Cell> = front.rows.iter().map(|row| &row.cells[1]).collect();
    assert_eq!(names, [&Cell::text("high mean"), &Cell::text("high worst")]);
    let place = |name: &str| front.columns.iter().position(|column| column.name == name).unwrap();
    near(&front.rows[0].cells[place("mean accuracy")], 0.6);
    near(&front.rows[1].cells[place("accuracy of the worst task")], 0.48);
    // Two rectangles: 0.6 · 0.3, and 0.49 · 0.18 above it.
    assert!(front.notes.iter().any(|note| note.starts_with("hypervolume: 0.2682")), "{:?}", front.notes);
    assert!(front.rows[0].is_chosen, "the first goal chooses");
}
