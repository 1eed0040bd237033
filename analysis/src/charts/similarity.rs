use super::{Axis, AxisScale, AxisUnit, Chart, ChartData, caption::counted};
use jobs::Similarity;

impl Chart {
    /// Heat maps of CKA between the updates, before and after the alignment; none for a single task.
    pub fn similarity(similarity: &Similarity) -> Vec<Self> {
        let Similarity { tasks, before, after, .. } = similarity;
        if tasks.len() < 2 {
            return Vec::new();
        }
        let chart = |slug: &str, title: &str, cells: &Vec<Vec<Option<f64>>>| Self {
            slug: slug.to_owned(),
            title: title.to_owned(),
            caption: note(similarity),
            data: ChartData::TaskPairs {
                columns: "the adapter beside it".to_owned(),
                rows: "the adapter".to_owned(),
                value: Axis { name: "linear CKA".to_owned(), unit: AxisUnit::None, scale: AxisScale::Linear },
                cells: cells.clone(),
                tasks: tasks.clone(),
            },
        };
        vec![
            chart("similarity-before", "similarity of the updates", before),
            chart("similarity-after", "similarity of the aligned updates", after),
        ]
    }
}

/// What the numbers are, and on which inputs.
pub(crate) fn note(similarity: &Similarity) -> String {
    let Similarity { examples, weights, split, .. } = similarity;
    let count = examples.first().copied().unwrap_or(0);
    format!(
        "Linear CKA of X·ΔWᵀ, the mean over {} weights. X: what each weight takes in the models of all tasks, the first \
         {count} examples of `{split}` of each task together. After the alignment, V of KnOTS without Σ takes the place of ΔW.",
        counted(*weights)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Style, Table};

    fn similarity() -> Similarity {
        Similarity {
            tasks: ["mnist", "flags"].map(str::to_owned).to_vec(),
            split: "validation".to_owned(),
            examples: vec![32, 32],
            weights: 24,
            before: vec![vec![Some(1.0), Some(0.1254)], vec![Some(0.1254), Some(1.0)]],
            after: vec![vec![Some(1.0), None], vec![None, Some(1.0)]],
        }
    }

    #[test]
    fn heat_maps_show_the_similarity_before_and_after_the_alignment() {
        let charts = Chart::similarity(&similarity());
        assert_eq!(
            charts.iter().map(|chart| chart.slug.as_str()).collect::<Vec<_>>(),
            ["similarity-before", "similarity-after"]
        );
        for chart in &charts {
            assert!(chart.caption.contains("the first 32 examples of `validation`"), "{}", chart.caption);
            assert!(chart.svg().contains("flags"));
        }
        let alone = Similarity { tasks: vec!["mnist".to_owned()], ..similarity() };
        assert!(Chart::similarity(&alone).is_empty());
    }

    #[test]
    fn the_table_has_a_row_for_each_pair_and_their_mean() {
        let text = Table::similarity(&similarity()).render(Style::Csv);
        assert_eq!(
            text.lines().skip(1).take(2).collect::<Vec<_>>(),
            ["\"mnist, flags\",0.125,", "mean of all pairs,0.125,"]
        );
    }
}
