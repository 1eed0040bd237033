//! Names of classes: those of a data set held against those of a head.

mod error;
mod names;
#[cfg(test)]
mod tests;

pub use error::ClassError;
pub(crate) use names::listed;
pub use names::{NamesProblem, check_names};

use names::{Comparable, counted_otherwise};
use std::collections::HashMap;

/// How the classes of a data set were matched with the rows of a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Match {
    /// By their names.
    Names,
    /// By their place: both have names, and these differ.
    Place,
    /// By their place: the head has no names.
    Unnamed,
}

/// The row of a head that scores each class of a data set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClassRows {
    /// The rows in the order of the classes; `None` where the head has none for a class.
    pub rows: Vec<Option<usize>>,
    /// What they were found by.
    pub by: Match,
}

impl ClassRows {
    fn by_place(classes: usize, by: Match) -> Self {
        Self { rows: (0..classes).map(Some).collect(), by }
    }
}

/// The row of a head that scores each class of a data set.
///
/// Without names on one side, classes are matched by their place, and there are as many as rows. With names on both:
/// - all names of one side are among those of the other: classes are matched by name, in one order;
/// - as many names, and each of one side holds one of the other as whole words (`digit eight` and `eight`): likewise;
/// - as many names, of which some differ: classes are matched by place, as prompts may say a class in other words than
///   the data set. A name that both have stands at the same place.
///
/// Case, `_`, `-` and spaces are ignored when names are compared, unless some names of one side differ only by these.
///
/// # Errors
/// The same names in another order, a name at two places, or another number of classes. Numbered names in the order of
/// texts (0, 1, 10, 2) need a head that names its rows: it is not known whether those are counted or sorted.
pub fn head_rows(data: &[String], head_names: Option<&[String]>, head_rows: usize) -> Result<ClassRows, ClassError> {
    let Some(head) = head_names else {
        if data.len() != head_rows {
            return Err(ClassError::Count { data: data.to_vec(), head: head_rows });
        }
        if counted_otherwise(data) {
            return Err(ClassError::Numbers { names: data.to_vec() });
        }
        return Ok(ClassRows::by_place(data.len(), Match::Unnamed));
    };
    let (ours, theirs) = Comparable::both(data, head);
    let rows: HashMap<&str, usize> = theirs.iter().zip(0..).collect();
    let found: Vec<Option<usize>> = ours.iter().map(|name| rows.get(name).copied()).collect();
    let shared = found.iter().flatten().count();
    if shared == ours.len() || shared == theirs.len() {
        return by_name(found, data, head);
    }
    if ours.len() != theirs.len() {
        return Err(ClassError::Names { data: data.to_vec(), head: head.to_vec() });
    }
    if let Some(found) = ours.rows_by_words(&theirs) {
        return by_name(found, data, head);
    }
    match found.iter().enumerate().find(|(place, row)| row.is_some_and(|row| row != *place)) {
        Some((place, &row)) => {
            let name = data[place].clone();
            let row = row.unwrap_or_default();
            Err(ClassError::Place { name, place, row, data: data.to_vec(), head: head.to_vec() })
        }
        // Other words for numbers do not say in which order the numbers are.
        None if shared == 0 && counted_otherwise(data) => Err(ClassError::Numbers { names: data.to_vec() }),
        None => Ok(ClassRows::by_place(data.len(), Match::Place)),
    }
}

/// Rows that were found by name, if both sides have one order.
fn by_name(rows: Vec<Option<usize>>, data: &[String], head: &[String]) -> Result<ClassRows, ClassError> {
    if rows.iter().flatten().is_sorted() {
        Ok(ClassRows { rows, by: Match::Names })
    } else {
        Err(ClassError::Order { data: data.to_vec(), head: head.to_vec() })
    }
}
