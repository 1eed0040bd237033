//! Compares the class names of a split with those of its head and of the other splits.

use super::{Check, data::Split};
use crate::{CheckError, problems::Place};
use evaluation::{ClassError, DataOutline, Match, TextClasses};
use jobs::DataFiles;

/// Names that a note lists at most.
const LISTED: usize = 10;

impl Check<'_> {
    /// Compares the classes of a split of images with the rows of its head, and adds notes on those without images.
    pub(super) fn classes(&mut self, place: &Place, found: Split<'_>, seen: &DataOutline) {
        if let Some(head) = found.head {
            let checked = seen.check_head(head.names.as_deref(), head.count);
            let by = checked.as_ref().ok().copied().flatten();
            self.matched(found, by, seen.classes().unwrap_or_default(), head.names.as_deref().unwrap_or_default());
            self.agree(place, found, checked.map(drop));
        }
        // If only headers were read, it is not known which classes occur.
        if found.outline.is_whole() {
            self.notes.extend(absent(found, seen).filter(|note| !self.notes.contains(note)));
        }
    }

    /// Compares the class names of a split of texts with those of its head, and notes another number of them. Rows are
    /// known unless only headers were read.
    pub(super) fn text_classes(
        &mut self,
        place: &Place,
        found: Split<'_>,
        classes: Option<TextClasses>,
        seen: Option<&DataOutline>,
    ) {
        let (Some(classes), Some(head)) = (classes, found.head) else { return };
        if let Some(names) = &head.names {
            let labels = seen.into_iter().flat_map(|seen| seen.labels().keys().copied());
            let checked = classes.check_head(names, labels);
            self.matched(found, checked.as_ref().ok().copied(), classes.names(), &classes.unmasked(names));
            return self.agree(place, found, checked.map(drop));
        }
        let rows = classes.rows_of(head.count);
        if classes.names().len() != rows {
            let names = shown(classes.names());
            self.note(format!(
                "`{}`: the data set names the classes {names}, and its head has {rows} rows without names: \
                 labels are the numbers of rows",
                found.task.name
            ));
        }
    }

    /// Adds a note on classes that are matched by their position if that is not obvious.
    fn matched(&mut self, found: Split<'_>, by: Option<Match>, data: &[String], head: &[String]) {
        let task = &found.task.name;
        match by {
            Some(Match::Place) => self.note(format!(
                "`{task}`: classes are matched by their place, as the data set and the head name them differently: {}",
                pairs(data, head)
            )),
            Some(Match::Unnamed) if matches!(found.files, DataFiles::ImageFolder { .. }) => self.note(format!(
                "`{task}`: the folders of classes in alphabetical order, {}, are taken for the rows of its head, \
                 which have no names",
                shown(data)
            )),
            Some(Match::Names | Match::Unnamed) | None => {}
        }
    }

    /// Adds a note once.
    fn note(&mut self, note: String) {
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    /// Records a problem with the classes of a split.
    pub(super) fn agree(&mut self, place: &Place, found: Split<'_>, checked: Result<(), ClassError>) {
        if let Err(source) = checked {
            let task = found.task.name.clone();
            let split = found.split.to_owned();
            self.problems.push(place, Some(found.outline), &CheckError::Classes { task, split, source });
        }
    }
}

/// The note on classes without images.
fn absent(found: Split<'_>, seen: &DataOutline) -> Option<String> {
    let absent = seen.absent_classes();
    if absent.is_empty() {
        return None;
    }
    let shown: Vec<String> = absent.iter().take(LISTED).map(|name| format!("`{name}`")).collect();
    let more = match absent.len().saturating_sub(LISTED) {
        0 => String::new(),
        more => format!(" and {more} more classes"),
    };
    Some(format!("`{}` has no image of {}{more} on `{}`", found.task.name, shown.join(", "), found.split))
}

/// Names in their order; of many the first ones.
fn shown(names: &[String]) -> String {
    cut(names.len(), names.iter().map(|name| format!("`{name}`")))
}

/// Names of the data set beside those of the head.
fn pairs(data: &[String], head: &[String]) -> String {
    cut(data.len(), data.iter().zip(head).map(|(data, head)| format!("`{data}` is `{head}`")))
}

fn cut(count: usize, all: impl Iterator<Item = String>) -> String {
    let shown: Vec<String> = all.take(LISTED).collect();
    match count.saturating_sub(LISTED) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
