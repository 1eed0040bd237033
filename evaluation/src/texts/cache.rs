use super::{PairTokenizer, TextSource, Texts};
use crate::{
    SEMANTICS,
    cache::{self, DiskCache, Kind},
};
use serde::{Deserialize, Serialize};
use std::{
    io::{self, Write},
    path::{Path, PathBuf},
};
use tempfile::NamedTempFile;

/// The body is the ids of all texts, four little-endian bytes each.
const TOKENS: Kind = Kind { ending: "tokens", mark: b"bwltok01" };

#[derive(Serialize, Deserialize)]
struct Header {
    lengths: Vec<usize>,
    labels: Vec<u32>,
    truncated: usize,
}

/// The file for the texts of a split, tokenised in one way.
pub(super) fn path(cache: &DiskCache<'_>, source: &TextSource<'_>, tokenizer: &PairTokenizer) -> PathBuf {
    let TextSource { files: _, spec, label_column, rows } = source;
    let tokenizer = tokenizer.meaning();
    cache.path(&format!("{SEMANTICS} {:?} {spec:?} {label_column:?} {rows:?} {tokenizer}", cache.digest), TOKENS)
}

/// Reads a finished file; `None` if there is none, or a damaged one.
pub(super) fn load(path: &Path) -> Option<Texts> {
    let fits = |header: &Header, size| {
        let tokens = header.lengths.iter().try_fold(0_usize, |sum, length| sum.checked_add(*length));
        tokens.and_then(|tokens| tokens.checked_mul(4)) == Some(size) && header.lengths.len() == header.labels.len()
    };
    let (header, entry) = cache::load(path, TOKENS, fits)?;
    let ids = entry.body().chunks_exact(4).map(|id| u32::from_le_bytes([id[0], id[1], id[2], id[3]])).collect();
    // What was copied is what was verified, or they are tokenised anew.
    if let Err(changed) = entry.check() {
        tracing::warn!(%changed, "cache file changed while it was read, made anew");
        return None;
    }
    let ends = header.lengths.iter().scan(0, |end, length| {
        *end += length;
        Some(*end)
    });
    Some(Texts { ids, ends: ends.collect(), labels: header.labels, truncated: header.truncated })
}

/// Keeps texts for the next time; where that fails, there is a warning.
pub(super) fn keep(path: &Path, texts: &Texts) {
    if let Err(cause) = write(path, texts) {
        tracing::warn!(path = %path.display(), %cause, "texts cannot be cached on the disk");
    }
}

fn write(path: &Path, texts: &Texts) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let mut file = NamedTempFile::new_in(folder)?;
    let body: Vec<u8> = texts.ids.iter().flat_map(|id| id.to_le_bytes()).collect();
    file.write_all(&body)?;
    let lengths = (0..texts.len()).map(|text| texts.ids(text).len()).collect();
    let header = Header { lengths, labels: texts.labels.clone(), truncated: texts.truncated };
    cache::complete(&mut file, &header, body.len(), TOKENS)?;
    cache::name(file, path)?;
    Ok(())
}
