//! Files of settings, which are read whole.

use std::{
    fs::File,
    io::{self, ErrorKind, Read},
    path::Path,
};

/// Bytes of a `config.json` or `adapter_config.json`.
pub(crate) const CONFIG_BYTES: u64 = 16 << 20;

/// Bytes of an index of weights.
pub(crate) const INDEX_BYTES: u64 = 64 << 20;

/// Reads a file whole, if it has at most `limit` bytes.
///
/// # Errors
/// It cannot be read, or is longer, whatever its length was said to be.
pub(crate) fn read_small(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 <= limit {
        return Ok(bytes);
    }
    let problem =
        format!("the file has more than {limit} bytes, which is all that is read of its kind; is it another file?");
    Err(io::Error::new(ErrorKind::FileTooLarge, problem))
}
