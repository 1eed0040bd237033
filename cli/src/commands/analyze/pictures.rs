use crate::failure::Failure;
use analysis::{Frame, Picture, Summary};
use std::{fs, path::Path};

/// Writes the pictures of each sweep to `<sweep>/pictures/<slug>.svg` and `.png` in `folder`; how many there are.
pub(super) fn write(frame: &Frame, summaries: &[Summary], folder: &Path) -> Result<usize, Failure> {
    let mut written = 0;
    for summary in summaries {
        let pictures = Picture::all(frame, summary)?;
        let folder = folder.join(&summary.sweep).join("pictures");
        if !pictures.is_empty() {
            fs::create_dir_all(&folder).map_err(|source| Failure::Write { path: folder.clone(), source })?;
        }
        for picture in &pictures {
            put(&folder.join(format!("{}.svg", picture.slug)), picture.svg().as_bytes())?;
            put(&folder.join(format!("{}.png", picture.slug)), &picture.png()?)?;
        }
        written += pictures.len();
    }
    Ok(written)
}

fn put(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    fs::write(path, bytes).map_err(|source| Failure::Write { path: path.to_owned(), source })
}
