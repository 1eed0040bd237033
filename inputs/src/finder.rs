use crate::{
    InputError, Inputs, Located, LocatedData,
    cache::Content,
    data::{data_digest, data_files, no_split},
    folder::file_names,
    layout::{DataKind, INDEX, Lack, adapter_files, find_split, model_files, shards},
    objects::Objects,
    resolve::{Folder, Reach, unreadable},
    rows::{has_listed_rows, rows},
};
use jobs::{DataSpec, Digest, HubRef, InputRef, Rows, S3Ref};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Finds inputs of which the digest may be known beforehand.
#[derive(Debug, Clone, Copy)]
pub struct Finder<'a> {
    pub(crate) inputs: &'a Inputs,
    pub(crate) expected: Option<Digest>,
}

impl Finder<'_> {
    /// As [`Inputs::model`].
    ///
    /// # Errors
    /// As there.
    pub fn model(&self, reference: &InputRef) -> Result<Located, InputError> {
        self.nearest(reference, |located: &Located| located.digest, |reach| self.model_within(reference, reach))
    }

    /// As [`Inputs::adapter`].
    ///
    /// # Errors
    /// As there.
    pub fn adapter(&self, reference: &InputRef) -> Result<Located, InputError> {
        let find = |reach| self.located(reference, self.named_files(reference, reach, "an adapter", adapter_files)?);
        self.nearest(reference, |located: &Located| located.digest, find)
    }

    /// As [`Inputs::file`].
    ///
    /// # Errors
    /// As there.
    pub fn file(&self, reference: &InputRef) -> Result<Located, InputError> {
        self.nearest(reference, |located: &Located| located.digest, |reach| self.file_within(reference, reach))
    }

    /// As [`Inputs::data`].
    ///
    /// # Errors
    /// As there.
    pub fn data(&self, spec: &DataSpec, split: &str) -> Result<LocatedData, InputError> {
        self.nearest(&spec.source, |located: &LocatedData| located.digest, |reach| self.data_within(spec, split, reach))
    }

    /// What a cache has, if it is what is expected, or else what is found by all means.
    fn nearest<T>(
        &self,
        reference: &InputRef,
        digest: impl Fn(&T) -> Digest,
        find: impl Fn(Reach) -> Result<T, InputError>,
    ) -> Result<T, InputError> {
        let expected = self.expected.filter(|_| reference.as_path().is_none());
        let here = expected.and_then(|expected| find(Reach::Here(expected)).ok());
        match here.filter(|found| Some(digest(found)) == expected) {
            Some(found) => Ok(found),
            None => find(Reach::Anywhere),
        }
    }

    fn model_within(&self, reference: &InputRef, reach: Reach) -> Result<Located, InputError> {
        let role = "a model";
        let found = self.named_files(reference, reach, role, |names| model_files(names, &[]))?;
        if !found.files.iter().any(|name| name == INDEX) {
            return self.located(reference, found);
        }
        let file = found.root.join(INDEX);
        let text = fs::read(&file).map_err(|source| unreadable(reference, &file, source))?;
        let shards =
            shards(&text).map_err(|source| InputError::malformed(reference, file, "an index of weights", &source))?;
        self.located(reference, self.named_files(reference, reach, role, |names| model_files(names, &shards))?)
    }

    fn file_within(&self, reference: &InputRef, reach: Reach) -> Result<Located, InputError> {
        self.inputs.allowed.check(reference)?;
        let (path, commit) = match reference {
            InputRef::Path(path) => (path.clone(), None),
            InputRef::Hub(hub) => self.hub_file(reference, hub, reach)?,
            InputRef::S3(s3) => (self.objects(s3)?.file(s3, reach)?, None),
        };
        self.check_roots(reference, [path.clone()])?;
        match fs::metadata(&path) {
            Ok(metadata) if metadata.is_file() => {}
            Ok(_) => return Err(InputError::NotA { reference: reference.to_string(), expected: "file" }),
            Err(source) => return Err(unreadable(reference, &path, source)),
        }
        let digest = self.digest(reference, &path)?;
        if let (InputRef::S3(s3), Some(name)) = (reference, path.file_name()) {
            let files = vec![(name.to_string_lossy().into_owned(), digest)];
            self.objects(s3)?.keep(digest, &Content { files, rows: None })?;
        }
        Ok(Located { path, digest, commit })
    }

    fn hub_file(
        &self,
        reference: &InputRef,
        hub: &HubRef,
        reach: Reach,
    ) -> Result<(PathBuf, Option<String>), InputError> {
        let (folder, name) = match hub.path.as_deref().map(|path| path.rsplit_once('/').unwrap_or(("", path))) {
            Some(parts) => parts,
            None => return Err(InputError::NotA { reference: reference.to_string(), expected: "file" }),
        };
        let select = |names: &[String]| match names.iter().find(|there| *there == name) {
            Some(name) => Ok(vec![name.clone()]),
            None => Err(InputError::Missing { reference: reference.to_string() }),
        };
        let found = self.inputs.hub.folder(hub, folder, reach, &select, Vec::clone)?;
        Ok((found.root.join(name), found.commit))
    }

    fn data_within(&self, spec: &DataSpec, split: &str, reach: Reach) -> Result<LocatedData, InputError> {
        let rows = self.rows_within(spec, split, reach)?;
        let from = spec.splits.get(split).and_then(|rule| rule.from.as_deref()).unwrap_or(split);
        let kind = if spec.text.is_some() { DataKind::Texts } else { DataKind::Pictures };
        let select = |names: &[String]| match names {
            [] if is_table_file(&spec.source) => Err(no_data_folder(&spec.source)),
            _ => find_split(names, from, kind).map_err(|reason| no_split(&spec.source, from, reason)),
        };
        let found = self.folder(&spec.source, reach, &select, |files| files.names()).map_err(|error| match error {
            InputError::NotA { .. } => no_data_folder(&spec.source),
            InputError::NoObjects { .. } if is_table_file(&spec.source) => no_data_folder(&spec.source),
            error => error,
        })?;
        let names = found.files.names();
        let contents = names.iter().map(|name| self.digest(&spec.source, &found.root.join(name)));
        let contents = contents.collect::<Result<Vec<_>, _>>()?;
        let digest = data_digest(&found.files, &contents, spec, &rows);
        if let InputRef::S3(s3) = &spec.source {
            let rows = match &rows {
                Rows::Indices(rows) => Some(rows.clone()),
                _ => None,
            };
            self.objects(s3)?.keep(digest, &Content { files: names.into_iter().zip(contents).collect(), rows })?;
        }
        Ok(LocatedData { files: data_files(&found.root, &found.files), rows, digest, commit: found.commit })
    }

    /// Where a cache has a split by its digest, it has the list of its rows as well.
    fn rows_within(&self, spec: &DataSpec, split: &str, reach: Reach) -> Result<Rows, InputError> {
        if let (Reach::Here(expected), InputRef::S3(s3)) = (reach, &spec.source)
            && has_listed_rows(spec, split)
            && let Some(rows) = self.objects(s3)?.content(expected).and_then(|content| content.rows)
        {
            return Ok(Rows::Indices(rows));
        }
        rows(self.inputs, spec, split)
    }

    /// A folder that should be `role`, with the files that `select` picks.
    fn named_files(
        &self,
        reference: &InputRef,
        reach: Reach,
        role: &'static str,
        select: impl Fn(&[String]) -> Result<Vec<String>, Lack>,
    ) -> Result<Folder<Vec<String>>, InputError> {
        let select = |names: &[String]| {
            select(names).map_err(|lack| InputError::Lacks { reference: reference.to_string(), role, lacks: lack.0 })
        };
        self.folder(reference, reach, &select, Vec::clone)
    }

    /// The digest is that of the names and contents of the files.
    fn located(&self, reference: &InputRef, found: Folder<Vec<String>>) -> Result<Located, InputError> {
        let named = |name: &String| Ok((name.clone(), self.digest(reference, &found.root.join(name))?));
        let files = found.files.iter().map(named).collect::<Result<Vec<_>, InputError>>()?;
        let digest = Digest::of_json(&files);
        if let InputRef::S3(s3) = reference {
            self.objects(s3)?.keep(digest, &Content { files, rows: None })?;
        }
        Ok(Located { digest, path: found.root, commit: found.commit })
    }

    fn folder<F>(
        &self,
        reference: &InputRef,
        reach: Reach,
        select: &dyn Fn(&[String]) -> Result<F, InputError>,
        names: impl Fn(&F) -> Vec<String>,
    ) -> Result<Folder<F>, InputError> {
        self.inputs.allowed.check(reference)?;
        let fetched = match reference {
            InputRef::Hub(hub) => {
                Some(self.inputs.hub.folder(hub, hub.path.as_deref().unwrap_or(""), reach, select, &names)?)
            }
            InputRef::S3(s3) => Some(self.objects(s3)?.folder(s3, reach, select, &names)?),
            InputRef::Path(_) => None,
        };
        if let Some(found) = fetched {
            // Links in a cache lead to other files of it.
            self.check_roots(reference, names(&found.files).iter().map(|name| found.root.join(name)))?;
            return Ok(found);
        }
        let path = reference.as_path().unwrap_or(Path::new(""));
        self.check_roots(reference, [path.to_owned()])?;
        let metadata = fs::metadata(path).map_err(|source| unreadable(reference, path, source))?;
        if !metadata.is_dir() {
            return Err(InputError::NotA { reference: reference.to_string(), expected: "folder" });
        }
        let there = file_names(path).map_err(|source| unreadable(reference, path, source))?;
        let files = select(&there)?;
        // Files may be links that lead elsewhere.
        self.check_roots(reference, names(&files).iter().map(|name| path.join(name)))?;
        Ok(Folder { root: path.to_owned(), files, commit: None })
    }

    /// Fails if what is to be read lies neither below a root nor, if it was fetched, in the cache that it was fetched into.
    fn check_roots(&self, reference: &InputRef, paths: impl IntoIterator<Item = PathBuf>) -> Result<(), InputError> {
        let cache = match reference {
            InputRef::Path(_) => None,
            InputRef::Hub(_) => Some(self.inputs.hub.cache()),
            InputRef::S3(_) => self.inputs.objects.as_ref().map(|objects| objects.cache_folder().to_owned()),
        };
        self.inputs.roots.check(reference, cache.as_deref(), paths)
    }

    fn objects(&self, s3: &S3Ref) -> Result<&Objects, InputError> {
        self.inputs.objects.as_ref().ok_or_else(|| InputError::NoBuckets { reference: s3.to_string() })
    }

    fn digest(&self, reference: &InputRef, path: &Path) -> Result<Digest, InputError> {
        self.inputs.digests.of(path).map_err(|source| unreadable(reference, path, source))
    }
}

fn no_data_folder(reference: &InputRef) -> InputError {
    let expected = "folder: name the one that the files of the splits lie in, and the split by itself";
    InputError::NotA { reference: reference.to_string(), expected }
}

/// Whether a reference to the hub or a bucket seems to name a single file; nothing lies below one.
fn is_table_file(reference: &InputRef) -> bool {
    let path = match reference {
        InputRef::Path(_) => None,
        InputRef::Hub(hub) => hub.path.as_deref(),
        InputRef::S3(s3) => Some(s3.key.as_str()),
    };
    path.is_some_and(|path| path.ends_with(".parquet") || path.ends_with(".jsonl"))
}
