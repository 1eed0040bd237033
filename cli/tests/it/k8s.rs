//! A sweep file as a Kubernetes Job.

use crate::bowline::{Place, mini8};
use std::{fs, path::Path, process::Command};

/// A sweep that a cluster can run: all that it names is where pods reach it.
const SWEEP: &str = "
# What it is for.
name: Team-A_mini8.v2
base: hf://owner/base
tasks:
  - {name: mnist, adapter: hf://owner/mnist, data: s3://bucket/mnist, head: s3://bucket/heads/mnist.safetensors}
evaluation: {benchmark: per_task, select: validation, report: test}
method: grid
recipe: {preset: knots_ties, density: 0.2}
parameters:
  scaling: {values: [0.4, 0.6]}
";

fn place() -> (Place, String) {
    let place = Place::new();
    place.write("mini8.yaml", SWEEP);
    let overlay = Path::new(env!("CARGO_MANIFEST_DIR")).join("../k8s/overlays/example").canonicalize().unwrap();
    (place, overlay.to_str().unwrap().to_owned())
}

#[test]
fn a_sweep_file_becomes_a_kustomization_that_names_it_by_its_content() {
    let (place, overlay) = place();
    let render = |args: &[&str]| place.run(&[&["k8s", "render", "mini8.yaml", "--overlay", &overlay], args].concat());
    let stderr = render(&["--write", "first"]).succeeds().stderr.clone();
    assert!(stderr.contains("kubectl apply -k first"), "{stderr}");
    assert_eq!(fs::read_to_string(place.path("first/sweep.yaml")).unwrap(), SWEEP, "as it was written");
    let kustomization = |folder: &str| fs::read_to_string(place.path(folder).join("kustomization.yaml")).unwrap();
    let name = |text: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix("nameSuffix: \"-")).unwrap();
        line.trim_end_matches('"').to_owned()
    };
    let first = kustomization("first");
    assert!(name(&first).starts_with("team-a-mini8-v2-") && name(&first).len() == 24, "{first}");
    assert!(first.contains("/k8s/overlays/example/settings\"") && first.contains("/k8s/sweep\""), "{first}");

    // Other values are another Job, the same ones the same.
    render(&["--write", "again"]).succeeds();
    assert_eq!(name(&kustomization("again")), name(&first));
    render(&["-o", "recipe.density=0.3", "--write", "second"]).succeeds();
    assert_ne!(name(&kustomization("second")), name(&first));
    let changed = fs::read_to_string(place.path("second/sweep.yaml")).unwrap();
    assert!(changed.contains("density: 0.3") && changed.contains("hf://owner/base"), "{changed}");
    place.run(&["k8s", "render", "second/sweep.yaml", "--overlay", &overlay, "--write", "third"]).succeeds();
    assert_eq!(name(&kustomization("third")), name(&kustomization("second")), "it reads as it was meant");
}

#[test]
fn a_sweep_is_printed_as_the_job_that_runs_it() {
    if Command::new("kubectl").arg("--help").output().is_err() {
        println!("skipped: there is no kubectl");
        return;
    }
    let (place, overlay) = place();
    let printed = place.run(&["k8s", "render", "mini8.yaml", "--overlay", &overlay]).succeeds().stdout.clone();
    let documents: Vec<&str> = printed.split("\n---\n").collect();
    let kinds: Vec<_> =
        documents.iter().filter_map(|text| text.lines().find(|line| line.starts_with("kind: "))).collect();
    assert_eq!(
        kinds,
        ["kind: ConfigMap", "kind: ConfigMap", "kind: Job"],
        "the settings, the sweep and its Job: {printed}"
    );
    let job = documents[2];
    // A name that YAML would take for a number.
    let numbered = place.run(&["k8s", "render", "mini8.yaml", "-o", "name=\"2024\"", "--overlay", &overlay]);
    assert!(numbered.succeeds().stdout.contains("bowline.sweep: \"2024\""), "{numbered:?}");
    assert!(job.contains("name: sweep-team-a-mini8-v2-") && job.contains("bowline.sweep: team-a-mini8-v2"), "{job}");
    assert!(documents[1].contains("# What it is for."), "{printed}");
}

#[test]
fn what_no_cluster_can_run_is_refused_with_what_to_do() {
    let (place, overlay) = place();
    let render = |sweep: &str, overlay: &str| place.run(&["k8s", "render", sweep, "--overlay", overlay]);
    let local = mini8().join("knots-ties.yaml");
    render(local.to_str().unwrap(), &overlay).fails(65, &["`base`", "this machine alone", "hf://"]);
    render("mini8.yaml", "nowhere").fails(65, &["`nowhere` is no overlay", "settings/kustomization.yaml"]);
    place.write("large.yaml", format!("{SWEEP}# {}\n", "x".repeat(1_000_000)));
    render("large.yaml", &overlay).fails(65, &["ConfigMap"]);
    place.write("mine/kustomization.yaml", "resources: []\n");
    place
        .run(&["k8s", "render", "mini8.yaml", "--overlay", &overlay, "--write", "mine"])
        .fails(65, &["is left as it is"]);
    assert_eq!(fs::read_to_string(place.path("mine/kustomization.yaml")).unwrap(), "resources: []\n");
    place.write("wrong.yaml", SWEEP.replace("density", "densty"));
    render("wrong.yaml", &overlay).fails(65, &["densty", "density"]);
}
