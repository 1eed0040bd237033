//! Pages once they are unpacked, of which none is decoded whose counts the library would take for true.

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

/// Values of a dictionary, and lengths of a page, for which memory is taken at once.
const MOST_VALUES: u64 = 1 << 22;

/// A row group whose pages are looked at before they are decoded.
pub(super) struct CheckedGroup<'a>(pub(super) Box<dyn RowGroupReader + 'a>);

impl RowGroupReader for CheckedGroup<'_> {
    fn metadata(&self) -> &RowGroupMetaData {
        self.0.metadata()
    }

    fn num_columns(&self) -> usize {
        self.0.num_columns()
    }

    fn get_column_page_reader(&self, column: usize) -> Result<Box<dyn PageReader>> {
        let pages = self.0.get_column_page_reader(column)?;
        Ok(Box::new(CheckedPages { pages, column: self.metadata().schema_descr().column(column) }))
    }

    fn get_column_bloom_filter(&self, column: usize) -> Option<&Sbbf> {
        self.0.get_column_bloom_filter(column)
    }

    fn get_row_iter(&self, projection: Option<Type>) -> Result<RowIter<'_>> {
        RowIter::from_row_group(projection, self)
    }
}

struct CheckedPages {
    pages: Box<dyn PageReader>,
    column: ColumnDescPtr,
}

impl CheckedPages {
    fn check(&self, page: &Page) -> Result<()> {
        match page {
            Page::DictionaryPage { buf, num_values, .. } => {
                // A value of a dictionary has four bytes or more.
                let fits = u64::from(*num_values) <= MOST_VALUES && u64::from(*num_values) <= buf.len() as u64 / 4;
                if fits { Ok(()) } else { Err(refused(format!("a dictionary claims {num_values} values"))) }
            }
            Page::DataPage { encoding: Encoding::DELTA_BYTE_ARRAY, .. }
            | Page::DataPageV2 { encoding: Encoding::DELTA_BYTE_ARRAY, .. } => {
                let column = self.column.name();
                Err(refused(format!(
                    "column `{column}` is in the encoding DELTA_BYTE_ARRAY, which is not read, since a value may repeat all of \
                     those before it: write it with another encoding"
                )))
            }
            Page::DataPage { encoding: Encoding::DELTA_LENGTH_BYTE_ARRAY, buf, .. } => {
                let levels = [self.column.max_rep_level(), self.column.max_def_level()];
                let prefixes = levels.into_iter().filter(|level| *level > 0).count();
                check_lengths(after_levels(buf, prefixes))
            }
            Page::DataPageV2 {
                encoding: Encoding::DELTA_LENGTH_BYTE_ARRAY,
                buf,
                def_levels_byte_len,
                rep_levels_byte_len,
                ..
            } => {
                let levels = (*def_levels_byte_len as usize).saturating_add(*rep_levels_byte_len as usize);
                check_lengths(buf.get(levels..))
            }
            Page::DataPage { .. } | Page::DataPageV2 { .. } => Ok(()),
        }
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

/// Checks how many lengths are said to follow: the third number.
fn check_lengths(values: Option<&[u8]>) -> Result<()> {
    let mut bytes = values.unwrap_or_default().iter().copied();
    let mut number = || -> Option<u64> {
        let mut number = 0_u64;
        for shift in (0..63).step_by(7) {
            let byte = bytes.next()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    };
    let count = number().and_then(|_| number()).and_then(|_| number());
    match count {
        Some(count) if count <= MOST_VALUES => Ok(()),
        Some(count) => Err(refused(format!("a page claims {count} lengths"))),
        None => Err(ParquetError::EOF("a page ends before its values".to_owned())),
    }
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
