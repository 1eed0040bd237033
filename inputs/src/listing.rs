//! The files of an input, with their sizes and their locations, without their content.

mod find;

use crate::{InputError, RemoteObject, folder};
use jobs::{HubRef, InputRef};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// The files of an input that influence results, as names and sizes. None of them was read, fetched or digested.
#[derive(Debug, Clone)]
pub struct Listing {
    /// The input.
    pub reference: InputRef,
    /// Its files.
    pub files: Vec<ListedFile>,
    /// The folder in which they lie under their names, if there is one on this machine for all of them.
    pub(crate) root: Option<PathBuf>,
    /// Whether the input is one file, and not a folder.
    pub(crate) is_file: bool,
}

/// The splits of a data set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedSplits {
    /// Their names, sorted.
    pub splits: Vec<String>,
    /// Folders of the data set that are data sets themselves, such as the configurations of a repository. Only where the data set
    /// has no split of a usual name.
    pub within: Vec<String>,
}

/// A file of an input.
#[derive(Debug, Clone)]
pub struct ListedFile {
    /// Its name in the input's folder.
    pub name: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// Where it lies on this machine, if it does.
    pub here: Option<PathBuf>,
    /// Where its content comes from otherwise.
    pub(crate) origin: Origin,
}

/// Where a file's content comes from.
#[derive(Debug, Clone)]
pub(crate) enum Origin {
    Here,
    Hub { at: HubRef, name: String },
    Bucket { bucket: String, key: String },
}

impl Listing {
    /// The files that are not on this machine.
    pub fn missing(&self) -> impl Iterator<Item = &ListedFile> {
        self.files.iter().filter(|file| file.here.is_none())
    }

    /// Whether all files are on this machine.
    pub fn is_here(&self) -> bool {
        self.missing().next().is_none()
    }
}

/// The content of a folder, local or remote.
#[derive(Debug)]
pub(crate) enum ListedFolder {
    /// A folder of this machine, and what lies in it.
    Folder { root: PathBuf, there: folder::Entries },
    /// A folder of a repository at a commit, the sizes of its files, and the cached folder that holds some of them.
    Hub { at: HubRef, folder: String, sizes: BTreeMap<String, u64>, root: Option<PathBuf> },
    /// Objects by their names below a folder, with the place of each in the cache, and all that lies there.
    Bucket { bucket: String, objects: BTreeMap<String, (RemoteObject, Option<PathBuf>)>, there: folder::Entries },
}

impl ListedFolder {
    /// What lies there, by name.
    pub(crate) fn entries(&self) -> folder::Entries {
        match self {
            Self::Folder { there, .. } | Self::Bucket { there, .. } => there.clone(),
            Self::Hub { sizes, .. } => folder::Entries::from(sizes.keys().cloned().collect::<Vec<_>>()),
        }
    }

    /// One of the files.
    pub(crate) fn file(&self, reference: &InputRef, name: &str) -> Result<ListedFile, InputError> {
        let missing = || InputError::Missing { reference: reference.to_string() };
        let (bytes, here, origin) = match self {
            Self::Folder { root, .. } => {
                let path = root.join(name);
                let metadata =
                    fs::metadata(&path).map_err(|source| InputError::unreadable(reference, &path, source))?;
                (metadata.len(), Some(path), Origin::Here)
            }
            Self::Hub { at, folder, sizes, root } => {
                let cached = root.as_ref().map(|root| root.join(name)).filter(|path| path.is_file());
                let full = Path::new(folder).join(name).to_string_lossy().into_owned();
                let origin = Origin::Hub { at: at.clone(), name: full };
                (*sizes.get(name).ok_or_else(missing)?, cached, origin)
            }
            Self::Bucket { bucket, objects, .. } => {
                let (object, cached) = objects.get(name).ok_or_else(missing)?;
                let origin = Origin::Bucket { bucket: bucket.clone(), key: object.key.clone() };
                (object.size, cached.clone(), origin)
            }
        };
        Ok(ListedFile { name: name.to_owned(), bytes, here, origin })
    }

    /// The folder in which `files` lie under their names, if all do.
    pub(crate) fn root_of(&self, files: &[ListedFile]) -> Option<PathBuf> {
        match self {
            Self::Folder { root, .. } => Some(root.clone()),
            Self::Hub { root, .. } => root.clone().filter(|_| files.iter().all(|file| file.here.is_some())),
            Self::Bucket { .. } => None,
        }
    }
}
