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

/// A cursor through folders that keeps its position: no folder is read twice, and none is in memory as a whole.
#[derive(Debug)]
pub(super) struct FolderListing {
    root: Arc<Path>,
    /// `None` while a page is read, and after an error: the system does not report where in a folder the error
    /// occurred, so that the listing could not continue without leaving files out.
    cursor: Option<FolderCursor>,
}

#[derive(Debug)]
struct FolderCursor {
    /// Folders to be read.
    pending: Vec<PathBuf>,
    /// The folder that is being read.
    current: Option<ReadDir>,
}

impl FolderListing {
    pub(super) fn new(root: Arc<Path>, folder: Option<&Key>) -> Self {
        let start = folder.map_or_else(|| root.to_path_buf(), |folder| root.join(folder.as_str()));
        Self { root, cursor: Some(FolderCursor { pending: vec![start], current: None }) }
    }
}

#[async_trait]
impl Listing for FolderListing {
    async fn next_page(&mut self) -> Result<Option<Vec<Key>>, BackendError> {
        // The cursor is moved to another thread and returned with the page.
        let root = self.root.to_path_buf();
        let Some(mut cursor) = self.cursor.take() else {
            let failed = io::Error::other("the listing failed before, and cannot be taken up in the middle");
            return Err(BackendError::from_io(Action::List, root.display().to_string(), failed));
        };
        let (page, cursor) = blocking(Action::List, root, move |root| Ok((cursor.page(root)?, cursor))).await?;
        self.cursor = Some(cursor);
        Ok((!page.is_empty()).then_some(page))
    }
}

impl FolderCursor {
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
