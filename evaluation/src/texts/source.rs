use super::{
    TextClasses, TextError, jsonl,
    labels::Labels,
    parquet,
    raw::{Cell, Columns, Place, RawRow, RawSplit},
};
use crate::{
    data::{DataError, DataOutline, select},
    limits::{Ceiling, LimitExceeded, TEXT_BYTES},
};
use jobs::{DataFiles, Rows, TextSpec};
use std::{collections::BTreeMap, path::Path, sync::Arc};

const LONGEST: Ceiling = Ceiling {
    limit: TEXT_BYTES,
    unit: "bytes",
    what: "the text is too long",
    remedy: "cut the text: a model sees no more than its positions hold",
};

/// One split of a data set of texts: its files, columns, labels, and the rows taken.
#[derive(Debug, Clone, Copy)]
pub struct TextSource<'a> {
    /// The files.
    pub files: &'a DataFiles,
    /// The columns of the texts, and what labels mean.
    pub spec: &'a TextSpec,
    /// The column with the labels.
    pub label_column: &'a str,
    /// The rows taken, counted among those that are not dropped; see [`Source::rows`](crate::Source::rows).
    pub rows: &'a Rows,
}

/// A text or pair of texts with its class.
pub(super) struct Labelled {
    pub(super) first: Arc<str>,
    pub(super) second: Option<Arc<str>>,
    pub(super) label: u32,
    pub(super) at: Place,
}

impl TextSource<'_> {
    /// The rows taken, in the order of the selection. The split is read whole: which rows count depends on all labels.
    pub(super) fn read(&self) -> Result<Vec<Labelled>, TextError> {
        self.labelled_rows(&self.open()?)
    }

    fn labelled_rows(&self, split: &RawSplit) -> Result<Vec<Labelled>, TextError> {
        let labels = Labels { spec: self.spec, column: self.label_column, names: split.classes.as_deref() };
        let kept: Vec<&RawRow> = split.rows.iter().filter(|row| !labels.is_dropped(&row.label)).collect();
        if kept.is_empty() && !split.rows.is_empty() {
            return Err(TextError::Dropped { path: self.path().into(), rows: split.rows.len() });
        }
        let chosen = select(self.rows, kept.len() as u64, self.path())?;
        chosen.into_iter().map(|row| self.labelled(kept[row as usize], &labels)).collect()
    }

    /// Looks at footers and columns, which is all that a file of JSON lines does not have.
    ///
    /// # Errors
    /// All that is wrong: for each file and column the first error.
    pub fn look_at_headers(&self) -> Result<(), Vec<TextError>> {
        let errors = match self.files {
            DataFiles::Parquet(paths) => parquet::check(paths, self.columns()),
            DataFiles::Jsonl(_) => Vec::new(),
            DataFiles::ImageFolder { .. } | DataFiles::Idx { .. } => self.open().err().into_iter().collect(),
        };
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    /// The class names that the data set states, if labels are the numbers of classes. No more than footers is read.
    ///
    /// # Errors
    /// A file cannot be read, or its columns are not what they should be.
    pub fn classes(&self) -> Result<Option<TextClasses>, TextError> {
        let DataFiles::Parquet(paths) = self.files else { return Ok(None) };
        let names = parquet::class_names(paths, self.columns())?;
        Ok(names.and_then(|names| TextClasses::of(&names, self.spec)))
    }

    /// Reads the split whole, without tokenising it, and counts its labels against the `classes` of a head.
    ///
    /// # Errors
    /// All that is wrong with files and columns, or else the first row that is.
    pub fn look(&self, classes: Option<usize>) -> Result<DataOutline, Vec<TextError>> {
        self.look_at_headers()?;
        self.look_at_rows(classes).map_err(|error| vec![error])
    }

    /// Every label as it stands in the data, with the number of its rows; rows without a label count nowhere.
    ///
    /// # Errors
    /// A file cannot be read, or its columns are not what they should be.
    pub fn raw_labels(&self) -> Result<BTreeMap<String, u64>, TextError> {
        let mut counts = BTreeMap::new();
        for row in self.open()?.rows {
            let label = match row.label {
                Cell::Text(text) => text.to_string(),
                Cell::Number(number) => number.to_string(),
                Cell::Nothing | Cell::Other(_) => continue,
            };
            *counts.entry(label).or_default() += 1;
        }
        Ok(counts)
    }

    fn look_at_rows(&self, classes: Option<usize>) -> Result<DataOutline, TextError> {
        let split = self.open()?;
        let labelled = self.labelled_rows(&split)?;
        let beyond = |row: &&Labelled| classes.is_some_and(|classes| row.label as usize >= classes);
        if let (Some(Labelled { at, label, .. }), Some(classes)) = (labelled.iter().find(beyond), classes) {
            let at = at.clone();
            let column = self.label_column.to_owned();
            return Err(TextError::Beyond { at, column, class: *label, classes });
        }
        let mut labels = BTreeMap::new();
        for row in labelled {
            *labels.entry(row.label).or_default() += 1;
        }
        Ok(DataOutline::new(split.classes, labels))
    }

    fn columns(&self) -> Columns<'_> {
        Columns { texts: &self.spec.columns, label: self.label_column }
    }

    fn open(&self) -> Result<RawSplit, TextError> {
        let columns = self.columns();
        match self.files {
            DataFiles::Parquet(paths) => parquet::read(paths, columns),
            DataFiles::Jsonl(paths) => jsonl::read(paths, columns),
            DataFiles::ImageFolder { .. } | DataFiles::Idx { .. } => {
                Err(DataError::Kind { path: self.path().into(), expected: "texts" }.into())
            }
        }
    }

    /// The file that stands for the data set in messages.
    fn path(&self) -> &Path {
        crate::data::path(self.files)
    }

    fn labelled(&self, row: &RawRow, labels: &Labels<'_>) -> Result<Labelled, TextError> {
        let label = labels.class(row)?;
        let mut texts = row.texts.iter().zip(&self.spec.columns).map(|(cell, column)| text(row, cell, column));
        // A data set of texts has one column of them or two.
        let first = texts.next().transpose()?.unwrap_or_else(|| Arc::from(""));
        Ok(Labelled { first, second: texts.next().transpose()?, label, at: row.at.clone() })
    }
}

/// A text of spaces alone is one, as it is for Hugging Face's tokenizers; one without any character is not.
fn text(row: &RawRow, cell: &Cell, column: &str) -> Result<Arc<str>, TextError> {
    let at = row.at.clone();
    let column = column.to_owned();
    match cell {
        Cell::Text(text) if text.is_empty() => Err(TextError::Empty { at, column }),
        Cell::Text(text) => {
            let what = format!("the text in column `{column}` is too long");
            let too_large = |source| TextError::TooLarge { at, source: LimitExceeded { what, ..source } };
            LONGEST.check(text.len() as u64).map_err(too_large)?;
            Ok(Arc::clone(text))
        }
        Cell::Nothing => Err(TextError::Missing { at, column, what: "text" }),
        other => Err(TextError::Wrong { at, column, found: other.kind(), expected: "a text" }),
    }
}
