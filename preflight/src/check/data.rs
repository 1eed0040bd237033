//! The data of all splits that are read.

use super::{Check, TooFewExamples, heads::HeadRows};
use crate::{CheckError, problems::Place, residency::SplitSize};
use evaluation::{DataError, DataOutline, Source, TextError, TextSource};
use inputs::{ListedData, Outline};
use jobs::{DataFiles, DataSpec, InputRef, Task, error_line};
use std::path::Path;

impl Check<'_> {
    /// Checks the splits that are evaluated, and compares their classes with one another and with the rows of a head.
    pub(super) fn data(&mut self, place: &Place, task: &Task, data: &DataSpec, head: Option<&HeadRows>) {
        let place = place.at("data");
        let mut first: Option<DataOutline> = None;
        for split in self.sweep.splits_of(task) {
            let Some((listed, outline)) = self.look_at_data(&place, data, split) else { continue };
            let files = listed.files(&outline);
            if !outline.is_whole() {
                let what = unread(&files);
                self.sources.leave(format!("`{}`, split `{split}`: {what}", data.source));
            }
            let found = Split { task, data, split, files: &files, listed: &listed, outline: &outline, head };
            let seen = match data.text {
                None => self.images(&place, found),
                Some(_) => self.texts(&place, found),
            };
            let Some(seen) = seen else { continue };
            self.examples(&place, found, &seen);
            self.sizes.push(SplitSize { task: task.name.clone(), split: split.to_owned(), examples: seen.rows() });
            if let Some(first) = &first {
                let checked = first.check_same_classes(&seen);
                self.agree(&place, found, checked);
            }
            first.get_or_insert(seen);
        }
        self.other_splits(&place, task, data);
    }

    /// Whether the split that statistics are made of has as many examples as recipes want. A portfolio leaves out presets for which
    /// it has too few.
    fn examples(&mut self, place: &Place, found: Split<'_>, seen: &DataOutline) {
        let Split { task, split, files, outline, .. } = found;
        let rows = seen.rows();
        if split != self.sweep.statistics_split() || rows >= self.sweep.measured_examples() {
            return;
        }
        let wanted = self.sweep.clone().with_examples_to_measure(rows).measured_examples();
        if rows >= wanted {
            let is_fewest = self.too_few.as_ref().is_none_or(|fewest| rows < fewest.rows);
            if is_fewest {
                self.too_few = Some(TooFewExamples { task: task.name.clone(), rows });
            }
            return;
        }
        let source = DataError::TooFewRows { path: first_of(files).to_owned(), wanted, found: seen.rows() };
        let failure = CheckError::Data { task: task.name.clone(), split: split.to_owned(), source };
        self.problems.push(place, Some(outline), &failure);
    }

    fn images(&mut self, place: &Place, found: Split<'_>) -> Option<DataOutline> {
        let Split { task, data, split, files, listed, outline, head } = found;
        let source =
            Source { files, image_column: &data.image_column, label_column: &data.label_column, rows: &listed.rows };
        let look = match (outline.is_whole(), files) {
            (true, _) => source.look(head.map(|head| head.count)),
            (false, DataFiles::Idx { .. }) => return None,
            (false, _) => source.look_at_headers(),
        };
        match look {
            Ok(seen) => {
                self.classes(place, found, &seen);
                Some(seen)
            }
            Err(errors) => {
                for source in errors {
                    let place = place.at(key_of(&source, data));
                    let failure = CheckError::Data { task: task.name.clone(), split: split.to_owned(), source };
                    self.problems.push(&place, Some(outline), &failure);
                }
                None
            }
        }
    }

    fn texts(&mut self, place: &Place, found: Split<'_>) -> Option<DataOutline> {
        let Split { task, data, split, files, listed, outline, head } = found;
        let spec = data.text.as_ref()?;
        let source = TextSource { files, spec, label_column: &data.label_column, rows: &listed.rows };
        let look = if outline.is_whole() {
            source.look(head.map(|head| head.count)).map(Some)
        } else {
            source.look_at_headers().map(|()| None)
        };
        match look {
            Ok(seen) => {
                self.text_classes(place, found, source.classes().ok().flatten(), seen.as_ref());
                seen
            }
            Err(errors) => {
                for source in errors {
                    let place = if let TextError::Data(source) = &source {
                        place.at(key_of(source, data))
                    } else {
                        place.clone()
                    };
                    let failure = CheckError::SplitTexts { task: task.name.clone(), split: split.to_owned(), source };
                    self.problems.push(&place, Some(outline), &failure);
                }
                None
            }
        }
    }

    /// Splits that the sweep file has rules for and that are not evaluated. Their problems are notes.
    fn other_splits(&mut self, place: &Place, task: &Task, data: &DataSpec) {
        let evaluated = self.sweep.splits_of(task);
        let is_here = matches!(data.source, InputRef::Path(_));
        let others = data.splits.keys().filter(|split| is_here && !evaluated.contains(&split.as_str()));
        for split in others {
            if let Err(error) = self.sources.inputs().list_data(data, split) {
                let key = place.path();
                let why = error_line(&error);
                self.notes.push(format!("`{key}.splits.{split}` is not evaluated here, and could not be: {why}"));
            }
        }
    }
}

/// A split of a task's data, as far as it can be read.
#[derive(Clone, Copy)]
pub(super) struct Split<'a> {
    pub(super) task: &'a Task,
    data: &'a DataSpec,
    pub(super) split: &'a str,
    pub(super) files: &'a DataFiles,
    listed: &'a ListedData,
    pub(super) outline: &'a Outline,
    /// The rows that score it, if they are known.
    pub(super) head: Option<&'a HeadRows>,
}

/// The key of a task's data that an error is about.
fn key_of(error: &DataError, data: &DataSpec) -> &'static str {
    match error {
        DataError::MissingColumn { column, .. } | DataError::WrongColumn { column, .. } => {
            match (*column == data.label_column, data.text.is_some()) {
                (true, _) => "label_column",
                (false, true) => "text_columns",
                (false, false) => "image_column",
            }
        }
        DataError::Row { .. } | DataError::Empty { .. } => "splits",
        DataError::Read { .. }
        | DataError::Format { .. }
        | DataError::Kind { .. }
        | DataError::Missing { .. }
        | DataError::Image { .. }
        | DataError::Label { .. }
        | DataError::NoClass { .. }
        | DataError::ClassNames { .. }
        | DataError::OtherClassNames { .. }
        | DataError::TooLarge { .. }
        | DataError::TooFewRows { .. }
        | DataError::Size { .. } => "source",
    }
}

/// The first file of a split, or its folder.
fn first_of(files: &DataFiles) -> &Path {
    let listed = match files {
        DataFiles::Parquet(files) | DataFiles::Jsonl(files) => files.first(),
        DataFiles::ImageFolder { folder, .. } => Some(folder),
        DataFiles::Idx { images, .. } => Some(images),
    };
    listed.map_or(Path::new(""), |path| path)
}

/// What is not checked in files that are not on this machine.
fn unread(files: &DataFiles) -> &'static str {
    match files {
        DataFiles::Parquet(_) => "rows and their labels",
        DataFiles::ImageFolder { .. } => "its images",
        DataFiles::Jsonl(_) | DataFiles::Idx { .. } => "all of it",
    }
}
