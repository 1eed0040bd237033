use super::{absent_as_none, blocking};
use crate::{Action, BackendError, Key, Listing};
use async_trait::async_trait;
use std::{
    fs::{self, ReadDir},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Keys per page.
const PAGE: usize = 1000;

/// A walk through folders that keeps its place: no folder is read twice, and none is held in memory whole.
#[derive(Debug)]
pub(super) struct FolderListing {
    root: Arc<Path>,
    /// Nothing while a page is read, and after an error: systems don't tell where in a folder it struck, so that
    /// nobody can go on without leaving files out.
    walk: Option<Walk>,
}

#[derive(Debug)]
struct Walk {
    /// Folders to be read.
    pending: Vec<PathBuf>,
    /// The folder that is being read.
    current: Option<ReadDir>,
}

impl FolderListing {
    pub(super) fn new(root: Arc<Path>, folder: Option<&Key>) -> Self {
        let start = folder.map_or_else(|| root.to_path_buf(), |folder| root.join(folder.as_str()));
        Self { root, walk: Some(Walk { pending: vec![start], current: None }) }
    }
}

#[async_trait]
impl Listing for FolderListing {
    async fn next_page(&mut self) -> Result<Option<Vec<Key>>, BackendError> {
        // The walk goes to another thread and comes back with the page.
        let root = self.root.to_path_buf();
        let Some(mut walk) = self.walk.take() else {
            let failed = io::Error::other("the listing failed before, and cannot be taken up in the middle");
            return Err(BackendError::from_io(Action::List, root.display().to_string(), failed));
        };
        let (page, walk) = blocking(Action::List, root, move |root| Ok((walk.page(root)?, walk))).await?;
        self.walk = Some(walk);
        Ok((!page.is_empty()).then_some(page))
    }
}

impl Walk {
    fn page(&mut self, root: &Path) -> io::Result<Vec<Key>> {
        let mut page = Vec::new();
        while page.len() < PAGE {
            let Some(entries) = self.entries()? else { break };
            let Some(entry) = entries.next().transpose()? else {
                self.current = None;
                continue;
            };
            let path = entry.path();
            let Some(key) = key_of(root, &path) else { continue };
            if entry.file_type()?.is_dir() {
                self.pending.push(path);
            } else {
                page.push(key);
            }
        }
        Ok(page)
    }

    /// The entries of the current folder, or of the next one that is there.
    fn entries(&mut self) -> io::Result<Option<&mut ReadDir>> {
        while self.current.is_none() {
            let Some(folder) = self.pending.pop() else { return Ok(None) };
            self.current = absent_as_none(fs::read_dir(folder))?;
        }
        Ok(self.current.as_mut())
    }
}

/// The key of a file below `root`; `None` for what no key can name: hidden files, and names that are not Unicode.
fn key_of(root: &Path, path: &Path) -> Option<Key> {
    let parts = path.strip_prefix(root).ok()?.components().map(|part| part.as_os_str().to_str());
    Key::new(parts.collect::<Option<Vec<_>>>()?.join("/")).ok()
}
