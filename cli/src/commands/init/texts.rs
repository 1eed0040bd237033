//! The draft of a task whose data are texts.

use super::{
    columns::{TextColumns, text_columns},
    dataset::{DataDraft, DataSet, OpenSplit},
    labels::{MOST_LABELS, draft_labels},
    splits::SplitFacts,
    yaml::{list, scalar},
};
use crate::failure::{Failure, InitFailure};
use evaluation::{DataOutline, TextSource};
use jobs::{DataSpec, Rows, TextSpec, convention_data};
use std::collections::BTreeMap;

/// The most tokens of a text that a draft asks for: what conventions ask for.
const LONGEST: usize = 2_000;

/// What is known of a task whose data are texts.
#[derive(Debug, Clone, Copy)]
pub(super) struct TextTask {
    /// Classes of its head.
    pub(super) head_classes: Option<usize>,
    /// The most tokens that the base takes.
    pub(super) positions: Option<usize>,
}

/// What a sweep file says of a data set of texts.
pub(super) fn draft_texts(data: &DataSet<'_>, task: TextTask) -> Result<DataDraft, Failure> {
    if let Some(draft) = by_convention(data, task) {
        return Ok(draft);
    }
    let splits = data.open_all()?;
    let columns = data.columns(&splits)?;
    let chosen = text_columns(&columns).map_err(|wanted| data.no_column(wanted, &columns))?;
    let mut draft = DataDraft::of(&data.source.text);
    draft.keys.push(format!("text_columns: {}", list(chosen.texts.iter().map(String::as_str))));
    if chosen.label != "label" {
        draft.keys.push(format!("label_column: {}", scalar(&chosen.label)));
    }
    if chosen.is_guess {
        let names = list(columns.iter().map(|column| column.name.as_str()));
        draft.caveats.push(format!(
            "of the columns {names} the first one with texts is read, {}; correct `text_columns` if another one is meant, or a pair",
            list(chosen.texts.iter().map(String::as_str))
        ));
    }
    let Labels { facts, raw } = read_labels(data, &splits, &chosen)?;
    if raw.len() > MOST_LABELS {
        let found = raw.len();
        return Err(InitFailure::Labels { task: data.task.to_owned(), column: chosen.label, found }.into());
    }
    if raw.is_empty() {
        draft.caveats.push(
            "its labels are not known without a download: see whether they are the numbers of the head's classes"
                .to_owned(),
        );
    } else {
        let labels = draft_labels(&raw, task.head_classes);
        draft.keys.extend(labels.keys);
        draft.caveats.extend(labels.caveat);
        draft
            .comments
            .push(format!("Labels in the data: {}.", raw.keys().map(String::as_str).collect::<Vec<_>>().join(", ")));
    }
    let longest = task.positions.unwrap_or(LONGEST).min(LONGEST);
    draft.keys.push(format!("max_length: {longest} # tokens; longer texts are cut"));
    draft.add_splits(data.draft_splits(&facts)?);
    Ok(draft)
}

/// The data as the convention of the task's name reads them, if that goes without an error.
fn by_convention(data: &DataSet<'_>, task: TextTask) -> Option<DataDraft> {
    let name = data.task;
    let spec = convention_data(name, data.source.reference.clone())?;
    let validation = rows_by_convention(data, &spec, "validation", task)?;
    let test = rows_by_convention(data, &spec, "test", task)?;
    let mut draft = DataDraft::of(&data.source.text);
    draft.search_rows = Some(validation);
    draft.keys.push(format!("convention: {name}"));
    draft.comments.push(format!(
        "Columns, labels and splits as the convention `{name}` has them (docs/sweep-file.md), for a head of three classes: the search reads \
         {validation} rows, and {test} others are for the report alone."
    ));
    Some(draft)
}

fn rows_by_convention(data: &DataSet<'_>, spec: &DataSpec, split: &str, task: TextTask) -> Option<u64> {
    let open = data.open(spec, split).ok().filter(|open| open.outline.is_whole())?;
    let files = open.files();
    let source = TextSource {
        files: &files,
        spec: spec.text.as_ref()?,
        label_column: &spec.label_column,
        rows: &open.listed.rows,
    };
    source.look(task.head_classes).ok().as_ref().map(DataOutline::rows)
}

/// The labels of all splits, and the rows of each.
struct Labels {
    facts: Vec<SplitFacts>,
    raw: BTreeMap<String, u64>,
}

fn read_labels(data: &DataSet<'_>, splits: &[OpenSplit], columns: &TextColumns) -> Result<Labels, Failure> {
    let spec = TextSpec { columns: columns.texts.clone(), ..TextSpec::default() };
    let mut labels = Labels { facts: Vec::with_capacity(splits.len()), raw: BTreeMap::new() };
    for split in splits {
        let mut rows = None;
        if split.outline.is_whole() {
            let files = split.files();
            let source = TextSource { files: &files, spec: &spec, label_column: &columns.label, rows: &Rows::All };
            let raw = source.raw_labels().map_err(|source| data.unread(&split.name, source))?;
            // Rows that a draft drops do not count.
            let is_kept = |label: &str| label.parse::<i64>().map_or(true, |number| number >= 0);
            rows = Some(raw.iter().filter(|(label, _)| is_kept(label)).map(|(_, rows)| *rows).sum());
            for (label, rows) in raw {
                *labels.raw.entry(label).or_default() += rows;
            }
        }
        labels.facts.push(SplitFacts { name: split.name.clone(), rows });
    }
    Ok(labels)
}
