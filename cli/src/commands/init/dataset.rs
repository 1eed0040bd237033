//! A data set, as far as a draft needs to know it: splits, columns, rows and classes.

use super::{
    answers::{Folders, Written},
    splits::{SplitDraft, SplitFacts, draft_splits, relevant},
    yaml::scalar,
};
use crate::failure::{Failure, InitFailure, InputFailure};
use evaluation::{TableColumn, TextError, table_columns};
use inputs::{Inputs, ListedData, ListedSplits, Outline};
use jobs::{DataFiles, DataSpec, HubKind, TextSpec};

/// What a sweep file says of a data set.
#[derive(Debug, Default)]
pub(super) struct DataDraft {
    /// The keys of `data`, in lines; the first one is `source`.
    pub(super) keys: Vec<String>,
    /// What is known of it, in sentences.
    pub(super) comments: Vec<String>,
    /// What a person has to check.
    pub(super) caveats: Vec<String>,
    /// The rows that the search reads, where they are known.
    pub(super) search_rows: Option<u64>,
    /// The names of its classes, if it states them.
    pub(super) classes: Option<Vec<String>>,
}

impl DataDraft {
    /// The draft of a data set of this source.
    pub(super) fn of(source: &str) -> Self {
        Self { keys: vec![format!("source: {}", scalar(source))], ..Self::default() }
    }

    /// Adds where the splits come from.
    pub(super) fn add_splits(&mut self, splits: SplitDraft) {
        self.keys.extend(splits.as_yaml().map(|rules| format!("splits: {rules}")));
        self.search_rows = splits.search_rows;
        self.comments.push(splits.comment);
        self.caveats.extend(splits.caveat);
    }
}

/// The data set of a task.
pub(super) struct DataSet<'a> {
    inputs: &'a Inputs,
    pub(super) task: &'a str,
    pub(super) source: Written,
    /// The splits that matter.
    splits: Vec<String>,
    is_text: bool,
}

/// A split whose files can be read, as far as they are here.
pub(super) struct OpenSplit {
    pub(super) name: String,
    pub(super) listed: ListedData,
    pub(super) outline: Outline,
}

impl OpenSplit {
    pub(super) fn files(&self) -> DataFiles {
        self.listed.files(&self.outline)
    }
}

impl<'a> DataSet<'a> {
    /// Finds the splits. The only configuration of a repository is taken; of several one has to be named.
    pub(super) fn find(
        inputs: &'a Inputs,
        folders: &Folders,
        task: &'a str,
        source: Written,
        is_text: bool,
    ) -> Result<Self, Failure> {
        let mut data = Self { inputs, task, source, splits: Vec::new(), is_text };
        let mut found = data.list()?;
        if let [folder] = found.within.as_slice() {
            let inside = format!("{}/{folder}", data.source.text.trim_end_matches('/'));
            let reading = Folders { current: folders.draft.clone(), draft: folders.draft.clone() };
            data.source = reading.written("--data", &inside, HubKind::Dataset)?;
            found = data.list()?;
        }
        let source_name = data.source.text.clone();
        if !found.within.is_empty() {
            let folders = found.within.iter().map(|folder| format!("{source_name}/{folder}")).collect();
            return Err(InitFailure::Configurations { task: task.to_owned(), source_name, folders }.into());
        }
        if found.splits.is_empty() {
            let expected = if is_text {
                "`SPLIT.jsonl`, `SPLIT.parquet` or `SPLIT-00000-of-00001.parquet`"
            } else {
                "`SPLIT.parquet`, `SPLIT-00000-of-00001.parquet`, `SPLIT/CLASS/IMAGE.png` or MNIST's IDX files"
            };
            return Err(InitFailure::NoSplits { task: task.to_owned(), source_name, expected }.into());
        }
        data.splits = relevant(found.splits);
        Ok(data)
    }

    fn list(&self) -> Result<ListedSplits, Failure> {
        self.inputs.list_splits(&self.spec()).map_err(|source| self.failed(source))
    }

    /// The data set with the usual columns.
    pub(super) fn spec(&self) -> DataSpec {
        DataSpec {
            source: self.source.reference.clone(),
            image_column: "image".to_owned(),
            label_column: "label".to_owned(),
            text: self.is_text.then(TextSpec::default),
            splits: std::collections::BTreeMap::new(),
        }
    }

    /// Opens the splits that matter.
    pub(super) fn open_all(&self) -> Result<Vec<OpenSplit>, Failure> {
        self.splits.iter().map(|split| self.open(&self.spec(), split)).collect()
    }

    /// Opens a split of the data set as `spec` reads it.
    pub(super) fn open(&self, spec: &DataSpec, split: &str) -> Result<OpenSplit, Failure> {
        let listed = self.inputs.list_data(spec, split).map_err(|source| self.failed(source))?;
        let outline = self.inputs.outline(&listed.listing).map_err(|source| self.failed(source))?;
        Ok(OpenSplit { name: split.to_owned(), listed, outline })
    }

    /// The columns of the first split; none of images in folders.
    pub(super) fn columns(&self, splits: &[OpenSplit]) -> Result<Vec<TableColumn>, Failure> {
        match splits.first() {
            Some(first) => table_columns(&first.files()).map_err(|source| self.unread(&first.name, source)),
            None => Ok(Vec::new()),
        }
    }

    /// The rules by which the search and the report get rows of their own.
    pub(super) fn draft_splits(&self, facts: &[SplitFacts]) -> Result<SplitDraft, Failure> {
        let none = || InitFailure::NoSplits {
            task: self.task.to_owned(),
            source_name: self.source.text.clone(),
            expected: "at least one",
        };
        Ok(draft_splits(facts).ok_or_else(none)?)
    }

    pub(super) fn no_column(&self, wanted: &'static str, columns: &[TableColumn]) -> Failure {
        let found = columns.iter().map(|column| format!("`{}`", column.name)).collect();
        InitFailure::NoColumn { task: self.task.to_owned(), wanted, found }.into()
    }

    pub(super) fn unread(&self, split: &str, source: TextError) -> Failure {
        InitFailure::Data { task: self.task.to_owned(), split: split.to_owned(), source }.into()
    }

    fn failed(&self, source: inputs::InputError) -> Failure {
        InputFailure::Argument { argument: self.source.text.clone(), source }.into()
    }
}
