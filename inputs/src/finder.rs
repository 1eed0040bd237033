use crate::{
    InputError, Inputs, Located, LocatedData,
    cache::Content,
    data::{data_digest, data_files},
    decides::{NEW_PROCESSOR, OLD_PROCESSOR, ending_padding, second_processor_counts},
    digest::{FileDigests, Hashed},
    folder::{Entries, list},
    layout::{
        INDEX, MissingFile, PICKLED_INDEX, SplitFiles, adapter_files, all_files, model_files, shards, statistics_files,
    },
    located::{FetchPolicy, FoundFolder},
    objects::Objects,
    remote::{as_objects, place_of},
    rows::{has_listed_rows, rows},
    select::{as_folder, picked, picked_split, refuse_pointer, unreadable_entries},
};
use files::FilesInUse;
use jobs::{DataSpec, Digest, HubRef, InputRef, Rows, S3Ref};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// Locates one input, whose digest may be known beforehand.
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
        self.nearest(reference, |located: &Located| located.digest, |policy| self.model_within(reference, policy))
    }

    /// As [`Inputs::whole_model`].
    ///
    /// # Errors
    /// As there.
    pub fn whole_model(&self, reference: &InputRef) -> Result<Located, InputError> {
        let find = |policy| {
            let found = self.named_files(reference, policy, "a model that a command reads", all_files)?;
            self.located(reference, found)
        };
        self.nearest(reference, |located: &Located| located.digest, find)
    }

    /// As [`Inputs::adapter`].
    ///
    /// # Errors
    /// As there.
    pub fn adapter(&self, reference: &InputRef) -> Result<Located, InputError> {
        let find = |policy| self.located(reference, self.named_files(reference, policy, "an adapter", adapter_files)?);
        self.nearest(reference, |located: &Located| located.digest, find)
    }

    /// As [`Inputs::statistics`].
    ///
    /// # Errors
    /// As there.
    pub fn statistics(&self, reference: &InputRef) -> Result<Located, InputError> {
        let find = |policy| {
            let found = self.named_files(reference, policy, "statistics", statistics_files)?;
            self.located(reference, found)
        };
        self.nearest(reference, |located: &Located| located.digest, find)
    }

    /// As [`Inputs::file`].
    ///
    /// # Errors
    /// As there.
    pub fn file(&self, reference: &InputRef) -> Result<Located, InputError> {
        self.nearest(reference, |located: &Located| located.digest, |policy| self.file_within(reference, policy))
    }

    /// As [`Inputs::anything`].
    ///
    /// # Errors
    /// As there.
    pub fn anything(&self, reference: &InputRef) -> Result<Located, InputError> {
        if reference.as_path().is_some_and(Path::is_file) {
            return self.file(reference);
        }
        let find = |policy| {
            let found = self.named_files(reference, policy, "data", all_files)?;
            self.located(reference, found)
        };
        self.nearest(reference, |located: &Located| located.digest, find)
    }

    /// As [`Inputs::data`].
    ///
    /// # Errors
    /// As there.
    pub fn data(&self, spec: &DataSpec, split: &str) -> Result<LocatedData, InputError> {
        self.nearest(
            &spec.source,
            |located: &LocatedData| located.digest,
            |policy| self.data_within(spec, split, policy),
        )
    }

    /// The cached input, if it has the expected digest; otherwise the input from any source.
    fn nearest<T>(
        &self,
        reference: &InputRef,
        digest: impl Fn(&T) -> Digest,
        find: impl Fn(FetchPolicy) -> Result<T, InputError>,
    ) -> Result<T, InputError> {
        let expected = self.expected.filter(|_| reference.as_path().is_none());
        let here = expected.and_then(|expected| find(FetchPolicy::CacheOnly(expected)).ok());
        match here.filter(|found| Some(digest(found)) == expected) {
            Some(found) => Ok(found),
            None => find(FetchPolicy::Network),
        }
    }

    fn model_within(&self, reference: &InputRef, policy: FetchPolicy) -> Result<Located, InputError> {
        let role = "a model";
        let found = self.named_files(reference, policy, role, |names| model_files(names, &[]))?;
        let Some(index) = found.files.iter().find(|name| *name == INDEX || *name == PICKLED_INDEX) else {
            return self.located_model(reference, found);
        };
        let file = found.root.join(index);
        refuse_pointer(reference, &file)?;
        let (text, hashed) =
            FileDigests::read(&file).map_err(|source| InputError::unreadable(reference, &file, source))?;
        let malformed = |source| InputError::malformed(reference, file.clone(), "an index of weights", &source);
        let shards = shards(&text).map_err(malformed)?;
        let found = self.named_files(reference, policy, role, |names| model_files(names, &shards))?;
        let located = self.located_model(reference, found)?;
        let is_same = located.files_in_use.check_read(&file, &hashed.identity);
        is_same.map_err(|changed| InputError::unreadable(reference, &file, io::Error::other(changed)))?;
        Ok(located)
    }

    fn file_within(&self, reference: &InputRef, policy: FetchPolicy) -> Result<Located, InputError> {
        self.inputs.allowed.check(reference)?;
        let (path, commit) = match reference {
            InputRef::Path(path) => (path.clone(), None),
            InputRef::Hub(hub) => self.hub_file(reference, hub, policy)?,
            InputRef::S3(s3) => (self.objects(s3)?.file(s3, policy)?, None),
            InputRef::Artefact(job) => (self.objects(&place_of(job))?.file(&place_of(job), policy)?, None),
        };
        self.inputs.check_roots(reference, [path.clone()])?;
        match fs::metadata(&path) {
            Ok(metadata) if metadata.is_file() => {}
            Ok(_) => return Err(InputError::NotA { reference: reference.to_string(), expected: "file" }),
            Err(source) => return Err(InputError::unreadable(reference, &path, source)),
        }
        let Hashed { digest, identity } = self.hashed(reference, &path)?;
        if let (Some(s3), Some(name)) = (as_objects(reference), path.file_name()) {
            let files = vec![(name.to_string_lossy().into_owned(), digest)];
            self.objects(&s3)?.keep(digest, &Content { files, ..Content::default() })?;
        }
        let mut files_in_use = FilesInUse::default();
        files_in_use.add(path.clone(), identity);
        Ok(Located { path, digest, commit, files_in_use })
    }

    fn hub_file(
        &self,
        reference: &InputRef,
        hub: &HubRef,
        policy: FetchPolicy,
    ) -> Result<(PathBuf, Option<String>), InputError> {
        let (folder, name) = match hub.path.as_deref().map(|path| path.rsplit_once('/').unwrap_or(("", path))) {
            Some(parts) => parts,
            None => return Err(InputError::NotA { reference: reference.to_string(), expected: "file" }),
        };
        let select = |listing: &Entries| match listing.names.iter().find(|there| *there == name) {
            Some(name) => match unreadable_entries(reference, listing, |odd| odd == name) {
                Some(error) => Err(error),
                None => Ok(vec![name.clone()]),
            },
            None => Err(InputError::Missing { reference: reference.to_string() }),
        };
        let found = self.inputs.hub.folder(hub, folder, policy, &select, Vec::clone)?;
        Ok((found.root.join(name), found.commit))
    }

    fn data_within(&self, spec: &DataSpec, split: &str, policy: FetchPolicy) -> Result<LocatedData, InputError> {
        let rows = self.rows_within(spec, split, policy)?;
        let select = |listing: &Entries| picked_split(spec, split, listing);
        let found = self.folder(&spec.source, policy, &select, SplitFiles::names);
        let found = found.map_err(|error| as_folder(&spec.source, error))?;
        // An expected digest shows by itself whether all files are there.
        if let (FetchPolicy::Network, Some(partial)) = (policy, found.cut_off_download) {
            return Err(InputError::CutOffDownload { reference: spec.source.to_string(), partial });
        }
        let names = found.files.names();
        let mut files_in_use = FilesInUse::default();
        let mut contents = Vec::with_capacity(names.len());
        for name in &names {
            let path = found.root.join(name);
            let hashed = self.hashed(&spec.source, &path)?;
            contents.push(hashed.digest);
            files_in_use.add(path, hashed.identity);
        }
        let digest = data_digest(&found.files, &contents, spec, &rows);
        if let Some(s3) = as_objects(&spec.source) {
            let rows = match &rows {
                Rows::Indices(rows) => Some(rows.clone()),
                Rows::All | Rows::Share { .. } | Rows::TrainTestSplit { .. } | Rows::First { .. } => None,
            };
            let files = names.into_iter().zip(contents).collect();
            let beside = found.files.beside().to_vec();
            self.objects(&s3)?.keep(digest, &Content { files, rows, beside })?;
        }
        let files = data_files(&found.root, &found.files);
        Ok(LocatedData { files, rows, digest, commit: found.commit, files_in_use })
    }

    /// A cache that has a split by its digest also has the list of its rows.
    fn rows_within(&self, spec: &DataSpec, split: &str, policy: FetchPolicy) -> Result<Rows, InputError> {
        if let (FetchPolicy::CacheOnly(expected), Some(s3)) = (policy, as_objects(&spec.source))
            && has_listed_rows(spec, split)
            && let Some(rows) = self.objects(&s3)?.content(expected).and_then(|content| content.rows)
        {
            return Ok(Rows::Indices(rows));
        }
        rows(self.inputs, spec, split, self.expected)
    }

    /// A folder that should be `role`, with the files that `select` picks.
    fn named_files(
        &self,
        reference: &InputRef,
        policy: FetchPolicy,
        role: &'static str,
        select: impl Fn(&[String]) -> Result<Vec<String>, MissingFile>,
    ) -> Result<FoundFolder<Vec<String>>, InputError> {
        let select = |listing: &Entries| picked(reference, role, listing, &select);
        self.folder(reference, policy, &select, Vec::clone)
    }

    /// A model's digest is that of the names and contents of its files, and of the rule by which its texts are read
    /// where that matters.
    ///
    /// The rule is read from files that were hashed before, and that are the same afterwards.
    fn located_model(&self, reference: &InputRef, found: FoundFolder<Vec<String>>) -> Result<Located, InputError> {
        let FoundFolder { root, files, commit, .. } = found;
        let mut in_use = FilesInUse::default();
        let mut contents = self.contents(reference, &root, &files, &mut in_use)?;
        let has = |name: &str| files.iter().any(|there| there == name);
        if has(OLD_PROCESSOR) && has(NEW_PROCESSOR) && !second_processor_counts(&root) {
            contents.retain(|(name, _)| name != NEW_PROCESSOR);
        }
        let padding = ending_padding(&root);
        in_use.check().map_err(|changed| InputError::unreadable(reference, &root, io::Error::other(changed)))?;
        let digest = match padding {
            Some(token) => Digest::of_json(&(&contents, "read before padding", token)),
            None => Digest::of_json(&contents),
        };
        self.keep(reference, digest, contents)?;
        Ok(Located { digest, path: root, commit, files_in_use: in_use })
    }

    /// The input in a folder, with the digest of the names and contents of its files.
    fn located(&self, reference: &InputRef, found: FoundFolder<Vec<String>>) -> Result<Located, InputError> {
        let FoundFolder { root, files, commit, .. } = found;
        let mut in_use = FilesInUse::default();
        let contents = self.contents(reference, &root, &files, &mut in_use)?;
        let digest = Digest::of_json(&contents);
        self.keep(reference, digest, contents)?;
        Ok(Located { digest, path: root, commit, files_in_use: in_use })
    }

    /// The files `names` of a folder with their digests.
    fn contents(
        &self,
        reference: &InputRef,
        root: &Path,
        names: &[String],
        in_use: &mut FilesInUse,
    ) -> Result<Vec<(String, Digest)>, InputError> {
        let mut contents = Vec::with_capacity(names.len());
        for name in names {
            let path = root.join(name);
            let hashed = self.hashed(reference, &path)?;
            in_use.add(path, hashed.identity);
            contents.push((name.clone(), hashed.digest));
        }
        Ok(contents)
    }

    /// Keeps what an input of a bucket is made of.
    fn keep(&self, reference: &InputRef, digest: Digest, files: Vec<(String, Digest)>) -> Result<(), InputError> {
        match as_objects(reference) {
            Some(s3) => self.objects(&s3)?.keep(digest, &Content { files, ..Content::default() }),
            None => Ok(()),
        }
    }

    fn folder<F>(
        &self,
        reference: &InputRef,
        policy: FetchPolicy,
        select: &dyn Fn(&Entries) -> Result<F, InputError>,
        names: impl Fn(&F) -> Vec<String>,
    ) -> Result<FoundFolder<F>, InputError> {
        self.inputs.allowed.check(reference)?;
        let fetched = match reference {
            InputRef::Hub(hub) => {
                Some(self.inputs.hub.folder(hub, hub.path.as_deref().unwrap_or(""), policy, select, &names)?)
            }
            InputRef::S3(s3) => Some(self.objects(s3)?.folder(s3, policy, select, &names)?),
            InputRef::Artefact(job) => {
                Some(self.objects(&place_of(job))?.folder(&place_of(job), policy, select, &names)?)
            }
            InputRef::Path(_) => None,
        };
        if let Some(found) = fetched {
            // Links in a cache lead to other files of it.
            self.inputs.check_roots(reference, names(&found.files).iter().map(|name| found.root.join(name)))?;
            return Ok(found);
        }
        let path = reference.as_path().unwrap_or(Path::new(""));
        self.inputs.check_roots(reference, [path.to_owned()])?;
        let metadata = fs::metadata(path).map_err(|source| InputError::unreadable(reference, path, source))?;
        if !metadata.is_dir() {
            return Err(InputError::NotA { reference: reference.to_string(), expected: "folder" });
        }
        let there = list(path).map_err(|source| InputError::unreadable(reference, path, source))?;
        let files = select(&there)?;
        // Files may be links that lead elsewhere.
        self.inputs.check_roots(reference, names(&files).iter().map(|name| path.join(name)))?;
        Ok(FoundFolder { root: path.to_owned(), files, commit: None, cut_off_download: None })
    }

    fn objects(&self, s3: &S3Ref) -> Result<&Objects, InputError> {
        self.inputs.objects(s3)
    }

    fn hashed(&self, reference: &InputRef, path: &Path) -> Result<Hashed, InputError> {
        refuse_pointer(reference, path)?;
        let unread = |source| InputError::Read { reference: reference.to_string(), file: path.to_owned(), source };
        self.inputs.digests.of(path).map_err(unread)
    }
}
