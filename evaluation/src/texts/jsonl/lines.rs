//! The lines of a file, one after the other: no more than one of them is in memory.

use crate::{
    TextError,
    data::{DataError, read_error},
    limits::{Ceiling, LINE_BYTES},
    texts::Place,
};
use flate2::bufread::MultiGzDecoder;
use std::{
    fs::File,
    io::{self, BufRead, BufReader, Cursor, Read},
    path::Path,
    sync::Arc,
};

const LONGEST: Ceiling = Ceiling {
    limit: LINE_BYTES,
    unit: "bytes",
    what: "the line is too long",
    remedy: "each line has to be one row: write one JSON object per line",
};

/// The lines of a text in UTF-8, plain or gzipped, with or without a byte order mark. They end in LF, CR LF, or CR if
/// there is no LF.
pub(super) struct Lines {
    path: Arc<Path>,
    from: Box<dyn BufRead>,
    is_packed: bool,
    end: u8,
    number: u64,
    line: Vec<u8>,
}

impl Lines {
    /// # Errors
    /// The file cannot be read, or does not begin as lines of JSON do.
    pub(super) fn open(path: &Arc<Path>) -> Result<Self, TextError> {
        let mut file = BufReader::new(File::open(path).map_err(read_error(path))?);
        let is_packed = file.fill_buf().map_err(read_error(path))?.starts_with(&[0x1f, 0x8b]);
        let from: Box<dyn BufRead> =
            if is_packed { Box::new(BufReader::new(MultiGzDecoder::new(file))) } else { Box::new(file) };
        let mut lines = Self { path: Arc::clone(path), from, is_packed, end: b'\n', number: 0, line: Vec::new() };
        lines.begin()?;
        Ok(lines)
    }

    /// Looks at the first line with anything in it, and gives it back to be read.
    fn begin(&mut self) -> Result<(), TextError> {
        let mut start = Vec::new();
        let mut from = std::mem::replace(&mut self.from, Box::new(io::empty())).take(LINE_BYTES + 1);
        while start.trim_ascii().is_empty() {
            if from.read_until(b'\n', &mut start).map_err(|source| self.failed(source))? == 0 {
                break;
            }
        }
        if start.starts_with(b"\xef\xbb\xbf") {
            start.drain(..3);
        }
        if let Some(found) = other_than_lines(&start) {
            return Err(TextError::NoLines { path: self.path.to_path_buf(), found });
        }
        if !start.contains(&b'\n') && start.contains(&b'\r') {
            self.end = b'\r';
        }
        self.from = Box::new(Cursor::new(start).chain(from.into_inner()));
        Ok(())
    }

    /// The next line that has anything in it, without spaces around it, and its number, from 1 on.
    ///
    /// # Errors
    /// The file cannot be read on, or a line is too long.
    pub(super) fn next(&mut self) -> Result<Option<(u64, &[u8])>, TextError> {
        loop {
            self.line.clear();
            self.number += 1;
            let mut from = self.from.by_ref().take(LINE_BYTES + 1);
            let read = from.read_until(self.end, &mut self.line).map_err(|source| self.failed(source))?;
            if read as u64 > LINE_BYTES && !self.line.ends_with(&[self.end]) {
                let source = LONGEST.exceeded(format!("more than {LINE_BYTES} bytes"));
                return Err(TextError::TooLarge { at: Place::line(&self.path, self.number), source });
            }
            if read == 0 {
                return Ok(None);
            }
            if !self.line.trim_ascii().is_empty() {
                return Ok(Some((self.number, self.line.trim_ascii())));
            }
        }
    }

    fn failed(&self, source: io::Error) -> TextError {
        let path = &*self.path;
        if self.is_packed {
            DataError::Format { path: path.into(), kind: "gzip", source: Box::new(source) }.into()
        } else {
            read_error(path)(source).into()
        }
    }
}

/// What a file is that does not begin as JSON lines in UTF-8 do, in words.
fn other_than_lines(text: &[u8]) -> Option<&'static str> {
    let starts = |start: &[u8]| text.starts_with(start);
    match text.trim_ascii_start().first() {
        _ if starts(b"\xff\xfe\0\0") || starts(b"\0\0\xfe\xff") => Some("a text in UTF-32"),
        _ if starts(b"\xff\xfe") || starts(b"\xfe\xff") || starts(b"{\0") || starts(b"\0{") => Some("a text in UTF-16"),
        _ if starts(b"\x28\xb5\x2f\xfd") => Some("compressed with Zstandard"),
        _ if starts(b"BZh") => Some("compressed with bzip2"),
        _ if starts(b"\xfd7zXZ\0") => Some("compressed with xz"),
        _ if starts(b"PK\x03\x04") => Some("a zip archive"),
        _ if starts(b"PAR1") => Some("a parquet file"),
        Some(b'[') => Some("one JSON list"),
        Some(b'<') => Some("an HTML or XML page"),
        _ => None,
    }
}
