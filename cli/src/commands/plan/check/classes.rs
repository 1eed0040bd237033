//! The class names of the splits of a task, held against one another and against those of its head.

use super::located;
use crate::failure::Failure;
use evaluation::{DataOutline, Head, Source, TextSource};
use inputs::Inputs;
use jobs::{Benchmark, HeadSpec, Sweep, Task};

/// Names that a note lists at most.
const LISTED: usize = 10;

/// Opens the splits without decoding pictures or tokenising texts, and returns what a person should know of them.
pub(super) fn check_classes(sweep: &Sweep, task: &Task, inputs: &Inputs) -> Result<Vec<String>, Failure> {
    let head = head(sweep, task, inputs)?;
    let (mut first, mut notes): (Option<DataOutline>, _) = (None, Vec::new());
    for split in sweep.splits() {
        let wrong = |source| Failure::Classes { task: task.name.clone(), split: split.to_owned(), source };
        let outline = outline(task, split, inputs)?;
        if let (Some(head), None) = (&head, &task.data.text) {
            outline.check_head(head.names.as_deref(), head.rows).map_err(wrong)?;
        }
        if let Some(first) = &first {
            first.check_same_classes(&outline).map_err(wrong)?;
        }
        if task.data.text.is_none() {
            notes.extend(absent(task, split, &outline));
        }
        first.get_or_insert(outline);
    }
    Ok(notes)
}

/// The rows of a task's own head.
struct Rows {
    names: Option<Vec<String>>,
    rows: usize,
}

fn head(sweep: &Sweep, task: &Task, inputs: &Inputs) -> Result<Option<Rows>, Failure> {
    // The rows of a joint head are known to its map alone.
    if sweep.evaluation.benchmark != Benchmark::PerTask {
        return Ok(None);
    }
    Ok(match &task.head {
        Some(HeadSpec::File(place)) => {
            let path = located(place, inputs.file(place))?;
            let head = Head::read(&path).map_err(|source| Failure::HeadFile { task: task.name.clone(), source })?;
            Some(Rows { names: head.names().map(<[String]>::to_vec), rows: head.classes() })
        }
        Some(HeadSpec::Prompts { classes, .. }) => Some(Rows { rows: classes.len(), names: Some(classes.clone()) }),
        Some(HeadSpec::Adapter(_)) | None => None,
    })
}

fn outline(task: &Task, split: &str, inputs: &Inputs) -> Result<DataOutline, Failure> {
    let data = inputs.data(&task.data, split);
    let data = data.map_err(|source| Failure::Input { argument: task.data.source.to_string(), source })?;
    let (files, rows, label_column) = (&data.files, &data.rows, task.data.label_column.as_str());
    if let Some(spec) = &task.data.text {
        let outline = TextSource { files, spec, label_column, rows }.outline();
        return outline.map_err(|source| Failure::Texts { task: task.name.clone(), source });
    }
    let source = Source { files, image_column: &task.data.image_column, label_column, rows };
    let wrong = |source| Failure::Pictures { task: task.name.clone(), split: split.to_owned(), source };
    source.outline().map_err(wrong)
}

/// What is said of classes without pictures.
fn absent(task: &Task, split: &str, outline: &DataOutline) -> Option<String> {
    let absent = outline.absent_classes();
    if absent.is_empty() {
        return None;
    }
    let shown: Vec<String> = absent.iter().take(LISTED).map(|name| format!("`{name}`")).collect();
    let more = match absent.len().saturating_sub(LISTED) {
        0 => String::new(),
        more => format!(" and {more} more classes"),
    };
    Some(format!("`{}` has no picture of {}{more} on `{split}`", task.name, shown.join(", ")))
}
