use super::{TextError, source::Labelled};
use crate::{
    data::read_error,
    limits::{TOKENIZER_BYTES, read_small},
    tokenizing::{BoundedTokenizer, exceeded},
};
use std::{
    fmt,
    path::{Path, PathBuf},
};
use tokenizers::{Encoding, PostProcessor, TruncationParams, truncate_encodings};

/// Turns texts and pairs of texts into token ids, as a `tokenizer.json` says.
///
/// Special tokens are those of its post-processor: Llama 3 puts `<|begin_of_text|>` before each text of a pair, and
/// nothing at the end. What the file says of padding and truncation does not count.
pub struct PairTokenizer {
    path: PathBuf,
    inner: BoundedTokenizer,
    digest: blake3::Hash,
    max_length: Option<u32>,
}

/// The token ids of a text or pair.
pub(super) struct Tokens {
    pub(super) ids: Vec<u32>,
    pub(super) is_truncated: bool,
}

impl PairTokenizer {
    /// Opens a `tokenizer.json`. A text or pair that comes to more than `max_length` tokens, special ones included, is
    /// cut from the right, the longer text of a pair first: `longest_first`, as Hugging Face's tokenizers do it.
    ///
    /// # Errors
    /// The file cannot be read, is no tokenizer, or leaves no room for a text within `max_length`.
    pub fn open(path: &Path, max_length: Option<u32>) -> Result<Self, TextError> {
        let bytes = read_small(path, TOKENIZER_BYTES).map_err(read_error(path))?;
        let refuse = |source| TextError::Tokenizer { path: path.into(), source };
        let inner = BoundedTokenizer::from_bytes(&bytes).map_err(refuse)?;
        let tokenizer = Self { path: path.into(), inner, digest: blake3::hash(&bytes), max_length };
        tokenizer.check_room(max_length)?;
        Ok(tokenizer)
    }

    /// Checks that special tokens leave room for a text within `max_length`.
    ///
    /// # Errors
    /// They do not.
    pub fn check_room(&self, max_length: Option<u32>) -> Result<(), TextError> {
        let special = self.inner.inner().get_post_processor().map_or(0, |processor| processor.added_tokens(true));
        match max_length.filter(|length| *length as usize <= special) {
            Some(max_length) => Err(TextError::NoRoom { path: self.path.clone(), special, max_length }),
            None => Ok(()),
        }
    }

    /// Checks that a model with `vocabulary` token ids has all that this tokenizer may give.
    ///
    /// # Errors
    /// Names the token of the largest id. Texts need not have it: some tokenizers know tokens that their model was
    /// never given, such as one for padding.
    pub fn check_vocabulary(&self, vocabulary: usize) -> Result<(), TextError> {
        match self.inner.inner().get_vocab(true).into_values().max().filter(|id| *id as usize >= vocabulary) {
            Some(id) => Err(self.beyond(id, vocabulary)),
            None => Ok(()),
        }
    }

    pub(super) fn beyond(&self, id: u32, vocabulary: usize) -> TextError {
        let token = self.inner.inner().id_to_token(id).unwrap_or_default();
        TextError::Vocabulary { path: self.path.clone(), token, id, vocabulary }
    }

    /// The tokens of a row. A text that the tokenizer makes too long is named by its row.
    pub(super) fn encode_row(&self, row: &Labelled) -> Result<Tokens, TextError> {
        self.encode(&row.first, row.second.as_deref()).map_err(|error| {
            let TextError::Tokenizer { source, .. } = &error else { return error };
            match exceeded(&**source) {
                Some(source) => TextError::TooLarge { at: row.at.clone(), source: source.clone() },
                None => error,
            }
        })
    }

    pub(super) fn encode(&self, first: &str, second: Option<&str>) -> Result<Tokens, TextError> {
        let refuse = |source| TextError::Tokenizer { path: self.path.clone(), source };
        let encoding = self.inner.encode(first, second, true).map_err(refuse)?;
        let longest = self.max_length.map(|length| length as usize).filter(|longest| encoding.len() > *longest);
        let Some(longest) = longest else {
            return Ok(Tokens { ids: encoding.get_ids().to_vec(), is_truncated: false });
        };
        let cut = self.cut(first, second, longest).map_err(refuse)?;
        Ok(Tokens { ids: cut.get_ids().to_vec(), is_truncated: true })
    }

    /// Left to itself, version 0.23 of the library stops to read each text of a pair at `longest` tokens, before it
    /// knows which of them is the longer one.
    fn cut(&self, first: &str, second: Option<&str>, longest: usize) -> tokenizers::Result<Encoding> {
        let whole = self.inner.encode(first, None, false)?;
        let other = second.map(|second| self.inner.encode(second, None, false)).transpose()?;
        let special =
            self.inner.inner().get_post_processor().map_or(0, |processor| processor.added_tokens(other.is_some()));
        let params = TruncationParams { max_length: longest.saturating_sub(special), ..Default::default() };
        let (whole, other) = truncate_encodings(whole, other, &params)?;
        self.inner.inner().post_process(whole, other, true)
    }

    /// What distinguishes its tokens from those of other tokenizers.
    pub(super) fn meaning(&self) -> String {
        format!("{} {:?}", self.digest.to_hex(), self.max_length)
    }
}

impl fmt::Debug for PairTokenizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PairTokenizer").field("path", &self.path).finish_non_exhaustive()
    }
}
