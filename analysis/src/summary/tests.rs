use super::*;
use crate::{Problem, Results, testing::Made};
use jobs::{Interval, RowKind};
use std::fs;
use store::Store;
use tempfile::TempDir;

fn row<'a>(summary: &'a Summary, name: &str) -> &'a SummaryRow {
    summary.rows.iter().find(|row| row.name == name).unwrap()
}

#[test]
fn the_document_holds_numbers_that_one_can_check_by_hand() {
    let made = Made::small();
    let counts = Counts { run: 9, reused: 1, failed: 0 };
    let summary = Summary::build(&made.outcome, &made.results, Some(counts));
    insta::assert_snapshot!(serde_json::to_string_pretty(&summary).unwrap());
}

#[test]
fn means_and_intervals_are_those_of_the_formulas() {
    let made = Made::small();
    let summary = Summary::build(&made.outcome, &made.results, None);
    let split = &row(&summary, "knots_ties").splits["test"];
    assert!((split.mean_accuracy.unwrap() - 0.425).abs() < 1e-12);
    // 0.4 / 0.8 and 0.45 / 0.5.
    assert!((split.mean_normalised.unwrap() - 0.7).abs() < 1e-12);
    // Half of √(0.4 · 0.6 / 100 + 0.45 · 0.55 / 100) is 0.034911; times 1.96 it is 0.068425.
    let Interval { low, high } = split.interval.unwrap();
    assert!((low - 0.356_575).abs() < 1e-5 && (high - 0.493_425).abs() < 1e-5, "{low} {high}");
    // Wilson for 40 of 100: centre (0.4 + 0.019207) / 1.038415, half width 0.094258.
    let Interval { low, high } = split.tasks[0].interval.unwrap();
    assert!((low - 0.309_40).abs() < 1e-4 && (high - 0.497_98).abs() < 1e-4, "{low} {high}");
    assert_eq!(split.n, 200);
    let own = &row(&summary, "fine-tuned").splits["test"];
    assert!((own.mean_accuracy.unwrap() - 0.65).abs() < 1e-12 && (own.mean_normalised.unwrap() - 1.0).abs() < 1e-12);
}

#[test]
fn an_adapter_that_is_worse_than_the_base_is_told_below_the_tables() {
    let said = |made: &Made| Summary::build(&made.outcome, &made.results, None).render(crate::Style::Markdown);
    assert!(!said(&Made::small()).contains("worse on its own task"));
    let mut made = Made::new(&["mnist", "flags"]);
    made.row("zero-shot", RowKind::ZeroShot, &[20, 40]);
    made.row("fine-tuned", RowKind::Finetuned, &[80, 39]);
    let expected = "- warning: the adapter of `flags` is worse on its own task than the base without it: 39.0 % against \
                    40.0 % on `validation`; was it trained on this base?";
    assert!(said(&made).contains(expected), "{}", said(&made));
    made.outcome.rows.last_mut().unwrap().jobs.get_mut("validation").unwrap().remove(0);
    made.outcome.given_denominators = [("validation".to_owned(), [("mnist".to_owned(), 0.1)].into())].into();
    let given = "the accuracy that is given for the adapter of `mnist`, 10.0 %, is below the base's own on `validation`, 20.0 %";
    assert!(said(&made).contains(given), "{}", said(&made));
}

#[test]
fn the_best_search_is_chosen_by_the_objective() {
    let made = Made::small();
    let summary = Summary::build(&made.outcome, &made.results, None);
    assert_eq!(summary.best().unwrap().name, "knots_ties");
    // 45 of 50 and 35 of 80 are less than 45 of 50 and 40 of 80.
    let mut made = Made::small();
    made.merge("weaker", &[35, 45], Some(&[0.2, 0.4]));
    made.merge("stronger", &[41, 45], Some(&[0.2, 0.5]));
    let summary = Summary::build(&made.outcome, &made.results, None);
    let best: Vec<_> = summary.rows.iter().filter(|row| row.is_chosen).map(|row| row.name.as_str()).collect();
    assert_eq!((best.as_slice(), summary.best().unwrap().name.as_str()), (&["stronger"][..], "stronger"));
}

#[test]
fn a_fixed_recipe_is_chosen_only_where_nothing_was_searched() {
    let mut made = Made::small();
    made.outcome.objective.metric = jobs::Metric::Accuracy("mnist".to_owned());
    let summary = Summary::build(&made.outcome, &made.results, None);
    assert!(row(&summary, "sum").value > row(&summary, "knots_ties").value);
    assert_eq!(summary.best().unwrap().name, "knots_ties");
    made.outcome.rows.pop();
    assert_eq!(Summary::build(&made.outcome, &made.results, None).best().unwrap().name, "sum");
}

/// Names, kinds and differences of the rows that beat the chosen one.
fn beaten_by(made: &Made) -> Vec<(String, Kind, i64)> {
    let summary = Summary::build(&made.outcome, &made.results, None);
    let told = summary.beaten_by.iter();
    told.map(|better| (better.name.clone(), better.kind, (better.by * 1e6).round() as i64)).collect()
}

#[test]
fn a_learned_merge_is_chosen_where_it_beats_the_searches() {
    let mut made = Made::small();
    made.baseline("given", 0.2, &[76, 50]);
    made.learned("learned", &[72, 50]);
    let summary = Summary::build(&made.outcome, &made.results, None);
    assert_eq!(summary.best().unwrap().name, "learned");
    let choices = summary.choices().join("\n");
    assert!(choices.contains("› learned is chosen"), "{choices}");
    assert!(choices.contains("of the searches and learned merges"), "{choices}");
    assert!(choices.contains("the baseline given (0.9750)"), "{choices}");
}

#[test]
fn what_beats_the_chosen_search_without_being_searched_is_named_the_best_first() {
    let mut made = Made::small();
    assert_eq!(beaten_by(&made), []);
    // knots_ties has (0.4 / 0.8 + 0.45 / 0.5) / 2 = 0.7; these have 0.825, 0.7, 0.95 and, searched, 0.6875.
    made.baseline("better", 0.2, &[60, 45]);
    made.baseline("equal", 0.3, &[40, 45]);
    made.baseline("best", 0.4, &[72, 50]);
    made.merge("another search", &[30, 50], Some(&[0.1, 0.2]));
    let best = ("best".to_owned(), Kind::Baseline, 250_000);
    assert_eq!(beaten_by(&made), [best, ("better".to_owned(), Kind::Baseline, 125_000)]);
    let summary = Summary::build(&made.outcome, &made.results, None);
    assert_eq!(
        summary.beaten("m", |value| format!("{value:.3}")).unwrap(),
        "knots_ties (0.700) is not the best by m on validation: the baselines best (0.950) and better (0.825) are better; \
         only what was searched or learned is chosen"
    );
    // Single adapters are better than all of these, and no model.
    assert!(row(&summary, "fine-tuned").value > Some(0.99));
    // Where less is better, it is the other way round: 0.525 and 0.675 are.
    made.outcome.objective.goal = jobs::Goal::Minimize;
    made.outcome.rows.pop();
    let below = [("zero-shot".to_owned(), Kind::ZeroShot, 175_000), ("sum".to_owned(), Kind::Baseline, 25_000)];
    assert_eq!(beaten_by(&made), below);
}

#[test]
fn a_lead_that_the_examples_do_not_bear_out_is_called_a_tie() {
    let mut made = Made::small();
    made.baseline("far", 0.2, &[72, 50]);
    made.baseline("near", 0.3, &[41, 45]);
    let ties = |made: &Made| {
        let summary = Summary::build(&made.outcome, &made.results, None);
        summary.beaten_by.iter().map(|better| better.is_tie).collect::<Vec<_>>()
    };
    assert_eq!(ties(&made), [None, None], "results do not say which examples were right");
    for score in made.results.found.values_mut().flat_map(|result| &mut result.scores) {
        score.right = Some((0..score.n).map(|index| index < score.correct).collect::<jobs::Bitmap>());
    }
    assert_eq!(ties(&made), [Some(false), Some(true)]);
    // The value of a row with replicates is a mean over seeds, and the examples are those of one seed.
    let far = made.outcome.rows.iter_mut().find(|row| row.name == "far").unwrap();
    let jobs = far.jobs.iter().map(|(split, jobs)| (split.clone(), jobs[0])).collect();
    far.replicates = Some(jobs::RowReplicates { key: "seed".to_owned(), runs: vec![jobs::SeedRun { seed: 4, jobs }] });
    assert_eq!(ties(&made), [None, Some(true)]);
    made.outcome.rows.remove(4);
    let told = Summary::build(&made.outcome, &made.results, None).choices()[1].clone();
    assert!(told.ends_with("; on the same examples near and knots_ties are a tie"), "{told}");
}

#[test]
fn a_base_model_that_is_better_than_every_merge_is_named() {
    let mut made = Made::new(&["mnist", "flags"]);
    made.row("zero-shot", RowKind::ZeroShot, &[70, 45]);
    made.row("fine-tuned", RowKind::Finetuned, &[80, 50]);
    made.merge("sum", &[60, 30], None);
    assert_eq!(beaten_by(&made)[0].1, Kind::ZeroShot);
    let summary = Summary::build(&made.outcome, &made.results, None);
    let told = summary.beaten("m", |value| format!("{value:.4}")).unwrap();
    assert!(told.ends_with("the base model, zero-shot (0.8875), is better"), "nothing was searched: {told}");
    made.merge("knots_ties", &[40, 45], Some(&[0.1, 0.2]));
    let lines = Summary::build(&made.outcome, &made.results, None).choices();
    let warning = "warning: knots_ties (0.7000) is not the best by mean_normalised_accuracy on validation: the base model, \
                   zero-shot (0.8875), is better; only what was searched or learned is chosen";
    assert_eq!(lines[1], warning);
    made.fail_the_search();
    assert_eq!(beaten_by(&made), [], "nothing was chosen");
}

#[test]
fn a_single_recipe_is_not_said_to_be_chosen() {
    let mut made = Made::small();
    made.outcome.rows.pop();
    let lines = Summary::build(&made.outcome, &made.results, None).choices();
    assert!(lines.is_empty(), "{lines:?}");
}

#[test]
fn a_search_of_failures_has_no_recipe_and_is_not_chosen() {
    let mut made = Made::small();
    made.fail_the_search();
    let summary = Summary::build(&made.outcome, &made.results, None);
    let failed = row(&summary, "knots_ties");
    assert_eq!((&failed.recipe, &failed.canonical), (&None, &None));
    let search = failed.search.as_ref().unwrap();
    assert_eq!((search.points, search.failed, search.at_upper_border.len()), (3, 3, 0));
    assert_eq!(summary.best(), None, "nor is the fixed recipe");
}

#[test]
fn no_winner_is_named_while_jobs_are_missing_without_which_it_is_not_known() {
    let mut made = Made::small();
    made.outcome.missing = 2;
    let summary = Summary::build(&made.outcome, &made.results, None);
    assert_eq!((summary.best(), summary.missing), (None, 2));
    let lines = summary.choices();
    assert!(lines[0].starts_with("no winner is named: 2 jobs failed on machines"), "{lines:?}");
    // A search that stopped at such a point has no recipe of its own.
    for row in &mut made.outcome.rows {
        if matches!(row.kind, jobs::RowKind::Search { .. }) {
            row.jobs.values_mut().for_each(Vec::clear);
        }
    }
    let summary = Summary::build(&made.outcome, &made.results, None);
    assert_eq!(row(&summary, "knots_ties").recipe, None);
    assert!(summary.choices()[1].contains("the value of a point is not known"), "{:?}", summary.choices());
}

#[test]
fn the_interval_of_the_normalised_mean_counts_both_uncertainties() {
    let mut made = Made::small();
    let interval = |made: &Made, name: &str| {
        row(&Summary::build(&made.outcome, &made.results, None), name).splits["test"].normalised_interval
    };
    // mnist: 0.4 of 100 over 0.8 of 100: (0.0024 + 0.25 · 0.0016) / 0.64 = 0.004375.
    // flags: 0.45 of 100 over 0.5 of 100: (0.002475 + 0.81 · 0.0025) / 0.25 = 0.018.
    // Half of the root of the sum is 0.074791; times 1.96 it is 0.146588.
    let Interval { low, high } = interval(&made, "knots_ties").unwrap();
    assert!((low - 0.553_412).abs() < 1e-5 && (high - 0.846_588).abs() < 1e-5, "{low} {high}");
    assert_eq!(interval(&made, "fine-tuned"), None, "it is 1, whatever the examples");
    // Given accuracies are exact: 0.0024 / 0.64 + 0.002475 / 0.25 = 0.01365, and 1.96 / 2 of its root is 0.114494.
    let given = std::collections::BTreeMap::from([("mnist".to_owned(), 0.8), ("flags".to_owned(), 0.5)]);
    made.outcome.given_denominators.insert("test".to_owned(), given);
    let Interval { low, high } = interval(&made, "knots_ties").unwrap();
    assert!((low - 0.585_506).abs() < 1e-5 && (high - 0.814_494).abs() < 1e-5, "{low} {high}");
}

#[test]
fn seconds_are_those_of_every_job_once() {
    let mut made = Made::small();
    let spent = Summary::build(&made.outcome, &made.results, None).timings;
    // Two splits of zero-shot, two adapters, a fixed and a chosen recipe, and two more points.
    assert_eq!(spent.jobs, 2 + 4 + 2 + 2 + 2);
    assert!((spent.align_s - 12.0 * 0.25).abs() < 1e-12 && (spent.evaluate_s - 12.0).abs() < 1e-12);
    let twice = made.outcome.rows[3].clone();
    made.outcome.rows.push(twice);
    assert_eq!(Summary::build(&made.outcome, &made.results, None).timings, spent);
}

#[test]
fn given_accuracies_replace_measured_ones() {
    let mut made = Made::small();
    let given = std::collections::BTreeMap::from([("mnist".to_owned(), 0.5), ("flags".to_owned(), 0.9)]);
    made.outcome.given_denominators.insert("test".to_owned(), given);
    made.outcome.rows[1].jobs.remove("test");
    let summary = Summary::build(&made.outcome, &made.results, None);
    let own = &row(&summary, "fine-tuned").splits["test"];
    assert_eq!((own.tasks[0].n, own.tasks[0].accuracy, own.interval), (None, 0.5, None));
    assert!((own.mean_accuracy.unwrap() - 0.7).abs() < 1e-12);
    let merged = &row(&summary, "knots_ties").splits["test"];
    assert!((merged.mean_normalised.unwrap() - (0.8 + 0.5) / 2.0).abs() < 1e-12);
}

#[test]
fn a_task_that_is_missing_leaves_no_mean() {
    let mut made = Made::small();
    made.outcome.rows[1].jobs.get_mut("test").unwrap().remove(0);
    let summary = Summary::build(&made.outcome, &made.results, None);
    let own = &row(&summary, "fine-tuned").splits["test"];
    assert_eq!((own.tasks.len(), own.mean_accuracy, own.mean_normalised), (1, None, None));
    assert_eq!(row(&summary, "knots_ties").splits["test"].mean_normalised, None, "a denominator is missing");
}

#[test]
fn a_choice_at_the_border_of_its_range_is_told() {
    let made = Made::small();
    let summary = Summary::build(&made.outcome, &made.results, None);
    let search = row(&summary, "knots_ties").search.clone().unwrap();
    assert_eq!(
        (search.points, search.at_upper_border, search.at_lower_border.len()),
        (3, vec!["scaling".to_owned()], 0)
    );
    let mut made = Made::small();
    let Some(RowKind::Search { points, .. }) = made.outcome.rows.last_mut().map(|row| &mut row.kind) else { panic!() };
    points[0].spec.scaling = Some(0.4);
    let summary = Summary::build(&made.outcome, &made.results, None);
    assert!(row(&summary, "knots_ties").search.as_ref().unwrap().at_upper_border.is_empty());
}

#[tokio::test]
async fn a_result_that_is_missing_or_corrupt_is_named() {
    let made = Made::small();
    let folder = TempDir::new().unwrap();
    let store = Store::folder(folder.path()).unwrap();
    for result in made.results.found.values() {
        assert_eq!(store.put_result(result).await.unwrap(), store::Put::Created);
    }
    let read = Results::of(&made.outcome, &store).await;
    // Two points of the search are no row: the frame has them.
    assert_eq!((read.found.len(), read.problems.len()), (made.results.found.len() - 2, 0));

    let path = |row: usize, split: &str| {
        let job = made.outcome.rows[row].jobs[split][0].to_string();
        folder.path().join("results").join(&job[..2]).join(format!("{job}.json"))
    };
    fs::remove_file(path(2, "test")).unwrap();
    fs::write(path(3, "test"), "{").unwrap();
    let read = Results::of(&made.outcome, &store).await;
    let mut problems: Vec<_> = read.problems.iter().map(Problem::to_string).collect();
    problems.sort_by_key(|problem| problem.contains("cannot be used"));
    assert!(problems[0].ends_with("(`sum` on `test` of sweep `small`) is missing from the store"), "{problems:?}");
    assert!(
        problems[1].contains("(`knots_ties` on `test` of sweep `small`) cannot be used; `bowline run --repair`"),
        "{problems:?}"
    );
    let summary = Summary::build(&made.outcome, &read, None);
    assert_eq!(summary.problems.len(), 2);
    assert!(summary.problems.iter().any(|problem| problem.contains("is corrupt: ")), "{:?}", summary.problems);
    assert!(!row(&summary, "sum").splits.contains_key("test"));

    let all = Results::all(&store).await.unwrap();
    assert_eq!((all.found.len(), all.problems.len()), (made.results.found.len() - 2, 1));
}

#[tokio::test]
async fn results_of_rows_are_found_in_parts_where_they_have_no_objects() {
    let made = Made::small();
    let folder = TempDir::new().unwrap();
    let store = Store::folder(folder.path()).unwrap();
    let mut results: Vec<_> = made.results.found.values().cloned().collect();
    let left_out = results.pop().unwrap().job;
    store.put_part(store::Revision::first("small"), results).await.unwrap();
    let read = Results::of(&made.outcome, &store).await;
    let rows = made.outcome.rows.iter().flat_map(|row| row.jobs.values().flatten());
    for job in rows {
        if *job == left_out {
            assert!(matches!(read.problems[..], [Problem::Missing { .. }]), "{:?}", read.problems)
        } else {
            assert_eq!(read.found[job], made.results.found[job], "whole, with single examples")
        }
    }
}

#[tokio::test]
async fn a_sweep_sums_up_all_its_jobs_and_tells_each_problem_once() {
    let made = Made::small();
    let folder = TempDir::new().unwrap();
    let store = Store::folder(folder.path()).unwrap();
    let RowKind::Search { points, .. } = &made.outcome.rows.last().unwrap().kind else { panic!() };
    let missing = [points[0].job, made.outcome.rows[2].jobs["test"][0]];
    for result in made.results.found.values().filter(|result| !missing.contains(&result.job)) {
        assert_eq!(store.put_result(result).await.unwrap(), store::Put::Created);
    }
    let results = Results::of(&made.outcome, &store).await;
    let sweep = crate::Sweep::of(&made.outcome);
    let frame = crate::Frame::of_sweeps(&store, &[sweep]).await.unwrap();
    let summary = Summary::of_sweep(&made.outcome, &results, &frame, None).unwrap();
    assert_eq!(summary.problems.len(), 2, "{:#?}", summary.problems);
    assert_eq!(summary.timings.jobs, 10);
    assert!((summary.timings.evaluate_s - 10.0).abs() < 1e-12, "{:?}", summary.timings);
}

#[test]
fn results_in_16_bits_of_processors_and_gpus_are_told() {
    let mut made = Made::small();
    let notes = |made: &Made| Summary::build(&made.outcome, &made.results, None).notes;
    let jobs: Vec<jobs::JobId> = made.results.found.keys().copied().take(2).collect();
    made.results.found.get_mut(&jobs[0]).unwrap().run.device = "cuda:0".to_owned();
    assert!(notes(&made).is_empty(), "in f32 they are the same but for the order of sums");
    for job in &jobs {
        made.results.found.get_mut(job).unwrap().meaning.precision = jobs::Precision::Bf16;
    }
    let told = notes(&made);
    assert!(told[0].starts_with("1 results in 16 bits come from processors and 1 from GPUs"), "{told:?}");
}

#[test]
fn results_of_processors_with_other_instructions_are_told() {
    let mut made = Made::small();
    let notes = |made: &Made| Summary::build(&made.outcome, &made.results, None).notes;
    let jobs: Vec<jobs::JobId> = made.results.found.keys().copied().take(3).collect();
    let run_on = |made: &mut Made, job: usize, device: &str| {
        made.results.found.get_mut(&jobs[job]).unwrap().run.device = device.to_owned();
    };
    run_on(&mut made, 0, "cpu (2 threads, avx512)");
    run_on(&mut made, 1, "cpu (1 thread, avx512-bf16)");
    run_on(&mut made, 2, "cuda:0");
    assert!(notes(&made).is_empty(), "in f32 these two are the same, and older results name none");
    run_on(&mut made, 2, "cpu (8 threads, avx2)");
    let told = notes(&made);
    let words =
        "the results come from processors with different instructions (1 of avx2, 2 of avx512), whose sums differ";
    assert!(told.len() == 1 && told[0].starts_with(words), "{told:?}");
    for job in &jobs {
        made.results.found.get_mut(job).unwrap().meaning.precision = jobs::Precision::Bf16;
    }
    let told = notes(&made);
    assert!(told[0].contains("(1 of avx2, 1 of avx512, 1 of avx512-bf16)"), "{told:?}");
}

#[test]
fn coefficients_that_look_too_good_where_they_were_tuned_are_told() {
    let mut made = Made::small();
    assert!(Summary::build(&made.outcome, &made.results, None).notes.is_empty());
    let row = made.outcome.rows.iter_mut().find(|row| row.name == "sum").unwrap();
    let mut tuned = made.results.found[&row.jobs["test"][0]].clone();
    tuned.job = jobs::JobId::from(jobs::Digest::of(b"tuned"));
    tuned.scores.iter_mut().for_each(|score| score.correct += 10);
    row.jobs.insert("tuning".to_owned(), vec![tuned.job]);
    made.results.found.insert(tuned.job, tuned);
    let told = "`sum` was tuned on `tuning`, where its mean accuracy is 55.0 %; on `test` it is 45.0 %: an optimism of 10.0 points";
    assert_eq!(Summary::build(&made.outcome, &made.results, None).notes, [told]);
}

#[test]
fn subsets_are_summed_up_by_their_size_on_the_report_split() {
    let mut made = Made::small();
    made.subsets();
    let summary = Summary::build(&made.outcome, &made.results, None);
    let [alone, both] = &row(&summary, "knots_ties").subsets[..] else { panic!("two sizes") };
    assert_eq!((alone.size, alone.subsets, alone.missing), (1, 2, 0));
    // 0.8 and 0.5: the standard deviation is 0.212132, and 1.96 · s / √2 is 0.294.
    let spread = alone.mean_accuracy.unwrap();
    assert!((spread.mean - 0.65).abs() < 1e-12 && (spread.min, spread.max) == (0.5, 0.8));
    let Interval { low, high } = spread.interval.unwrap();
    assert!((low - 0.356_005).abs() < 1e-5 && (high - 0.943_995).abs() < 1e-5, "{low} {high}");
    assert!((alone.mean_normalised.unwrap().mean - 1.0).abs() < 1e-12, "an adapter over itself");
    let spread = both.mean_normalised.unwrap();
    assert!((spread.mean - 0.7).abs() < 1e-12 && spread.interval.is_none(), "one value has no spread");
    assert!(row(&summary, "sum").subsets.is_empty());
}

#[test]
fn a_subset_without_a_job_is_missing_unless_its_accuracy_was_given() {
    let mut made = Made::small();
    made.subsets();
    let subsets = &mut made.outcome.rows.last_mut().unwrap().subsets;
    subsets.iter_mut().for_each(|subset| subset.job = None);
    made.outcome.given_denominators = [("test".to_owned(), [("mnist".to_owned(), 0.6)].into())].into();
    let summary = Summary::build(&made.outcome, &made.results, None);
    let [alone, both] = &row(&summary, "knots_ties").subsets[..] else { panic!("two sizes") };
    assert_eq!((alone.subsets, alone.missing, both.subsets, both.missing), (1, 1, 0, 1));
    assert!((alone.mean_accuracy.unwrap().mean - 0.6).abs() < 1e-12);
    assert_eq!(both.mean_accuracy, None);
}

#[test]
fn replicates_have_the_mean_over_seeds_as_their_value_and_show_the_best_seed() {
    let mut made = Made::small();
    // Two seeds: the row itself, and another job with the scores of the baseline.
    let jobs = |row: &jobs::Row| -> std::collections::BTreeMap<_, _> {
        row.jobs.iter().map(|(split, jobs)| (split.clone(), jobs[0])).collect()
    };
    let other = jobs(&made.outcome.rows[2]);
    let last = made.outcome.rows.last_mut().unwrap();
    let runs = vec![jobs::SeedRun { seed: 4, jobs: other }, jobs::SeedRun { seed: 5, jobs: jobs(last) }];
    last.replicates = Some(jobs::RowReplicates { key: "seed".to_owned(), runs });
    let summary = Summary::build(&made.outcome, &made.results, None);
    let row = row(&summary, "knots_ties");
    let replicates = row.replicates.as_ref().unwrap();
    assert_eq!((replicates.seeds.as_slice(), replicates.best), (&[4, 5][..], Some(5)));
    // 0.6/0.8 and 0.3/0.5 are 0.675 on average, 0.4/0.8 and 0.45/0.5 are 0.7.
    let spread = replicates.splits["validation"];
    assert!((spread.mean - 0.6875).abs() < 1e-12 && (spread.best.unwrap() - 0.7).abs() < 1e-12);
    assert!((spread.sd.unwrap() - 0.025 / 2f64.sqrt()).abs() < 1e-12);
    assert_eq!(row.value, Some(spread.mean));
    let table = crate::Table::replicates(&summary).unwrap();
    assert_eq!(table.rows.len(), 2);
    insta::assert_snapshot!(table.render(crate::Style::Plain));
    made.results.found.remove(&made.outcome.rows[2].jobs["validation"][0]);
    let summary = Summary::build(&made.outcome, &made.results, None);
    let value = summary.rows.iter().find(|row| row.name == "knots_ties").unwrap().value;
    assert_eq!(value, None, "a mean over some of the seeds would compare other things");
}

#[test]
fn a_merge_that_rounding_decides_a_part_of_is_told_with_its_condition_number() {
    let summary_of = |condition: f64, residual: Option<f64>| {
        let mut made = Made::small();
        let spec: jobs::RecipeSpec = serde_json::from_value(serde_json::json!({"preset": "regmean"})).unwrap();
        made.row("RegMean", RowKind::Baseline { recipe: spec.resolve().unwrap(), spec }, &[50, 40]);
        let job = made.outcome.rows.last().unwrap().jobs["validation"][0];
        made.results.found.get_mut(&job).unwrap().merge = Some(jobs::MergeFacts {
            matrices: 24,
            rank: Some(32),
            smallest_gap: None,
            lost_energy: None,
            condition: Some(condition),
            residual,
        });
        Summary::build(&made.outcome, &made.results, None)
    };
    let noisy = summary_of(3e7, None);
    let note = "the Gram matrices of `RegMean` have a condition number of 3.0e7 (ridge 0), above 1e5: rounding decides a part of \
                the merge, and another machine may get other numbers; lower `off_diagonal` or set a `ridge`";
    assert_eq!(noisy.notes, [note]);
    assert_eq!(row(&noisy, "RegMean").merge.as_ref().unwrap().condition, Some(3e7));
    assert!(summary_of(9e4, Some(1e-12)).notes.is_empty());
    assert!(summary_of(3e7, Some(2e-9)).notes[0].contains("(ridge 0, residual 2.0e-9)"));
    let noise = "the merge of `RegMean` does not fulfil its own equations: the relative residual of a weight is 3.0e-4, above 1e-6, so \
                 that its numbers are noise; lower `off_diagonal` or set a `ridge`";
    assert_eq!(summary_of(9e4, Some(3e-4)).notes, [noise]);
}

#[test]
fn an_ensemble_is_a_row_that_is_neither_chosen_nor_a_rival() {
    let mut made = Made::small();
    let chosen = Summary::build(&made.outcome, &made.results, None).best().unwrap().name.clone();
    made.row("experts", RowKind::Ensemble { rule: jobs::EnsembleRule::Max }, &[100, 100]);
    let summary = Summary::build(&made.outcome, &made.results, None);
    assert_eq!(summary.best().unwrap().name, chosen);
    assert!(summary.beaten_by.iter().all(|better| better.name != "experts"));
    assert_eq!((row(&summary, "experts").kind, row(&summary, "experts").recipe.as_ref()), (Kind::Ensemble, None));
}
