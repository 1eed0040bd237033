use serde::{Deserialize, Serialize};
use serde_json::Number;
use std::{cmp::Ordering, fmt};

/// Which of several sets of adapters a sweep merges. Each variant of a sweep file is a sweep of its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variant {
    /// The name in the sweep file, which all of its variants share.
    pub of: String,
    /// What the variants differ in, such as `rank`.
    pub key: String,
    /// The value of this variant.
    pub value: VariantValue,
    /// Its place among the values of the file, from 0.
    pub place: u32,
}

/// A value that a variant stands for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum VariantValue {
    /// A number, such as a rank.
    Number(Number),
    /// A word, such as the name of a way to train.
    Word(String),
}

impl Variant {
    /// The name of the variant's sweep: `figure-4-rank-16` for rank 16 of `figure-4`.
    ///
    /// # Examples
    /// ```
    /// use jobs::{Variant, VariantValue};
    ///
    /// let value = VariantValue::Number(16.into());
    /// let variant = Variant { of: "figure-4".to_owned(), key: "rank".to_owned(), value, place: 1 };
    /// assert_eq!(variant.sweep(), "figure-4-rank-16");
    /// assert_eq!(variant.to_string(), "rank 16");
    /// ```
    pub fn sweep(&self) -> String {
        format!("{}{}", Self::beginning(&self.of, &self.key), self.value)
    }

    /// What the names of the sweeps of all variants begin with.
    pub fn beginning(of: &str, key: &str) -> String {
        format!("{of}-{key}-")
    }

    /// Whether both are variants of one sweep file.
    pub fn is_beside(&self, other: &Self) -> bool {
        self.of == other.of && self.key == other.key
    }
}

impl fmt::Display for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.key, self.value)
    }
}

impl VariantValue {
    /// The number, if it is one.
    pub fn number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => number.as_f64(),
            Self::Word(_) => None,
        }
    }

    /// Whether `text` names the value: by its text, or by an equal number.
    pub fn is_named(&self, text: &str) -> bool {
        let numbers = self.number().zip(text.parse::<f64>().ok());
        self.to_string() == text || numbers.is_some_and(|(own, number)| own.total_cmp(&number).is_eq())
    }

    /// Whether both stand for the same: equal numbers, however they are written, or the same text.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        let are_equal = self.number().zip(other.number()).is_some_and(|(one, other)| one.total_cmp(&other).is_eq());
        are_equal || self.to_string() == other.to_string()
    }

    /// Numbers in ascending order; words come last, and have no order among themselves.
    pub fn compare(&self, other: &Self) -> Ordering {
        match (self.number(), other.number()) {
            (Some(one), Some(other)) => one.total_cmp(&other),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => Ordering::Equal,
        }
    }
}

impl fmt::Display for VariantValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Word(word) => f.write_str(word),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn value(value: serde_json::Value) -> VariantValue {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn a_value_is_the_same_as_another_by_its_number_or_its_text() {
        assert!(value(json!(4)).is_same(&value(json!(4.0))));
        assert!(value(json!(4)).is_same(&value(json!("4"))), "their sweeps would have one name");
        assert!(!value(json!(4)).is_same(&value(json!(16))));
        assert!(value(json!(4)).is_named("4.0") && value(json!(4)).is_named("4"));
        assert!(!value(json!(4)).is_named("16") && !value(json!("lora")).is_named("dora"));
        assert!(!value(json!("lora")).is_same(&value(json!("dora"))));
    }

    #[test]
    fn numbers_come_in_ascending_order_and_before_words() {
        let mut values = ["lora", "dora"].map(|word| value(json!(word))).to_vec();
        values.extend([16, 4].map(|number| value(json!(number))));
        values.sort_by(VariantValue::compare);
        let shown: Vec<String> = values.iter().map(VariantValue::to_string).collect();
        assert_eq!(shown, ["4", "16", "lora", "dora"]);
    }
}
