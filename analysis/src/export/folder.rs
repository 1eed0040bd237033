use super::ExportError;
use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

/// Makes the folder `target` with what `fill` writes: all of it or nothing.
///
/// The files are written into a sibling with a temporary name and synced, and the sibling is renamed.
pub(super) fn write_whole(
    target: &Path,
    fill: impl FnOnce(&Path) -> Result<(), ExportError>,
) -> Result<(), ExportError> {
    refuse_taken(target)?;
    let parent = match target.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    };
    fs::create_dir_all(&parent).map_err(wrong(&parent))?;
    let temporary = tempfile::Builder::new().prefix(".bowline-").tempdir_in(&parent).map_err(wrong(&parent))?;
    let inside = temporary.path().join("export");
    fs::create_dir(&inside).map_err(wrong(&inside))?;
    fill(&inside)?;
    sync_all(&inside)?;
    // A folder that got files meanwhile does not give way.
    fs::rename(&inside, target).map_err(wrong(target))?;
    sync(&parent)
}

fn refuse_taken(target: &Path) -> Result<(), ExportError> {
    // A folder is renamed to the target, which `.`, `a/.` and `a/..` do not allow.
    if target.file_name().is_none() || target.as_os_str().as_encoded_bytes().ends_with(b"/.") {
        return Err(ExportError::Unnamed { path: target.to_owned() });
    }
    let Ok(metadata) = fs::symlink_metadata(target) else { return Ok(()) };
    let is_empty = || fs::read_dir(target).map(|mut entries| entries.next().is_none()).unwrap_or(false);
    if metadata.is_dir() && is_empty() { Ok(()) } else { Err(ExportError::Exists { path: target.to_owned() }) }
}

/// Copies files and folders.
pub(super) fn copy_all(from: &Path, to: &Path) -> Result<(), ExportError> {
    for entry in fs::read_dir(from).map_err(wrong(from))? {
        let entry = entry.map_err(wrong(from))?;
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            fs::create_dir(&target).map_err(wrong(&target))?;
            copy_all(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), &target).map_err(wrong(&target))?;
        }
    }
    Ok(())
}

fn sync_all(folder: &Path) -> Result<(), ExportError> {
    for entry in fs::read_dir(folder).map_err(wrong(folder))? {
        let path = entry.map_err(wrong(folder))?.path();
        if path.is_dir() { sync_all(&path)? } else { sync(&path)? }
    }
    sync(folder)
}

fn sync(path: &Path) -> Result<(), ExportError> {
    File::open(path).and_then(|file| file.sync_all()).map_err(wrong(path))
}

fn wrong(path: &Path) -> impl FnOnce(io::Error) -> ExportError {
    let path = path.to_owned();
    |source| ExportError::Write { path, source }
}
