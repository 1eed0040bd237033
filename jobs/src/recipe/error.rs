/// Why a recipe does not describe a merge.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum RecipeError {
    /// A number lies outside the range in which its key has a meaning.
    #[error("`{key}` is {value}, outside {range}")]
    OutOfRange {
        /// The recipe's key.
        key: String,
        /// What was given.
        value: f64,
        /// The range, for a person.
        range: &'static str,
    },
    /// A word is none of those that its key knows.
    #[error("`{key}` is `{value}`, which is none of {}{}", list(.valid), suggest(.nearest))]
    UnknownWord {
        /// The recipe's key.
        key: String,
        /// What was given.
        value: String,
        /// The words that it knows.
        valid: Vec<&'static str>,
        /// The word that was probably meant.
        nearest: Option<String>,
    },
    /// A key is set that another key makes meaningless.
    #[error("`{key}` has no effect {because}")]
    NoEffect {
        /// The recipe's key.
        key: String,
        /// The reason, as the rest of the sentence.
        because: String,
    },
    /// The steps contradict each other.
    #[error("{0}")]
    Contradiction(&'static str),
    /// A parameter names no key of a recipe.
    #[error("`{key}` is not a recipe key{}", suggest(.nearest))]
    UnknownKey {
        /// What was given.
        key: String,
        /// The key that was probably meant.
        nearest: Option<String>,
    },
    /// A value has the wrong type for its key.
    #[error("`{key}` is `{value}`, which is not {expected}")]
    WrongType {
        /// The recipe's key.
        key: String,
        /// What was given.
        value: String,
        /// The type expected, with its article.
        expected: &'static str,
    },
}

fn list(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

pub(crate) fn suggest(nearest: &Option<String>) -> String {
    nearest.as_ref().map(|word| format!("; did you mean `{word}`?")).unwrap_or_default()
}
