use crate::{
    DataError,
    limits::{Ceiling, TEXT_ROW_BYTES, TEXTS_BYTES},
};
use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Where a text stands: a row of a table, counted from 0, or a line of a file, counted from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    path: Arc<Path>,
    unit: &'static str,
    number: u64,
}

impl Place {
    pub(super) fn row(path: &Arc<Path>, row: u64) -> Self {
        Self { path: Arc::clone(path), unit: "row", number: row }
    }

    pub(super) fn line(path: &Arc<Path>, line: u64) -> Self {
        Self { path: Arc::clone(path), unit: "line", number: line }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} of `{}`", self.unit, self.number, self.path.display())
    }
}

/// The rows of a split as they lie on disk, before any of them is refused.
pub(super) struct RawSplit {
    pub(super) rows: Vec<RawRow>,
    /// The names of the classes, if the label column states them.
    pub(super) classes: Option<Vec<String>>,
}

/// A row as it lies on disk.
pub(super) struct RawRow {
    pub(super) at: Place,
    /// One value for each of the text columns.
    pub(super) texts: Vec<Cell>,
    pub(super) label: Cell,
}

/// A value as it lies on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cell {
    Nothing,
    Number(i64),
    Text(Arc<str>),
    /// What no text or label can be, in words.
    Other(&'static str),
}

/// A number that no class has.
pub(super) const TOO_LARGE: Cell = Cell::Other("a number that is too large");

impl Cell {
    /// What it is, in words.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Number(_) => "a number",
            Self::Text(_) => "a text",
            Self::Other(kind) => kind,
        }
    }
}

/// What the rows of a split take in memory, up to [`TEXTS_BYTES`].
#[derive(Debug, Default)]
pub(super) struct Budget {
    taken: u64,
}

const MOST_TEXTS: Ceiling = Ceiling {
    limit: TEXTS_BYTES,
    unit: "bytes",
    what: "the texts of the split take too much memory",
    remedy: "write the rows that are taken into files of their own",
};

impl Budget {
    /// Counts a row of the file `path`.
    ///
    /// # Errors
    /// The rows take too much.
    pub(super) fn take(&mut self, path: &Path, row: &RawRow) -> Result<(), DataError> {
        let cells = row.texts.iter().chain([&row.label]);
        let texts = cells.map(|cell| if let Cell::Text(text) = cell { text.len() as u64 } else { 0 });
        self.taken = self.taken.saturating_add(texts.sum::<u64>()).saturating_add(TEXT_ROW_BYTES);
        MOST_TEXTS.check(self.taken).map_err(|source| DataError::TooLarge { path: path.into(), source })
    }
}

/// The columns of a data set of texts.
#[derive(Clone, Copy)]
pub(super) struct Columns<'a> {
    pub(super) texts: &'a [String],
    pub(super) label: &'a str,
}

/// Files whose rows follow one another.
pub(super) fn shared(paths: &[PathBuf]) -> impl Iterator<Item = Arc<Path>> {
    paths.iter().map(|path| Arc::from(path.as_path()))
}
