use super::*;

const FIGURES: &str = "reference={source: {paper: A paper}, metric: mean_normalised_accuracy, tasks: [mnist, icons], \
                       rows: [{method: KnOTS-TIES, mean: 68}, {method: sum, mean: 63.7}, {method: fine-tuned, mean: 100}]}";

fn read_with(overrides: &[&str]) -> Result<Sweep, SweepError> {
    let overrides: Vec<&str> = [FIGURES].into_iter().chain(overrides.iter().copied()).collect();
    read(SMALL, &overrides)
}

const SEARCHES: [&str; 3] =
    ["recipe=null", "parameters=null", "searches=[{name: ours, published: KnOTS-TIES, recipe: {preset: knots_ties}}]"];

#[test]
fn rows_stand_beside_the_method_that_they_name_or_are_called_by() {
    let sweep = read_with(&SEARCHES).unwrap();
    let reference = sweep.reference.unwrap();
    let methods: Vec<_> = reference.methods.iter().map(|(row, method)| (row.as_str(), method.as_str())).collect();
    assert_eq!(methods, [("fine-tuned", "fine-tuned"), ("ours", "KnOTS-TIES"), ("sum", "sum")]);
    assert_eq!(reference.row("ours").unwrap().mean, Some(68.0));
    assert!(reference.row("zero-shot").is_none());
    let unnamed = "baselines=[{published: sum, preset: task_arithmetic}]";
    assert_eq!(read_with(&[unnamed]).unwrap().reference.unwrap().row("task_arithmetic").unwrap().mean, Some(63.7));
    let joint = "evaluation={benchmark: joint, head: heads/joint.safetensors, map: heads/map.json}";
    for ensemble in ["{ensemble: max, published: sum}", "{name: sum, ensemble: max}"] {
        let row = if ensemble.contains("name") { "sum" } else { "ensemble" };
        let sweep = read_with(&[joint, "metric.name=mean_accuracy", &format!("baselines=[{ensemble}]")]).unwrap();
        assert_eq!(sweep.reference.unwrap().row(row).unwrap().mean, Some(63.7), "{ensemble}");
    }
    let renamed = "baselines=[{name: plain, published: sum, preset: task_arithmetic}]";
    assert_eq!(read_with(&[renamed]).unwrap().reference.unwrap().row("plain").unwrap().mean, Some(63.7));
}

#[test]
fn published_figures_that_do_not_fit_the_sweep_are_refused() {
    let message = |overrides: &[&str]| crate::error_chain(&read_with(overrides).unwrap_err());
    assert_eq!(
        message(&["baselines.sum.published=TA"]),
        "`baselines[0].published` is `TA`, which the published figures do not have: KnOTS-TIES, sum, fine-tuned"
    );
    assert_eq!(
        message(&["baselines.sum.published=7"]),
        "`baselines[0].published` is the number 7; expected a text; put it in quotes if it is meant as a text"
    );
    assert_eq!(
        message(&["reference.tasks=[mnist, cars]"]),
        "`reference.tasks` is over the task `cars`, which the sweep does not have: means over other tasks differ"
    );
    assert_eq!(
        message(&["reference.tasks=[mnist]"]),
        "`reference.tasks` is not over the task `icons` of the sweep: means over other tasks differ"
    );
    assert_eq!(
        message(&["reference.rows=[{method: TSV, mean: 70}]"]),
        "`reference` has no method that a row of the sweep is called by; give the search or baseline `published: METHOD`"
    );
    assert_eq!(
        message(&["reference.rows.0.mean=250"]),
        "`reference.rows[0].mean` is 250, outside 0 to 200; published \
                                                         figures are in percent"
    );
    assert_eq!(
        message(&["reference=tables/1.yaml"]),
        "`reference` names the file `tables/1.yaml`, which was not read; give its content as a map"
    );
}

#[test]
fn a_published_method_without_figures_is_refused() {
    let error = read(SMALL, &SEARCHES).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`searches[0].published` has no effect without `reference`, the file of published figures"
    );
}
