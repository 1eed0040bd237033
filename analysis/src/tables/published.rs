use super::{Cell, Column, ColumnKind, Table, TableRow};
use crate::{Summary, SummaryRow, summary::Figure};
use jobs::{Interval, PublishedMetric};

impl Table {
    /// Every published figure beside the one of this sweep, with what is known to be wrong with it; `None` without
    /// published figures.
    pub fn published(summary: &Summary) -> Option<Self> {
        summary.reference.as_ref()?;
        let columns = vec![
            Column::new("method", ColumnKind::Text),
            Column::new("published as", ColumnKind::Text),
            Column::new("figure", ColumnKind::Text),
            Column::new("own", ColumnKind::Share),
            Column::new("published", ColumnKind::Share),
            Column::new("difference", ColumnKind::Difference),
            Column::new("known defect", ColumnKind::Text),
        ];
        Some(Self {
            name: Self::name_of("published", &summary.splits.report),
            title: format!("published figures beside those on {}, in %", summary.splits.report),
            columns,
            rows: summary.rows.iter().flat_map(|row| lines(row, &summary.tasks)).collect(),
            notes: caption(summary),
        })
    }

    /// Adds the published mean and the difference to it behind the column `head`, which holds the rows' own means.
    pub(super) fn with_published_means(mut self, summary: &Summary, split: &str, measured: Measured) -> Self {
        let (head, metric) = match measured {
            Measured::Accuracy => ("mean", PublishedMetric::MeanAccuracy),
            Measured::Normalised { head } => (head, PublishedMetric::MeanNormalisedAccuracy),
        };
        let is_asked = summary.reference.as_ref().is_some_and(|reference| reference.metric == Some(metric));
        if !is_asked || split != summary.splits.report {
            return self;
        }
        let mean = |row: &SummaryRow| {
            let published = row.published.as_ref().filter(|published| published.metric == Some(metric));
            published.and_then(|published| published.mean.clone())
        };
        // A task may have the name of the column: it stands before it.
        if let Some(place) = self.columns.iter().rposition(|column| column.name == head) {
            self.insert_figures(place, summary, mean, ["published", "diff."]);
        }
        self
    }

    /// Adds the published hits and the differences to them behind the columns of the rows' own.
    pub(super) fn with_published_hits(mut self, summary: &Summary, split: &str) -> Self {
        if summary.reference.is_none() || split != summary.splits.report {
            return self;
        }
        for k in jobs::HITS_AT {
            let hits = |row: &SummaryRow| row.published.as_ref()?.hits.get(&k).cloned();
            let place = self.columns.iter().rposition(|column| column.name == format!("hits@{k}"));
            if let Some(place) = place.filter(|_| summary.rows.iter().any(|row| hits(row).is_some())) {
                self.insert_figures(place, summary, hits, [&format!("published@{k}"), &format!("diff.@{k}")]);
            }
        }
        self
    }

    /// Adds two columns behind the one at `place`, and the caption once.
    fn insert_figures(
        &mut self,
        place: usize,
        summary: &Summary,
        figure: impl Fn(&SummaryRow) -> Option<Figure>,
        [published, own_minus_published]: [&str; 2],
    ) {
        self.columns.insert(place + 1, Column::new(published, ColumnKind::Share));
        self.columns.insert(place + 2, Column::brief(own_minus_published, ColumnKind::Difference));
        for (line, row) in self.rows.iter_mut().zip(&summary.rows) {
            let figure = figure(row);
            line.cells.insert(place + 1, Cell::number(figure.as_ref().map(|figure| figure.published)));
            line.cells.insert(place + 2, figure.as_ref().map_or(Cell::Empty, difference));
        }
        for note in caption(summary) {
            if !self.notes.contains(&note) {
                self.notes.push(note);
            }
        }
    }
}

/// What a table's column of means holds.
#[derive(Debug, Clone, Copy)]
pub(super) enum Measured {
    Accuracy,
    Normalised { head: &'static str },
}

/// The source of the published figures, and what is known to be wrong with them.
fn caption(summary: &Summary) -> Vec<String> {
    let Some(reference) = &summary.reference else { return Vec::new() };
    let metric = reference.metric.map(|metric| format!(" ({}, in %)", metric.in_words())).unwrap_or_default();
    let source =
        format!("published: {}{metric}; a difference is ours minus the published figure", reference.source.in_words());
    let of_row = |row: &SummaryRow| {
        let published = row.published.iter();
        let defects = published.clone().flat_map(|published| {
            published.tasks.iter().filter_map(|(task, figure)| {
                let defect = figure.defect.as_ref()?;
                Some(format!("known defect of the published {} on {task}: {defect}", published.method))
            })
        });
        let notes = published.clone().filter_map(|published| {
            let note = published.note.as_ref()?;
            Some(format!("published {}: {note}", published.method))
        });
        defects.chain(notes).collect::<Vec<_>>()
    };
    let mut lines = vec![source];
    for line in reference.notes.iter().cloned().chain(summary.rows.iter().flat_map(of_row)) {
        // Two rows may stand beside one published method.
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    lines
}

/// The lines of a row: the mean, the tasks in table order, hits.
fn lines(row: &SummaryRow, tasks: &[String]) -> Vec<TableRow> {
    let Some(published) = &row.published else { return Vec::new() };
    let word = published.metric.map(PublishedMetric::in_words).unwrap_or_default();
    let mean = published.mean.iter().map(|figure| (format!("mean {word}"), figure));
    let of_tasks = tasks.iter().filter_map(|task| Some((format!("{task}, {word}"), published.tasks.get(task)?)));
    let hits = published.hits.iter().map(|(k, figure)| (format!("hits@{k}"), figure));
    let line = |(name, figure): (String, &Figure)| TableRow {
        is_chosen: row.is_chosen,
        cells: vec![
            Cell::text(&row.name),
            Cell::text(&published.method),
            Cell::text(name),
            Cell::measured(figure.own, figure.interval, false),
            Cell::number(Some(figure.published)),
            difference(figure),
            figure.defect.as_ref().map_or(Cell::Empty, Cell::text),
        ],
    };
    mean.chain(of_tasks).chain(hits).map(line).collect()
}

/// The difference, whose interval is that of our own figure: how certain the published one is, is not known.
fn difference(figure: &Figure) -> Cell {
    let interval = figure
        .interval
        .map(|Interval { low, high }| Interval { low: low - figure.published, high: high - figure.published });
    Cell::measured(figure.difference, interval, false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Style, testing::Made};
    use jobs::{PublishedFigures, Reference};

    const FIGURES: &str = "\
source: {paper: A paper, table: Table 1, url: \"arXiv:1234.56789\"}
metric: mean_normalised_accuracy
tasks: [mnist, flags]
rows:
  - {method: KnOTS-TIES, mean: 68.0, tasks: {mnist: 45.0, flags: 91.0}, note: read in a summary}
  - {method: fine-tuned, metric: mean_accuracy, mean: 66.5, tasks: {flags: 49.0}, defects: {flags: others measured 51}}
notes: [Its splits are other ones.]
";

    fn made() -> Made {
        let mut made = Made::small();
        let pairs = [("knots_ties", "KnOTS-TIES"), ("fine-tuned", "fine-tuned")];
        let methods = pairs.into_iter().map(|(row, method)| (row.to_owned(), method.to_owned()));
        let figures = PublishedFigures::from_yaml(FIGURES).unwrap();
        made.outcome.reference = Some(Reference { figures, methods: methods.collect() });
        made
    }

    #[test]
    fn published_figures_stand_beside_our_own_with_the_difference_and_the_source() {
        let made = made();
        let summary = Summary::build(&made.outcome, &made.results, None);
        insta::assert_snapshot!(Table::published(&summary).unwrap().render(Style::Plain));
        insta::assert_snapshot!(Table::accuracy(&summary, "test").render(Style::Plain));
        insta::assert_snapshot!(Table::normalised(&summary, "test").unwrap().render(Style::Csv));
        let knots = summary.rows.iter().find(|row| row.name == "knots_ties").unwrap();
        insta::assert_snapshot!(serde_json::to_string_pretty(&knots.published).unwrap());
    }

    #[test]
    fn the_selection_split_and_sweeps_without_published_figures_have_no_such_columns() {
        let made = made();
        let summary = Summary::build(&made.outcome, &made.results, None);
        let heads = |table: &Table| table.columns.iter().map(|column| column.name.clone()).collect::<Vec<_>>();
        assert!(!heads(&Table::accuracy(&summary, "validation")).contains(&"published".to_owned()));
        let plain = Made::small();
        let summary = Summary::build(&plain.outcome, &plain.results, None);
        assert!(!heads(&Table::accuracy(&summary, "test")).contains(&"published".to_owned()));
        assert!(Table::published(&summary).is_none());
        assert!(!serde_json::to_string(&summary).unwrap().contains("published"));
    }
}
