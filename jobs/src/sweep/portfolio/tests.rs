use crate::Sweep;
use std::path::Path;

const BARE: &str = "
name: bare
base: base
tasks:
  - {name: one, adapter: a/one, data: d/one, head: h/one.safetensors}
  - {name: other, adapter: a/other, data: d/other, head: h/other.safetensors}
evaluation: {benchmark: per_task, select: validation, report: test}
method: portfolio
";

fn sweep(overrides: &[&str]) -> Sweep {
    let overrides: Vec<String> = overrides.iter().map(|&text| text.to_owned()).collect();
    Sweep::from_yaml(BARE, Path::new("/sweeps"), &overrides).unwrap()
}

fn presets(sweep: &Sweep) -> Vec<&str> {
    let values = sweep.searches[0].parameters[0].values.listed().unwrap();
    values.iter().filter_map(|value| value.as_str()).collect()
}

const MEASURED: [&str; 3] = ["regmean", "regmean_plus_plus", "fisher"];

#[test]
fn presets_that_are_measured_on_examples_are_tried_only_on_a_split_that_is_named() {
    let without = sweep(&[]);
    assert!(MEASURED.iter().all(|name| !presets(&without).contains(name)), "{:?}", presets(&without));
    assert_eq!(
        without.notes(),
        [
            "`portfolio` does not try `regmean`, `regmean_plus_plus`, `fisher`, which are measured on examples: name their split in \
             `evaluation.statistics` to try them as well"
        ]
    );
    let named = sweep(&["evaluation.statistics=train"]);
    assert!(MEASURED.iter().all(|name| presets(&named).contains(name)), "{:?}", presets(&named));
    assert!(named.notes().is_empty(), "{:?}", named.notes());
}

#[test]
fn a_portfolio_leaves_out_presets_that_are_measured_on_more_examples_than_there_are() {
    let named = sweep(&["evaluation.statistics=train"]);
    let enough = named.clone().with_examples_to_measure(256);
    assert_eq!(enough, named);
    assert!(named.presets_without_examples("one", 256).is_empty());
    let few = named.clone().with_examples_to_measure(255);
    assert_eq!(presets(&few).len(), presets(&named).len() - 3);
    assert_eq!(few.measured_examples(), 0);
    let notes = named.presets_without_examples("one", 255);
    let expected = "`portfolio` does not try `regmean` (256), `regmean_plus_plus` (256), `fisher` (256), measured on so many examples of \
                    each task: `train` of `one` has 255;";
    assert!(notes[0].starts_with(expected), "{notes:?}");
    assert_eq!(few.presets_without_examples("one", 255), notes, "it is said again when the sweep is checked again");
    assert_eq!(few.clone().with_examples_to_measure(255), few);
}

#[test]
fn presets_that_a_file_lists_stay_in_its_portfolio() {
    let listed = sweep(&["evaluation.statistics=train", "parameters={preset: [ties, regmean]}"]);
    assert_eq!(listed.clone().with_examples_to_measure(3), listed);
    assert!(listed.presets_without_examples("one", 3).is_empty() && listed.notes().is_empty());
}

#[test]
fn a_recipe_with_fewer_examples_keeps_its_presets() {
    let fewer = sweep(&["evaluation.statistics=train", "recipe={examples: 64}"]);
    assert_eq!(fewer.clone().with_examples_to_measure(64), fewer);
}

#[test]
fn a_portfolio_of_which_nothing_would_be_left_stays_as_it_is() {
    let measured = sweep(&["evaluation.statistics=train", "recipe={examples: 512}"]);
    assert!(presets(&measured).iter().all(|name| MEASURED.contains(name)), "{:?}", presets(&measured));
    assert_eq!(measured.clone().with_examples_to_measure(300), measured);
    assert_eq!(measured.measured_examples(), 512, "the check of the data refuses it");
}
