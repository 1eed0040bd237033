use super::{DataError, Example, Raw, Reader, SeeLabel, Take};
use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

/// Examples handed over at once.
const CHUNK: usize = 256;

/// Images whose classes are known by name, in the order of their list; nothing is looked for on the disk, so that what
/// is read is what was listed.
pub(super) struct ImageFolder {
    classes: Vec<String>,
    images: Vec<(PathBuf, i128)>,
}

impl ImageFolder {
    pub(super) fn open(folder: &Path, classes: &[String], images: &[(String, PathBuf)]) -> Result<Self, DataError> {
        if images.is_empty() {
            return Err(DataError::Empty { path: folder.into(), rows: 0 });
        }
        let labels: HashMap<&String, i128> = classes.iter().zip(0..).collect();
        let label = |(class, path): &(String, PathBuf)| {
            let unknown = || DataError::NoClass { path: path.clone(), class: class.clone() };
            Ok((path.clone(), *labels.get(class).ok_or_else(unknown)?))
        };
        let images = images.iter().map(label).collect::<Result<_, DataError>>()?;
        Ok(Self { classes: classes.to_vec(), images })
    }
}

impl Reader for ImageFolder {
    fn rows(&self) -> u64 {
        self.images.len() as u64
    }

    fn classes(&self) -> Option<Vec<String>> {
        Some(self.classes.clone())
    }

    fn read(&self, rows: &[u64], take: &mut Take<'_>) -> Result<(), DataError> {
        rows.chunks(CHUNK).try_for_each(|rows| {
            let example = |&row: &u64| {
                let (path, label) = &self.images[row as usize];
                Example { path: path.clone(), row: 0, label: *label, image: Raw::File(path.clone()) }
            };
            take(rows.iter().map(example).collect())
        })
    }

    fn labels(&self, rows: &[u64], see: &mut SeeLabel<'_>) -> Result<(), DataError> {
        rows.iter().try_for_each(|&row| {
            let (path, label) = &self.images[row as usize];
            see(path, 0, *label)
        })
    }
}
