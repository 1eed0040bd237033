//! Published figures beside our own.

use crate::bowline::{Place, mini8};
use std::{fs, path::Path};

const FIGURES: &str = "
source: {paper: A paper, table: Table 1, url: \"arXiv:1234.56789\"}
metric: mean_normalised_accuracy
tasks: [optdigits, mnist]
rows:
  - {method: KnOTS-TIES, mean: 68.0, tasks: {mnist: 70.5}}
  - method: fine-tuned
    metric: mean_accuracy
    tasks: {mnist: 99.0}
    defects: {mnist: others measured 99.6}
";

/// A place with a sweep that has published figures.
fn place() -> Place {
    let place = Place::new();
    let sweep = fs::read_to_string(place.path("sweep.yaml")).unwrap();
    let search = "searches:\n  - {name: ours, published: KnOTS-TIES, recipe: {preset: knots_ties, scaling: 0.6}}\n";
    let head = sweep.split("recipe:").next().unwrap();
    place.write("sweep.yaml", format!("{head}{search}reference: tables/table-1.yaml\n"));
    place.write("tables/table-1.yaml", FIGURES);
    place
}

#[test]
fn published_figures_are_in_the_tables_the_document_and_the_report() {
    let place = place();
    let ran = place.run(&["run", "sweep.yaml"]);
    let out = &ran.succeeds().stdout;
    assert!(out.contains("published: A paper, Table 1, arXiv:1234.56789 (normalised accuracy, in %)"), "{out}");
    assert!(out.contains("known defect of the published fine-tuned on mnist: others measured 99.6"), "{out}");

    let document = place.run(&["run", "sweep.yaml", "--json"]).succeeds().json();
    assert_eq!(document["counts"]["run"], 0);
    assert_eq!(document["reference"]["source"]["table"], "Table 1");
    let row = document["rows"].as_array().unwrap().iter().find(|row| row["name"] == "ours").unwrap();
    let published = &row["published"];
    assert_eq!((&published["method"], &published["mean"]["published"]), (&"KnOTS-TIES".into(), &0.68.into()));
    assert_eq!(published["mean"]["own"], row["splits"]["validation"]["mean_normalised"]);

    place.run(&["analyze", "--out", "out"]).succeeds();
    let table = fs::read_to_string(place.path("out/small/tables/published-validation.csv")).unwrap();
    assert!(table.contains("\nours,KnOTS-TIES,\"mnist, normalised accuracy\","), "{table}");
    let page = fs::read_to_string(place.path("out/small/report.html")).unwrap();
    assert!(page.contains("published-validation") && page.contains("arXiv:1234.56789"));
}

#[test]
fn other_published_figures_make_a_revision_and_no_job() {
    let place = place();
    place.run(&["run", "sweep.yaml"]).succeeds();
    place.write("tables/table-1.yaml", FIGURES.replace("68.0", "69.0"));
    let plan = place.run(&["plan", "sweep.yaml", "--json"]).succeeds().json();
    assert_eq!(plan["revision"], 2);
    assert_eq!(plan["changes"][0]["key"], "reference.rows.KnOTS-TIES.mean");
    let document = place.run(&["run", "sweep.yaml", "--json"]).succeeds().json();
    assert_eq!(document["counts"]["run"], 0);
}

#[test]
fn wrong_published_figures_are_refused_with_file_and_line() {
    let place = place();
    let plan = |figures: &str| {
        place.write("tables/table-1.yaml", figures);
        place.run(&["plan", "sweep.yaml"])
    };
    plan(&FIGURES.replace("mnist: 70.5", "mnits: 70.5"))
        .fails(65, &["`tables/table-1.yaml`", "in line 6", "`rows[0].tasks.mnits` is about `mnits`"]);
    plan(&FIGURES.replace("mean: 68.0", "mean: 680"))
        .fails(65, &["in line 6", "`rows[0].mean` is 680, outside 0 to 200"]);
    plan(&FIGURES.replace("[optdigits, mnist]", "[optdigits, mnist, cars]"))
        .fails(65, &["`sweep.yaml`", "in line 11", "is over the task `cars`, which the sweep does not have"]);
    plan(&FIGURES.replace("KnOTS-TIES", "KnOTS"))
        .fails(65, &["`sweep.yaml`", "in line 10", "`searches[0].published` is `KnOTS-TIES`"]);
    plan("rows: [").fails(65, &["`tables/table-1.yaml`", "not valid YAML"]);
    place
        .run(&["plan", "sweep.yaml", "-o", "reference=nowhere.yaml"])
        .fails(65, &["cannot read the file of published figures `nowhere.yaml`"]);
}

#[test]
fn a_rendered_sweep_has_its_published_figures_in_itself() {
    let place = Place::new();
    let overlay = Path::new(env!("CARGO_MANIFEST_DIR")).join("../k8s/overlays/example").canonicalize().unwrap();
    place.write(
        "cluster.yaml",
        "name: small\nbase: hf://owner/base\ntasks:\n  - {name: mnist, adapter: hf://owner/mnist, data: s3://bucket/mnist, \
         head: s3://bucket/heads/mnist.safetensors}\nevaluation: {}\nbaselines: [{name: TIES, preset: ties}]\n\
         reference: table.yaml\n",
    );
    place.write(
        "table.yaml",
        "source: {paper: A paper}\nmetric: mean_accuracy\ntasks: [mnist]\nrows: [{method: TIES, mean: 60.5}]\n",
    );
    let overlay = overlay.to_str().unwrap();
    place.run(&["k8s", "render", "cluster.yaml", "--overlay", overlay, "--write", "first"]).succeeds();
    let text = fs::read_to_string(place.path("first/sweep.yaml")).unwrap();
    assert!(text.contains("60.5") && !text.contains("table.yaml"), "{text}");
    place.run(&["k8s", "render", "first/sweep.yaml", "--overlay", overlay, "--write", "second"]).succeeds();
}

#[test]
fn the_published_figures_of_the_examples_are_read() {
    let mut read = 0;
    for entry in mini8().join("../knots-paper/published").read_dir().unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            let text = fs::read_to_string(&path).unwrap();
            if let Err(error) = jobs::PublishedFigures::from_yaml(&text) {
                panic!("{}: {error}", path.display());
            }
            read += 1;
        }
    }
    assert!(read >= 4, "{read}");
}
