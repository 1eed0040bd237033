use super::*;
use crate::testing::Made;

fn tasks() -> Vec<HubTask> {
    let dataset = HubDataset { id: "ylecun/mnist".to_owned(), revision: Some("abc".to_owned()) };
    let task =
        |name: &str, dataset| HubTask { name: name.to_owned(), kind: "image-classification", dataset, is_joint: false };
    vec![task("mnist", Some(dataset)), task("flags", None)]
}

fn summary() -> Summary {
    let made = Made::small();
    Summary::build(&made.outcome, &made.results, None)
}

#[test]
fn a_card_has_the_numbers_of_the_chosen_row_in_its_front_matter() {
    let tasks = tasks();
    let summary = summary();
    let model = HubModel { summary: &summary, tasks: &tasks };
    let card = "---\nbase_model: a/b\ntags:\n- lora\n---\n\n# Merge\n";
    let described = model.describe(card);
    insta::assert_snapshot!(described);
    assert_eq!(model.describe(&described), described, "once is enough");
    assert!(model.describe("# Merge\n").starts_with("---\nmodel-index:"), "a card may have no front matter");
}

#[test]
fn a_card_of_a_sweep_that_chose_nothing_stays_as_it_is() {
    let made = Made::new(&["mnist"]);
    let summary = Summary::build(&made.outcome, &made.results, None);
    let model = HubModel { summary: &summary, tasks: &[] };
    assert_eq!(model.describe("# Merge\n"), "# Merge\n");
}

#[test]
fn results_of_benchmarks_are_written_for_data_of_the_hub_alone() {
    let tasks = tasks();
    let summary = summary();
    let model = HubModel { summary: &summary, tasks: &tasks };
    let asked = |task: &str| vec![BenchmarkTask { task: task.to_owned(), id: "default".to_owned() }];
    let [file] = &model.eval_results(&asked("mnist")).unwrap()[..] else { panic!("one task was asked for") };
    assert_eq!(file.name, "mnist.yaml");
    insta::assert_snapshot!(file.content);
    let error = model.eval_results(&asked("flags")).unwrap_err();
    assert!(error.to_string().contains("the data of task `flags` are not on the hub"), "{error}");
    let error = model.eval_results(&asked("other")).unwrap_err();
    assert_eq!(error.to_string(), "sweep `small` has no task `other`");
}
