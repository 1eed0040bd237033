use super::ImageProblem;
use crate::{LimitExceeded, classes::NamesProblem, transient::may_pass};
use std::path::PathBuf;

/// Why a data set could not be read.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// A file or folder could not be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A file is not of its kind, or damaged.
    #[error("`{}` is not a readable {kind} file", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What it should be.
        kind: &'static str,
        /// What the reader said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A file holds another kind of data.
    #[error("`{}` does not hold {expected}", path.display())]
    Kind {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        expected: &'static str,
    },
    /// A column is not there.
    #[error("`{}` has no column `{column}`; it has {}", path.display(), list(found))]
    MissingColumn {
        /// The file.
        path: PathBuf,
        /// The column asked for.
        column: String,
        /// The columns it has.
        found: Vec<String>,
    },
    /// A column has another type than needed.
    #[error("column `{column}` of `{}` is {found}, expected {expected}", path.display())]
    WrongColumn {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
        /// Its type.
        found: String,
        /// The type needed.
        expected: &'static str,
    },
    /// A row has no value where it needs one.
    #[error("row {row} of `{}` has no {what} in column `{column}`", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
        /// The row in it.
        row: u64,
        /// The column.
        column: String,
        /// What is missing.
        what: &'static str,
    },
    /// An image cannot be decoded.
    #[error("the image {}`{}` cannot be decoded", row.map(|row| format!("in row {row} of ")).unwrap_or_default(), path.display())]
    Image {
        /// The file.
        path: PathBuf,
        /// The row in it; `None` where the file is the image.
        row: Option<u64>,
        /// Why.
        #[source]
        source: Box<ImageProblem>,
    },
    /// A label is no class.
    #[error("row {row} of `{}` has label {label} in column `{column}`, outside 0..{classes}", path.display())]
    Label {
        /// The file.
        path: PathBuf,
        /// The row in it.
        row: u64,
        /// The column.
        column: String,
        /// The label found.
        label: i128,
        /// The number of classes, or the largest that a label can count.
        classes: u64,
    },
    /// An image lies in a folder that is none of the classes.
    #[error("the image `{}` is of the class `{class}`, which is not listed", path.display())]
    NoClass {
        /// The image.
        path: PathBuf,
        /// Its class.
        class: String,
    },
    /// The names of the classes cannot be used.
    #[error("the class names that `{}` states cannot be used: {problem}", path.display())]
    ClassNames {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong with them.
        problem: NamesProblem,
    },
    /// Files of one data set name the classes differently.
    #[error("`{}` and `{}` name the classes differently: {names}", path.display(), other.display())]
    OtherClassNames {
        /// A file.
        path: PathBuf,
        /// Another file.
        other: PathBuf,
        /// The names of the one, and those of the other.
        names: String,
    },
    /// A data set is larger than what is read.
    #[error("`{}` is not read", path.display())]
    TooLarge {
        /// The file, or the first one.
        path: PathBuf,
        /// What is too large.
        #[source]
        source: LimitExceeded,
    },
    /// A selected row is not there.
    #[error("row {row} is selected, but `{}` has {rows} rows", path.display())]
    Row {
        /// The first file of the data set.
        path: PathBuf,
        /// The row asked for.
        row: u64,
        /// Rows there are.
        rows: u64,
    },
    /// No rows are left.
    #[error("no rows are selected of the {rows} in `{}`", path.display())]
    Empty {
        /// The first file of the data set.
        path: PathBuf,
        /// Rows there are.
        rows: u64,
    },
    /// A split has fewer examples than its first ones are wanted.
    #[error("the first {wanted} examples are wanted of a split of `{}` that has {found}: ask for {found} at most", path.display())]
    TooFewRows {
        /// The first file of the data set.
        path: PathBuf,
        /// How many are wanted.
        wanted: u64,
        /// How many there are.
        found: u64,
    },
    /// A preprocessed image is not the square that the others are.
    #[error("row {row} of `{}` is {width}×{height} after preprocessing, not {expected}", path.display())]
    Size {
        /// The file.
        path: PathBuf,
        /// The row in it.
        row: u64,
        /// Its width.
        width: u32,
        /// Its height.
        height: u32,
        /// What was needed.
        expected: String,
    },
}

fn list(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

impl DataError {
    /// True if the same call may succeed later without a person doing anything: the system was interrupted, too slow,
    /// out of memory or out of reach. A missing, forbidden or damaged file is never tried again.
    pub fn is_retryable(&self) -> bool {
        may_pass(self)
    }
}
