//! Merges by statistics, against the modules that the adapters update.

use super::{Check, adapters::Seen};
use crate::{CheckError, problems::Place};
use evaluation::Configuration;
use jobs::StatisticsKind;
use std::collections::{BTreeMap, BTreeSet};

impl Check<'_> {
    /// Whether the statistics of every task are of all modules that a merge by them needs: those that any adapter updates.
    ///
    /// Statistics are made of a task's own model, at the modules of the task's adapter alone. A merge of adapters with
    /// different modules would fail after all of them are made.
    pub(super) fn statistics_cover(&mut self, adapters: &[Seen], base: &dyn Configuration) {
        let mut recipes: BTreeMap<StatisticsKind, Vec<String>> = BTreeMap::new();
        for row in self.sweep.statistics_rows() {
            let names = recipes.entry(row.need.what).or_default();
            if !names.contains(&row.name) {
                names.push(row.name);
            }
        }
        if recipes.is_empty() {
            return;
        }
        let updated: BTreeSet<&str> = adapters.iter().flat_map(|seen| seen.ranks.keys()).map(String::as_str).collect();
        let sites: Vec<Vec<String>> = base.input_sites().into_iter().map(|site| site.modules).collect();
        for (i, task) in self.sweep.tasks.iter().enumerate() {
            let Some(seen) = adapters.iter().find(|seen| seen.task == task.name) else { continue };
            for (what, recipes) in &recipes {
                let covered = covered(*what, seen, &sites);
                let lacking = updated.iter().filter(|module| !covered.contains(*module));
                let modules: Vec<String> = lacking.map(|module| (*module).to_owned()).collect();
                if !modules.is_empty() {
                    let failure = CheckError::OtherModules {
                        task: task.name.clone(),
                        recipes: recipes.clone(),
                        what: *what,
                        modules,
                    };
                    let place = Place::of_task(i, task).at("adapter");
                    self.problems.push(&place, None, &failure);
                }
            }
        }
    }
}

/// The modules of which the statistics of an adapter's own model are made.
fn covered<'a>(what: StatisticsKind, seen: &'a Seen, sites: &'a [Vec<String>]) -> BTreeSet<&'a str> {
    let own = seen.ranks.keys().map(String::as_str);
    match what {
        StatisticsKind::Fisher => own.collect(),
        // Queries, keys and values take the same inputs: the Gram matrix of one is that of all.
        StatisticsKind::Grams => {
            let is_measured = |site: &&Vec<String>| site.iter().any(|module| seen.ranks.contains_key(module));
            own.chain(sites.iter().filter(is_measured).flatten().map(String::as_str)).collect()
        }
    }
}
