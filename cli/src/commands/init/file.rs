//! Writes new files, whole or not at all, and overwrites none.

use crate::failure::{Failure, InitFailure};
use std::{
    fs,
    io::{self, Write},
    path::Path,
};
use tempfile::NamedTempFile;

/// Fails if there is something at `path`.
pub(super) fn check_free(path: &Path) -> Result<(), Failure> {
    match fs::symlink_metadata(path) {
        Ok(_) => Err(InitFailure::Exists { path: path.to_owned() }.into()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(InitFailure::Write { path: path.to_owned(), source }.into()),
    }
}

/// Writes a file that must not exist.
pub(super) fn write_new(path: &Path, text: &str) -> Result<(), Failure> {
    let failed = |source| InitFailure::Write { path: path.to_owned(), source };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = NamedTempFile::new_in(folder).map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)?;
    readable(&file).map_err(failed)?;
    match file.persist_noclobber(path) {
        Ok(_) => Ok(()),
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {
            Err(InitFailure::Exists { path: path.to_owned() }.into())
        }
        Err(error) => Err(failed(error.error).into()),
    }
}

/// Temporary files are private; this one is a file like others.
fn readable(file: &NamedTempFile) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.as_file().set_permissions(fs::Permissions::from_mode(0o644))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_there_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sweep.yaml");
        check_free(&path).unwrap();
        write_new(&path, "one").unwrap();
        let message = check_free(&path).unwrap_err().to_string();
        assert!(message.contains("overwrites nothing"), "{message}");
        assert!(write_new(&path, "two").unwrap_err().to_string().contains("is there already"));
        assert_eq!(fs::read_to_string(&path).unwrap(), "one");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left");
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let failure = write_new(&folder.path().join("no/sweep.yaml"), "one").unwrap_err();
        assert_eq!(failure.exit_code(), 69);
    }
}
