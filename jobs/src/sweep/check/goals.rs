//! Searches for the best trade-offs between several metrics.

use crate::{
    Method, Metric, Search, SweepError,
    sweep::file::{GoalFile, MetricFile},
};

/// The exact volume below a front of more dimensions takes too long.
const MOST_GOALS: usize = 3;

/// The goals. The first one becomes the metric of the sweep.
pub(super) fn check_goals(
    names: &[String],
    metric: &mut MetricFile,
    method: Method,
) -> Result<Vec<Metric>, SweepError> {
    if !(2..=MOST_GOALS).contains(&names.len()) {
        let problem = format!(
            "lists {} of the 2 or {MOST_GOALS} metrics that it needs; a single metric belongs in `metric`",
            names.len()
        );
        return Err(SweepError::invalid("goals", problem));
    }
    let mut goals: Vec<Metric> = Vec::new();
    for (place, name) in names.iter().enumerate() {
        let path = format!("goals.{place}");
        let goal = name.parse::<Metric>().map_err(|source| SweepError::Metric { path: path.clone(), source })?;
        if goals.contains(&goal) {
            return Err(SweepError::invalid(path, format!("is `{name}` a second time")));
        }
        goals.push(goal);
    }
    if metric.name.as_ref().is_some_and(|metric| *metric != names[0]) {
        let problem =
            format!("is not the first of `goals`, `{}`, by which the recipe is chosen; leave it out", names[0]);
        return Err(SweepError::invalid("metric.name", problem));
    }
    if matches!(metric.goal, GoalFile::Minimize) {
        return Err(SweepError::invalid("metric.goal", "is `minimize`, and all `goals` are maximised; leave it out"));
    }
    metric.name = Some(names[0].clone());
    if !accepts_goals(method) {
        let problem =
            "needs `method: grid`, `random`, `tpe` or `cma_es`: the other methods compare points by one number alone";
        return Err(SweepError::invalid("goals", problem));
    }
    Ok(goals)
}

pub(super) fn require_searches(goals: &[Metric], searches: &[Search]) -> Result<(), SweepError> {
    if !goals.is_empty() && searches.is_empty() {
        return Err(SweepError::invalid("goals", "has no effect: nothing is searched"));
    }
    Ok(())
}

/// Whether the method can seek several goals: it evaluates all its points, or needs only their order.
fn accepts_goals(method: Method) -> bool {
    match method {
        Method::Grid | Method::Random { .. } | Method::Tpe { .. } | Method::CmaEs { .. } => true,
        Method::Linear | Method::Bracket | Method::Portfolio => false,
    }
}
