use super::{
    super::{Axis, AxisUnit, caption::short},
    ticks::said_in_steps,
};
use kuva::render::layout::TickFormat;
use std::sync::Arc;

/// The palette of M. Okabe and K. Ito for all kinds of colour vision, without its yellow, which paper does not show.
const COLOURS: [&str; 7] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000"];
/// Lengths of strokes and gaps in turn; none for a whole line.
const DASHES: [&[f64]; 4] = [&[], &[8.0, 5.0], &[1.5, 5.0], &[9.0, 5.0, 1.5, 5.0]];

pub(super) const GREY: &str = "#8c8c8c";
pub(super) const LIGHT: &str = "#dddddd";
pub(super) const BLACK: &str = "#000000";

/// The form of a mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Circle,
    Square,
    Triangle,
    Diamond,
    Down,
    /// A square that shows what is below it.
    Frame,
}

/// How one of several series looks: in colour, and in forms that remain in black and white.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Look {
    pub(super) colour: &'static str,
    pub(super) form: Form,
    pub(super) dashes: &'static [f64],
}

/// The style of the series with a palette index.
pub(super) fn look(place: usize) -> Look {
    let forms = [Form::Circle, Form::Square, Form::Triangle, Form::Diamond, Form::Down];
    Look { colour: COLOURS[place % 7], form: forms[place % 5], dashes: DASHES[place % 4] }
}

/// `text` in at most `most` characters, without what XML or the library would take for something else.
pub(super) fn cut(text: &str, most: usize) -> String {
    let plain = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    let is_longer = text.chars().count() > most;
    let kept: String = text.chars().map(plain).take(if is_longer { most - 1 } else { most }).collect();
    // Dollar signs would begin a formula.
    let kept = kept.replace('$', "\\$");
    if is_longer { kept + "…" } else { kept }
}

/// `text` in at most `lines` lines of at most `most` characters, broken behind what joins its words where it can be.
pub(super) fn in_lines(text: &str, most: usize, lines: usize) -> Vec<String> {
    let mut broken = Vec::new();
    let mut rest = text.trim();
    while broken.len() + 1 < lines && rest.chars().count() > most {
        let end = rest.char_indices().nth(most).map_or(rest.len(), |(at, _)| at);
        let joint = rest[..end].rfind(['_', '-', '.', '/', ' ']).map(|at| at + 1).filter(|at| *at > end / 3);
        let (line, after) = rest.split_at(joint.unwrap_or(end));
        broken.push(cut(line.trim_end(), most));
        rest = after.trim_start();
    }
    broken.push(cut(rest, most));
    broken
}

/// The title of an axis with its unit.
pub(super) fn titled(axis: &Axis) -> String {
    let unit = match axis.unit {
        AxisUnit::Share => " (%)",
        AxisUnit::Seconds => " (s)",
        AxisUnit::None => "",
    };
    cut(&axis.name, 60) + unit
}

/// A value in the unit that is shown.
pub(super) fn said(value: f64, unit: AxisUnit) -> String {
    match unit {
        AxisUnit::Share => short((value * 1e4).round() / 100.0),
        AxisUnit::Seconds | AxisUnit::None => short(value),
    }
}

/// How ticks of a step are written; those of a logarithmic axis have none.
pub(super) fn ticks(unit: AxisUnit, step: Option<f64>) -> TickFormat {
    TickFormat::Custom(Arc::new(move |value| match step {
        Some(step) => said_in_steps(value, step, unit),
        None => said(value, unit),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_are_broken_where_their_words_are_joined() {
        assert_eq!(in_lines("mnist", 22, 2), ["mnist"]);
        assert_eq!(in_lines("stanford_cars_fine_grained_196", 22, 2), ["stanford_cars_fine_", "grained_196"]);
        assert_eq!(in_lines("stanford_cars_fine_grained_196", 22, 1), ["stanford_cars_fine_gr…"]);
        assert_eq!(in_lines("ÄÖÜÄÖÜÄÖÜÄÖÜ", 5, 2), ["ÄÖÜÄÖ", "ÜÄÖÜ…"]);
    }
}
