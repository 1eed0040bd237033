use std::collections::{HashMap, HashSet};

/// Names that are shown of a long list.
const SHOWN: usize = 30;

/// What is wrong with a list of class names.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NamesProblem {
    /// A class has no name.
    #[error("class {class} has an empty name")]
    Empty {
        /// The class, counted from 0.
        class: usize,
    },
    /// Two classes have one name.
    #[error("classes {first} and {second} are both called `{name}`")]
    Twice {
        /// The one class, counted from 0.
        first: usize,
        /// The other.
        second: usize,
        /// Their name.
        name: String,
    },
}

/// Checks that every class has a name of its own.
///
/// # Errors
/// Names the first class without one.
pub fn check_names(names: &[String]) -> Result<(), NamesProblem> {
    if let Some(class) = names.iter().position(|name| name.trim().is_empty()) {
        return Err(NamesProblem::Empty { class });
    }
    let mut seen = HashMap::new();
    for (second, name) in names.iter().enumerate() {
        if let Some(first) = seen.insert(name, second) {
            return Err(NamesProblem::Twice { first, second, name: name.clone() });
        }
    }
    Ok(())
}

/// Names in their order; of many the first ones.
pub(crate) fn listed(names: &[String]) -> String {
    let shown: Vec<String> = names.iter().take(SHOWN).map(|name| format!("`{name}`")).collect();
    let more = match names.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("{}{more}", shown.join(", "))
}

/// Names in a spelling in which two lists are compared.
pub(super) struct Comparable(Vec<String>);

impl Comparable {
    /// Both lists without what does not tell names apart, or as they are if that would make two names of one list the same.
    pub(super) fn both(one: &[String], other: &[String]) -> (Self, Self) {
        let loose = |names: &[String]| Self(names.iter().map(|name| spelled_loosely(name)).collect());
        let (a, b) = (loose(one), loose(other));
        if a.is_distinct() && b.is_distinct() {
            return (a, b);
        }
        (Self(one.to_vec()), Self(other.to_vec()))
    }

    fn is_distinct(&self) -> bool {
        self.0.iter().collect::<HashSet<_>>().len() == self.0.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

fn spelled_loosely(name: &str) -> String {
    let spaced = name.to_lowercase().replace(['_', '-'], " ");
    spaced.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether the names are whole numbers that do not rise: sorted as texts, 10 goes before 2.
pub(super) fn counted_otherwise(names: &[String]) -> bool {
    do_not_rise(names.iter().map(String::as_str))
}

/// Whether names that differ by a whole number alone, such as `class 10`, do not rise with it.
pub(super) fn numbered_otherwise(names: &[String]) -> bool {
    let (Some(first), Some(last)) = (names.first(), names.last()) else { return false };
    let is_digit = |c: &char| c.is_ascii_digit();
    let shared = first.chars().zip(last.chars()).take_while(|(a, b)| a == b && !is_digit(a));
    let before: String = shared.map(|(c, _)| c).collect();
    let shared = first.chars().rev().zip(last.chars().rev()).take_while(|(a, b)| a == b && !is_digit(a));
    let after: String = shared.map(|(c, _)| c).collect::<Vec<_>>().into_iter().rev().collect();
    let number = |name: &String| Some(name.strip_prefix(&before)?.strip_suffix(&after)?.to_owned());
    let numbers: Option<Vec<String>> = names.iter().map(number).collect();
    numbers.is_some_and(|numbers| do_not_rise(numbers.iter().map(String::as_str)))
}

/// Whether all texts are whole numbers, and one is followed by a smaller one.
fn do_not_rise<'a>(names: impl Iterator<Item = &'a str> + Clone) -> bool {
    let is_number = |name: &str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit());
    // Of numbers without leading zeros the longer one is the larger one.
    let value = |name: &str| {
        let digits = name.trim_start_matches('0').to_owned();
        (digits.len(), digits)
    };
    names.clone().all(is_number) && !names.is_sorted_by_key(value)
}
