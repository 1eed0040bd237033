//! Heads against the base and what the sweep file says of labels.

use super::{Check, adapters::Seen, base::Base, problems::Place};
use crate::failure::{Failure, HeadProblem};
use evaluation::Head;
use jobs::{HeadSpec, InputRef, Task, TextSpec};

impl Check<'_> {
    /// Looks at the head of a task, and tells how many classes it has.
    pub(super) fn head(
        &mut self,
        place: &Place,
        task: &Task,
        adapter: Option<&Seen>,
        base: Option<&Base>,
    ) -> Option<usize> {
        let text = task.data.text.as_ref();
        match task.head.as_ref()? {
            HeadSpec::File(file) => {
                let place = place.at("head");
                let shape = self.head_file(&place, &task.name, file)?;
                self.fits(&place, &Shape { task: &task.name, at: format!("`{file}`"), shape, text }, base)
            }
            HeadSpec::Adapter(reference) => {
                let other = if *reference == task.adapter { None } else { self.adapter(place, task, reference, base) };
                let adapter = if *reference == task.adapter { adapter } else { other.as_ref() };
                let at = format!("the adapter `{reference}`");
                let place = place.at("adapter");
                match adapter?.head {
                    Some(shape) => self.fits(&place, &Shape { task: &task.name, at, shape, text }, base),
                    None => {
                        self.problems.push(&place, None, &unfit(&task.name, at, HeadProblem::Missing));
                        None
                    }
                }
            }
            HeadSpec::Prompts { classes, .. } => Some(classes.len()),
        }
    }

    /// Reads a head's file, and tells its shape: classes, and numbers of each.
    pub(super) fn head_file(&mut self, place: &Place, task: &str, file: &InputRef) -> Option<[usize; 2]> {
        let files = self.look(place, file, |inputs| inputs.list_file(file))?;
        let head = Head::read(files.path()).map_err(|source| Failure::HeadFile { task: task.to_owned(), source });
        if !files.is_whole() {
            self.sources.leave(format!("`{file}`: its numbers"));
        }
        self.right(place, &files, head).map(|head| [head.classes(), head.width()])
    }

    /// Checks a head's width against the base, and its classes against what the sweep file says of labels.
    pub(super) fn fits(&mut self, place: &Place, head: &Shape<'_>, base: Option<&Base>) -> Option<usize> {
        let [classes, found] = head.shape;
        let width = base.and_then(|base| base.outline.as_ref()).map(evaluation::Outline::width);
        if let Some((expected, key)) = width.filter(|(expected, _)| *expected != found) {
            self.problems.push(place, None, &head.unfit(HeadProblem::Width { found, expected, key }));
        }
        let beyond = |class: &&u32| usize::try_from(**class).is_ok_and(|class| class >= classes);
        let of_labels = head.text.and_then(|text| text.labels.values().find(beyond));
        let masked = head.text.and_then(|text| text.mask_classes.iter().find(beyond));
        if let Some(&class) = of_labels {
            self.problems.push(place, None, &head.unfit(HeadProblem::Classes { classes, key: "labels", class }));
        }
        if let Some(&class) = masked {
            self.problems.push(place, None, &head.unfit(HeadProblem::Classes { classes, key: "mask_classes", class }));
        }
        // Rows would tell the same once more.
        (of_labels.is_none() && masked.is_none()).then_some(classes)
    }
}

/// A head that was read, and what it is for.
pub(super) struct Shape<'a> {
    pub(super) task: &'a str,
    /// Where it comes from, in words.
    pub(super) at: String,
    /// Classes, and numbers of each.
    pub(super) shape: [usize; 2],
    /// What the sweep file says of labels.
    pub(super) text: Option<&'a TextSpec>,
}

impl Shape<'_> {
    fn unfit(&self, source: HeadProblem) -> Failure {
        unfit(self.task, self.at.clone(), source)
    }
}

fn unfit(task: &str, place: String, source: HeadProblem) -> Failure {
    Failure::UnfitHead { task: task.to_owned(), place, source }
}
