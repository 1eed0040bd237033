//! The data of both splits.

use super::{Check, problems::Place};
use crate::{failure::Failure, terminal::in_one_line};
use evaluation::{DataError, Source, TextError, TextSource};
use inputs::{ListedData, Outline};
use jobs::{DataFiles, InputRef, Task};

impl Check<'_> {
    /// Looks at the splits that are evaluated, whose labels are counted against the `classes` of a head.
    pub(super) fn data(&mut self, place: &Place, task: &Task, classes: Option<usize>) {
        let place = place.at("data");
        for split in self.sweep.splits() {
            let Some((listed, outline)) = self.look_at_data(&place, &task.data, split) else { continue };
            let files = listed.files(&outline);
            if !outline.is_whole() {
                let what = unread(&files);
                self.sources.leave(format!("`{}`, split `{split}`: {what}", task.data.source));
            }
            let found = Split { task, split, files: &files, listed: &listed, outline: &outline, classes };
            match task.data.text {
                None => self.pictures(&place, found),
                Some(_) => self.texts(&place, found),
            }
        }
        self.other_splits(&place, task);
    }

    fn pictures(&mut self, place: &Place, Split { task, split, files, listed, outline, classes }: Split<'_>) {
        let data = &task.data;
        let source =
            Source { files, image_column: &data.image_column, label_column: &data.label_column, rows: &listed.rows };
        if !outline.is_whole() && matches!(files, DataFiles::Idx { .. }) {
            return;
        }
        let look = if outline.is_whole() { source.look(classes) } else { source.look_at_headers() };
        let look = match look {
            Ok(look) => look,
            Err(errors) => {
                for source in errors {
                    let place = place.at(key_of(&source, task));
                    let failure = Failure::Data { task: task.name.clone(), split: split.to_owned(), source };
                    self.problems.push(&place, Some(outline), &failure);
                }
                return;
            }
        };
        // Both sides are at hand here: `look.classes` names the classes of the data, the task's `classes` or its head's file those
        // that are scored. Names are compared at this place.
        let stated = look.classes.as_ref().map(Vec::len);
        if let Err(source) = classes.map_or(Ok(()), |classes| evaluation::check_classes(stated, classes)) {
            let failure = Failure::Score { task: task.name.clone(), split: split.to_owned(), source };
            self.problems.push(place, Some(outline), &failure);
        }
    }

    fn texts(&mut self, place: &Place, Split { task, split, files, listed, outline, classes }: Split<'_>) {
        let Some(spec) = &task.data.text else { return };
        let source = TextSource { files, spec, label_column: &task.data.label_column, rows: &listed.rows };
        let look = if outline.is_whole() { source.look(classes).map(drop) } else { source.look_at_headers() };
        for source in look.err().into_iter().flatten() {
            let place = match &source {
                TextError::Data(source) => place.at(key_of(source, task)),
                _ => place.clone(),
            };
            let failure = Failure::SplitTexts { task: task.name.clone(), split: split.to_owned(), source };
            self.problems.push(&place, Some(outline), &failure);
        }
    }

    /// Splits that the sweep file has rules for and that are not evaluated: what is wrong with them is worth a note.
    fn other_splits(&mut self, place: &Place, task: &Task) {
        let evaluated = self.sweep.splits();
        let is_here = matches!(task.data.source, InputRef::Path(_));
        let others = task.data.splits.keys().filter(|split| is_here && !evaluated.contains(&split.as_str()));
        for split in others {
            if let Err(error) = self.sources.inputs().list_data(&task.data, split) {
                let key = place.path();
                let why = in_one_line(&error);
                self.notes.push(format!("`{key}.splits.{split}` is not evaluated here, and could not be: {why}"));
            }
        }
    }
}

/// A split of a task's data, as far as it can be looked at.
struct Split<'a> {
    task: &'a Task,
    split: &'a str,
    files: &'a DataFiles,
    listed: &'a ListedData,
    outline: &'a Outline,
    classes: Option<usize>,
}

/// The key of a task's data that an error is about.
fn key_of(error: &DataError, task: &Task) -> &'static str {
    match error {
        DataError::MissingColumn { column, .. } | DataError::WrongColumn { column, .. }
            if *column == task.data.label_column =>
        {
            "label_column"
        }
        DataError::MissingColumn { .. } | DataError::WrongColumn { .. } if task.data.text.is_some() => "text_columns",
        DataError::MissingColumn { .. } | DataError::WrongColumn { .. } => "image_column",
        DataError::Row { .. } | DataError::Empty { .. } => "splits",
        _ => "source",
    }
}

/// What is left to look at in files that are not here.
fn unread(files: &DataFiles) -> &'static str {
    match files {
        DataFiles::Parquet(_) => "rows and their labels",
        DataFiles::ImageFolder { .. } => "its pictures",
        DataFiles::Jsonl(_) | DataFiles::Idx { .. } => "all of it",
    }
}
