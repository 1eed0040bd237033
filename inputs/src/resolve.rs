use crate::{
    Finder, InputError, Settings,
    allowed::Allowed,
    digest::FileDigests,
    hub::Hub,
    objects::Objects,
    remote::{ARTEFACTS, place_of},
    roots::Roots,
};
use files::FilesInUse;
use jobs::{DataFiles, DataSpec, Digest, InputRef, Rows, S3Ref};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

/// Finds inputs on this machine, fetching them from the hub and from buckets where that is needed.
///
/// Digests of files are kept as long as the files stay what they are: inode, size, and both times.
#[derive(Debug)]
pub struct Inputs {
    pub(crate) hub: Hub,
    pub(crate) objects: Option<Objects>,
    pub(crate) artefacts: Option<Objects>,
    pub(crate) roots: Roots,
    pub(crate) allowed: Allowed,
    pub(crate) digests: Arc<FileDigests>,
}

/// An input on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located {
    /// The folder or file.
    pub path: PathBuf,
    /// The digest of the files in it that decide.
    pub digest: Digest,
    /// The commit, 40 hexadecimal digits, if it comes from the hub.
    pub commit: Option<String>,
    /// The files that were hashed. Whoever reads them checks afterwards that they were the same all the time.
    pub files_in_use: FilesInUse,
}

/// A split of a data set on this machine.
#[derive(Debug, Clone, PartialEq)]
pub struct LocatedData {
    /// Its files.
    pub files: DataFiles,
    /// The rows of them that it takes.
    pub rows: Rows,
    /// The digest of the files' contents, the columns and the rows.
    pub digest: Digest,
    /// The commit, 40 hexadecimal digits, if it comes from the hub.
    pub commit: Option<String>,
    /// The files that were hashed. Whoever reads them checks afterwards that they were the same all the time.
    pub files_in_use: FilesInUse,
}

/// How far one goes for an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// No further than the caches. Of what they have, the input of this digest is wanted; it may be another.
    Here(Digest),
    /// To the network, if need be.
    Anywhere,
}

/// A folder on this machine with the names of the files that were asked for.
#[derive(Debug)]
pub(crate) struct Folder<F> {
    pub(crate) root: PathBuf,
    pub(crate) files: F,
    pub(crate) commit: Option<String>,
    /// What a download left that was cut off, where files of the hub's cache are taken for all that there are.
    pub(crate) cut_off_download: Option<PathBuf>,
}

impl Inputs {
    /// Uses what `settings` say. Nothing is opened before it is needed.
    pub fn new(mut settings: Settings) -> Self {
        let digests = Arc::new(FileDigests::default());
        let objects = settings.objects.take();
        let artefacts = settings.artefacts.take();
        Self {
            objects: objects.map(|objects| Objects::new(objects, Arc::clone(&digests))),
            artefacts: artefacts.map(|artefacts| Objects::new(artefacts, Arc::clone(&digests))),
            roots: Roots::new(settings.roots.take()),
            allowed: Allowed { buckets: settings.buckets.take(), repositories: settings.repositories.take() },
            hub: Hub::new(settings),
            digests,
        }
    }

    /// A base model: a folder with `config.json`, weights, and the files of its preprocessing and tokenizer.
    ///
    /// The weights are `model.safetensors` if it is there, or else `model.safetensors.index.json` with the shards that
    /// it names; without these `pytorch_model.bin`, whole or in shards. Nothing else is taken for them.
    ///
    /// # Errors
    /// It is not there, lacks a file, cannot be read or fetched, or lies outside the folders that may be read.
    pub fn model(&self, reference: &InputRef) -> Result<Located, InputError> {
        self.finder(None).model(reference)
    }

    /// A LoRA adapter: a folder with `adapter_config.json` and `adapter_model.safetensors` or `.bin`.
    ///
    /// # Errors
    /// As [`model`](Self::model).
    pub fn adapter(&self, reference: &InputRef) -> Result<Located, InputError> {
        self.finder(None).adapter(reference)
    }

    /// A single file, such as a head.
    ///
    /// # Errors
    /// As [`model`](Self::model); it is not a file.
    pub fn file(&self, reference: &InputRef) -> Result<Located, InputError> {
        self.finder(None).file(reference)
    }

    /// A split of a data set, with the rows that its rule takes.
    ///
    /// Looked for are `[data/]<split>-*.parquet`, `<split>.parquet` and `<split>/*.parquet`; for texts `[data/]<split>.jsonl`,
    /// plain or gzipped; for pictures `<split>/<class>/*.png`, `.jpg` or `.jpeg`, and MNIST's `train-…` and `t10k-…` IDX files,
    /// plain or gzipped. A split that is there in two of these forms, or in two generations of files, is refused. A
    /// configuration that has its own folder is named by the reference: `hf://datasets/ylecun/mnist/mnist`.
    ///
    /// The digest covers what the returned files are, and no more than these: of pictures their classes, names and
    /// contents; of texts also what is made of their labels, and where they are cut. Classes of pictures are those of all splits
    /// together. A class without pictures in any split, whatever lies among pictures and is none, and what cannot be read are
    /// refused; hidden files do not count.
    ///
    /// # Errors
    /// As [`model`](Self::model); the data set has no such split, or the rule is wrong.
    pub fn data(&self, spec: &DataSpec, split: &str) -> Result<LocatedData, InputError> {
        self.finder(None).data(spec, split)
    }

    /// The same for an input that should have this digest: where a cache has it, the network is not asked.
    ///
    /// What is found otherwise may have another digest; that is the caller's affair.
    pub fn expecting(&self, digest: Digest) -> Finder<'_> {
        self.finder(Some(digest))
    }

    /// Whether something lies on this machine under `reference`, so that no network is needed to look at it.
    ///
    /// Of a hub repository or a bucket parts may be missing from the cache all the same, or be out of date.
    pub fn is_local(&self, reference: &InputRef) -> bool {
        match reference {
            InputRef::Path(path) => path.exists(),
            InputRef::Hub(hub) => self.hub.is_cached(hub),
            InputRef::S3(s3) => self.objects.as_ref().is_some_and(|objects| objects.is_cached(s3)),
            InputRef::Artefact(job) => {
                self.artefacts.as_ref().is_some_and(|artefacts| artefacts.is_cached(&place_of(job)))
            }
        }
    }

    /// Whether the hub is not to be asked, so that what its cache lacks cannot be had.
    pub fn is_offline(&self) -> bool {
        self.hub.is_offline()
    }

    pub(crate) fn objects(&self, s3: &S3Ref) -> Result<&Objects, InputError> {
        if s3.bucket == ARTEFACTS {
            return self.artefacts.as_ref().ok_or_else(|| InputError::NoArtefacts { job: s3.key.clone() });
        }
        self.objects.as_ref().ok_or_else(|| InputError::NoBuckets { reference: s3.to_string() })
    }

    /// Fails if what is to be read lies neither below a root nor, if it was fetched, in the cache that it was fetched into.
    pub(crate) fn check_roots(
        &self,
        reference: &InputRef,
        paths: impl IntoIterator<Item = PathBuf>,
    ) -> Result<(), InputError> {
        let cache = match reference {
            InputRef::Path(_) => None,
            InputRef::Hub(_) => Some(self.hub.cache()),
            InputRef::S3(_) => self.objects.as_ref().map(|objects| objects.cache_folder().to_owned()),
            InputRef::Artefact(_) => self.artefacts.as_ref().map(|objects| objects.cache_folder().to_owned()),
        };
        self.roots.check(reference, cache.as_deref(), paths)
    }

    pub(crate) fn finder(&self, expected: Option<Digest>) -> Finder<'_> {
        Finder { inputs: self, expected }
    }
}

/// An input that is made of objects: in a bucket, or what a job made.
pub(crate) fn as_objects(reference: &InputRef) -> Option<S3Ref> {
    match reference {
        InputRef::S3(s3) => Some(s3.clone()),
        InputRef::Artefact(job) => Some(place_of(job)),
        InputRef::Path(_) | InputRef::Hub(_) => None,
    }
}

pub(crate) fn unreadable(reference: &InputRef, path: &Path, source: std::io::Error) -> InputError {
    if source.kind() == std::io::ErrorKind::NotFound {
        return InputError::Missing { reference: reference.to_string() };
    }
    InputError::Read { reference: reference.to_string(), file: path.to_owned(), source }
}
