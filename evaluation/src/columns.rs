//! The columns of tables, for programs that help to describe a data set.

use crate::{TextError, data, texts};
use jobs::DataFiles;

/// A column of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableColumn {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub content: ColumnContent,
}

/// What a column can be read as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnContent {
    /// Encoded images.
    Images,
    /// Texts.
    Texts,
    /// Whole numbers.
    Integers,
    /// Something that is neither an example nor a label.
    Other,
}

/// The columns of a split: those of its first file, by the footer of parquet or the first line of JSON lines. Images in folders and IDX files have none.
///
/// # Errors
/// The file cannot be read, or is not what its name says.
pub fn table_columns(files: &DataFiles) -> Result<Vec<TableColumn>, TextError> {
    match files {
        DataFiles::Parquet(paths) => match paths.first() {
            Some(path) => Ok(data::table::columns(path)?),
            None => Ok(Vec::new()),
        },
        DataFiles::Jsonl(paths) => match paths.first() {
            Some(path) => texts::first_line_columns(path),
            None => Ok(Vec::new()),
        },
        DataFiles::ImageFolder { .. } | DataFiles::Idx { .. } => Ok(Vec::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::{Path, PathBuf};

    fn example(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples").join(name)
    }

    fn of(files: &DataFiles) -> Vec<(String, ColumnContent)> {
        table_columns(files).unwrap().into_iter().map(|column| (column.name, column.content)).collect()
    }

    #[test]
    fn columns_of_parquet_files_and_json_lines_have_names_and_contents() {
        let images = DataFiles::Parquet(vec![example("mini8/data/mnist/test-00000-of-00001.parquet")]);
        assert_eq!(
            of(&images),
            [("image".to_owned(), ColumnContent::Images), ("label".to_owned(), ColumnContent::Integers)]
        );
        let pairs = DataFiles::Jsonl(vec![example("nli6/data/mnli/validation.jsonl")]);
        let texts = ["text1", "text2", "label_text"];
        let expected = |name: &str| if texts.contains(&name) { ColumnContent::Texts } else { ColumnContent::Integers };
        let found = of(&pairs);
        assert_eq!(found.len(), 5, "{found:?}");
        assert!(found.iter().all(|(name, content)| *content == expected(name)), "{found:?}");
    }

    #[test]
    fn a_file_that_is_no_table_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("test.parquet");
        std::fs::write(&path, "no table").unwrap();
        assert!(table_columns(&DataFiles::Parquet(vec![path])).is_err());
        let path = folder.path().join("test.jsonl");
        std::fs::write(&path, "[1, 2]\n").unwrap();
        assert!(table_columns(&DataFiles::Jsonl(vec![path])).is_err());
    }
}
