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

/// The row of a head that scores each class of a data set; `None` where the head has none for it.
///
/// Without names on one side, classes are matched by their place, and there are as many as rows. With names on both:
/// - all names of one side are among those of the other: classes are matched by name, in one order;
/// - as many names, of which some differ: classes are matched by place, as prompts may say a class in other words than the
///   data set. A name that both have stands at the same place.
///
/// Case, `_`, `-` and spaces do not tell names apart, unless some names of one side differ by nothing else.
///
/// # Errors
/// The same names in another order, a name at two places, or another number of classes. Numbered names in the order of texts (0, 1,
/// 10, 2) need a head that names its rows: nobody could tell whether those are counted or sorted.
pub fn head_rows(
    data: &[String],
    head_names: Option<&[String]>,
    head_rows: usize,
) -> Result<Vec<Option<usize>>, ClassError> {
    let by_place = || (0..data.len()).map(Some).collect();
    let Some(head) = head_names else {
        return match data.len() == head_rows {
            true if counted_otherwise(data) => Err(ClassError::Numbers { names: data.to_vec() }),
            true => Ok(by_place()),
            false => Err(ClassError::Count { data: data.to_vec(), head: head_rows }),
        };
    };
    let (ours, theirs) = Comparable::both(data, head);
    let rows: HashMap<&str, usize> = theirs.iter().zip(0..).collect();
    let found: Vec<Option<usize>> = ours.iter().map(|name| rows.get(name).copied()).collect();
    let shared: Vec<usize> = found.iter().copied().flatten().collect();
    let (data, head) = (|| data.to_vec(), || head.to_vec());
    if shared.len() == ours.len() || shared.len() == theirs.len() {
        return match shared.is_sorted() {
            true => Ok(found),
            false => Err(ClassError::Order { data: data(), head: head() }),
        };
    }
    if ours.len() != theirs.len() {
        return Err(ClassError::Names { data: data(), head: head() });
    }
    match found.iter().enumerate().find(|(place, row)| row.is_some_and(|row| row != *place)) {
        Some((place, &row)) => {
            let row = row.unwrap_or_default();
            Err(ClassError::Place { name: data()[place].clone(), place, row, data: data(), head: head() })
        }
        // Other words for numbers do not say in which order the numbers are.
        None if shared.is_empty() && counted_otherwise(&data()) => Err(ClassError::Numbers { names: data() }),
        None => Ok(by_place()),
    }
}
