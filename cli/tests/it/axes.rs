//! Sweeps over more than recipes: subsets of the tasks, and seeds.

use crate::bowline::{Place, mini8};
use serde_json::{Value, json};

const PAIRS: &str = "recipe: {preset: knots_ties, density: 0.2, scaling: 0.6}\n";

/// A sweep file over some tasks of mini8, of which both splits are the same.
fn sweep(name: &str, tasks: &[&str], rest: &str) -> String {
    let folder = mini8();
    let folder = folder.to_str().unwrap();
    let task = |task: &&str| {
        format!(
            "  - {{name: {task}, adapter: {folder}/adapters/{task}, data: {folder}/data/{task}, head: \
             {folder}/heads/{task}.safetensors}}\n"
        )
    };
    let tasks: String = tasks.iter().map(task).collect();
    let evaluation = "evaluation: {benchmark: per_task, select: validation, report: validation}";
    format!("name: {name}\nbase: {folder}/base\ntasks:\n{tasks}{evaluation}\n{rest}")
}

fn row<'a>(summary: &'a Value, name: &str) -> &'a Value {
    summary["rows"].as_array().unwrap().iter().find(|row| row["name"] == name).unwrap()
}

#[test]
fn subsets_are_merged_as_sweeps_over_their_tasks_would_merge_them() {
    let place = Place::new();
    let subsets = "subsets: {sizes: [1, 2, 3]}\n";
    place.write("three.yaml", sweep("three", &["optdigits", "mnist", "flags"], &format!("{PAIRS}{subsets}")));
    let three = place.run(&["run", "three.yaml", "--json"]).succeeds().json();
    // The base, three adapters alone, the merge of all, and those of three pairs.
    assert_eq!(three["counts"], json!({"run": 8, "reused": 0, "failed": 0}));
    place.write("two.yaml", sweep("two", &["optdigits", "flags"], PAIRS));
    let two = place.run(&["run", "two.yaml", "--json"]).succeeds().json();
    assert_eq!(two["counts"], json!({"run": 1, "reused": 3, "failed": 0}), "the base alone has other tasks");

    let sizes = row(&three, "knots_ties")["subsets"].as_array().unwrap();
    let counts: Vec<_> = sizes.iter().map(|size| (size["size"].as_u64(), size["subsets"].as_u64())).collect();
    assert_eq!(counts, [(Some(1), Some(3)), (Some(2), Some(3)), (Some(3), Some(1))]);
    assert_eq!(sizes[0]["mean_normalised"]["mean"], 1.0);
    let pair = row(&two, "knots_ties")["splits"]["validation"]["mean_accuracy"].as_f64().unwrap();
    let of_pairs = |end: &str| sizes[1]["mean_accuracy"][end].as_f64().unwrap();
    assert!(of_pairs("min") <= pair && pair <= of_pairs("max"));
    assert_eq!(sizes[2]["mean_accuracy"]["mean"], row(&three, "knots_ties")["splits"]["validation"]["mean_accuracy"]);

    let table = place.run(&["analyze", "--sweep", "three", "--table", "subsets"]);
    assert!(table.succeeds().stdout.contains("subsets overlap"), "{}", table.stdout);
    let out = place.run(&["analyze", "--sweep", "three", "--out", "out"]);
    out.succeeds();
    assert!(place.path("out/three/charts/subsets.svg").exists());
    let again = place.run(&["run", "three.yaml", "--json"]).succeeds().json();
    assert_eq!((&again["counts"]["run"], &again["rows"]), (&json!(0), &three["rows"]));
}

#[test]
fn a_size_that_no_subset_has_is_named_with_its_line() {
    let place = Place::new();
    place.write("sweep.yaml", sweep("two", &["optdigits", "mnist"], &format!("{PAIRS}subsets:\n  sizes: [2, 5]\n")));
    let words = ["sweep.yaml", "line 9", "`subsets.sizes[1]` is 5, and the sweep has 2 tasks"];
    place.run(&["plan", "sweep.yaml"]).fails(65, &words);
}

#[test]
fn a_search_with_replicates_writes_its_best_seed_and_shows_the_mean_of_all() {
    let place = Place::new();
    let search = "recipe: {preset: knots_dare_ties, density: 0.2, drop_rate: 0.5, seed: 3}\nparameters: {scaling: [0.4, \
                  0.6]}\nreplicates: {seed: 2}\nmethod: grid\n";
    place.write("sweep.yaml", sweep("drawn", &["optdigits", "mnist"], search));
    let drawn = place.run(&["run", "sweep.yaml", "--json"]).succeeds().json();
    // The base, two adapters alone, and two seeds at two scalings; the winner counts as a job as well.
    assert_eq!(drawn["counts"]["failed"], 0);
    let row = row(&drawn, "knots_dare_ties");
    assert_eq!((&row["search"]["points"], &row["replicates"]["seeds"]), (&json!(4), &json!([3, 4])));
    assert_eq!(row["recipe"]["seed"], row["replicates"]["best"]);
    let spread = &row["replicates"]["splits"]["validation"];
    assert_eq!((&spread["n"], &spread["mean"]), (&json!(2), &row["value"]));
    assert!(spread["best"].as_f64() >= spread["mean"].as_f64());
    let table = place.run(&["analyze", "--table", "replicates"]);
    assert!(table.succeeds().stdout.contains("sample standard deviation over seeds"), "{}", table.stdout);
}
