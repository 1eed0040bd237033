use super::Place;
use crate::{LimitExceeded, data::DataError, transient::may_pass};
use std::path::PathBuf;

/// Why texts could not be read.
#[derive(Debug, thiserror::Error)]
pub enum TextError {
    /// A file cannot be read, or lacks columns or rows.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A line is not one JSON object.
    #[error("{at} is not a JSON object")]
    Line {
        /// The line.
        at: Place,
        /// What the parser said.
        source: serde_json::Error,
    },
    /// A line is in another encoding.
    #[error("{at} is not UTF-8: save the file as UTF-8")]
    NotUtf8 {
        /// The line.
        at: Place,
    },
    /// A line has two values under one key: readers disagree which of them counts.
    #[error("{at} has the key `{key}` twice: take one of the two out")]
    KeyTwice {
        /// The line.
        at: Place,
        /// The key.
        key: String,
    },
    /// A file is no text with one JSON object in each line.
    #[error(
        "`{}` is {found}; expected one JSON object in each line of a text in UTF-8, plain or gzipped: convert it", path.display()
    )]
    NoLines {
        /// The file.
        path: PathBuf,
        /// What it is.
        found: &'static str,
    },
    /// A line holds what Python writes for a number that is none.
    #[error("{at} holds `{name}`, which is no JSON: write `null`, or take the line out")]
    NoNumber {
        /// The line.
        at: Place,
        /// What it holds.
        name: &'static str,
    },
    /// A line or a text is larger than what is read.
    #[error("{at} is not read")]
    TooLarge {
        /// The row.
        at: Place,
        /// What is too large.
        #[source]
        source: LimitExceeded,
    },
    /// A row has no value where it needs one.
    #[error("{at} has no {what} in column `{column}`")]
    Missing {
        /// The row.
        at: Place,
        /// The column.
        column: String,
        /// What is missing.
        what: &'static str,
    },
    /// A value is of another kind than needed.
    #[error("{at} has {found} in column `{column}`, expected {expected}")]
    Wrong {
        /// The row.
        at: Place,
        /// The column.
        column: String,
        /// What is there.
        found: &'static str,
        /// What is needed.
        expected: &'static str,
    },
    /// A text has no characters.
    #[error("{at} has an empty text in column `{column}`")]
    Empty {
        /// The row.
        at: Place,
        /// The column.
        column: String,
    },
    /// A label that nothing is said about.
    #[error(
        "{at} has label `{label}` in column `{column}`; `labels` has {}, and `drop_labels` may leave rows out",
        list(known)
    )]
    Unknown {
        /// The row.
        at: Place,
        /// The column.
        column: String,
        /// The label.
        label: String,
        /// The labels that have a class.
        known: Vec<String>,
    },
    /// A label that would have to be the number of a class, and is none.
    #[error(
        "{at} has label `{label}` in column `{column}`, which is no class number; give it a class with `labels`, or leave such \
         rows out with `drop_labels`"
    )]
    NoClass {
        /// The row.
        at: Place,
        /// The column.
        column: String,
        /// The label.
        label: String,
    },
    /// A label stands for a class that the data set is said not to have.
    #[error("{at} has label `{label}` in column `{column}`: that is class {class}, which `mask_classes` masks")]
    Masked {
        /// The row.
        at: Place,
        /// The column.
        column: String,
        /// The label.
        label: String,
        /// Its class.
        class: u32,
    },
    /// A label stands for a class that the head does not have.
    #[error(
        "{at} has a label in column `{column}` that is class {class}, and the head has {classes} classes, counted from 0"
    )]
    Beyond {
        /// The row.
        at: Place,
        /// The column.
        column: String,
        /// The label's class.
        class: u32,
        /// Rows of the head.
        classes: usize,
    },
    /// Nothing is left.
    #[error("all {rows} rows of `{}` have labels that are left out", path.display())]
    Dropped {
        /// The first file of the data set.
        path: PathBuf,
        /// Rows there are.
        rows: usize,
    },
    /// A tokenizer is damaged, or refuses a text.
    #[error("the tokenizer `{}` cannot be used", path.display())]
    Tokenizer {
        /// Its file.
        path: PathBuf,
        /// What it said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Special tokens take all the room.
    #[error("`max_length` is {max_length}, and `{}` adds {special} special tokens: no room for a text", path.display())]
    NoRoom {
        /// The tokenizer's file.
        path: PathBuf,
        /// Special tokens of a pair.
        special: usize,
        /// Tokens that a text may have.
        max_length: u32,
    },
    /// Texts have more tokens than the model takes.
    #[error(
        "{texts} of {n} texts have more tokens than the base takes, the longest {longest} and the base {positions} \
         (`max_position_embeddings` in its `config.json`): set `max_length` to at most {positions}"
    )]
    TooLong {
        /// How many do.
        texts: usize,
        /// All texts.
        n: usize,
        /// Tokens of the longest.
        longest: usize,
        /// Tokens that the model takes.
        positions: usize,
    },
    /// A tokenizer of another model.
    #[error(
        "`{}` gives the token `{token}` the id {id}, and the base has {vocabulary} ids (`vocab_size` in its `config.json`): is it \
         the tokenizer of another model?",
        path.display()
    )]
    Vocabulary {
        /// The tokenizer's file.
        path: PathBuf,
        /// The token.
        token: String,
        /// Its id.
        id: u32,
        /// Token ids of the model.
        vocabulary: usize,
    },
}

impl TextError {
    /// True if the same call may succeed later without a person doing anything, as in [`DataError::is_retryable`].
    pub fn is_retryable(&self) -> bool {
        may_pass(self)
    }
}

fn list(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
