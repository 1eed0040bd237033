use super::{ListedFile, ListedFolder, ListedSplits, Listing};
use crate::{
    InputError, Inputs, ListedData,
    folder::{self, list},
    layout::{
        DataKind, INDEX, MissingFile, PICKLED_INDEX, adapter_files, all_files, folders_with_splits, model_files,
        shards, splits,
    },
    remote::place_of,
    rows::rows,
    select::{as_folder, picked, picked_split, refuse_pointer, unreadable_entries},
};
use jobs::{DataSpec, InputRef};
use std::{fs, path::Path};

impl Inputs {
    /// The files of a [model](Self::model), without their content; of weights in shards the index is read.
    ///
    /// # Errors
    /// As [`model`](Self::model), except errors in the content.
    pub fn list_model(&self, reference: &InputRef) -> Result<Listing, InputError> {
        let folder = self.list_folder(reference)?;
        let role = "a model";
        let names = self.picked(reference, &folder, role, |names| model_files(names, &[]))?;
        let Some(name) = names.iter().find(|name| *name == INDEX || *name == PICKLED_INDEX) else {
            return self.listing(reference, &folder, &names);
        };
        let index = folder.file(reference, name)?;
        index.here.iter().try_for_each(|path| refuse_pointer(reference, path))?;
        let text = self.content(reference, &index)?;
        let shards = shards(&text).map_err(|source| {
            let file = index.here.unwrap_or_else(|| name.into());
            InputError::malformed(reference, file, "an index of weights", &source)
        })?;
        let names = self.picked(reference, &folder, role, |names| model_files(names, &shards))?;
        self.listing(reference, &folder, &names)
    }

    /// The files of an [adapter](Self::adapter), without their content.
    ///
    /// # Errors
    /// As [`adapter`](Self::adapter), except errors in the content.
    pub fn list_adapter(&self, reference: &InputRef) -> Result<Listing, InputError> {
        let folder = self.list_folder(reference)?;
        let names = self.picked(reference, &folder, "an adapter", adapter_files)?;
        self.listing(reference, &folder, &names)
    }

    /// The files of a [folder of any content](Self::anything), without their content.
    ///
    /// # Errors
    /// As [`anything`](Self::anything), except errors in the content.
    pub fn list_anything(&self, reference: &InputRef) -> Result<Listing, InputError> {
        let folder = self.list_folder(reference)?;
        let names = self.picked(reference, &folder, "data", all_files)?;
        self.listing(reference, &folder, &names)
    }

    /// A single [file](Self::file), without its content.
    ///
    /// # Errors
    /// As [`file`](Self::file), except errors in the content.
    pub fn list_file(&self, reference: &InputRef) -> Result<Listing, InputError> {
        let not_a_file = || InputError::NotA { reference: reference.to_string(), expected: "file" };
        let missing = || InputError::Missing { reference: reference.to_string() };
        self.allowed.check(reference)?;
        let (folder, name) = match reference {
            InputRef::Path(path) => {
                self.check_roots(reference, [path.clone()])?;
                let metadata = fs::metadata(path).map_err(|source| InputError::unreadable(reference, path, source))?;
                if !metadata.is_file() {
                    return Err(not_a_file());
                }
                let name = path.file_name().ok_or_else(not_a_file)?;
                let root = path.parent().unwrap_or(Path::new("")).to_owned();
                (ListedFolder::Folder { root, there: folder::Entries::default() }, name.to_string_lossy().into_owned())
            }
            InputRef::Hub(hub) => {
                let path = hub.path.as_deref().ok_or_else(not_a_file)?;
                let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
                let folder = self.hub.list_folder(hub, folder)?;
                let entries = folder.entries();
                if let Some(error) = unreadable_entries(reference, &entries, |odd| odd == name) {
                    return Err(self.offline_or(reference, error));
                }
                if !entries.names.iter().any(|there| there == name) {
                    return Err(self.offline_or(reference, missing()));
                }
                (folder, name.to_owned())
            }
            InputRef::S3(s3) => self.objects(s3)?.list_folder_of_file(s3)?,
            InputRef::Artefact(job) => self.objects(&place_of(job))?.list_folder_of_file(&place_of(job))?,
        };
        let file = folder.file(reference, &name)?;
        file.here.iter().try_for_each(|path| refuse_pointer(reference, path))?;
        Ok(Listing { reference: reference.clone(), files: vec![file], root: None, is_file: true })
    }

    /// The files of a [split](Self::data), without their content, and the rows that its rule takes.
    ///
    /// # Errors
    /// As [`data`](Self::data), except errors in the content.
    pub fn list_data(&self, spec: &DataSpec, split: &str) -> Result<ListedData, InputError> {
        let source = &spec.source;
        let rows = rows(self, spec, split, None)?;
        let folder = self.list_folder(source).map_err(|error| as_folder(source, error))?;
        let files = picked_split(spec, split, &folder.entries()).map_err(|error| self.offline_or(source, error))?;
        // The hub's cache may hold only a part of it.
        if let (InputRef::Hub(hub), ListedFolder::Folder { .. }) = (source, &folder)
            && let Some(partial) = self.hub.cut_off_download(hub)
        {
            return Err(InputError::CutOffDownload { reference: source.to_string(), partial });
        }
        let listing = self.listing(source, &folder, &files.names())?;
        Ok(ListedData { listing, rows, files })
    }

    /// The splits of a data set, by the names of its files alone.
    ///
    /// # Errors
    /// As [`data`](Self::data), except errors in the content.
    pub fn list_splits(&self, spec: &DataSpec) -> Result<ListedSplits, InputError> {
        let folder = self.list_folder(&spec.source).map_err(|error| as_folder(&spec.source, error))?;
        let names = folder.entries().names;
        let kind = if spec.text.is_some() { DataKind::Texts } else { DataKind::Images };
        Ok(ListedSplits { splits: splits(&names, kind), within: folders_with_splits(&names, kind) })
    }

    fn list_folder(&self, reference: &InputRef) -> Result<ListedFolder, InputError> {
        self.allowed.check(reference)?;
        let path = match reference {
            InputRef::Hub(hub) => return self.hub.list_folder(hub, hub.path.as_deref().unwrap_or("")),
            InputRef::S3(s3) => return self.objects(s3)?.list_folder(s3),
            InputRef::Artefact(job) => return self.objects(&place_of(job))?.list_folder(&place_of(job)),
            InputRef::Path(path) => path,
        };
        self.check_roots(reference, [path.clone()])?;
        let metadata = fs::metadata(path).map_err(|source| InputError::unreadable(reference, path, source))?;
        if !metadata.is_dir() {
            return Err(InputError::NotA { reference: reference.to_string(), expected: "folder" });
        }
        let there = list(path).map_err(|source| InputError::unreadable(reference, path, source))?;
        Ok(ListedFolder::Folder { root: path.clone(), there })
    }

    fn picked(
        &self,
        reference: &InputRef,
        folder: &ListedFolder,
        role: &'static str,
        select: impl Fn(&[String]) -> Result<Vec<String>, MissingFile>,
    ) -> Result<Vec<String>, InputError> {
        picked(reference, role, &folder.entries(), select).map_err(|error| self.offline_or(reference, error))
    }

    /// A file that the hub's cache lacks may exist on the hub.
    fn offline_or(&self, reference: &InputRef, error: InputError) -> InputError {
        match reference {
            InputRef::Hub(hub) if self.is_offline() => self.hub.partial(hub, error),
            InputRef::Hub(_) | InputRef::Path(_) | InputRef::S3(_) | InputRef::Artefact(_) => error,
        }
    }

    fn listing(&self, reference: &InputRef, folder: &ListedFolder, names: &[String]) -> Result<Listing, InputError> {
        if let ListedFolder::Folder { root, .. } = folder {
            // Files may be links that lead elsewhere.
            self.check_roots(reference, names.iter().map(|name| root.join(name)))?;
        }
        let files = names.iter().map(|name| folder.file(reference, name)).collect::<Result<Vec<ListedFile>, _>>()?;
        files.iter().filter_map(|file| file.here.as_ref()).try_for_each(|path| refuse_pointer(reference, path))?;
        let root = folder.root_of(&files);
        Ok(Listing { reference: reference.clone(), files, root, is_file: false })
    }
}
