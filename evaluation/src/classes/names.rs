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

/// Whether the names are sorted as texts and bear numbers that are not in their own order: 10 goes before 2, and `class 10`
/// before `class 2`.
pub(super) fn counted_otherwise(names: &[String]) -> bool {
    let rise = |numbers: &[String]| numbers.is_sorted_by_key(|number| value(number));
    let do_not_rise = |numbers: Option<Vec<String>>| numbers.is_some_and(|numbers| !rise(&numbers));
    names.is_sorted() && (do_not_rise(only_numbers_differ(names)) || do_not_rise(leading_numbers(names)))
}

/// The numbers in names that differ by a whole number alone.
fn only_numbers_differ(names: &[String]) -> Option<Vec<String>> {
    let (first, last) = (names.first()?, names.last()?);
    let before = shared(first.chars(), last.chars());
    let after: String = shared(first.chars().rev(), last.chars().rev()).chars().rev().collect();
    let number = |name: &String| Some(name.strip_prefix(&before)?.strip_suffix(&after)?.to_owned());
    let numbers: Vec<String> = names.iter().map(number).collect::<Option<_>>()?;
    numbers.iter().all(|number| is_number(number)).then_some(numbers)
}

/// What two texts begin with, up to the first digit.
fn shared(one: impl Iterator<Item = char>, other: impl Iterator<Item = char>) -> String {
    one.zip(other).take_while(|(a, b)| a == b && !a.is_ascii_digit()).map(|(c, _)| c).collect()
}

/// The numbers that all names begin with.
fn leading_numbers(names: &[String]) -> Option<Vec<String>> {
    let digits = |name: &String| name.chars().take_while(char::is_ascii_digit).collect::<String>();
    let numbers: Vec<String> = names.iter().map(digits).collect();
    numbers.iter().all(|number| is_number(number)).then_some(numbers)
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// What orders whole numbers however long they are: of those without leading zeros the longer one is the larger one.
fn value(number: &str) -> (usize, String) {
    let digits = number.trim_start_matches('0').to_owned();
    (digits.len(), digits)
}
