//! The class names of a split, held against those of its head and of the other splits.

use super::{Check, data::Split, problems::Place};
use crate::failure::Failure;
use evaluation::{ClassError, DataOutline};

/// Names that a note lists at most.
const LISTED: usize = 10;

impl Check<'_> {
    /// Holds the classes of a split of pictures against the rows of its head, and notes those without pictures.
    pub(super) fn classes(&mut self, place: &Place, found: Split<'_>, seen: &DataOutline) {
        if let Some(head) = found.head {
            self.agree(place, found, seen.check_head(head.names.as_deref(), head.count));
        }
        // Where only headers were looked at, nobody knows which classes occur.
        if found.outline.is_whole() {
            self.notes.extend(absent(found, seen).filter(|note| !self.notes.contains(note)));
        }
    }

    /// Keeps what is wrong with the classes of a split.
    pub(super) fn agree(&mut self, place: &Place, found: Split<'_>, checked: Result<(), ClassError>) {
        if let Err(source) = checked {
            let (task, split) = (found.task.name.clone(), found.split.to_owned());
            self.problems.push(place, Some(found.outline), &Failure::Classes { task, split, source });
        }
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
