use super::{Axis, AxisScale, AxisUnit, Chart, ChartData, CurvePoint, CurveSeries, Dot, DotRow, caption::counted};
use crate::{
    SummaryRow, Variants, fixed,
    metric::in_words,
    variants::{OfVariant, Shown},
};
use jobs::Metric;

/// From this ratio of the largest value to the smallest, values lie along an axis by their logarithms.
const WIDE: f64 = 8.0;

impl Variants<'_> {
    /// What each recipe reaches over the values of the variants: curves over numbers, dots over words. `None` for fewer than
    /// two variants with a merge.
    pub fn chart(&self) -> Option<Chart> {
        let has_merge =
            |of: &&OfVariant<'_>| self.rows().iter().any(|row| row.kind.is_merge() && of.shown(row).is_some());
        if self.columns().iter().filter(has_merge).count() < 2 {
            return None;
        }
        let key = &self.first().variant.key;
        let numbers: Option<Vec<f64>> = self.columns().iter().map(|of| of.variant.value.number()).collect();
        let data = match numbers {
            Some(numbers) => self.curves(&numbers),
            None => self.dots(),
        };
        Some(Chart { slug: Self::CHART.to_owned(), title: format!("By {key}"), caption: self.caption(), data })
    }

    fn curves(&self, numbers: &[f64]) -> ChartData {
        let x = |of: &OfVariant<'_>| of.variant.value.number().unwrap_or_default();
        let point = |of: &OfVariant<'_>, Shown { value, interval, n: _ }: Shown| CurvePoint {
            x: x(of),
            y: value,
            low: interval.map(|interval| interval.low),
            high: interval.map(|interval| interval.high),
            // The evaluations behind a point, not their examples.
            n: 1,
        };
        let series = |(look, row): (usize, &SummaryRow)| {
            let points = self.columns().iter().filter_map(|of| Some(point(of, of.shown(row)?))).collect();
            CurveSeries { name: row.name.clone(), look, points }
        };
        let smallest = numbers.iter().copied().fold(f64::INFINITY, f64::min);
        let largest = numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let scale = if smallest > 0.0 && largest / smallest >= WIDE { AxisScale::Log } else { AxisScale::Linear };
        ChartData::Curve {
            x: Axis { name: self.first().variant.key.clone(), unit: AxisUnit::None, scale },
            y: self.value_axis(),
            series: self.looks().map(series).filter(|series| !series.points.is_empty()).collect(),
        }
    }

    fn dots(&self) -> ChartData {
        let dot = |of: &OfVariant<'_>, row: &SummaryRow| {
            of.shown(row).map(|Shown { value, interval, .. }| Dot {
                value,
                low: interval.map(|interval| interval.low),
                high: interval.map(|interval| interval.high),
            })
        };
        let line = |(look, row): (usize, &SummaryRow)| {
            let dots: Vec<Option<Dot>> = self.columns().iter().map(|of| dot(of, row)).collect();
            DotRow { name: row.name.clone(), is_chosen: false, look, dots }
        };
        let has_some = |row: &DotRow| row.dots.iter().any(Option::is_some);
        ChartData::Dots {
            tasks: self.columns().iter().map(|of| of.variant.to_string()).collect(),
            value: self.value_axis(),
            rows: self.looks().map(line).filter(has_some).collect(),
        }
    }

    /// The rows with their places in the table of a sweep, by which they have the same style in every chart.
    fn looks(&self) -> impl Iterator<Item = (usize, &SummaryRow)> {
        let place = |row: &SummaryRow| self.first().summary.rows.iter().position(|known| known.name == row.name);
        self.rows().into_iter().enumerate().map(move |(nth, row)| (place(row).unwrap_or(nth), row))
    }

    fn value_axis(&self) -> Axis {
        let name = format!("{} on {}", in_words(self.metric()), self.report());
        Axis { name, unit: AxisUnit::Share, scale: AxisScale::Linear }
    }

    fn caption(&self) -> String {
        let key = &self.first().variant.key;
        let report = self.report();
        let mut sentences = vec![format!("Each search is searched for each {key}, on the adapters of this {key}.")];
        let shown = self.rows().into_iter().flat_map(|row| self.columns().iter().filter_map(move |of| of.shown(row)));
        let shown: Vec<Shown> = shown.collect();
        if shown.iter().any(|shown| shown.interval.is_some())
            && let Some(n) = shown.iter().map(|shown| shown.n).max()
        {
            let n = counted(n);
            sentences.push(format!("Bands are 95 % intervals from the number of examples, {n} of {report}."));
        }
        if *self.metric() == Metric::MeanNormalisedAccuracy {
            let own = |of: &OfVariant<'_>| {
                let accuracy = of.own_accuracy()?.value;
                Some(format!("{} % ({})", fixed(100.0 * accuracy, 1), of.variant))
            };
            let own: Vec<String> = self.columns().iter().filter_map(own).collect();
            sentences.push(format!("Normalised by the adapters alone, which reach {}.", own.join(", ")));
        }
        let sentence = |note: String| {
            let mut letters = note.chars();
            let first = letters.next().into_iter().flat_map(char::to_uppercase);
            format!("{}.", first.chain(letters).collect::<String>())
        };
        sentences.extend(self.notes_on_rows().into_iter().map(sentence));
        sentences.join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::variants;
    use jobs::VariantValue;

    #[test]
    fn numbers_are_an_axis_and_each_method_a_curve_over_them() {
        let all = variants(&[16, 4]);
        let chart = Variants::of(&all)[0].chart().unwrap();
        let ChartData::Curve { x, series, .. } = &chart.data else { panic!("curves") };
        assert_eq!((x.name.as_str(), x.scale), ("rank", AxisScale::Linear));
        let names: Vec<_> = series.iter().map(|series| series.name.as_str()).collect();
        assert_eq!(names, ["zero-shot", "sum", "knots_ties"]);
        assert_eq!(series[2].points.iter().map(|point| point.x).collect::<Vec<_>>(), [4.0, 16.0]);
        assert!(series[2].points.iter().all(|point| point.low.is_some()));
        assert!(chart.caption.contains("which reach 65.0 % (rank 4), 65.0 % (rank 16)."), "{}", chart.caption);
        assert!(chart.svg().contains("rank"));
    }

    #[test]
    fn words_have_dots_and_a_single_variant_no_chart() {
        let mut all = variants(&[4, 16]);
        for (summary, word) in all.iter_mut().zip(["lora", "dora"]) {
            summary.variant.as_mut().unwrap().value = VariantValue::Word(word.to_owned());
        }
        let chart = Variants::of(&all)[0].chart().unwrap();
        let ChartData::Dots { tasks, rows, .. } = &chart.data else { panic!("dots") };
        assert_eq!((tasks.join(", ").as_str(), rows.len()), ("rank lora, rank dora", 3));
        assert!(Variants::of(&all[..1])[0].chart().is_none());
    }
}
