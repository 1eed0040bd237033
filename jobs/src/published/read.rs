use super::{PublishedFigures, PublishedMetric, PublishedRow};
use crate::{
    HITS_AT, SweepError,
    sweep::{typed, yaml},
};
use serde_json::Value;
use std::collections::BTreeSet;

/// Normalised accuracies may lie above 100 %. What is above this is no accuracy.
const LARGEST_NORMALISED: f64 = 200.0;

impl PublishedFigures {
    /// Reads and checks a file of published figures.
    ///
    /// # Errors
    /// No YAML, an unknown key, a value of the wrong type, a figure that is no percentage, a task that is not listed under
    /// `tasks`, a method that stands there twice.
    pub fn from_yaml(text: &str) -> Result<Self, SweepError> {
        let tree = yaml(text).map_err(|message| SweepError::Yaml { message })?;
        figures_of(tree, "")
    }
}

/// The file of published figures that a sweep file names: a path, which is taken from the sweep file's folder. `None` if
/// it names none, or has the figures in itself.
///
/// # Errors
/// No YAML, or an override that leads nowhere.
pub fn reference_file(text: &str, overrides: &[String]) -> Result<Option<String>, SweepError> {
    let mut tree = yaml(text).map_err(|message| SweepError::Yaml { message })?;
    overrides.iter().try_for_each(|text| crate::sweep::apply_override(&mut tree, text))?;
    Ok(tree.get("reference").and_then(Value::as_str).map(str::to_owned))
}

/// The published figures that stand at `path` in a file; an empty path is a file of their own.
pub(crate) fn figures_of(tree: Value, path: &str) -> Result<PublishedFigures, SweepError> {
    if !tree.is_object() {
        let path = if path.is_empty() { "figures" } else { path };
        return Err(SweepError::invalid(path, "is no map with `source`, `metric`, `tasks` and `rows`"));
    }
    let figures: PublishedFigures = typed(tree, path)?;
    Check { figures: &figures, path }.all()?;
    Ok(figures)
}

/// The checks of figures whose keys stand at a path.
struct Check<'a> {
    figures: &'a PublishedFigures,
    path: &'a str,
}

impl Check<'_> {
    fn all(&self) -> Result<(), SweepError> {
        let PublishedFigures { source, tasks, rows, .. } = self.figures;
        if source.paper.trim().is_empty() {
            return Err(self.refused("source.paper", "is empty; name the paper that the figures are from"));
        }
        self.listed("tasks", tasks)?;
        let methods: Vec<String> = rows.iter().map(|row| row.method.clone()).collect();
        self.listed("rows", &methods)?;
        rows.iter().enumerate().try_for_each(|(i, row)| self.row(&format!("rows[{i}]"), row))?;
        self.unit()
    }

    /// Fails unless names are there, each once.
    fn listed(&self, key: &str, names: &[String]) -> Result<(), SweepError> {
        if names.is_empty() {
            return Err(self.refused(key, "is empty"));
        }
        let mut seen = BTreeSet::new();
        for (i, name) in names.iter().enumerate() {
            if !seen.insert(name) {
                return Err(self.refused(&format!("{key}[{i}]"), format!("has `{name}` a second time")));
            }
        }
        Ok(())
    }

    fn row(&self, key: &str, row: &PublishedRow) -> Result<(), SweepError> {
        let metric = self.figures.metric_of(row);
        if row.mean.is_none() && row.tasks.is_empty() && row.hits.is_empty() {
            return Err(self.refused(key, "has no figure; give `mean`, `tasks` or `hits`"));
        }
        if metric.is_none() && (row.mean.is_some() || !row.tasks.is_empty()) {
            let problem = "has a mean or figures of tasks, and no `metric` says what they are: `mean_accuracy` or \
                           `mean_normalised_accuracy`";
            return Err(self.refused(key, problem));
        }
        let largest = match metric {
            Some(PublishedMetric::MeanNormalisedAccuracy) => LARGEST_NORMALISED,
            Some(PublishedMetric::MeanAccuracy) | None => 100.0,
        };
        if let Some(mean) = row.mean {
            self.figure(&format!("{key}.mean"), mean, largest)?;
        }
        for (task, figure) in &row.tasks {
            self.task(&format!("{key}.tasks.{task}"), task)?;
            self.figure(&format!("{key}.tasks.{task}"), *figure, largest)?;
        }
        for task in row.defects.keys() {
            self.task(&format!("{key}.defects.{task}"), task)?;
        }
        for (k, figure) in &row.hits {
            if !HITS_AT.contains(k) {
                return Err(self.refused(&format!("{key}.hits.{k}"), "is no k that is counted: use 1, 3, 5 or 10"));
            }
            self.figure(&format!("{key}.hits.{k}"), *figure, 100.0)?;
        }
        Ok(())
    }

    fn task(&self, key: &str, task: &str) -> Result<(), SweepError> {
        if self.figures.tasks.iter().any(|known| known == task) {
            return Ok(());
        }
        Err(self.refused(key, format!("is about `{task}`, which `tasks` does not list")))
    }

    fn figure(&self, key: &str, figure: f64, largest: f64) -> Result<(), SweepError> {
        if figure.is_finite() && (0.0..=largest).contains(&figure) {
            return Ok(());
        }
        Err(self.refused(key, format!("is {figure}, outside 0 to {largest}; published figures are in percent")))
    }

    /// Shares in place of percentages would be read as accuracies below 1 %.
    fn unit(&self) -> Result<(), SweepError> {
        let of_row = |row: &PublishedRow| {
            let cells = row.tasks.values().chain(row.hits.values()).copied();
            row.mean.into_iter().chain(cells).collect::<Vec<_>>()
        };
        let largest = self.figures.rows.iter().flat_map(of_row).fold(0.0, f64::max);
        if largest <= 1.0 {
            let problem =
                format!("has no figure above {largest}: these look like shares, and published figures are in percent");
            return Err(self.refused("rows", problem));
        }
        Ok(())
    }

    fn refused(&self, key: &str, problem: impl Into<String>) -> SweepError {
        let path = if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) };
        SweepError::invalid(path, problem)
    }
}
