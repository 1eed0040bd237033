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
    /// The sweeps of one state of a file differ in their adapters alone. The state with the newest results is shown; the sweeps
    /// of others, such as an older one, are named and not shown.
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
        let newest = |file: Vec<OfVariant<'a>>| {
            let model = newest_state(&file);
            Self::of_file(file, model)
        };
        files.into_iter().map(newest).collect()
    }

    /// A variant beside the other variants of its file among `others`, as far as they can stand beside it. `None` if it is no
    /// variant.
    pub fn around(own: &'a Summary, others: impl IntoIterator<Item = &'a Summary>) -> Option<Self> {
        let variant = own.variant.as_ref()?;
        let model = OfVariant { variant, summary: own };
        let beside = others.into_iter().filter(|other| other.sweep != own.sweep).filter_map(|summary| {
            let other = summary.variant.as_ref().filter(|other| other.is_beside(variant))?;
            Some(OfVariant { variant: other, summary })
        });
        Some(Self::of_file(std::iter::once(model).chain(beside).collect(), model))
    }

    /// `model` is shown, and so are those that can stand beside it.
    fn of_file(mut all: Vec<OfVariant<'a>>, model: OfVariant<'a>) -> Self {
        // Words keep the order of the file.
        all.sort_by(|one, other| {
            let by_value = one.variant.value.compare(&other.variant.value);
            // Places of different states of the file may be equal.
            let by_place = one.variant.place.cmp(&other.variant.place);
            by_value.then(by_place).then_with(|| one.summary.sweep.cmp(&other.summary.sweep))
        });
        let (columns, others): (Vec<_>, Vec<_>) =
            all.iter().copied().partition(|of| are_comparable(of.summary, model.summary));
        Self { columns, left_out: others.into_iter().map(|of| of.summary.sweep.as_str()).collect() }
    }

    /// The name of the sweep file.
    pub fn file(&self) -> &'a str {
        &self.first().variant.of
    }

    /// What the variants differ in.
    pub fn key(&self) -> &'a str {
        &self.first().variant.key
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

    /// The first of the sweeps. All of them differ in their adapters alone.
    pub(crate) fn first(&self) -> OfVariant<'a> {
        self.columns[0]
    }

    /// The rows that are compared, by name, in the order in which they first appear. The adapters alone are none of them if the
    /// metric is normalised by these.
    pub(crate) fn rows(&self) -> Vec<&'a SummaryRow> {
        let is_normalised = self.metric().is_normalised();
        let mut rows: Vec<&SummaryRow> = Vec::new();
        for row in self.columns.iter().flat_map(|of| &of.summary.rows) {
            let is_known = rows.iter().any(|known| known.name == row.name && known.kind == row.kind);
            let is_denominator = is_normalised && row.kind == Kind::Finetuned;
            if !is_known && !is_denominator {
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
        let row = self.row(like)?;
        let report = &self.summary.splits.report;
        // The best seed was chosen for its value.
        if let Some(replicates) = &row.replicates {
            let spread = replicates.splits.get(report).filter(|spread| spread.mean.is_finite())?;
            let n = row.splits.get(report).map_or(0, |split| split.n);
            return Some(Shown { value: spread.mean, interval: None, n });
        }
        shown(row.splits.get(report)?, &self.summary.objective.metric)
    }

    /// Whether its row is the mean over seeds.
    pub(crate) fn is_of_seeds(&self, like: &SummaryRow) -> bool {
        self.row(like).is_some_and(|row| row.replicates.is_some())
    }

    fn row(&self, like: &SummaryRow) -> Option<&SummaryRow> {
        self.summary.rows.iter().find(|row| row.name == like.name && row.kind == like.kind)
    }

    /// Whether the sweep is less than its file asks for: it runs, was ended early, or lacks jobs.
    pub(crate) fn is_partial(&self) -> bool {
        self.summary.so_far.is_some() || self.summary.ended_early || self.summary.missing > 0
    }

    /// The mean accuracy of the adapters alone on the report split.
    pub(crate) fn own_accuracy(&self) -> Option<Shown> {
        let row = self.summary.rows.iter().find(|row| row.kind == Kind::Finetuned)?;
        shown(row.splits.get(&self.summary.splits.report)?, &Metric::MeanAccuracy)
    }
}

/// The value of a metric on a split, with its interval.
fn shown(split: &SplitSummary, metric: &Metric) -> Option<Shown> {
    let (value, interval) = split.value(metric)?;
    value.is_finite().then_some(Shown { value, interval, n: split.n })
}

/// The sweep of which the state of the file is shown: that with the newest results; among equals that of which more sweeps
/// are, and then the first.
fn newest_state<'a>(all: &[OfVariant<'a>]) -> OfVariant<'a> {
    let rank = |of: &OfVariant<'a>| {
        let agreeing = all.iter().filter(|other| are_comparable(of.summary, other.summary));
        let newest = agreeing.clone().map(|other| other.summary.newest_ms).max();
        (newest, agreeing.count())
    };
    let mut model = all[0];
    for of in all {
        if rank(of) > rank(&model) {
            model = *of;
        }
    }
    model
}

/// Whether both sweeps differ in their adapters alone.
fn are_comparable(one: &Summary, other: &Summary) -> bool {
    one.setup == other.setup
        && one.objective == other.objective
        && one.splits == other.splits
        && one.tasks == other.tasks
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
    fn a_sweep_with_another_setup_is_named_and_not_shown() {
        let edits: [fn(&mut Summary); 2] = [
            |summary| summary.splits.report = "validation".to_owned(),
            |summary| summary.setup = Some(jobs::Digest::of(b"another density")),
        ];
        for edit in edits {
            let mut all = variants(&[4, 8, 16]);
            edit(&mut all[0]);
            let groups = Variants::of(&all);
            assert_eq!((groups[0].columns().len(), groups[0].left_out()), (2, ["small-rank-4"].as_slice()));
            assert!(groups[0].table().notes.iter().any(|note| note.contains("small-rank-4")));
        }
    }

    #[test]
    fn the_state_with_the_newest_results_is_shown_and_a_report_shows_its_own_sweep() {
        let mut all = variants(&[4, 8, 16]);
        all[0].setup = Some(jobs::Digest::of(b"another density"));
        all[0].newest_ms += 1;
        let groups = Variants::of(&all);
        assert_eq!(
            (groups[0].columns().len(), groups[0].left_out()),
            (1, ["small-rank-8", "small-rank-16"].as_slice())
        );
        let own = Variants::around(&all[2], &all).unwrap();
        assert_eq!((own.columns().len(), own.left_out()), (2, ["small-rank-4"].as_slice()));
        let own = Variants::around(&all[0], &all).unwrap();
        assert_eq!(own.columns()[0].summary.sweep, "small-rank-4");
    }

    #[test]
    fn a_row_with_replicates_shows_its_mean_over_seeds_and_says_so() {
        let mut all = variants(&[4, 16]);
        let row = all[0].rows.last_mut().unwrap();
        let spread = crate::SeedSpread { n: 2, mean: 0.25, sd: Some(0.1), best: Some(0.5) };
        row.replicates = Some(crate::ReplicatesSummary {
            key: "seed".to_owned(),
            seeds: vec![1, 2],
            best: Some(1),
            splits: [("test".to_owned(), spread)].into(),
        });
        let groups = Variants::of(&all);
        let shown = groups[0].columns()[0].shown(all[0].rows.last().unwrap()).unwrap();
        assert_eq!((shown.value, shown.interval.is_none()), (0.25, true));
        assert!(groups[0].table().notes.iter().any(|note| note.contains("mean over seeds: knots_ties")));
    }

    #[test]
    fn a_sweep_that_is_not_whole_is_marked() {
        let mut all = variants(&[4, 16]);
        all[1].ended_early = true;
        let notes = Variants::of(&all)[0].table().notes;
        assert!(
            notes.iter().any(|note| note == "not finished, ended early, or with missing jobs: rank 16"),
            "{notes:?}"
        );
    }
}
