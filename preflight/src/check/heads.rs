//! Heads against the base and what the sweep file says of labels.

use super::{Check, adapters::Seen, base::Base};
use crate::{CheckError, HeadProblem, problems::Place};
use evaluation::Head;
use jobs::{HeadSpec, InputRef, Task, TextSpec};

/// The rows of a head that score a task.
#[derive(Debug, Clone)]
pub(super) struct HeadRows {
    pub(super) count: usize,
    /// The class of each row, if the head says it.
    pub(super) names: Option<Vec<String>>,
}

impl HeadRows {
    /// Rows of these classes.
    pub(super) fn named(names: &[String]) -> Self {
        Self { count: names.len(), names: Some(names.to_vec()) }
    }

    fn unnamed(count: usize) -> Self {
        Self { count, names: None }
    }
}

impl Check<'_> {
    /// Checks the head of a task, and returns its rows.
    pub(super) fn head(
        &mut self,
        place: &Place,
        task: &Task,
        adapter: Option<&Seen>,
        base: Option<&Base>,
    ) -> Option<HeadRows> {
        let text = task.text();
        match task.head.as_ref()? {
            HeadSpec::File(file) => {
                let place = place.at("head");
                let head = self.head_file(&place, &task.name, file)?;
                let shape = [head.classes(), head.width()];
                let count = self.fits(&place, &task.name, format!("`{file}`"), shape, (base, text))?;
                Some(HeadRows { count, names: head.names().map(<[String]>::to_vec) })
            }
            HeadSpec::Adapter(reference) => {
                let is_own = task.adapter.given() == Some(reference);
                let other = if is_own { None } else { self.adapter(place, task, reference, base) };
                let adapter = if is_own { adapter } else { other.as_ref() };
                let at = format!("the adapter `{reference}`");
                let place = place.adapter(self.sweep);
                let adapter = adapter?;
                if let Some(shape) = adapter.head {
                    return self.fits(&place, &task.name, at, shape, (base, text)).map(HeadRows::unnamed);
                }
                let problem = if adapter.origin.head.is_empty() {
                    HeadProblem::Missing
                } else {
                    HeadProblem::NotPlain { tensors: adapter.origin.head.clone() }
                };
                self.problems.push(&place, None, &unfit(&task.name, at, problem));
                None
            }
            HeadSpec::Prompts { classes, .. } => Some(HeadRows::named(classes)),
        }
    }

    /// Reads a head's file. Its numbers may not be known.
    pub(super) fn head_file(&mut self, place: &Place, task: &str, file: &InputRef) -> Option<Head> {
        let files = self.look(place, file, |inputs| inputs.list_file(file))?;
        let head = Head::read(files.path()).map_err(|source| CheckError::HeadFile { task: task.to_owned(), source });
        if !files.is_whole() {
            self.sources.leave(format!("`{file}`: its numbers"));
        }
        self.right(place, &files, head)
    }

    /// Checks a head's width against the base, and its classes against what the sweep file says of labels.
    pub(super) fn fits(
        &mut self,
        place: &Place,
        task: &str,
        at: String,
        [classes, found]: [usize; 2],
        (base, text): (Option<&Base>, Option<&TextSpec>),
    ) -> Option<usize> {
        let width = base.and_then(|base| base.outline.as_ref()).map(|outline| outline.width());
        if let Some((expected, key)) = width.filter(|(expected, _)| *expected != found) {
            let problem = HeadProblem::Width { found, expected, key };
            self.problems.push(place, None, &unfit(task, at.clone(), problem));
        }
        let beyond = |class: &&u32| usize::try_from(**class).is_ok_and(|class| class >= classes);
        let of_labels = text.and_then(|text| text.labels.values().find(beyond)).map(|class| ("labels", *class));
        let masked = text.and_then(|text| text.mask_classes.iter().find(beyond)).map(|class| ("mask_classes", *class));
        let mut named = [of_labels, masked].into_iter().flatten().peekable();
        let is_right = named.peek().is_none();
        for (key, class) in named {
            let problem = HeadProblem::Classes { classes, key, class };
            self.problems.push(place, None, &unfit(task, at.clone(), problem));
        }
        // Checking rows would report the same problem again.
        is_right.then_some(classes)
    }
}

fn unfit(task: &str, place: String, source: HeadProblem) -> CheckError {
    CheckError::UnfitHead { task: task.to_owned(), place, source }
}
