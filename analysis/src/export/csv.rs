//! One line for each run.

use super::{Entry, SweepRuns};
use crate::tables::as_text;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The columns that every run has.
const FIXED: [&str; 10] =
    ["sweep", "revision", "job", "row", "kind", "state", "chosen", "started_ms", "finished_ms", "seconds"];

/// The runs as CSV: fixed columns, then parameters, metrics and facts under their names.
pub(super) fn runs(runs: &SweepRuns) -> String {
    let groups: [fn(&super::Run) -> &[Entry]; 3] = [|run| &run.parameters, |run| &run.metrics, |run| &run.facts];
    let columns: Vec<Vec<&str>> = groups.iter().map(|group| names(runs, *group)).collect();
    let mut writer = ::csv::Writer::from_writer(Vec::new());
    let heads = FIXED.into_iter().chain(columns.iter().flatten().copied());
    let heads: Vec<_> = heads.map(as_text).collect();
    let mut lines = vec![heads.iter().map(|head| head.to_string()).collect::<Vec<_>>()];
    for run in &runs.runs {
        let number = |number: Option<u64>| number.map(|number| number.to_string()).unwrap_or_default();
        let mut line = vec![
            runs.sweep.clone(),
            runs.revision.to_string(),
            run.job.to_string(),
            run.row.clone().unwrap_or_default(),
            run.kind.name().to_owned(),
            run.state.name().to_owned(),
            run.is_chosen.to_string(),
            number(run.started_ms()),
            number(run.finished_ms),
            run.seconds.map(|seconds| format!("{seconds:?}")).unwrap_or_default(),
        ];
        for (group, names) in groups.iter().zip(&columns) {
            let values: HashMap<&str, &Entry> = group(run).iter().map(|entry| (entry.name.as_str(), entry)).collect();
            line.extend(
                names.iter().map(|name| values.get(name).map(|entry| entry.value.to_string()).unwrap_or_default()),
            );
        }
        lines.push(line.iter().map(|cell| as_text(cell).into_owned()).collect());
    }
    for line in lines {
        writer.write_record(&line).expect("all lines have as many cells, and memory takes them all");
    }
    let bytes = writer.into_inner().expect("memory takes all bytes");
    String::from_utf8(bytes).expect("texts were written, and nothing else")
}

/// The names of a group, in the order in which runs have them: a name stands behind those that precede it in any run.
fn names(runs: &SweepRuns, group: fn(&super::Run) -> &[Entry]) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    let mut known: BTreeSet<&str> = BTreeSet::new();
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    for run in &runs.runs {
        let mut before = 0;
        for entry in group(run) {
            let name = entry.name.as_str();
            if known.insert(name) {
                names.insert(before, name);
                places = names.iter().enumerate().map(|(place, name)| (*name, place)).collect();
            }
            before = places[name] + 1;
        }
    }
    names
}
