//! The bytes of a parquet file, of which no page is unpacked that claims or holds too much.
//!
//! The library takes what a page's header claims, and unpacks gzip, Zstandard and Brotli to their end. So each page is
//! checked when its packed bytes are fetched, which comes right after its header was read.

use crate::{Limits, header::PageSizes, unpacked::unpacked_bytes};
use bytes::Bytes;
use parking_lot::Mutex;
use parquet::{
    basic::Compression,
    errors::{ParquetError, Result},
    file::{
        metadata::{ColumnChunkMetaData, ParquetMetaData},
        reader::{ChunkReader, Length},
    },
};
use std::{
    io::{self, Read},
    ops::Range,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

/// Bytes of a page's header that are kept: its sizes come first, and statistics later.
const HEADER_BYTES: usize = 64;

/// A parquet file.
pub(crate) struct Chunks<R>(Arc<Inner<R>>);

struct Inner<R> {
    source: R,
    limits: Limits,
    /// The columns of all row groups, once they are known, in the order in which they begin.
    columns: OnceLock<Vec<Column>>,
    /// The beginning of the page header that was read last.
    header: Mutex<Vec<u8>>,
}

struct Column {
    range: Range<u64>,
    compression: Compression,
    /// Bytes of the pages that were read so far, once they are unpacked.
    unpacked: AtomicU64,
}

impl<R: ChunkReader> Chunks<R> {
    pub(crate) fn new(source: R, limits: Limits) -> Self {
        Self(Arc::new(Inner { source, limits, columns: OnceLock::new(), header: Mutex::new(Vec::new()) }))
    }

    /// Keeps where the pages are, which the footer says.
    ///
    /// # Errors
    /// Two columns share bytes: a page could be read as one of either, any number of times.
    pub(crate) fn expect_pages(&self, metadata: &ParquetMetaData) -> Result<()> {
        let columns = metadata.row_groups().iter().flat_map(|group| group.columns());
        let column = |column: &ColumnChunkMetaData| {
            let (start, bytes) = column.byte_range();
            let range = start..start.saturating_add(bytes);
            Column { range, compression: column.compression(), unpacked: AtomicU64::new(0) }
        };
        let mut columns: Vec<Column> = columns.map(column).collect();
        columns.sort_by_key(|column| (column.range.start, column.range.end));
        if let Some([one, other]) = columns.array_windows().find(|[one, other]| one.range.end > other.range.start) {
            let one = &one.range;
            let other = &other.range;
            return Err(ParquetError::General(format!(
                "two columns claim the same bytes: {} to {}, and {} to {}",
                one.start, one.end, other.start, other.end
            )));
        }
        let _ = self.0.columns.set(columns);
        Ok(())
    }

    /// The column that a page at this place of the file belongs to. An empty page may lie at its end.
    fn column(&self, at: u64) -> Option<&Column> {
        let columns = self.0.columns.get()?;
        let behind = columns.partition_point(|column| column.range.start <= at);
        columns[..behind].last().filter(|column| at <= column.range.end)
    }

    fn check(&self, start: u64, packed: &[u8]) -> Result<()> {
        let Some(column) = self.column(start) else {
            // The footer is read before the columns are known.
            let is_footer = self.0.columns.get().is_none();
            return if is_footer {
                Ok(())
            } else {
                Err(ParquetError::General("a page belongs to no column".to_owned()))
            };
        };
        let limits = &self.0.limits;
        let header = self.0.header.lock();
        let Some(sizes) = PageSizes::of(&header) else {
            return Err(ParquetError::General("a page header begins with other fields than its sizes".to_owned()));
        };
        let values = usize::try_from(sizes.levels).ok().and_then(|levels| packed.get(levels..)).unwrap_or_default();
        let claimed = sizes.unpacked.saturating_sub(sizes.levels);
        let unpacked = unpacked_bytes(column.compression, values, claimed, limits.page_bytes).max(sizes.unpacked);
        limits.check_page(unpacked)?;
        let before = column.unpacked.fetch_add(unpacked, Ordering::Relaxed);
        limits.check_column(before.saturating_add(unpacked))
    }
}

impl<R> Clone for Chunks<R> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<R: ChunkReader> Length for Chunks<R> {
    fn len(&self) -> u64 {
        self.0.source.len()
    }
}

impl<R: ChunkReader + 'static> ChunkReader for Chunks<R> {
    type T = Tap<R>;

    fn get_read(&self, start: u64) -> Result<Tap<R>> {
        // The column is read from its beginning: what was read of it before is gone.
        if let Some(column) = self.column(start).filter(|column| column.range.start == start) {
            column.unpacked.store(0, Ordering::Relaxed);
        }
        Ok(Tap { from: self.0.source.get_read(start)?, inner: Arc::clone(&self.0), is_begun: false })
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        let has = self.len();
        let is_there = start.checked_add(length as u64).is_some_and(|end| end <= has);
        if !is_there {
            let problem = format!("{length} bytes from {start} on are said to be there, the file has {has}");
            return Err(ParquetError::EOF(problem));
        }
        let bytes = self.0.source.get_bytes(start, length)?;
        self.check(start, &bytes)?;
        Ok(bytes)
    }
}

/// Reads a page header, of which the beginning is kept.
pub(crate) struct Tap<R: ChunkReader> {
    from: R::T,
    inner: Arc<Inner<R>>,
    is_begun: bool,
}

impl<R: ChunkReader> Read for Tap<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(to)?;
        let mut header = self.inner.header.lock();
        if !std::mem::replace(&mut self.is_begun, true) {
            header.clear();
        }
        let room = HEADER_BYTES.saturating_sub(header.len());
        header.extend(to[..read].iter().take(room));
        Ok(read)
    }
}
