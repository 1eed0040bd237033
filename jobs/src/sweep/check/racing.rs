//! Races of the points of searches.

use crate::{Method, Metric, Racing, Search, SweepError, sweep::file::RacingFile};

pub(super) fn check_racing(
    file: RacingFile,
    method: Method,
    metric: &Metric,
    searches: &[Search],
) -> Result<Racing, SweepError> {
    let usual = Racing::default();
    let racing = Racing {
        error_rate: file.error_rate.unwrap_or(usual.error_rate),
        slice: file.slice,
        indifference: file.indifference.unwrap_or(usual.indifference),
        round: file.round.unwrap_or(usual.round),
        seed: file.seed.unwrap_or(usual.seed),
    };
    let refuse = |key: &str, problem: String| Err(SweepError::invalid(format!("racing{key}"), problem));
    let Racing { error_rate, slice, indifference, round, seed: _ } = racing;
    if !(error_rate > 0.0 && error_rate <= 0.5) {
        return refuse(".error_rate", format!("is {error_rate}, outside (0, 0.5]"));
    }
    if let Some(slice) = slice
        && (slice == 0 || slice > Racing::MOST_EXAMPLES)
    {
        return refuse(".slice", format!("is {slice}, expected 1 to {} examples", Racing::MOST_EXAMPLES));
    }
    if !(0.0..1.0).contains(&indifference) {
        return refuse(".indifference", format!("is {indifference}, outside [0, 1): 0.005 is half a point"));
    }
    if round == 0 || round > Racing::MOST_POINTS {
        return refuse(".round", format!("is {round}, expected 1 to {} points", Racing::MOST_POINTS));
    }
    if !metric.is_linear() {
        let problem = format!(
            "compares models by a mean over examples, and `{metric}` is none; use another metric, or evaluate all points on all \
             examples"
        );
        return refuse("", problem);
    }
    if method.scans() && file.round.is_some() {
        let problem = format!("has no effect with `method: {}`, which compares one point at a time", method.name());
        return refuse(".round", problem);
    }
    if searches.is_empty() {
        return refuse("", "has no effect: nothing is searched".to_owned());
    }
    if learns_from_values(method) {
        let problem = "needs `method: linear`, `bracket`, `grid` or `random`: the other methods learn from the value of every point, \
                       and a point that loses a race has none";
        return refuse("", problem.to_owned());
    }
    if let Some(search) = searches.iter().find(|search| search.replicates.is_some()) {
        let problem = format!(
            "is for points that are one evaluation each, and the search `{}` has `replicates`; take one of them out",
            search.name
        );
        return refuse("", problem);
    }
    Ok(racing)
}

/// Whether the method chooses its next points by the values of the points before.
fn learns_from_values(method: Method) -> bool {
    match method {
        // A bracket learns as well, and by estimates: it needs them only to propose.
        Method::Grid | Method::Random { .. } | Method::Linear | Method::Bracket => false,
        Method::Portfolio | Method::Tpe { .. } | Method::CmaEs { .. } => true,
    }
}
