//! Files that are read whole.

use super::Ceiling;
use std::{
    fs::File,
    io::{self, ErrorKind, Read},
    path::Path,
};

/// Reads a file of settings whole, if it has at most `limit` bytes.
///
/// # Errors
/// It cannot be read, or it is longer, whatever its length was said to be.
pub(crate) fn read_small(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    read_at_most(File::open(path)?, limit)
}

/// The same as a text.
///
/// # Errors
/// As there, or it is not UTF-8.
pub(crate) fn read_small_text(path: &Path, limit: u64) -> io::Result<String> {
    String::from_utf8(read_small(path, limit)?).map_err(|error| io::Error::new(ErrorKind::InvalidData, error))
}

/// Reads to the end, which comes after at most `limit` bytes.
///
/// # Errors
/// Reading fails, or there is more.
pub(crate) fn read_at_most(from: impl Read, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 <= limit {
        return Ok(bytes);
    }
    let ceiling = Ceiling { limit, unit: "bytes", what: "the file is too large", remedy: "is it another file?" };
    Err(io::Error::new(ErrorKind::FileTooLarge, ceiling.exceeded(format!("more than {limit} bytes"))))
}

/// Checks that the system gives this much memory at once, before a decoder takes it without asking.
///
/// # Errors
/// It does not, which may pass.
pub(crate) fn room_for(bytes: u64) -> io::Result<()> {
    let size = usize::try_from(bytes).map_err(|_| ErrorKind::OutOfMemory)?;
    Ok(Vec::<u8>::new().try_reserve_exact(size).map_err(|_| ErrorKind::OutOfMemory)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_longer_than_its_limit_is_refused_with_the_limit() {
        assert_eq!(read_at_most(&b"four"[..], 4).unwrap(), b"four");
        let error = read_at_most(io::repeat(7), 4).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::FileTooLarge);
        let wanted = "the file is too large: more than 4 bytes, and at most 4 are read; is it another file?";
        assert_eq!(error.to_string(), wanted);
    }
}
