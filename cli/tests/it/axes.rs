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

/// A sweep file over two tasks of mini8 with adapters of rank 4 and 16.
pub(crate) fn ranks(rest: &str) -> String {
    let folder = mini8();
    let small = folder.join("../../testdata/mini8/adapters_r4");
    let variants = format!(
        "variants:\n  key: rank\n  values:\n    - {{value: 4, adapter: '{}/{{task}}'}}\n    - {{value: 16, adapter: \
         '{}/adapters/{{task}}'}}\n",
        small.display(),
        folder.display()
    );
    let sweep = sweep("ranks", &["mnist", "flags"], &format!("{variants}{rest}"));
    let without =
        |sweep: String, task: &str| sweep.replace(&format!("adapter: {}/adapters/{task}, ", folder.display()), "");
    ["mnist", "flags"].into_iter().fold(sweep, without)
}

pub(crate) const SEARCH: &str =
    "recipe: {preset: knots_ties, density: 0.2}\nparameters: {scaling: [0.4, 0.6]}\nmethod: grid\n";

#[test]
fn each_variant_is_searched_on_its_own_adapters_and_shares_its_results_with_plain_sweeps() {
    let place = Place::new();
    place.write("plain.yaml", sweep("plain", &["mnist", "flags"], SEARCH));
    let plain = place.run(&["run", "plain.yaml", "--json"]).succeeds().json();
    place.write("ranks.yaml", ranks(SEARCH));
    let ran = place.run(&["run", "ranks.yaml", "--json"]).succeeds().json();
    let [small, large] = ran.as_array().unwrap().as_slice() else { panic!("two summaries: {ran}") };
    assert_eq!(large["rows"], plain["rows"], "rank 16 is what the plain sweep has");
    assert_eq!(large["counts"], json!({"run": 0, "reused": plain["counts"]["run"], "failed": 0}));
    // The base is shared. Two adapters alone, two points, and the winner as an artefact.
    assert_eq!(small["counts"]["failed"], 0);
    assert_eq!(small["counts"]["reused"], 1, "{}", small["counts"]);
    assert_eq!(small["variant"], json!({"of": "ranks", "key": "rank", "value": 4, "place": 0}));
    // The report of the first variant was made once more after the last one.
    for sweep in ["ranks-rank-4", "ranks-rank-16"] {
        let report = report(&place, sweep);
        assert!(report.contains("variants-validation") && report.contains("By rank"), "{sweep}");
    }
    assert_ne!(row(small, "fine-tuned"), row(large, "fine-tuned"), "own references");
    for summary in [small, large] {
        let normalised = row(summary, "fine-tuned")["splits"]["validation"]["mean_normalised"].as_f64();
        assert_eq!(normalised, Some(1.0), "normalised by its own adapters");
    }
    let again = place.run(&["run", "ranks.yaml"]);
    let stdout = &again.succeeds().stdout;
    assert!(stdout.contains("mean normalised accuracy on validation by rank, in %"), "{stdout}");
    let best = |sweep: &str| place.path(&format!("bowline-results/sweeps/{sweep}/best/adapter_config.json")).exists();
    assert!(best("ranks-rank-4") && best("ranks-rank-16"));
}

fn report(place: &Place, sweep: &str) -> String {
    std::fs::read_to_string(place.path(&format!("bowline-results/sweeps/{sweep}/report.html"))).unwrap()
}

#[test]
fn the_variants_are_one_table_and_one_chart_and_go_by_the_name_of_their_file() {
    let place = Place::new();
    place.write("ranks.yaml", ranks(SEARCH));
    place.run(&["run", "ranks.yaml", "--variant", "16"]).succeeds();
    let one = place.run(&["analyze", "--sweep", "ranks", "--table", "variants"]);
    assert!(one.succeeds().stdout.contains("rank 16") && !one.stdout.contains("rank 4"), "{}", one.stdout);
    assert!(!report(&place, "ranks-rank-16").contains("By rank"), "a chart needs two variants");
    place.run(&["run", "ranks.yaml", "--variant", "4"]).succeeds();
    assert!(report(&place, "ranks-rank-16").contains("By rank"), "the earlier report is written again");
    let both = place.run(&["analyze", "--sweep", "ranks", "--table", "variants", "--out", "out"]);
    let stdout = &both.succeeds().stdout;
    assert_eq!(stdout.matches("rank 4").count(), 1, "the table is printed once: {stdout}");
    assert!(stdout.contains("adapters alone: their mean accuracy"), "{stdout}");
    for file in ["ranks-rank-4/charts/variants.svg", "ranks-rank-16/tables/variants-validation.csv", "report.html"] {
        assert!(place.path(&format!("out/{file}")).exists(), "{file}");
    }
    let page = std::fs::read_to_string(place.path("out/report.html")).unwrap();
    assert_eq!(page.matches("by rank, in %").count(), 1, "a section of its own has it");
    let documents = place.run(&["analyze", "--sweep", "ranks", "--json"]).succeeds().json();
    assert_eq!(documents.as_array().map(Vec::len), Some(2));
    // Another recipe for one of them is another state of the file.
    place.run(&["run", "ranks.yaml", "--variant", "4", "-o", "recipe.density=0.5"]).succeeds();
    let apart = place.run(&["analyze", "--sweep", "ranks", "--table", "variants"]);
    let stdout = &apart.succeeds().stdout;
    assert!(stdout.contains("more than the adapters differs") && stdout.contains(": ranks-rank-16"), "{stdout}");
}

#[test]
fn a_variant_that_cannot_run_does_not_stop_the_others() {
    let place = Place::new();
    place.write("ranks.yaml", ranks(SEARCH));
    place.run(&["run", "ranks.yaml", "--variant", "4"]).succeeds();
    place.run(&["cancel", "ranks-rank-4"]).succeeds();
    let ran = place.run(&["run", "ranks.yaml", "--json"]);
    assert_ne!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stderr.contains("warning: ranks-rank-4:"), "{}", ran.stderr);
    let names: Vec<_> = ran.json().as_array().unwrap().iter().map(|summary| summary["sweep"].clone()).collect();
    assert_eq!(names, ["ranks-rank-16"]);
}

#[test]
fn a_variant_goes_on_with_a_plain_sweep_of_its_name() {
    let place = Place::new();
    place.write("plain.yaml", sweep("ranks-rank-16", &["mnist", "flags"], SEARCH));
    let plain = place.run(&["run", "plain.yaml", "--json"]).succeeds().json();
    assert_eq!(plain["revision"], 1);
    place.write("ranks.yaml", ranks(SEARCH));
    let ran = place.run(&["run", "ranks.yaml", "--variant", "16", "--json"]).succeeds().json();
    assert_eq!((&ran["revision"], &ran["counts"]["run"]), (&json!(2), &json!(0)));
    assert!(place.run(&["analyze", "--sweep", "ranks"]).succeeds().stdout.contains("rank 16"));
}

#[test]
fn commands_take_each_variant_or_the_one_that_is_chosen() {
    let place = Place::new();
    place.write("ranks.yaml", ranks(SEARCH));
    let plans = place.run(&["plan", "ranks.yaml", "--json"]).succeeds().json();
    let names: Vec<_> = plans.as_array().unwrap().iter().map(|plan| plan["sweep"].clone()).collect();
    assert_eq!(names, ["ranks-rank-4", "ranks-rank-16"]);
    let one = place.run(&["plan", "ranks.yaml", "--json", "--variant", "4"]).succeeds().json();
    assert_eq!(one["variant"]["value"], 4);
    place.run(&["plan", "ranks.yaml", "--variant", "8"]).fails(65, &["has no variant `8`; its variants are 4, 16"]);
    place.run(&["plan", "sweep.yaml", "--variant", "8"]).fails(65, &["has no variant `8`; it has no `variants`"]);
    let several = ["has several variants, and this command takes one", "choose one with `--variant VALUE`"];
    place.run(&["evaluate", "ranks.yaml", "--split", "validation"]).fails(65, &several);
    let checked = place.run(&["check", "ranks.yaml", "--adapters-only", "--json"]).succeeds().json();
    let ranks: Vec<_> = checked.as_array().unwrap().iter().map(|of| of["adapters"][0]["rank"][0].clone()).collect();
    assert_eq!(ranks, [4, 16]);
    let sweeps: Vec<_> = checked.as_array().unwrap().iter().map(|of| (&of["sweep"], &of["variant"]["value"])).collect();
    assert_eq!(sweeps, [(&json!("ranks-rank-4"), &json!(4)), (&json!("ranks-rank-16"), &json!(16))]);
}

#[test]
fn the_adapters_of_all_variants_are_checked_before_anything_is_computed() {
    let place = Place::new();
    place.write("ranks.yaml", ranks(SEARCH).replace("mini8/adapters/{task}", "mini8/adapters_r17/{task}"));
    let words =
        ["have 2 problems", "`variants.values[1].adapters.mnist`", "`variants.values[1].adapters.flags`", "line "];
    place.run(&["run", "ranks.yaml"]).fails(65, &words);
    assert!(!place.path("bowline-results").exists());
}
