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
    /// Both lists in the form that is compared, or as they are if that would make two names of one list the same.
    pub(super) fn both(one: &[String], other: &[String]) -> (Self, Self) {
        let loose = |names: &[String]| Self(names.iter().map(|name| spelled_loosely(name)).collect());
        let a = loose(one);
        let b = loose(other);
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

    /// The place in `other` of what each name stands for, where each name of one side holds exactly one of the other as
    /// whole words, one to one.
    pub(super) fn rows_by_words(&self, other: &Self) -> Option<Vec<Option<usize>>> {
        let of_longer = |longer: &Self, shorter: &Self| {
            let places: Vec<usize> = longer.iter().map(|name| only_one_within(name, shorter)).collect::<Option<_>>()?;
            let is_one_to_one = places.iter().collect::<HashSet<_>>().len() == shorter.len();
            (is_one_to_one && places.len() == shorter.len()).then_some(places)
        };
        if let Some(places) = of_longer(self, other) {
            return Some(places.into_iter().map(Some).collect());
        }
        let places = of_longer(other, self)?;
        let mut rows = vec![None; self.len()];
        places.into_iter().enumerate().for_each(|(row, place)| rows[place] = Some(row));
        Some(rows)
    }
}

/// The place of the name that `name` holds as whole words, if there is just one.
fn only_one_within(name: &str, names: &Comparable) -> Option<usize> {
    let is_edge = |text: Option<char>| text.is_none_or(|c| !c.is_alphanumeric());
    let is_within = |part: &str| {
        name.match_indices(part)
            .any(|(at, _)| is_edge(name[..at].chars().next_back()) && is_edge(name[at + part.len()..].chars().next()))
    };
    let mut found = names.iter().zip(0..).filter(|(part, _)| is_within(part)).map(|(_, place)| place);
    let place = found.next()?;
    found.next().is_none().then_some(place)
}

fn spelled_loosely(name: &str) -> String {
    let spaced = name.to_lowercase().replace(['_', '-'], " ");
    spaced.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether the names are sorted as texts and bear numbers that are not in their own order: 10 goes before 2, `v1_c10`
/// before `v1_c2`, and -1 before -2.
pub(super) fn counted_otherwise(names: &[String]) -> bool {
    names.is_sorted() && !(decimals_rise(names) || (numbers_rise(names) && leading_numbers_rise(names)))
}

/// Whether all names are numbers, some with decimals, in their order.
fn decimals_rise(names: &[String]) -> bool {
    let numbers: Option<Vec<f64>> = names.iter().map(|name| name.parse().ok()).collect();
    numbers.is_some_and(|numbers| numbers.is_sorted()) && names.iter().any(|name| name.contains('.'))
}

/// Whether names that differ by whole numbers alone are in the order of these. Other names are, too.
fn numbers_rise(names: &[String]) -> bool {
    let split: Vec<(Vec<&str>, Vec<Number>)> = names.iter().map(|name| words_and_numbers(name)).collect();
    let differ = split.windows(2).any(|pair| pair[0].0 != pair[1].0);
    differ || split.is_sorted_by_key(|(_, numbers)| numbers)
}

/// Whether the first numbers of names that begin alike are in their order. Other names are, too.
fn leading_numbers_rise(names: &[String]) -> bool {
    let split: Vec<(Vec<&str>, Vec<Number>)> = names.iter().map(|name| words_and_numbers(name)).collect();
    let begin_alike = split.windows(2).all(|pair| pair[0].0.first() == pair[1].0.first());
    let numbers: Option<Vec<&Number>> = split.iter().map(|(_, numbers)| numbers.first()).collect();
    !begin_alike || numbers.is_none_or(|numbers| numbers.is_sorted())
}

/// What orders whole numbers however long they are: of those without leading zeros the longer one is the larger one.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Number {
    Negative(std::cmp::Reverse<(usize, String)>),
    Positive((usize, String)),
}

impl Number {
    fn of(digits: &str, is_negative: bool) -> Self {
        let digits = digits.trim_start_matches('0').to_owned();
        let value = (digits.len(), digits);
        // There is one zero.
        if is_negative && value.0 > 0 { Self::Negative(std::cmp::Reverse(value)) } else { Self::Positive(value) }
    }
}

/// The whole numbers in a name, and what stands before, between and after them. A minus is a sign where no letter and
/// no digit goes before it.
fn words_and_numbers(name: &str) -> (Vec<&str>, Vec<Number>) {
    let mut words = Vec::new();
    let mut numbers = Vec::new();
    let mut rest = name;
    while let Some(at) = rest.find(|c: char| c.is_ascii_digit()) {
        let word = &rest[..at];
        let unsigned = word.strip_suffix('-').filter(|before| {
            let is_first = before.is_empty() && numbers.is_empty();
            is_first || before.chars().next_back().is_some_and(|c| !c.is_alphanumeric())
        });
        let digits = &rest[at..];
        let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
        words.push(unsigned.unwrap_or(word));
        numbers.push(Number::of(&digits[..end], unsigned.is_some()));
        rest = &digits[end..];
    }
    words.push(rest);
    (words, numbers)
}
