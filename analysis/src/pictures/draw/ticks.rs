use super::super::{Axis, AxisScale, AxisUnit};
use kuva::render::render_utils::{generate_ticks, generate_ticks_log};

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
        _ => generate_ticks(low, high, count),
    };
    let mut ticks: Vec<f64> = all.into_iter().filter(is_within).collect();
    if ticks.len() < 2 {
        return vec![low, high];
    }
    let step = ticks.len().div_ceil(count + 3);
    let mut place = 0;
    ticks.retain(|_| {
        place += 1;
        (place - 1) % step == 0
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
    fn hours_are_not_told_in_seconds() {
        let seconds = Axis { name: "time".to_owned(), unit: AxisUnit::Seconds, scale: AxisScale::Linear };
        assert_eq!(in_suitable_unit(&seconds, 120.0), (seconds.clone(), 1.0));
        assert_eq!(in_suitable_unit(&seconds, 36_000.0).0.name, "time (h)");
        let number = Axis { unit: AxisUnit::None, ..seconds };
        assert_eq!(in_suitable_unit(&number, 36_000.0), (number, 1.0));
    }
}
