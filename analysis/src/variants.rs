//! The variants of a sweep file side by side: what each recipe reaches with each set of adapters.

use crate::{Kind, SplitSummary, Summary, SummaryRow, Table};
use jobs::{Interval, Metric, Variant};

/// The sweeps of the variants of one sweep file, in the order of their values.
#[derive(Debug)]
pub struct Variants<'a> {
    columns: Vec<OfVariant<'a>>,
    /// Sweeps of other variants that cannot stand beside these.
    left_out: Vec<&'a str>,
}

/// The sweep of a variant.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OfVariant<'a> {
    pub(crate) variant: &'a Variant,
    pub(crate) summary: &'a Summary,
}

/// A number of a row on the report split.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shown {
    pub(crate) value: f64,
    pub(crate) interval: Option<Interval>,
    /// The number of examples.
    pub(crate) n: u64,
}

impl<'a> Variants<'a> {
    /// The name of the chart.
    pub const CHART: &'static str = "variants";

    /// The name of the table without that of the split.
    pub const TABLE: &'static str = "variants";

    /// Whether a table of a sweep is that of all variants of its file.
    pub fn is_table(table: &Table) -> bool {
        table.name.split('-').next() == Some(Self::TABLE)
    }

    /// The variants among `summaries`, by their sweep files, in the order in which these first appear.
    ///
    /// The sweeps of one file have the same objective, splits and tasks. A sweep in which one of them differs was run from an
    /// older state of the file; it is named and not shown.
    pub fn of(summaries: impl IntoIterator<Item = &'a Summary>) -> Vec<Self> {
        let mut files: Vec<Vec<OfVariant<'a>>> = Vec::new();
        for summary in summaries {
            let Some(variant) = &summary.variant else { continue };
            let of = OfVariant { variant, summary };
            match files.iter_mut().find(|file| file[0].variant.is_beside(variant)) {
                Some(file) => file.push(of),
                None => files.push(vec![of]),
            }
        }
        files.into_iter().map(Self::of_file).collect()
    }

    fn of_file(mut all: Vec<OfVariant<'a>>) -> Self {
        // Words keep the order of the file.
        all.sort_by(|one, other| {
            one.variant.value.compare(&other.variant.value).then(one.variant.place.cmp(&other.variant.place))
        });
        let agreeing =
            |of: &OfVariant<'a>| all.iter().filter(|other| are_comparable(of.summary, other.summary)).count();
        // The first among equals.
        let mut model = all[0];
        for of in &all {
            if agreeing(of) > agreeing(&model) {
                model = *of;
            }
        }
        let (columns, others): (Vec<_>, Vec<_>) =
            all.iter().copied().partition(|of| are_comparable(of.summary, model.summary));
        Self { columns, left_out: others.into_iter().map(|of| of.summary.sweep.as_str()).collect() }
    }

    /// The name of the sweep file.
    pub fn file(&self) -> &'a str {
        &self.first().variant.of
    }

    /// The names of the sweeps that are shown or left out.
    pub fn sweeps(&self) -> impl Iterator<Item = &'a str> {
        self.columns.iter().map(|of| of.summary.sweep.as_str()).chain(self.left_out.iter().copied())
    }

    /// The sweeps that are shown; at least one.
    pub(crate) fn columns(&self) -> &[OfVariant<'a>] {
        &self.columns
    }

    pub(crate) fn left_out(&self) -> &[&'a str] {
        &self.left_out
    }

    /// The first of the sweeps. All of them have its objective, splits and tasks.
    pub(crate) fn first(&self) -> OfVariant<'a> {
        self.columns[0]
    }

    /// The rows that are compared, by name, in the order in which they first appear. The adapters alone are none of them if the
    /// metric is normalised by these.
    pub(crate) fn rows(&self) -> Vec<&'a SummaryRow> {
        let is_normalised = self.metric() == &Metric::MeanNormalisedAccuracy;
        let mut rows: Vec<&SummaryRow> = Vec::new();
        for row in self.columns.iter().flat_map(|of| &of.summary.rows) {
            let is_known = rows.iter().any(|known| known.name == row.name && known.kind == row.kind);
            if !is_known && !(is_normalised && row.kind == Kind::Finetuned) {
                rows.push(row);
            }
        }
        rows
    }

    pub(crate) fn metric(&self) -> &'a Metric {
        &self.first().summary.objective.metric
    }

    pub(crate) fn report(&self) -> &'a str {
        &self.first().summary.splits.report
    }
}

impl OfVariant<'_> {
    /// What a row of that name and kind reaches on the report split by the objective.
    pub(crate) fn shown(&self, like: &SummaryRow) -> Option<Shown> {
        let row = self.summary.rows.iter().find(|row| row.name == like.name && row.kind == like.kind)?;
        shown(row.splits.get(&self.summary.splits.report)?, &self.summary.objective.metric)
    }

    /// The mean accuracy of the adapters alone on the report split.
    pub(crate) fn own_accuracy(&self) -> Option<Shown> {
        let row = self.summary.rows.iter().find(|row| row.kind == Kind::Finetuned)?;
        shown(row.splits.get(&self.summary.splits.report)?, &Metric::MeanAccuracy)
    }
}

/// The value of a metric on a split, with its interval.
fn shown(split: &SplitSummary, metric: &Metric) -> Option<Shown> {
    let (value, interval) = match metric {
        Metric::MeanNormalisedAccuracy => (split.mean_normalised?, split.normalised_interval),
        Metric::MeanAccuracy => (split.mean_accuracy?, split.interval),
        Metric::JointHits(k) => (*split.hits.get(k)?, None),
        Metric::Accuracy(task) => {
            let of_task = split.tasks.iter().find(|of| of.task == *task)?;
            (of_task.accuracy, of_task.interval)
        }
    };
    value.is_finite().then_some(Shown { value, interval, n: split.n })
}

/// Whether numbers of both sweeps stand for the same.
fn are_comparable(one: &Summary, other: &Summary) -> bool {
    one.objective == other.objective && one.splits == other.splits && one.tasks == other.tasks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::variants;

    #[test]
    fn variants_are_taken_together_by_their_file_and_stand_in_the_order_of_their_values() {
        let mut all = variants(&[16, 4]);
        all.push(Summary { variant: None, ..all[0].clone() });
        let groups = Variants::of(&all);
        let [group] = groups.as_slice() else { panic!("one file") };
        assert_eq!(group.file(), "small");
        assert_eq!(group.sweeps().collect::<Vec<_>>(), ["small-rank-4", "small-rank-16"]);
        assert_eq!(
            group.rows().iter().map(|row| row.name.as_str()).collect::<Vec<_>>(),
            ["zero-shot", "sum", "knots_ties"]
        );
    }

    #[test]
    fn a_sweep_of_an_older_state_of_the_file_is_named_and_not_shown() {
        let mut all = variants(&[4, 8, 16]);
        all[0].splits.report = "validation".to_owned();
        let groups = Variants::of(&all);
        assert_eq!((groups[0].columns().len(), groups[0].left_out()), (2, ["small-rank-4"].as_slice()));
        assert!(groups[0].table().notes.iter().any(|note| note.contains("small-rank-4")));
    }
}
