use std::fmt;

/// Figures, as a table in Markdown.
#[derive(Debug, Default)]
pub struct Table {
    rows: Vec<[String; 3]>,
}

impl Table {
    /// Adds a row: what was measured, the figure, and its target.
    pub fn add(&mut self, what: impl Into<String>, figure: impl Into<String>, aim: impl Into<String>) {
        self.rows.push([what.into(), figure.into(), aim.into()]);
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "| what | figure | aim |\n|---|---|---|")?;
        self.rows.iter().try_for_each(|[what, figure, aim]| write!(f, "\n| {what} | {figure} | {aim} |"))
    }
}
