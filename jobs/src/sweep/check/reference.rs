//! Published figures, and the rows of the sweep that stand beside them.

use crate::{PublishedFigures, Reference, Sweep, SweepError, published::figures_of, sweep::file::SearchFile};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// The rows that every sweep has.
const OWN_ROWS: [&str; 2] = ["zero-shot", "fine-tuned"];

/// The `published` keys of a sweep file, by the places of its searches and baselines.
pub(super) struct PublishedKeys {
    searches: Vec<Option<String>>,
    baselines: Vec<Option<String>>,
}

impl PublishedKeys {
    /// Takes the keys out of the file: among the keys of a baseline's recipe they are no recipe.
    pub(super) fn take(searches: &mut [SearchFile], baselines: &mut [Map<String, Value>]) -> Result<Self, SweepError> {
        let of_baseline = |(i, baseline): (usize, &mut Map<String, Value>)| match baseline.remove("published") {
            Some(Value::String(method)) => Ok(Some(method)),
            None => Ok(None),
            Some(_) => Err(SweepError::invalid(format!("baselines[{i}].published"), "is not a text")),
        };
        Ok(Self {
            searches: searches.iter_mut().map(|search| search.published.take()).collect(),
            baselines: baselines.iter_mut().enumerate().map(of_baseline).collect::<Result<_, _>>()?,
        })
    }

    /// The published figures with the methods that rows of `sweep` stand beside: those that `published` names, or else
    /// those with the row's own name.
    pub(super) fn check(self, tree: Option<Value>, sweep: &Sweep) -> Result<Option<Reference>, SweepError> {
        let named = self.named(sweep);
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

    fn named(self, sweep: &Sweep) -> Vec<Named> {
        let of = |list: &'static str, methods: Vec<Option<String>>, rows: Vec<&String>| {
            let named = methods.into_iter().zip(rows).enumerate();
            let named = named.filter_map(move |(i, (method, row))| {
                Some(Named { key: format!("{list}[{i}].published"), row: row.clone(), method: method? })
            });
            named.collect::<Vec<_>>()
        };
        let searches = of("searches", self.searches, sweep.searches.iter().map(|search| &search.name).collect());
        let baselines = of("baselines", self.baselines, sweep.baselines.iter().map(|row| &row.name).collect());
        searches.into_iter().chain(baselines).collect()
    }
}

/// A row that names a published method.
struct Named {
    /// The key that names it.
    key: String,
    row: String,
    method: String,
}

/// The names of all rows of the sweep's table.
fn rows(sweep: &Sweep) -> impl Iterator<Item = &str> {
    let searches = sweep.searches.iter().map(|search| search.name.as_str());
    let baselines = sweep.baselines.iter().map(|baseline| baseline.name.as_str());
    let learned = sweep.learned.iter().map(|learned| learned.name.as_str());
    OWN_ROWS.into_iter().chain(baselines).chain(learned).chain(searches)
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
