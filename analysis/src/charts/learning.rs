use super::{Axis, AxisScale, AxisUnit, Chart, ChartData, CurvePoint, CurveSeries, caption::shown};
use crate::Results;
use jobs::{Interval, Outcome};
use std::collections::BTreeMap;

/// The most curves that remain distinguishable.
const MOST_CURVES: usize = 8;

/// A number that a leg of a training found at its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Measured {
    Accuracy,
    Loss,
}

impl Chart {
    /// How the adapters of a sweep came to what they are: accuracy and loss after each job that trained them. None of an adapter that
    /// one job trained.
    pub fn learning(outcome: &Outcome, results: &Results) -> Vec<Self> {
        let charts = [Measured::Accuracy, Measured::Loss].map(|measured| chart(outcome, results, measured));
        charts.into_iter().flatten().collect()
    }
}

fn chart(outcome: &Outcome, results: &Results, measured: Measured) -> Option<Chart> {
    let curve = |(look, task): (usize, &String)| {
        let legs = results.legs.get(task)?;
        let points = points(legs.iter().map(|leg| &leg.artefact.facts), measured);
        (points.len() > 1).then(|| CurveSeries { name: task.clone(), look, points })
    };
    let mut series: Vec<CurveSeries> = outcome.tasks.iter().enumerate().filter_map(curve).collect();
    let total = series.len();
    series.truncate(MOST_CURVES);
    if series.is_empty() {
        return None;
    }
    let select = &outcome.select;
    let mut caption = match measured {
        Measured::Accuracy => {
            format!("Accuracy of each adapter on {select} after each job that trained it, with 95 % intervals.")
        }
        Measured::Loss => {
            "Mean loss of the examples of the last step of each job, before that step; one step is a small sample."
                .to_owned()
        }
    };
    if series.len() < total {
        caption.push_str(&format!(" The curves are of {}.", shown(series.len() as u64, total as u64, "adapter")));
    }
    let (slug, title, name, unit) = match measured {
        Measured::Accuracy => {
            ("learning-accuracy", "Learning: accuracy", format!("accuracy on {select}"), AxisUnit::Share)
        }
        Measured::Loss => ("learning-loss", "Learning: loss", "training loss".to_owned(), AxisUnit::None),
    };
    Some(Chart {
        slug: slug.to_owned(),
        title: title.to_owned(),
        caption,
        data: ChartData::Curve {
            x: Axis { name: "steps".to_owned(), unit: AxisUnit::None, scale: AxisScale::Linear },
            y: Axis { name, unit, scale: AxisScale::Linear },
            series,
        },
    })
}

/// The numbers after each leg that made a step: legs after the one that stopped early make none. The accuracy of an adapter that early
/// stopping kept lies at the step that it is of, unless a leg before was measured there or later.
fn points<'a>(legs: impl Iterator<Item = &'a BTreeMap<String, f64>>, measured: Measured) -> Vec<CurvePoint> {
    let mut points: Vec<CurvePoint> = Vec::new();
    for facts in legs {
        let fact = |name: &str| facts.get(name).copied().filter(|fact| fact.is_finite());
        let measured_after = match measured {
            Measured::Accuracy => fact("measured_step"),
            Measured::Loss => None,
        };
        let Some(x) = measured_after.or_else(|| fact("steps")) else { continue };
        if points.last().is_some_and(|last| last.x >= x) {
            continue;
        }
        let point = match measured {
            Measured::Loss => fact("loss").map(|y| CurvePoint { x, y, low: None, high: None, n: 1 }),
            Measured::Accuracy => {
                fact("correct").zip(fact("examples")).filter(|(_, n)| *n >= 1.0).map(|(correct, n)| {
                    let Interval { low, high } = Interval::wilson(correct as u64, n as u64);
                    CurvePoint { x, y: correct / n, low: Some(low), high: Some(high), n: n as u64 }
                })
            }
        };
        points.extend(point);
    }
    points
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(facts: &[(&str, f64)]) -> BTreeMap<String, f64> {
        facts.iter().map(|(name, fact)| ((*name).to_owned(), *fact)).collect()
    }

    #[test]
    fn the_accuracy_of_a_step_that_was_kept_is_not_drawn_at_the_last_one() {
        let last = |kept: f64| {
            let all = [("steps", 400.0), ("measured_step", kept), ("correct", 39.0), ("examples", 40.0), ("loss", 0.2)];
            [facts(&[("steps", 200.0), ("correct", 36.0), ("examples", 40.0), ("loss", 0.5)]), facts(&all)]
        };
        let xs = |kept, measured| points(last(kept).iter(), measured).iter().map(|point| point.x).collect::<Vec<_>>();
        assert_eq!(xs(300.0, Measured::Accuracy), [200.0, 300.0]);
        assert_eq!(xs(150.0, Measured::Accuracy), [200.0]);
        assert_eq!(xs(300.0, Measured::Loss), [200.0, 400.0]);
    }

    #[test]
    fn a_curve_has_a_point_for_each_leg_that_made_steps_and_measured_something() {
        let legs = [
            facts(&[("steps", 100.0), ("correct", 30.0), ("examples", 40.0), ("loss", 1.5)]),
            facts(&[("steps", 200.0), ("correct", 36.0), ("examples", 40.0)]),
            // It handed on what the leg before had stopped at.
            facts(&[("steps", 200.0), ("correct", 36.0), ("examples", 40.0), ("loss", 0.7)]),
            facts(&[("steps", 300.0), ("correct", 0.0), ("examples", 0.0), ("loss", f64::NAN)]),
        ];
        let accuracy = points(legs.iter(), Measured::Accuracy);
        assert_eq!(
            accuracy.iter().map(|point| (point.x, point.y, point.n)).collect::<Vec<_>>(),
            [(100.0, 0.75, 40), (200.0, 0.9, 40)]
        );
        assert!(accuracy.iter().all(|point| point.low.unwrap() < point.y && point.y < point.high.unwrap()));
        let loss = points(legs.iter(), Measured::Loss);
        assert_eq!(loss.iter().map(|point| (point.x, point.y)).collect::<Vec<_>>(), [(100.0, 1.5), (200.0, 0.7)]);
    }
}
