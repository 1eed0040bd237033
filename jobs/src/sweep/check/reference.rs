//! Published figures, and the rows of the sweep that stand beside them.

use super::baselines::ENSEMBLE;
use crate::{PublishedFigures, Reference, Sweep, SweepError, published::figures_of, sweep::file::SearchFile};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// The rows that every sweep has.
const OWN_ROWS: [&str; 2] = ["zero-shot", "fine-tuned"];

/// The `published` keys of a sweep file.
pub(super) struct PublishedKeys(Vec<Named>);

/// A row that names a published method.
struct Named {
    /// The key that names it.
    key: String,
    row: String,
    method: String,
}

impl PublishedKeys {
    /// Takes the keys out of the file: among the keys of a baseline's recipe they are no recipe.
    ///
    /// Rows go by their names, since not every entry of a list has to become one of the sweep's list of that name.
    pub(super) fn take(searches: &mut [SearchFile], baselines: &mut [Map<String, Value>]) -> Result<Self, SweepError> {
        let mut named = Vec::new();
        for (i, search) in searches.iter_mut().enumerate() {
            let Some(method) = search.published.take() else { continue };
            let name = search.name.as_ref().or(search.recipe.preset.as_ref()).cloned();
            let row = name.unwrap_or_else(|| format!("search {}", i + 1));
            named.push(Named { key: format!("searches[{i}].published"), row, method });
        }
        for (i, baseline) in baselines.iter_mut().enumerate() {
            let key = format!("baselines[{i}].published");
            let method = match baseline.remove("published") {
                Some(Value::String(method)) => method,
                None => continue,
                Some(_) => return Err(SweepError::invalid(key, "is not a text")),
            };
            let name = ["name", "preset"].into_iter().find_map(|of| baseline.get(of)?.as_str());
            let unnamed =
                || if baseline.contains_key("ensemble") { ENSEMBLE.to_owned() } else { format!("baseline {}", i + 1) };
            let row = name.map_or_else(unnamed, str::to_owned);
            named.push(Named { key, row, method });
        }
        Ok(Self(named))
    }

    /// The published figures with the methods that rows of `sweep` stand beside: those that `published` names, or else
    /// those with the row's own name.
    pub(super) fn check(self, tree: Option<Value>, sweep: &Sweep) -> Result<Option<Reference>, SweepError> {
        let Self(named) = self;
        let Some(tree) = tree else {
            return match named.into_iter().next() {
                None => Ok(None),
                Some(Named { key, .. }) => {
                    Err(SweepError::invalid(key, "has no effect without `reference`, the file of published figures"))
                }
            };
        };
        if let Value::String(file) = &tree {
            let problem = format!("names the file `{file}`, which was not read; give its content as a map");
            return Err(SweepError::invalid("reference", problem));
        }
        let figures = figures_of(tree, "reference")?;
        check_tasks(&figures, sweep)?;
        let mut methods = BTreeMap::new();
        for Named { key, row, method } in named {
            if figures.row(&method).is_none() {
                let known: Vec<&str> = figures.rows.iter().map(|row| row.method.as_str()).collect();
                let problem = format!("is `{method}`, which the published figures do not have: {}", known.join(", "));
                return Err(SweepError::invalid(key, problem));
            }
            methods.insert(row, method);
        }
        for row in rows(sweep) {
            if figures.row(row).is_some() && !methods.contains_key(row) {
                methods.insert(row.to_owned(), row.to_owned());
            }
        }
        if methods.is_empty() {
            let problem = "has no method that a row of the sweep is called by; give the search or baseline \
                           `published: METHOD`";
            return Err(SweepError::invalid("reference", problem));
        }
        Ok(Some(Reference { figures, methods }))
    }
}

/// The names of all rows of the sweep's table.
fn rows(sweep: &Sweep) -> impl Iterator<Item = &str> {
    let searches = sweep.searches.iter().map(|search| search.name.as_str());
    let baselines = sweep.baselines.iter().map(|baseline| baseline.name.as_str());
    let learned = sweep.learned.iter().map(|learned| learned.name.as_str());
    let ensembles = sweep.ensembles.iter().map(|ensemble| ensemble.name.as_str());
    OWN_ROWS.into_iter().chain(baselines).chain(ensembles).chain(learned).chain(searches)
}

/// A mean over other tasks is not comparable.
fn check_tasks(figures: &PublishedFigures, sweep: &Sweep) -> Result<(), SweepError> {
    let published: BTreeSet<&str> = figures.tasks.iter().map(String::as_str).collect();
    let own: BTreeSet<&str> = sweep.tasks.iter().map(|task| task.name.as_str()).collect();
    if let Some(task) = published.difference(&own).next() {
        let problem =
            format!("is over the task `{task}`, which the sweep does not have: means over other tasks differ");
        return Err(SweepError::invalid("reference.tasks", problem));
    }
    if let Some(task) = own.difference(&published).next() {
        let problem = format!("is not over the task `{task}` of the sweep: means over other tasks differ");
        return Err(SweepError::invalid("reference.tasks", problem));
    }
    Ok(())
}
