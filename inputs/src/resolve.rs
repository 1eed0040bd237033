use crate::{
    InputError,
    data::{data_digest, data_files, no_split},
    digest::FileDigests,
    folder::file_names,
    hub::Hub,
    layout::{INDEX, Lack, adapter_files, find_split, model_files, shards},
    rows::rows,
};
use jobs::{DataFiles, DataSpec, Digest, InputRef, Rows};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// How the hub is used.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Use what is in the hub's cache, and never the network; set where `HF_HUB_OFFLINE` is 1.
    pub is_offline: bool,
    /// The hub's cache, if not the one that the environment names.
    pub cache: Option<PathBuf>,
    /// The hub's address, if not the one that the environment names.
    pub endpoint: Option<String>,
    /// How often a request is tried at most, if not as often as the client thinks fit.
    pub attempts: Option<usize>,
}

/// Finds inputs on this machine, fetching them from the hub where that is needed.
///
/// Digests of files are kept as long as their size and time of change stay the same.
#[derive(Debug)]
pub struct Inputs {
    hub: Hub,
    digests: FileDigests,
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
}

/// A folder on this machine with the names of the files that were asked for.
#[derive(Debug)]
pub(crate) struct Folder<F> {
    pub(crate) root: PathBuf,
    pub(crate) files: F,
    pub(crate) commit: Option<String>,
}

impl Inputs {
    /// Uses the hub as `settings` say. Nothing is opened before it is needed.
    pub fn new(settings: Settings) -> Self {
        Self { hub: Hub::new(settings), digests: FileDigests::default() }
    }

    /// A base model: a folder with `config.json`, weights, and the files of its preprocessing and tokenizer.
    ///
    /// The weights are `model.safetensors` if it is there, or else `model.safetensors.index.json` with the shards that it
    /// names; nothing else is taken for them.
    ///
    /// # Errors
    /// It is not there, lacks a file, cannot be read or fetched.
    pub fn model(&self, reference: &InputRef) -> Result<Located, InputError> {
        let role = "a model";
        let found = self.named_files(reference, role, |names| model_files(names, &[]))?;
        if !found.files.iter().any(|name| name == INDEX) {
            return self.located(reference, found);
        }
        let file = found.root.join(INDEX);
        let text = fs::read(&file).map_err(|source| unreadable(reference, &file, source))?;
        let shards = shards(&text).map_err(|source| InputError::Malformed {
            reference: reference.to_string(),
            file,
            expected: "an index of weights",
            source,
        })?;
        self.located(reference, self.named_files(reference, role, |names| model_files(names, &shards))?)
    }

    /// A LoRA adapter: a folder with `adapter_config.json` and `adapter_model.safetensors` or `.bin`.
    ///
    /// # Errors
    /// It is not there, lacks a file, cannot be read or fetched.
    pub fn adapter(&self, reference: &InputRef) -> Result<Located, InputError> {
        self.located(reference, self.named_files(reference, "an adapter", adapter_files)?)
    }

    /// A single file, such as a head.
    ///
    /// # Errors
    /// It is not there or not a file, cannot be read or fetched.
    pub fn file(&self, reference: &InputRef) -> Result<Located, InputError> {
        let (path, commit) = match reference {
            InputRef::Path(path) => (path.clone(), None),
            InputRef::Hub(hub) => {
                let (folder, name) = match hub.path.as_deref().map(|path| path.rsplit_once('/').unwrap_or(("", path))) {
                    Some(parts) => parts,
                    None => return Err(InputError::NotA { reference: reference.to_string(), expected: "file" }),
                };
                let select = |names: &[String]| match names.iter().find(|there| *there == name) {
                    Some(name) => Ok(vec![name.clone()]),
                    None => Err(InputError::Missing { reference: reference.to_string() }),
                };
                let found = self.hub.folder(hub, folder, &select, Vec::clone)?;
                (found.root.join(name), found.commit)
            }
        };
        match fs::metadata(&path) {
            Ok(metadata) if metadata.is_file() => {}
            Ok(_) => return Err(InputError::NotA { reference: reference.to_string(), expected: "file" }),
            Err(source) => return Err(unreadable(reference, &path, source)),
        }
        let digest = self.digest(reference, &path)?;
        Ok(Located { path, digest, commit })
    }

    /// A split of a data set, with the rows that its rule takes.
    ///
    /// Looked for are, in this order: `[data/]<split>-*.parquet`, `<split>.parquet` and `<split>/*.parquet`; pictures
    /// `<split>/<class>/*.png`, `.jpg` or `.jpeg`; MNIST's `train-…` and `t10k-…` IDX files, plain or gzipped. A
    /// configuration that has its own folder is named by the reference: `hf://datasets/ylecun/mnist/mnist`.
    ///
    /// The digest covers what the returned files are, and no more than these: of pictures their classes, names and
    /// contents. A class without pictures, and whatever lies among its pictures and is none, is refused; hidden files do
    /// not count.
    ///
    /// # Errors
    /// The data set or split is not there, the rule is wrong, a file cannot be read or fetched.
    pub fn data(&self, spec: &DataSpec, split: &str) -> Result<LocatedData, InputError> {
        let rows = rows(self, spec, split)?;
        let from = spec.splits.get(split).and_then(|rule| rule.from.as_deref()).unwrap_or(split);
        let select = |names: &[String]| match names {
            [] if is_parquet_file(&spec.source) => Err(no_data_folder(&spec.source)),
            _ => find_split(names, from).map_err(|reason| no_split(&spec.source, from, reason)),
        };
        let found = self.folder(&spec.source, &select, |files| files.names()).map_err(|error| match error {
            InputError::NotA { .. } => no_data_folder(&spec.source),
            error => error,
        })?;
        let names = found.files.names();
        let contents = names.iter().map(|name| self.digest(&spec.source, &found.root.join(name)));
        let digest = data_digest(&found.files, &contents.collect::<Result<Vec<_>, _>>()?, spec, &rows);
        Ok(LocatedData { files: data_files(&found.root, &found.files), rows, digest, commit: found.commit })
    }

    /// Whether something lies on this machine under `reference`, so that no network is needed to look at it.
    ///
    /// Of a hub repository parts may be missing from the cache all the same.
    pub fn is_local(&self, reference: &InputRef) -> bool {
        match reference {
            InputRef::Path(path) => path.exists(),
            InputRef::Hub(hub) => self.hub.is_cached(hub),
        }
    }

    /// A folder that should be `role`, with the files that `select` picks.
    fn named_files(
        &self,
        reference: &InputRef,
        role: &'static str,
        select: impl Fn(&[String]) -> Result<Vec<String>, Lack>,
    ) -> Result<Folder<Vec<String>>, InputError> {
        let select = |names: &[String]| {
            select(names).map_err(|lack| InputError::Lacks { reference: reference.to_string(), role, lacks: lack.0 })
        };
        self.folder(reference, &select, Vec::clone)
    }

    /// The digest is that of the names and contents of the files.
    fn located(&self, reference: &InputRef, found: Folder<Vec<String>>) -> Result<Located, InputError> {
        let named = |name: &String| Ok((name.clone(), self.digest(reference, &found.root.join(name))?));
        let contents = found.files.iter().map(named).collect::<Result<Vec<_>, InputError>>()?;
        Ok(Located { digest: Digest::of_json(&contents), path: found.root, commit: found.commit })
    }

    fn folder<F>(
        &self,
        reference: &InputRef,
        select: &dyn Fn(&[String]) -> Result<F, InputError>,
        names: impl Fn(&F) -> Vec<String>,
    ) -> Result<Folder<F>, InputError> {
        match reference {
            InputRef::Hub(hub) => self.hub.folder(hub, hub.path.as_deref().unwrap_or(""), select, names),
            InputRef::Path(path) => {
                let metadata = fs::metadata(path).map_err(|source| unreadable(reference, path, source))?;
                if !metadata.is_dir() {
                    return Err(InputError::NotA { reference: reference.to_string(), expected: "folder" });
                }
                let there = file_names(path).map_err(|source| unreadable(reference, path, source))?;
                Ok(Folder { root: path.clone(), files: select(&there)?, commit: None })
            }
        }
    }

    fn digest(&self, reference: &InputRef, path: &Path) -> Result<Digest, InputError> {
        self.digests.of(path).map_err(|source| unreadable(reference, path, source))
    }
}

fn no_data_folder(reference: &InputRef) -> InputError {
    let expected = "folder: name the one that the files of the splits lie in, and the split by itself";
    InputError::NotA { reference: reference.to_string(), expected }
}

/// Whether a hub reference seems to name a single file; nothing lies below one.
fn is_parquet_file(reference: &InputRef) -> bool {
    matches!(reference, InputRef::Hub(hub) if hub.path.as_deref().is_some_and(|path| path.ends_with(".parquet")))
}

pub(crate) fn unreadable(reference: &InputRef, path: &Path, source: std::io::Error) -> InputError {
    if source.kind() == std::io::ErrorKind::NotFound {
        return InputError::Missing { reference: reference.to_string() };
    }
    InputError::Read { reference: reference.to_string(), file: path.to_owned(), source }
}
