use super::{DataError, Example, Raw, Reader, SeeLabel, Take};
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

/// Examples handed over at once.
const CHUNK: usize = 256;

/// Pictures whose classes are known by name, in the order of their list; nothing is looked for on the disk, so that what
/// is read is what was listed.
pub(super) struct ImageFolder {
    classes: Vec<String>,
    pictures: Vec<(PathBuf, i64)>,
}

impl ImageFolder {
    pub(super) fn open(folder: &Path, pictures: &[(String, PathBuf)]) -> Result<Self, DataError> {
        if pictures.is_empty() {
            return Err(DataError::Empty { path: folder.into(), rows: 0 });
        }
        let classes: BTreeSet<&String> = pictures.iter().map(|(class, _)| class).collect();
        let classes: Vec<String> = classes.into_iter().cloned().collect();
        let label = |class: &String| classes.binary_search(class).expect("every class was collected") as i64;
        let pictures = pictures.iter().map(|(class, path)| (path.clone(), label(class))).collect();
        Ok(Self { classes, pictures })
    }
}

impl Reader for ImageFolder {
    fn rows(&self) -> u64 {
        self.pictures.len() as u64
    }

    fn classes(&self) -> Option<Vec<String>> {
        Some(self.classes.clone())
    }

    fn read(&self, rows: &[u64], take: &mut Take<'_>) -> Result<(), DataError> {
        rows.chunks(CHUNK).try_for_each(|rows| {
            let example = |&row: &u64| {
                let (path, label) = &self.pictures[row as usize];
                Example { path: path.clone(), row: 0, label: *label, picture: Raw::File(path.clone()) }
            };
            take(rows.iter().map(example).collect())
        })
    }

    fn labels(&self, rows: &[u64], see: &mut SeeLabel<'_>) -> Result<(), DataError> {
        rows.iter().try_for_each(|&row| {
            let (path, label) = &self.pictures[row as usize];
            see(path, 0, *label)
        })
    }
}
