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
    /// Writes `content` to the target's path.
    pub(super) fn write(self, target: Target<'_>, content: &[u8], collision: Collision) -> io::Result<Put> {
        write_whole(target, collision, |file| (self.fill)(file, content))
    }

    /// Writes what the file `from` holds to the target's path, piece by piece.
    pub(super) fn write_file(self, target: Target<'_>, from: &Path, collision: Collision) -> io::Result<Put> {
        write_whole(target, collision, |file| {
            let mut content = File::open(from)?;
            io::copy(&mut content, file).map(drop)
        })
    }
}

/// Where a file of a store is written.
#[derive(Clone, Copy)]
pub(super) struct Target<'a> {
    /// The folder of the store.
    pub(super) root: &'a Path,
    /// The folder for files that are being written.
    pub(super) temporary: &'a Path,
    /// The file itself.
    pub(super) path: &'a Path,
}

/// Makes the target's file with what `fill` writes, by way of a temporary file.
fn write_whole(
    Target { root, temporary, path }: Target<'_>,
    collision: Collision,
    fill: impl FnOnce(&mut File) -> io::Result<()>,
) -> io::Result<Put> {
    if collision == Collision::Keep && path.try_exists()? {
        // Saves work. The rename below decides.
        return Ok(Put::Exists);
    }
    // The folders are almost always there: whether they are is not asked beforehand.
    let made = || readable_by_others(tempfile::Builder::new().prefix("write-")).tempfile_in(temporary);
    let mut file = match made() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            create_folder(temporary)?;
            made()?
        }
        file => file?,
    };
    fill(file.as_file_mut())?;
    file.as_file().sync_all()?;
    let named = match give_name(file, path, collision) {
        Err(PersistError { error, file }) if error.kind() == io::ErrorKind::NotFound => {
            create_folder(path.parent().unwrap_or(root))?;
            give_name(file, path, collision)
        }
        named => named,
    };
    let put = named.map_err(|PersistError { error, .. }| error)?;
    sync_folder_of(path)?;
    Ok(put)
}

/// Gives the file its name. An error gives it back.
fn give_name(file: NamedTempFile, path: &Path, collision: Collision) -> Result<Put, PersistError> {
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
        Err(error) => Err(error),
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

/// Folders cannot be synced here. The file system's journal must be enough.
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
