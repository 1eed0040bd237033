use super::{
    super::style::{BLACK, Look, cut},
    CHARACTER, Canvas, TICK, TextStyle,
};
use kuva::render::{render::TextAnchor, render_utils::wrap_text};

/// Characters of a line of the legend, and the lines that a name has.
const LEGEND: usize = 58;
const LEGEND_LINES: usize = 3;

/// An entry of the legend.
pub(super) struct Named {
    name: Vec<String>,
    look: Look,
    is_line: bool,
}

impl Canvas {
    /// Names a look below the drawing.
    pub(in super::super) fn name(&mut self, name: &str, look: Look, is_line: bool) {
        let name = wrap_text(&cut(name, LEGEND * LEGEND_LINES), LEGEND);
        self.legend.push(Named { name, look, is_line });
    }

    /// Draws the legend's entries from `top` on, in columns if they are short. Returns their height.
    pub(super) fn draw_legend(&mut self, legend: &[Named], top: f64) -> f64 {
        const LINE: f64 = 15.0;
        const APART: f64 = 3.0;
        let width = self.scene.width;
        let longest = legend.iter().flat_map(|named| &named.name).map(|line| line.chars().count()).max();
        let wanted = longest.unwrap_or_default() as f64 * CHARACTER * f64::from(TICK) + 46.0;
        let has_long = legend.iter().any(|named| named.name.len() > 1);
        let columns = if has_long { 1 } else { ((width - 24.0) / wanted).floor().clamp(1.0, 4.0) as usize };
        let rows = legend.len().div_ceil(columns);
        let mut height: f64 = 0.0;
        for (column, names) in legend.chunks(rows.max(1)).enumerate() {
            let x = 14.0 + column as f64 * (width - 24.0) / columns as f64;
            let mut y = top + 9.0;
            for Named { name, look, is_line } in names {
                if *is_line {
                    self.line(vec![(x, y), (x + 26.0, y)], look.colour, 2.0, look.dashes);
                }
                self.mark((x + 13.0, y), *look, 4.0);
                for (place, line) in name.iter().enumerate() {
                    let baseline = y + 4.5 + LINE * place as f64;
                    let style = TextStyle { size: TICK, rotate: None, anchor: TextAnchor::Start, colour: BLACK };
                    self.styled_text((x + 33.0, baseline), line, &style);
                }
                y += LINE * name.len() as f64 + APART;
            }
            height = height.max(y - top - 9.0);
        }
        height
    }
}
