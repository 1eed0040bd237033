use super::{DataError, Example, Raw, Reader, Take, read_error};
use std::path::{Path, PathBuf};

/// Examples handed over at once.
const CHUNK: usize = 256;

/// Extensions of pictures, readable or not: one that cannot be decoded must be an error, not a picture less.
const EXTENSIONS: [&str; 10] = ["png", "jpg", "jpeg", "bmp", "gif", "pgm", "ppm", "tif", "tiff", "webp"];

/// A folder with one folder per class; classes in the order of their names, pictures in the order of their paths.
pub(super) struct ImageFolder {
    classes: Vec<String>,
    pictures: Vec<(PathBuf, i64)>,
}

impl ImageFolder {
    pub(super) fn open(path: &Path) -> Result<Self, DataError> {
        let (mut classes, mut pictures) = (Vec::new(), Vec::new());
        for folder in sorted(path)?.into_iter().filter(|folder| folder.is_dir()) {
            let label = classes.len() as i64;
            classes.push(folder.file_name().unwrap_or_default().to_string_lossy().into_owned());
            walk(&folder, &mut |picture| pictures.push((picture, label)))?;
        }
        if pictures.is_empty() {
            return Err(DataError::Empty { path: path.into(), rows: 0 });
        }
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
}

fn walk(folder: &Path, found: &mut dyn FnMut(PathBuf)) -> Result<(), DataError> {
    for path in sorted(folder)? {
        if path.is_dir() {
            walk(&path, found)?;
        } else if is_picture(&path) {
            found(path);
        }
    }
    Ok(())
}

fn is_picture(path: &Path) -> bool {
    let extension = path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase());
    extension.is_some_and(|extension| EXTENSIONS.contains(&extension.as_str()))
}

/// What a folder holds, by name, without hidden entries.
fn sorted(folder: &Path) -> Result<Vec<PathBuf>, DataError> {
    let entries = std::fs::read_dir(folder).map_err(read_error(folder))?;
    let mut paths =
        entries.map(|entry| entry.map(|e| e.path())).collect::<Result<Vec<_>, _>>().map_err(read_error(folder))?;
    paths.retain(|path| !path.file_name().unwrap_or_default().to_string_lossy().starts_with('.'));
    paths.sort_unstable();
    Ok(paths)
}
