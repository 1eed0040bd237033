//! The class names of a split, held against those of its head and of the other splits.

use super::{Check, data::Split, problems::Place};
use crate::failure::Failure;
use evaluation::{ClassError, DataOutline};

/// Names that a note lists at most.
const LISTED: usize = 10;

impl Check<'_> {
    /// Holds the classes of a split of pictures against the rows of its head, and notes what is in doubt.
    pub(super) fn classes(&mut self, place: &Place, found: Split<'_>, seen: &DataOutline) {
        if let Some(head) = found.head {
            self.agree(place, found, seen.check_head(head.names.as_deref(), head.count));
            let doubt = seen.classes().and_then(|data| evaluation::doubtful_order(data, head.names.as_deref()));
            self.note_once(doubt.map(|doubt| format!("`{}`: {doubt}", found.task.name)));
        }
        // Where only headers were looked at, nobody knows which classes occur.
        if found.outline.is_whole() {
            self.note_once(absent(found, seen));
        }
    }

    /// Keeps what is wrong with the classes of a split.
    pub(super) fn agree(&mut self, place: &Place, found: Split<'_>, checked: Result<(), ClassError>) {
        if let Err(source) = checked {
            let (task, split) = (found.task.name.clone(), found.split.to_owned());
            self.problems.push(place, Some(found.outline), &Failure::Classes { task, split, source });
        }
    }

    fn note_once(&mut self, note: Option<String>) {
        self.notes.extend(note.filter(|note| !self.notes.contains(note)));
    }
}

/// What is said of classes without pictures.
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
    Some(format!("`{}` has no picture of {}{more} on `{}`", found.task.name, shown.join(", "), found.split))
}
