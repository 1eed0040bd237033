use parquet::errors::{ParquetError, Result};

/// What is read of a file at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a page once it is unpacked, and of the values that it decodes to.
    pub page_bytes: u64,
    /// Bytes of the pages of one column of a row group, once they are unpacked.
    pub column_bytes: u64,
    /// Rows of a row group.
    pub group_rows: u64,
}

/// A file claims or holds more than is read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}: {found} {unit}, and at most {limit} are read; write the file with smaller row groups or pages")]
pub struct TooLarge {
    /// What is too large.
    pub what: &'static str,
    /// How much there is, or is claimed.
    pub found: u64,
    /// How much is read at most.
    pub limit: u64,
    /// What is counted, such as `bytes`.
    pub unit: &'static str,
}

impl Limits {
    pub(crate) fn check_page(&self, found: u64) -> Result<()> {
        check("a page takes too much memory once it is unpacked", found, self.page_bytes, "bytes")
    }

    pub(crate) fn check_column(&self, found: u64) -> Result<()> {
        let what = "a column of a row group takes too much memory once it is unpacked";
        check(what, found, self.column_bytes, "bytes")
    }

    pub(crate) fn check_rows(&self, found: u64) -> Result<()> {
        check("a row group is too large", found, self.group_rows, "rows")
    }
}

fn check(what: &'static str, found: u64, limit: u64, unit: &'static str) -> Result<()> {
    if found <= limit {
        return Ok(());
    }
    Err(ParquetError::External(Box::new(TooLarge { what, found, limit, unit })))
}
