use super::{Cache, made_folder_of};
use crate::InputError;
use jobs::Digest;
use std::{
    fs, io,
    os::unix::fs::symlink,
    path::{Component, Path, PathBuf},
};

impl Cache {
    /// A folder in which the blobs of `files` lie under their names.
    ///
    /// Links are made one by one, and those that are there stay: any number of processes may do so at a time. They are
    /// relative, so that the whole cache can be moved.
    pub(crate) fn view(&self, files: &[(String, Digest)]) -> Result<PathBuf, InputError> {
        let folder = self.path("views", Digest::of_json(&files));
        for (name, digest) in files {
            let link = folder.join(name);
            self.link(&link, name, *digest).map_err(|source| self.failed(&link, source))?;
        }
        Ok(folder)
    }

    fn link(&self, link: &Path, name: &str, digest: Digest) -> io::Result<()> {
        if !is_below(name) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the name leads out of its folder"));
        }
        // From `views/<2 hex>/<id>/<name>` to the cache's root.
        let up = "../".repeat(3 + name.matches('/').count());
        let blob = self.blob(digest);
        let target = Path::new(&up).join(blob.strip_prefix(&self.root).unwrap_or(&blob));
        let is_there = || fs::read_link(link).is_ok_and(|there| there == target);
        if is_there() {
            return Ok(());
        }
        made_folder_of(link)?;
        match symlink(&target, link) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && !is_there() => {
                fs::remove_file(link)?;
                symlink(&target, link)
            }
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => Ok(()),
        }
    }
}

/// Whether the file `name` of a folder lies in it.
pub(crate) fn is_below(name: &str) -> bool {
    let is_name = |part: &str| {
        let mut components = Path::new(part).components();
        matches!((components.next(), components.next()), (Some(Component::Normal(_)), None))
    };
    name.split('/').all(is_name)
}
