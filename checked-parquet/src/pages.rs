//! Pages once they are unpacked, of which none is decoded whose counts and lengths are not checked.

use crate::{Limits, delta};
use bytes::Bytes;
use parquet::{
    basic::Encoding,
    bloom_filter::Sbbf,
    column::page::{Page, PageMetadata, PageReader},
    errors::{ParquetError, Result},
    file::{metadata::RowGroupMetaData, reader::RowGroupReader},
    record::reader::RowIter,
    schema::types::{ColumnDescPtr, Type},
};

/// Values of a dictionary, for which memory is taken at once.
const MOST_VALUES: u64 = 1 << 22;

/// A row group whose pages are checked before they are decoded.
pub struct CheckedGroup<'a> {
    pub(crate) group: Box<dyn RowGroupReader + 'a>,
    pub(crate) limits: Limits,
}

impl RowGroupReader for CheckedGroup<'_> {
    fn metadata(&self) -> &RowGroupMetaData {
        self.group.metadata()
    }

    fn num_columns(&self) -> usize {
        self.group.num_columns()
    }

    fn get_column_page_reader(&self, column: usize) -> Result<Box<dyn PageReader>> {
        let pages = self.group.get_column_page_reader(column)?;
        let column = self.metadata().schema_descr().column(column);
        Ok(Box::new(CheckedPages { pages, column, limits: self.limits }))
    }

    fn get_column_bloom_filter(&self, column: usize) -> Option<&Sbbf> {
        self.group.get_column_bloom_filter(column)
    }

    fn get_row_iter(&self, projection: Option<Type>) -> Result<RowIter<'_>> {
        RowIter::from_row_group(projection, self)
    }
}

impl std::fmt::Debug for CheckedGroup<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CheckedGroup").field("rows", &self.metadata().num_rows()).finish()
    }
}

struct CheckedPages {
    pages: Box<dyn PageReader>,
    column: ColumnDescPtr,
    limits: Limits,
}

impl CheckedPages {
    fn check(&self, page: &Page) -> Result<()> {
        match page {
            Page::DictionaryPage { buf, num_values, .. } => {
                // A value of a dictionary has four bytes or more.
                let fits = u64::from(*num_values) <= MOST_VALUES && u64::from(*num_values) <= buf.len() as u64 / 4;
                if fits { Ok(()) } else { Err(refused(format!("a dictionary claims {num_values} values"))) }
            }
            Page::DataPage { encoding, buf, .. } => {
                let levels = [self.column.max_rep_level(), self.column.max_def_level()];
                let prefixes = levels.into_iter().filter(|level| *level > 0).count();
                self.check_texts(*encoding, after_levels(buf, prefixes))
            }
            Page::DataPageV2 { encoding, buf, def_levels_byte_len, rep_levels_byte_len, .. } => {
                let levels = (*def_levels_byte_len as usize).saturating_add(*rep_levels_byte_len as usize);
                self.check_texts(*encoding, buf.get(levels..))
            }
        }
    }

    /// Checks the lengths of texts where these lie before the texts.
    fn check_texts(&self, encoding: Encoding, values: Option<&[u8]>) -> Result<()> {
        let check = match encoding {
            Encoding::DELTA_LENGTH_BYTE_ARRAY => delta::check_lengths,
            Encoding::DELTA_BYTE_ARRAY => delta::check_prefixes,
            _ => return Ok(()),
        };
        let values = values.ok_or_else(|| ParquetError::EOF("a page ends before its values".to_owned()))?;
        // Of nulls alone.
        if values.is_empty() {
            return Ok(());
        }
        let decoded = check(values).map_err(|problem| {
            refused(format!("the lengths in column `{}` ({encoding}) are wrong: {problem}", self.column.name()))
        })?;
        self.limits.check_page(decoded)
    }
}

/// The values of a page after its levels, each of which has its length before it.
fn after_levels(buf: &Bytes, prefixes: usize) -> Option<&[u8]> {
    let mut rest = &buf[..];
    for _ in 0..prefixes {
        let (length, levels) = rest.split_first_chunk()?;
        rest = levels.get(u32::from_le_bytes(*length) as usize..)?;
    }
    Some(rest)
}

fn refused(problem: String) -> ParquetError {
    ParquetError::General(problem)
}

impl Iterator for CheckedPages {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Result<Page>> {
        self.get_next_page().transpose()
    }
}

impl PageReader for CheckedPages {
    fn get_next_page(&mut self) -> Result<Option<Page>> {
        let page = self.pages.get_next_page()?;
        page.as_ref().map_or(Ok(()), |page| self.check(page))?;
        Ok(page)
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>> {
        self.pages.peek_next_page()
    }

    fn skip_next_page(&mut self) -> Result<()> {
        self.pages.skip_next_page()
    }

    fn at_record_boundary(&mut self) -> Result<bool> {
        self.pages.at_record_boundary()
    }
}
