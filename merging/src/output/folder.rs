use super::OutputError;
use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
};

/// Makes the folder `target` with what `fill` writes, all of it or nothing.
///
/// The files are written into a sibling with a temporary name, synced, and the sibling is renamed; on any error it is
/// removed.
pub(super) fn write_whole(
    target: &Path,
    fill: impl FnOnce(&Path) -> Result<(), OutputError>,
) -> Result<(), OutputError> {
    refuse_taken(target)?;
    let parent = parent(target);
    fs::create_dir_all(&parent).map_err(io("create", &parent))?;
    let temporary = tempfile::Builder::new().prefix(".bowline-").tempdir_in(&parent);
    let temporary = temporary.map_err(io("create a folder in", &parent))?;
    let inside = temporary.path().join("output");
    fs::create_dir(&inside).map_err(io("create", &inside))?;
    fill(&inside)?;
    sync_all(&inside)?;
    // An empty folder that was there before gives way; a folder that got files meanwhile does not.
    fs::rename(&inside, target).map_err(io("rename the finished folder to", target))?;
    sync(&parent)
}

/// Fails if a folder cannot be written at `target`, before there is anything to write: the path has no name of its own, something
/// is there, or nothing can be made in its parent, which is created.
///
/// # Errors
/// What is in the way.
pub fn check_output(target: &Path) -> Result<(), OutputError> {
    refuse_taken(target)?;
    let parent = parent(target);
    fs::create_dir_all(&parent).map_err(io("create", &parent))?;
    let probe = tempfile::Builder::new().prefix(".bowline-").tempdir_in(&parent);
    probe.and_then(tempfile::TempDir::close).map_err(io("create a folder in", &parent))
}

fn parent(target: &Path) -> PathBuf {
    match target.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

fn refuse_taken(target: &Path) -> Result<(), OutputError> {
    // A folder is renamed to the target, which `.`, `a/.` and `a/..` do not allow.
    if target.file_name().is_none() || target.as_os_str().as_encoded_bytes().ends_with(b"/.") {
        return Err(OutputError::Unnamed { path: target.to_owned() });
    }
    let Ok(metadata) = fs::symlink_metadata(target) else { return Ok(()) };
    let empty = || fs::read_dir(target).map(|mut entries| entries.next().is_none()).unwrap_or(false);
    if metadata.is_dir() && empty() {
        return Ok(());
    }
    Err(OutputError::Exists { path: target.to_owned() })
}

/// Writes one file and syncs it.
pub(super) fn write_file(path: &Path, bytes: &[u8]) -> Result<(), OutputError> {
    let mut file = File::create(path).map_err(io("create", path))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(io("write", path))
}

fn sync_all(folder: &Path) -> Result<(), OutputError> {
    for entry in fs::read_dir(folder).map_err(io("list", folder))? {
        let path = entry.map_err(io("list", folder))?.path();
        if path.is_dir() { sync_all(&path)? } else { sync(&path)? }
    }
    sync(folder)
}

fn sync(path: &Path) -> Result<(), OutputError> {
    File::open(path).and_then(|file| file.sync_all()).map_err(io("sync", path))
}

/// Names what was tried with which file.
pub(super) fn io(what: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> OutputError {
    let path = path.to_owned();
    move |source| OutputError::Io { what, path, source }
}
