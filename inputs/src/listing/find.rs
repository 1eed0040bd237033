use super::{ListedFile, Listing, Shelf};
use crate::{
    InputError, Inputs, ListedData,
    folder::{self, list},
    layout::{INDEX, Lack, PICKLED_INDEX, adapter_files, model_files, shards},
    remote::place_of,
    resolve::unreadable,
    rows::rows,
    select::{as_folder, picked, picked_split, refuse_pointer, unreadable_entries},
};
use jobs::{DataSpec, InputRef};
use std::{fs, path::Path};

impl Inputs {
    /// The files of a [model](Self::model), without their content; of weights in shards the index is read.
    ///
    /// # Errors
    /// As [`model`](Self::model), but for what only the content tells.
    pub fn list_model(&self, reference: &InputRef) -> Result<Listing, InputError> {
        let shelf = self.shelf(reference)?;
        let role = "a model";
        let names = self.picked(reference, &shelf, role, |names| model_files(names, &[]))?;
        let Some(name) = names.iter().find(|name| *name == INDEX || *name == PICKLED_INDEX) else {
            return self.listing(reference, &shelf, &names);
        };
        let index = shelf.file(reference, name)?;
        index.here.iter().try_for_each(|path| refuse_pointer(reference, path))?;
        let text = self.content(reference, &index)?;
        let shards = shards(&text).map_err(|source| {
            let file = index.here.unwrap_or_else(|| name.into());
            InputError::malformed(reference, file, "an index of weights", &source)
        })?;
        let names = self.picked(reference, &shelf, role, |names| model_files(names, &shards))?;
        self.listing(reference, &shelf, &names)
    }

    /// The files of an [adapter](Self::adapter), without their content.
    ///
    /// # Errors
    /// As [`adapter`](Self::adapter), but for what only the content tells.
    pub fn list_adapter(&self, reference: &InputRef) -> Result<Listing, InputError> {
        let shelf = self.shelf(reference)?;
        let names = self.picked(reference, &shelf, "an adapter", adapter_files)?;
        self.listing(reference, &shelf, &names)
    }

    /// A single [file](Self::file), without its content.
    ///
    /// # Errors
    /// As [`file`](Self::file), but for what only the content tells.
    pub fn list_file(&self, reference: &InputRef) -> Result<Listing, InputError> {
        let not_a_file = || InputError::NotA { reference: reference.to_string(), expected: "file" };
        let missing = || InputError::Missing { reference: reference.to_string() };
        self.allowed.check(reference)?;
        let (shelf, name) = match reference {
            InputRef::Path(path) => {
                self.check_roots(reference, [path.clone()])?;
                let metadata = fs::metadata(path).map_err(|source| unreadable(reference, path, source))?;
                let (true, Some(name)) = (metadata.is_file(), path.file_name()) else { return Err(not_a_file()) };
                let root = path.parent().unwrap_or(Path::new("")).to_owned();
                (Shelf::Folder { root, there: folder::Listing::default() }, name.to_string_lossy().into_owned())
            }
            InputRef::Hub(hub) => {
                let path = hub.path.as_deref().ok_or_else(not_a_file)?;
                let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
                let shelf = self.hub.shelf(hub, folder)?;
                let entries = shelf.entries();
                if let Some(error) = unreadable_entries(reference, &entries, |odd| odd == name) {
                    return Err(self.offline_or(reference, error));
                }
                if !entries.names.iter().any(|there| there == name) {
                    return Err(self.offline_or(reference, missing()));
                }
                (shelf, name.to_owned())
            }
            InputRef::S3(s3) => self.objects(s3)?.shelf_of_file(s3)?,
            InputRef::Artefact(job) => self.objects(&place_of(job))?.shelf_of_file(&place_of(job))?,
        };
        let file = shelf.file(reference, &name)?;
        file.here.iter().try_for_each(|path| refuse_pointer(reference, path))?;
        Ok(Listing { reference: reference.clone(), files: vec![file], root: None, is_file: true })
    }

    /// The files of a [split](Self::data), without their content, and the rows that its rule takes.
    ///
    /// # Errors
    /// As [`data`](Self::data), but for what only the content tells.
    pub fn list_data(&self, spec: &DataSpec, split: &str) -> Result<ListedData, InputError> {
        let source = &spec.source;
        let rows = rows(self, spec, split, None)?;
        let shelf = self.shelf(source).map_err(|error| as_folder(source, error))?;
        let files = picked_split(spec, split, &shelf.entries()).map_err(|error| self.offline_or(source, error))?;
        // What lies in the hub's cache may be a part of it.
        if let (InputRef::Hub(hub), Shelf::Folder { .. }) = (source, &shelf)
            && let Some(partial) = self.hub.cut_off_download(hub)
        {
            return Err(InputError::CutOffDownload { reference: source.to_string(), partial });
        }
        let listing = self.listing(source, &shelf, &files.names())?;
        Ok(ListedData { listing, rows, files })
    }

    fn shelf(&self, reference: &InputRef) -> Result<Shelf, InputError> {
        self.allowed.check(reference)?;
        let path = match reference {
            InputRef::Hub(hub) => return self.hub.shelf(hub, hub.path.as_deref().unwrap_or("")),
            InputRef::S3(s3) => return self.objects(s3)?.shelf(s3),
            InputRef::Artefact(job) => return self.objects(&place_of(job))?.shelf(&place_of(job)),
            InputRef::Path(path) => path,
        };
        self.check_roots(reference, [path.clone()])?;
        let metadata = fs::metadata(path).map_err(|source| unreadable(reference, path, source))?;
        if !metadata.is_dir() {
            return Err(InputError::NotA { reference: reference.to_string(), expected: "folder" });
        }
        let there = list(path).map_err(|source| unreadable(reference, path, source))?;
        Ok(Shelf::Folder { root: path.clone(), there })
    }

    fn picked(
        &self,
        reference: &InputRef,
        shelf: &Shelf,
        role: &'static str,
        select: impl Fn(&[String]) -> Result<Vec<String>, Lack>,
    ) -> Result<Vec<String>, InputError> {
        picked(reference, role, &shelf.entries(), select).map_err(|error| self.offline_or(reference, error))
    }

    /// What lacks in the hub's cache may well be on the hub.
    fn offline_or(&self, reference: &InputRef, error: InputError) -> InputError {
        match reference {
            InputRef::Hub(hub) if self.is_offline() => self.hub.partial(hub, error),
            _ => error,
        }
    }

    fn listing(&self, reference: &InputRef, shelf: &Shelf, names: &[String]) -> Result<Listing, InputError> {
        if let Shelf::Folder { root, .. } = shelf {
            // Files may be links that lead elsewhere.
            self.check_roots(reference, names.iter().map(|name| root.join(name)))?;
        }
        let files = names.iter().map(|name| shelf.file(reference, name)).collect::<Result<Vec<ListedFile>, _>>()?;
        files.iter().filter_map(|file| file.here.as_ref()).try_for_each(|path| refuse_pointer(reference, path))?;
        let root = shelf.root_of(&files);
        Ok(Listing { reference: reference.clone(), files, root, is_file: false })
    }
}
