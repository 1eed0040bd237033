//! Inputs without their large contents.

mod parts;

use crate::{InputError, Inputs, ListedFile, Listing, data::data_files, layout::SplitFiles, listing::Origin};
use jobs::{DataFiles, InputRef, Rows, S3Ref};
use parts::{Part, Piece};
use std::{
    env, fs,
    io::{self, Write},
    ops::Range,
    os::unix::fs::{FileExt, symlink},
    path::{Path, PathBuf},
};
use tempfile::TempDir;

/// The largest file that is read whole for an outline: tokenizers have up to 20 MB.
const SMALL_BYTES: u64 = 64 << 20;

/// A folder or file that represents an input without the content of its large files.
///
/// Local files are complete. For remote files, small ones (configurations and tokenizers) are complete; files of
/// tensors and tables have their true size, their header or footer, and holes in place of the rest; other files are
/// absent. Do not compute from it, and do not take its digest, unless it [is whole](Self::is_whole).
#[derive(Debug)]
pub struct Outline {
    path: PathBuf,
    is_whole: bool,
    left_out: Vec<String>,
    /// The temporary folder, and the name that messages show in its place.
    made: Option<(TempDir, String)>,
}

/// A split of a data set, without the content of its files.
#[derive(Debug, Clone)]
pub struct ListedData {
    /// Its files.
    pub listing: Listing,
    /// The rows of them that it takes.
    pub rows: Rows,
    pub(crate) files: SplitFiles,
}

impl ListedData {
    /// The files as a reader takes them, where they lie in `outline`.
    pub fn files(&self, outline: &Outline) -> DataFiles {
        data_files(&outline.path, &self.files)
    }
}

impl Outline {
    /// The folder, or the file where the input is one.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether all files are complete.
    pub fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// The names of remote files without a readable part, such as pickled weights.
    pub fn left_out(&self) -> &[String] {
        &self.left_out
    }

    /// A message about files of the outline as one about the input.
    pub fn named(&self, message: &str) -> String {
        match &self.made {
            Some((folder, reference)) => message.replace(&folder.path().display().to_string(), reference),
            None => message.to_owned(),
        }
    }
}

impl Inputs {
    /// Makes the outline of an input. Fetched parts are not cached.
    ///
    /// # Errors
    /// A part cannot be fetched, or the outline cannot be written to the folder for temporary files.
    pub fn outline(&self, listing: &Listing) -> Result<Outline, InputError> {
        let is_whole = listing.is_here();
        if let (true, [ListedFile { here: Some(path), .. }]) = (listing.is_file, listing.files.as_slice()) {
            return Ok(Outline { path: path.clone(), is_whole, left_out: Vec::new(), made: None });
        }
        if let Some(root) = &listing.root {
            return Ok(Outline { path: root.clone(), is_whole, left_out: Vec::new(), made: None });
        }
        let folder = TempDir::new().map_err(|source| unwritten(&listing.reference, source))?;
        let mut left_out = Vec::new();
        for file in &listing.files {
            if !self.put(&listing.reference, file, &folder.path().join(&file.name))? {
                left_out.push(file.name.clone());
            }
        }
        let reference = listing.reference.to_string();
        let (path, shown) = match listing.files.as_slice() {
            [file] if listing.is_file => {
                let shown = reference.strip_suffix(&format!("/{}", file.name)).unwrap_or(&reference).to_owned();
                (folder.path().join(&file.name), shown)
            }
            _ => (folder.path().to_owned(), reference),
        };
        Ok(Outline { path, is_whole, left_out, made: Some((folder, shown)) })
    }

    /// The content of a file, which is expected to be small.
    pub(crate) fn content(&self, reference: &InputRef, file: &ListedFile) -> Result<Vec<u8>, InputError> {
        match &file.here {
            Some(path) => fs::read(path).map_err(|source| InputError::unreadable(reference, path, source)),
            None => self.part(reference, &file.origin, 0..file.bytes),
        }
    }

    /// Writes the known part of a file into the outline; false if nothing is known.
    fn put(&self, reference: &InputRef, file: &ListedFile, at: &Path) -> Result<bool, InputError> {
        let failed = |source| unwritten(reference, source);
        if let Some(folder) = at.parent() {
            fs::create_dir_all(folder).map_err(failed)?;
        }
        if let Some(path) = &file.here {
            return symlink(path, at).map(|()| true).map_err(failed);
        }
        let read = |range: Range<u64>| self.part(reference, &file.origin, range);
        match Part::of(&file.name, file.bytes) {
            Some(part) => write(at, file.bytes, &part.read(file.bytes, &read)?).map(|()| true).map_err(failed),
            None => Ok(false),
        }
    }

    fn part(&self, reference: &InputRef, origin: &Origin, range: Range<u64>) -> Result<Vec<u8>, InputError> {
        if range.is_empty() {
            return Ok(Vec::new());
        }
        let expected = range.end - range.start;
        let part = match origin {
            Origin::Here => return Err(InputError::Missing { reference: reference.to_string() }),
            Origin::Hub { at, name } => self.hub.part(at, name, &range)?,
            Origin::Bucket { bucket, key } => {
                self.objects(&S3Ref { bucket: bucket.clone(), key: key.clone() })?.part(bucket, key, range)?
            }
        };
        match part.len() as u64 {
            found if found == expected => Ok(part),
            found => Err(InputError::CutOff { reference: reference.to_string(), expected, found }),
        }
    }
}

fn unwritten(reference: &InputRef, source: io::Error) -> InputError {
    InputError::Outline { reference: reference.to_string(), folder: env::temp_dir(), source }
}

/// Writes a file of `bytes` bytes that holds a piece, and holes elsewhere.
fn write(path: &Path, bytes: u64, piece: &Piece) -> io::Result<()> {
    let mut file = fs::File::create(path)?;
    file.set_len(bytes)?;
    file.write_all_at(&piece.content, piece.at)?;
    file.flush()
}
