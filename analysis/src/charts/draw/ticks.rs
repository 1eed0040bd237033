use super::{
    super::{Axis, AxisScale, AxisUnit},
    style::said,
};
use crate::fixed;
use kuva::render::render_utils::{generate_ticks_log, generate_ticks_with_step};

/// The distance of the ticks of an axis that holds a range in proportion: 1, 2 or 5 times a power of ten, at most
/// `count` of which lie in the range.
pub(super) fn step((low, high): (f64, f64), count: usize) -> f64 {
    let least = (high - low) / count as f64;
    if !least.is_normal() || least < 0.0 {
        return 1.0;
    }
    let power = 10f64.powf(least.log10().floor());
    let times = [1.0, 2.0, 5.0].into_iter().find(|times| times * power >= least * (1.0 - 1e-9));
    times.unwrap_or(10.0) * power
}

/// A tick in the unit that is shown, with as many decimals as the step has: even steps look even.
pub(super) fn said_in_steps(value: f64, step: f64, unit: AxisUnit) -> String {
    let unit_of = if unit == AxisUnit::Share { 100.0 } else { 1.0 };
    let value = value * unit_of;
    let step = step * unit_of;
    let decimals = -(step.log10() + 1e-9).floor();
    // Neither very small nor very large numbers are read digit by digit.
    if decimals > 6.0 || value.abs() >= 1e4 {
        return said(value / unit_of, unit);
    }
    fixed(value, decimals.max(0.0) as usize)
}

/// Ticks as they are written beside an axis.
pub(super) fn written(ticks: &[f64], scale: AxisScale, unit: AxisUnit) -> Vec<String> {
    let step = match ticks {
        [one, other, ..] => other - one,
        _ => 0.0,
    };
    let is_multiple = |tick: &f64| (tick / step - (tick / step).round()).abs() < 1e-6;
    let are_in_steps = scale == AxisScale::Linear && step > 0.0 && ticks.iter().all(is_multiple);
    let text = |tick: &f64| if are_in_steps { said_in_steps(*tick, step, unit) } else { said(*tick, unit) };
    ticks.iter().map(text).collect()
}

/// Round values between the ends of a range that a reader would write beside it, some `count` of them; where there are
/// hardly any, the ends.
pub(super) fn round((low, high): (f64, f64), scale: AxisScale, count: usize) -> Vec<f64> {
    if high <= low || !low.is_finite() || !high.is_finite() {
        return if low.is_finite() { vec![low] } else { Vec::new() };
    }
    let margin = (high - low) * 1e-9;
    let is_within = |value: &f64| (low - margin..=high + margin).contains(value);
    let all = match scale {
        AxisScale::Log if low > 0.0 => generate_ticks_log(low, high),
        // The last sum of steps may end a hair behind the range.
        AxisScale::Linear | AxisScale::Log => {
            generate_ticks_with_step(low - margin, high + margin, step((low, high), count))
        }
    };
    let mut ticks: Vec<f64> = all.into_iter().filter(is_within).collect();
    if ticks.len() < 2 {
        return vec![low, high];
    }
    let every = ticks.len().div_ceil(count + 3);
    let mut place = 0;
    ticks.retain(|_| {
        place += 1;
        (place - 1) % every == 0
    });
    ticks
}

/// An axis of seconds in a unit that suits its length, and the seconds of one such unit; any other axis as it is.
pub(super) fn in_suitable_unit(axis: &Axis, until: f64) -> (Axis, f64) {
    let units = [(86_400.0, "days", 3.0), (3600.0, "h", 2.0), (60.0, "min", 5.0)];
    let unit = units.into_iter().find(|(seconds, _, fewest)| until >= seconds * fewest);
    match (axis.unit, unit) {
        (AxisUnit::Seconds, Some((seconds, unit, _))) => {
            let name = format!("{} ({unit})", axis.name);
            (Axis { name, unit: AxisUnit::None, scale: axis.scale }, seconds)
        }
        _ => (axis.clone(), 1.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_within() {
        assert_eq!(round((0.055, 0.98), AxisScale::Linear, 5), [0.2, 0.4, 0.6, 0.8]);
        assert_eq!(round((0.105, 9.787), AxisScale::Log, 5), [0.2, 0.5, 1.0, 2.0, 5.0]);
        assert_eq!(round((0.3, 0.3), AxisScale::Linear, 5), [0.3]);
        assert_eq!(round((f64::INFINITY, f64::NEG_INFINITY), AxisScale::Linear, 5), [0.0; 0]);
    }

    #[test]
    fn even_steps_look_even() {
        // By steps of 0.025 points two decimals were 73.08, 73.1, 73.13.
        let range = (0.730_6, 0.731_9);
        let ticks = round(range, AxisScale::Linear, 5);
        assert_eq!(written(&ticks, AxisScale::Linear, AxisUnit::Share), ["73.10", "73.15"]);
        let ticks = round((0.7306, 0.7318), AxisScale::Linear, 6);
        let texts = written(&ticks, AxisScale::Linear, AxisUnit::Share);
        assert_eq!(texts, ["73.06", "73.08", "73.10", "73.12", "73.14", "73.16", "73.18"]);
        let ticks = round((0.0, 1.0), AxisScale::Linear, 5);
        assert_eq!(written(&ticks, AxisScale::Linear, AxisUnit::None), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        let ticks = round((0.1, 0.3), AxisScale::Linear, 5);
        assert_eq!(written(&ticks, AxisScale::Linear, AxisUnit::None), ["0.10", "0.15", "0.20", "0.25", "0.30"]);
        let ticks = round((-0.5, 0.5), AxisScale::Linear, 5);
        assert_eq!(written(&ticks, AxisScale::Linear, AxisUnit::None), ["-0.4", "-0.2", "0.0", "0.2", "0.4"]);
        let ticks = round((0.1, 10.0), AxisScale::Log, 5);
        assert_eq!(written(&ticks, AxisScale::Log, AxisUnit::None), ["0.1", "0.2", "0.5", "1", "2", "5", "10"]);
        assert_eq!(said_in_steps(1_234_567.0, 1000.0, AxisUnit::None), "1.2e6");
        assert_eq!(said_in_steps(20.0, 5.0, AxisUnit::Seconds), "20");
    }

    #[test]
    fn steps_are_round_and_not_too_many() {
        let steps =
            [(0.0, 1.0), (0.0, 100.0), (0.7306, 0.7318), (3.0, 3.0), (0.0, f64::INFINITY)].map(|range| step(range, 6));
        for (found, expected) in steps.into_iter().zip([0.2, 20.0, 0.0002, 1.0, 1.0]) {
            assert!((found - expected).abs() < 1e-9 * expected, "{found} {expected}");
        }
    }

    #[test]
    fn hours_are_not_told_in_seconds() {
        let seconds = Axis { name: "time".to_owned(), unit: AxisUnit::Seconds, scale: AxisScale::Linear };
        assert_eq!(in_suitable_unit(&seconds, 120.0), (seconds.clone(), 1.0));
        assert_eq!(in_suitable_unit(&seconds, 36_000.0).0.name, "time (h)");
        let number = Axis { unit: AxisUnit::None, ..seconds };
        assert_eq!(in_suitable_unit(&number, 36_000.0), (number, 1.0));
    }
}
