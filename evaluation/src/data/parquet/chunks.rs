//! The bytes of a parquet file, of which no page is unpacked that claims or holds too much.
//!
//! The library takes what a page's header claims, and unpacks gzip, Zstandard and Brotli to their end. So each page is looked at
//! when its packed bytes are fetched, which comes right after its header was read.

use super::{header::PageSizes, unpacked::unpacked_bytes};
use crate::limits::{Ceiling, PAGE_BYTES};
use bytes::Bytes;
use parquet::{
    basic::Compression,
    errors::{ParquetError, Result},
    file::{
        metadata::ParquetMetaData,
        reader::{ChunkReader, Length},
    },
};
use std::{
    fs::File,
    io::{self, BufReader, Read},
    ops::Range,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

/// Bytes of a page's header that are kept: its sizes come first, and statistics later.
const HEADER_BYTES: usize = 64;

const PAGE: Ceiling = Ceiling {
    limit: PAGE_BYTES,
    unit: "bytes",
    what: "a page takes too much memory once it is unpacked",
    remedy: "write the file with smaller row groups or pages",
};

/// A parquet file.
#[derive(Clone)]
pub(super) struct Chunks(Arc<Inner>);

struct Inner {
    file: File,
    length: u64,
    /// The columns of all row groups, once they are known.
    columns: OnceLock<Vec<Column>>,
    /// The beginning of the page header that was read last.
    header: Mutex<Vec<u8>>,
}

struct Column {
    range: Range<u64>,
    compression: Compression,
}

impl Chunks {
    pub(super) fn new(file: File) -> io::Result<Self> {
        let length = file.metadata()?.len();
        Ok(Self(Arc::new(Inner { file, length, columns: OnceLock::new(), header: Mutex::new(Vec::new()) })))
    }

    /// Tells where the pages are, which the footer says.
    pub(super) fn expect_pages(&self, metadata: &ParquetMetaData) {
        let columns = metadata.row_groups().iter().flat_map(|group| group.columns());
        let column = |column: &parquet::file::metadata::ColumnChunkMetaData| {
            let (start, bytes) = column.byte_range();
            Column { range: start..start.saturating_add(bytes), compression: column.compression() }
        };
        let _ = self.0.columns.set(columns.map(column).collect());
    }

    fn check(&self, start: u64, packed: &[u8]) -> Result<()> {
        let mut columns = self.0.columns.get().into_iter().flatten();
        let Some(column) = columns.find(|column| column.range.contains(&start)) else { return Ok(()) };
        let header = self.0.header.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(sizes) = PageSizes::of(&header) else {
            return Err(ParquetError::General("a page header begins with other fields than its sizes".to_owned()));
        };
        let values = usize::try_from(sizes.levels).ok().and_then(|levels| packed.get(levels..)).unwrap_or_default();
        let unpacked = unpacked_bytes(column.compression, values, sizes.unpacked.saturating_sub(sizes.levels));
        PAGE.check(sizes.unpacked.max(unpacked)).map_err(|error| ParquetError::External(Box::new(error)))
    }
}

impl Length for Chunks {
    fn len(&self) -> u64 {
        self.0.length
    }
}

impl ChunkReader for Chunks {
    type T = Tap;

    fn get_read(&self, start: u64) -> Result<Tap> {
        Ok(Tap { from: self.0.file.get_read(start)?, inner: Arc::clone(&self.0), is_begun: false })
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        let is_there = start.checked_add(length as u64).is_some_and(|end| end <= self.0.length);
        if !is_there {
            let problem =
                format!("{length} bytes from {start} on are said to be there, the file has {}", self.0.length);
            return Err(ParquetError::EOF(problem));
        }
        let bytes = self.0.file.get_bytes(start, length)?;
        self.check(start, &bytes)?;
        Ok(bytes)
    }
}

/// Reads a page header, of which the beginning is kept.
pub(super) struct Tap {
    from: BufReader<File>,
    inner: Arc<Inner>,
    is_begun: bool,
}

impl Read for Tap {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(to)?;
        let mut header = self.inner.header.lock().unwrap_or_else(PoisonError::into_inner);
        if !std::mem::replace(&mut self.is_begun, true) {
            header.clear();
        }
        let room = HEADER_BYTES.saturating_sub(header.len());
        header.extend(to[..read].iter().take(room));
        Ok(read)
    }
}
