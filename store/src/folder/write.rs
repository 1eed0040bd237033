use crate::Put;
use std::{
    fmt, fs,
    fs::File,
    io::{self, Write},
    path::Path,
};
use tempfile::{NamedTempFile, PersistError};

/// What a write does where there is a file already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Collision {
    Keep,
    Replace,
}

/// Writes files whole or not at all.
#[derive(Clone, Copy)]
pub(super) struct Writer {
    /// Fills the temporary file. Tests let it run out of space.
    pub(super) fill: fn(&mut File, &[u8]) -> io::Result<()>,
}

impl Default for Writer {
    fn default() -> Self {
        Self { fill: |file, content| file.write_all(content) }
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Writer")
    }
}

impl Writer {
    /// Writes `content` to `path` below `root`, by way of a file in the folder `temporary`.
    pub(super) fn write(
        self,
        root: &Path,
        temporary: &Path,
        path: &Path,
        content: &[u8],
        collision: Collision,
    ) -> io::Result<Put> {
        if collision == Collision::Keep && path.try_exists()? {
            // Spares the work; the rename below is what decides.
            return Ok(Put::Exists);
        }
        create_folder(path.parent().unwrap_or(root))?;
        create_folder(temporary)?;
        let mut file = readable_by_others(tempfile::Builder::new().prefix("write-")).tempfile_in(temporary)?;
        (self.fill)(file.as_file_mut(), content)?;
        file.as_file().sync_all()?;
        let put = give_name(file, path, collision)?;
        sync_folder_of(path)?;
        Ok(put)
    }
}

fn give_name(file: NamedTempFile, path: &Path, collision: Collision) -> io::Result<Put> {
    let named = match collision {
        Collision::Keep => file.persist_noclobber(path),
        Collision::Replace => file.persist(path),
    };
    match named {
        Ok(_) => Ok(Put::Created),
        Err(PersistError { error, .. })
            if collision == Collision::Keep && error.kind() == io::ErrorKind::AlreadyExists =>
        {
            Ok(Put::Exists)
        }
        Err(PersistError { error, .. }) => Err(error),
    }
}

/// Makes a folder and those above it, each synced into the one that holds it.
fn create_folder(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    folder.parent().map_or(Ok(()), create_folder)?;
    match fs::create_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => Ok(()),
        made => made.and_then(|()| sync_folder_of(folder)),
    }
}

/// Makes the entry of `path` in its folder survive a crash.
#[cfg(unix)]
pub(super) fn sync_folder_of(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

/// Folders cannot be synced here; the file system's journal has to do.
#[cfg(not(unix))]
pub(super) fn sync_folder_of(_path: &Path) -> io::Result<()> {
    Ok(())
}

/// Temporary files are private by default; what becomes an object is as open as the user's other files.
#[cfg(unix)]
fn readable_by_others<'a, 'b, 'c>(builder: &'c mut tempfile::Builder<'a, 'b>) -> &'c tempfile::Builder<'a, 'b> {
    use std::os::unix::fs::PermissionsExt;
    builder.permissions(fs::Permissions::from_mode(0o666))
}

#[cfg(not(unix))]
fn readable_by_others<'a, 'b, 'c>(builder: &'c mut tempfile::Builder<'a, 'b>) -> &'c tempfile::Builder<'a, 'b> {
    builder
}
