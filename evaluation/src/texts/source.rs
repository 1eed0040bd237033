use super::{
    TextError, jsonl,
    labels::Labels,
    parquet,
    raw::{Cell, Columns, RawRow, RawSplit},
};
use crate::data::{DataError, DataOutline, select};
use jobs::{DataFiles, Rows, TextSpec};
use std::{collections::BTreeMap, path::Path};

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
    pub(super) first: String,
    pub(super) second: Option<String>,
    pub(super) label: u32,
}

impl TextSource<'_> {
    /// Looks at the split without a tokenizer: every row that is taken is checked, its texts and its label.
    ///
    /// # Errors
    /// As [`Texts::read`](crate::Texts::read), but for what the tokenizer says.
    pub fn outline(&self) -> Result<DataOutline, TextError> {
        let split = self.open()?;
        let mut labels = BTreeMap::new();
        for row in self.labelled_rows(&split)? {
            *labels.entry(row.label).or_default() += 1;
        }
        Ok(DataOutline::new(split.classes, labels))
    }

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

    fn open(&self) -> Result<RawSplit, TextError> {
        let columns = Columns { texts: &self.spec.columns, label: self.label_column };
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
        let first = texts.next().transpose()?.unwrap_or_default();
        Ok(Labelled { first, second: texts.next().transpose()?, label })
    }
}

/// A text of spaces alone is one, as it is for Hugging Face's tokenizers; one without any character is not.
fn text(row: &RawRow, cell: &Cell, column: &str) -> Result<String, TextError> {
    let (at, column) = (row.at.clone(), column.to_owned());
    match cell {
        Cell::Text(text) if text.is_empty() => Err(TextError::Empty { at, column }),
        Cell::Text(text) => Ok(text.clone()),
        Cell::Nothing => Err(TextError::Missing { at, column, what: "text" }),
        other => Err(TextError::Wrong { at, column, found: other.kind(), expected: "a text" }),
    }
}
