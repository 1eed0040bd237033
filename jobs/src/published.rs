//! Figures that a paper has published, which a sweep shows beside its own.

mod read;

pub(crate) use read::figures_of;
pub use read::reference_file;

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The figures of one table of a paper. All of them are in percent, as papers print them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublishedFigures {
    /// Where the figures stand.
    pub source: PublishedSource,
    /// What `mean` and `tasks` of a row are, unless the row says otherwise; `None` where no row has either.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric: Option<PublishedMetric>,
    /// The tasks that the published means are over. They are all tasks of the sweep.
    pub tasks: Vec<String>,
    /// The rows of the table, one for each method.
    pub rows: Vec<PublishedRow>,
    /// What a reader has to know of the protocol, each in a sentence.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// Where published figures stand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublishedSource {
    /// The paper, as a reader would cite it.
    pub paper: String,
    /// The table, figure or section of the paper.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
    /// Its address, or its arXiv id such as `arXiv:2410.19735`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

/// What published means, and figures of single tasks, measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PublishedMetric {
    /// The share of right answers.
    MeanAccuracy,
    /// The share of right answers over that of the task's own adapter.
    MeanNormalisedAccuracy,
}

/// The published figures of one method.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublishedRow {
    /// The name of the method in the paper.
    pub method: String,
    /// What `mean` and `tasks` are, if not what the table says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric: Option<PublishedMetric>,
    /// The mean over all tasks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean: Option<f64>,
    /// The figures of single tasks, as far as they are known.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tasks: BTreeMap<String, f64>,
    /// In a joint benchmark: the share of examples whose true class is among the first k, by k.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub hits: BTreeMap<u32, f64>,
    /// What is wrong with figures of single tasks, by task.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub defects: BTreeMap<String, String>,
    /// What a reader has to know of this row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// Published figures and the rows of a sweep that stand beside them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reference {
    /// The figures.
    pub figures: PublishedFigures,
    /// The published methods by the names of the sweep's rows.
    pub methods: BTreeMap<String, String>,
}

impl Reference {
    /// The published figures beside the row of that name.
    pub fn row(&self, name: &str) -> Option<&PublishedRow> {
        let method = self.methods.get(name)?;
        self.figures.row(method)
    }
}

impl PublishedFigures {
    /// The figures of a method.
    pub fn row(&self, method: &str) -> Option<&PublishedRow> {
        self.rows.iter().find(|row| row.method == method)
    }

    /// What `mean` and `tasks` of a row measure; `None` where it has neither.
    pub fn metric_of(&self, row: &PublishedRow) -> Option<PublishedMetric> {
        row.metric.or(self.metric)
    }
}

impl PublishedSource {
    /// The source in one line: paper, table, address.
    pub fn in_words(&self) -> String {
        let parts = [Some(&self.paper), self.table.as_ref(), self.url.as_ref()];
        parts.into_iter().flatten().map(String::as_str).collect::<Vec<_>>().join(", ")
    }
}

impl PublishedMetric {
    /// What it is called in a caption.
    pub fn in_words(self) -> &'static str {
        match self {
            Self::MeanAccuracy => "accuracy",
            Self::MeanNormalisedAccuracy => "normalised accuracy",
        }
    }
}

#[cfg(test)]
mod tests;
