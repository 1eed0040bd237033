use super::*;
use crate::Metric;

const GRID: &str = "method=grid";

#[test]
fn the_first_goal_is_the_metric() {
    let sweep = read(SMALL, &[GRID, "metric={}", "goals=[mean_accuracy, worst_accuracy]"]).unwrap();
    assert_eq!(sweep.goals, [Metric::MeanAccuracy, Metric::WorstAccuracy]);
    assert_eq!(sweep.objective.metric, Metric::MeanAccuracy);
    assert!(read(SMALL, &[GRID]).unwrap().goals.is_empty());
}

#[test]
fn goals_that_have_no_meaning_are_refused() {
    let refused = |goals: &str| message(&[GRID, "metric={}", &format!("goals={goals}")]);
    assert!(refused("[mean_accuracy]").starts_with("`goals` lists 1 of the 2 or 3 metrics"));
    let many = "[mean_accuracy, worst_accuracy, mean_normalised_accuracy, worst_normalised_accuracy]";
    assert!(refused(many).starts_with("`goals` lists 4 of the 2 or 3 metrics"));
    assert!(refused("[mean_accuracy, mean_accuracy]").starts_with("`goals.1` is `mean_accuracy` a second time"));
    assert!(refused("[mean_accuracy, best]").starts_with("`goals.1` does not name a metric: `best` is not a metric"));
    assert!(refused("[mean_accuracy, joint_hits@3]").starts_with("`goals.1` counts hits among joint labels"));
    assert!(refused("[mean_accuracy, \"accuracy:nothing\"]").starts_with("`goals.1` names a task that is not listed"));
    let other = message(&[GRID, "metric={name: worst_accuracy}", "goals=[mean_accuracy, worst_accuracy]"]);
    assert!(other.starts_with("`metric.name` is not the first of `goals`, `mean_accuracy`"), "{other}");
    let less = message(&[GRID, "metric={goal: minimize}", "goals=[mean_accuracy, worst_accuracy]"]);
    assert!(less.starts_with("`metric.goal` is `minimize`"), "{less}");
}

#[test]
fn methods_that_follow_one_number_have_no_goals() {
    for method in ["linear", "bracket"] {
        let text = message(&[&format!("method={method}"), "metric={}", "goals=[mean_accuracy, worst_accuracy]"]);
        assert!(text.starts_with("`goals` needs `method: grid`, `random`, `tpe` or `cma_es`"), "{text}");
    }
}

#[test]
fn races_need_a_mean_over_examples_and_a_round_of_several_points() {
    let worst = message(&[GRID, "racing={}", "metric={name: worst_accuracy}"]);
    assert!(
        worst.starts_with("`racing` compares models by a mean over examples, and `worst_accuracy` is none"),
        "{worst}"
    );
    let round = message(&["method=linear", "racing={round: 4}"]);
    assert!(round.starts_with("`racing.round` has no effect with `method: linear`"), "{round}");
}
