use std::{fs, io, path::Path};

/// How every Git LFS pointer begins.
const BEGINNING: &[u8] = b"version https://git-lfs.github.com/spec/";

/// A pointer is smaller than that: a version, a digest, a size, seldom an extension.
const LARGEST: u64 = 1024;

/// Whether a file is a Git LFS pointer: what a clone without Git LFS holds in place of a large file.
pub(crate) fn is_pointer(path: &Path) -> io::Result<bool> {
    let metadata = fs::metadata(path)?;
    if !metadata.is_file() || metadata.len() > LARGEST {
        return Ok(false);
    }
    Ok(fs::read(path)?.starts_with(BEGINNING))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_is_small_and_begins_as_all_do() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.safetensors");
        let is = |content: &[u8]| {
            fs::write(&path, content).unwrap();
            is_pointer(&path).unwrap()
        };
        let pointer = format!("version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize 12\n", "5f".repeat(32));
        assert!(is(pointer.as_bytes()));
        assert!(!is(b"version https://example.com"));
        assert!(!is(b""));
        assert!(!is(&[pointer.as_bytes(), &[b' '; 1024]].concat()), "a text about pointers");
    }
}
