//! Tokenised texts: read once, kept as token ids.

mod cache;
mod classes;
mod error;
mod jsonl;
mod labels;
mod parquet;
mod raw;
mod source;
mod tokenizer;

pub use classes::TextClasses;
pub use error::TextError;
pub(crate) use jsonl::first_line_columns;
pub use raw::Place;
pub use source::TextSource;
pub use tokenizer::PairTokenizer;

use crate::{cache::DiskCache, limits::TOKENISING_BYTES};
use rayon::prelude::*;
use source::Labelled;
use std::{borrow::Cow, iter::Peekable};
use tokenizer::Tokens;

/// The texts of one split as token ids, with their labels.
///
/// Nothing is padded: a model lays them out as it likes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Texts {
    /// The ids of all texts, one after the other.
    ids: Vec<u32>,
    /// Where each text ends in `ids`.
    ends: Vec<usize>,
    labels: Vec<u32>,
    truncated: usize,
}

impl Texts {
    /// Takes texts as token ids, each with its label.
    pub fn new(texts: impl IntoIterator<Item = (Vec<u32>, u32)>) -> Self {
        let mut all = Self::default();
        for (ids, label) in texts {
            all.push(&ids, label);
        }
        all
    }

    /// Reads a split in the order of its selection, tokenising on the threads of the current rayon pool.
    ///
    /// With a cache, a split that was read before is taken from the disk; a damaged file there is made anew with a
    /// warning, and if the cache cannot be written, there is a warning.
    ///
    /// # Errors
    /// Names the file, row or line, and column; see [`TextError`].
    pub fn read(
        source: &TextSource<'_>,
        tokenizer: &PairTokenizer,
        cache: Option<&DiskCache<'_>>,
    ) -> Result<Self, TextError> {
        let path = cache.map(|cache| cache::path(cache, source, tokenizer));
        if let Some(texts) = path.as_deref().and_then(cache::load) {
            return Ok(texts);
        }
        let texts = Self::tokenised(source.read()?, tokenizer)?;
        if let Some(path) = path {
            cache::keep(&path, &texts);
        }
        Ok(texts)
    }

    fn tokenised(labelled: Vec<Labelled>, tokenizer: &PairTokenizer) -> Result<Self, TextError> {
        let mut texts = Self::default();
        let mut rows = labelled.into_iter().peekable();
        while rows.peek().is_some() {
            let group = group(&mut rows);
            // Collected first: of several bad rows the first is reported, whichever thread met its own earlier.
            let tokens: Vec<Result<Tokens, TextError>> =
                group.par_iter().map(|row| tokenizer.encode_row(row)).collect();
            for (tokens, row) in tokens.into_iter().zip(group) {
                let Tokens { ids, is_truncated } = tokens?;
                texts.truncated += usize::from(is_truncated);
                texts.push(&ids, row.label);
            }
        }
        Ok(texts)
    }

    fn push(&mut self, ids: &[u32], label: u32) {
        self.ids.extend(ids);
        self.ends.push(self.ids.len());
        self.labels.push(label);
    }

    /// Checks that a model with `vocabulary` token ids has all that occur; `tokenizer` is the one that they come from.
    ///
    /// # Errors
    /// Names the first that it does not have.
    pub fn check_vocabulary(&self, tokenizer: &PairTokenizer, vocabulary: usize) -> Result<(), TextError> {
        match self.ids.iter().find(|id| **id as usize >= vocabulary) {
            Some(&id) => Err(tokenizer.beyond(id, vocabulary)),
            None => Ok(()),
        }
    }

    /// Checks that a model of so many positions can take every text.
    ///
    /// # Errors
    /// Counts those that it cannot take.
    pub fn check_positions(&self, positions: usize) -> Result<(), TextError> {
        let lengths = || (0..self.len()).map(|text| self.ids(text).len());
        match lengths().filter(|length| *length > positions).count() {
            0 => Ok(()),
            texts => {
                let longest = lengths().max().unwrap_or_default();
                Err(TextError::TooLong { texts, n: self.len(), longest, positions })
            }
        }
    }

    /// Number of texts.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// True without texts.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The token ids of one text.
    pub fn ids(&self, text: usize) -> &[u32] {
        let start = text.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.ids[start..self.ends[text]]
    }

    /// Some of the texts, by their places. How many of them were cut is not known, and counts as none.
    #[must_use]
    pub fn select(&self, places: &[u64]) -> Self {
        let text = |place: &u64| (self.ids(*place as usize).to_vec(), self.labels[*place as usize]);
        Self::new(places.iter().map(text))
    }

    /// The same texts, each without what follows the token at the place that `last` names.
    pub(crate) fn up_to(&self, last: impl Fn(&[u32]) -> usize) -> Cow<'_, Self> {
        let all = || (0..self.len()).map(|text| self.ids(text));
        if all().all(|ids| last(ids) + 1 >= ids.len()) {
            return Cow::Borrowed(self);
        }
        let cut = all().map(|ids| &ids[..ids.len().min(last(ids) + 1)]);
        let texts = cut.zip(&self.labels).map(|(ids, label)| (ids.to_vec(), *label));
        Cow::Owned(Self { truncated: self.truncated, ..Self::new(texts) })
    }

    /// Number of tokens of all texts.
    pub fn tokens(&self) -> usize {
        self.ids.len()
    }

    /// Number of texts that were longer than they may be, and were cut.
    pub fn truncated(&self) -> usize {
        self.truncated
    }

    /// The class of each text.
    pub fn labels(&self) -> &[u32] {
        &self.labels
    }
}

/// The next rows that are tokenised at once: as many as stay within [`TOKENISING_BYTES`], or one.
fn group(rows: &mut Peekable<impl Iterator<Item = Labelled>>) -> Vec<Labelled> {
    let bytes = |row: &Labelled| (row.first.len() + row.second.as_ref().map_or(0, |second| second.len())) as u64;
    let mut group: Vec<Labelled> = rows.next().into_iter().collect();
    let mut taken = group.iter().map(bytes).sum::<u64>();
    while let Some(row) = rows.next_if(|row| taken.saturating_add(bytes(row)) <= TOKENISING_BYTES) {
        taken += bytes(&row);
        group.push(row);
    }
    group
}
