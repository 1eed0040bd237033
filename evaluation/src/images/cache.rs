use super::{
    Header,
    sink::{Memory, Pixels, Sink, read_back},
};
use crate::{
    DataError, Preprocess, SEMANTICS, Source,
    cache::{self, DiskCache, Kind},
};
use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
};
use tempfile::PersistError;

/// The body is the pixels.
const PIXELS: Kind = Kind { ending: "pixels", mark: b"bwlpix02" };

/// The file for the images of a split, preprocessed in one way.
pub(super) fn path(cache: &DiskCache<'_>, source: &Source<'_>, preprocess: &Preprocess) -> PathBuf {
    let meaning = format!(
        "{SEMANTICS} {:?} {:?} {:?} {:?} {preprocess:?}",
        cache.digest, source.image_column, source.label_column, source.rows
    );
    cache.path(&meaning, PIXELS)
}

/// Maps a finished file; `None` if there is none, or a damaged one.
pub(super) fn load(path: &Path) -> Option<(Header, Pixels)> {
    let fits = |header: &Header, size| header.size() == Some(size);
    let (header, entry) = cache::load(path, PIXELS, fits)?;
    Some((header, Pixels::Mapped(entry)))
}

/// Completes a file, gives it its name and maps it; what cannot be kept on the disk stays in memory.
///
/// # Errors
/// Neither can be done.
pub(super) fn finish(sink: Sink, header: &Header, path: &Path) -> Result<Pixels, DataError> {
    let (mut file, size, memory) = match sink {
        Sink::Memory(pixels) => return Ok(Pixels::Memory(pixels)),
        Sink::File { file, size, limit, .. } => (file, size, Memory { limit, path }),
    };
    let read_back = |file: &mut File, cause: &io::Error| {
        memory.room_for(size)?;
        read_back(file, size, path, cause).map(Pixels::Memory)
    };
    if let Err(cause) = cache::complete(&mut file, header, size, PIXELS) {
        return read_back(file.as_file_mut(), &cause);
    }
    let mut file = match cache::name(file, path) {
        Ok(file) => file,
        Err(PersistError { error, mut file }) => {
            return read_back(file.as_file_mut(), &error);
        }
    };
    match cache::map(&file, path, PIXELS, size) {
        Ok(entry) => Ok(Pixels::Mapped(entry)),
        Err(cause) => read_back(&mut file, &cause),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::images::sink::fill_disk;

    fn header() -> Header {
        Header { edge: 1, labels: vec![0, 0], classes: None }
    }

    fn full(path: &Path) -> Sink {
        let mut sink = Sink::file(path, 6, Memory { limit: 6, path }).unwrap();
        sink.put(1, &[4, 5, 6]).unwrap();
        sink.put(0, &[1, 2, 3]).unwrap();
        sink
    }

    #[test]
    fn a_disk_that_is_full_at_the_end_loses_no_image_and_leaves_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.pixels");
        let pixels = finish(fill_disk(full(&path)), &header(), &path).unwrap();
        assert!(matches!(&pixels, Pixels::Memory(pixels) if *pixels == [1, 2, 3, 4, 5, 6]));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_file_that_cannot_get_its_name_loses_no_image() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.pixels");
        std::fs::create_dir_all(path.join("in the way")).unwrap();
        let pixels = finish(full(&path), &header(), &path).unwrap();
        assert_eq!(pixels.bytes(), [1, 2, 3, 4, 5, 6]);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "only what was in the way");
    }

    #[test]
    fn a_finished_file_is_mapped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.pixels");
        let pixels = finish(full(&path), &header(), &path).unwrap();
        assert!(matches!(pixels, Pixels::Mapped(..)));
        let (loaded, pixels) = load(&path).unwrap();
        assert_eq!((loaded, pixels.bytes()), (header(), &[1, 2, 3, 4, 5, 6][..]));
    }

    #[test]
    fn a_mapped_file_may_be_replaced_by_its_like_and_not_be_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.pixels");
        let pixels = finish(full(&path), &header(), &path).unwrap();
        // Another process that made the same file.
        finish(full(&path), &header(), &path).unwrap();
        pixels.check().unwrap();

        let (_, pixels) = load(&path).unwrap();
        let mut content = std::fs::read(&path).unwrap();
        content[0] = 9;
        std::fs::write(&path, content).unwrap();
        let error = pixels.check().unwrap_err().to_string();
        assert!(error.contains("x.pixels` has changed since it was hashed: it was written to"), "{error}");
        assert!(load(&path).is_none(), "a damaged file is made anew");
    }
}
