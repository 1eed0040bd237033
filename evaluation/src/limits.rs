//! What readers take at most: every size that a file claims is held against a ceiling before memory is taken for it.

mod gate;
mod small;

pub(crate) use gate::Gate;
pub(crate) use small::{read_at_most, read_small, read_small_text, room_for};

/// Pixels of an image before it is resized: 89,478,485. Pillow warns of a decompression bomb from there on.
pub(crate) const IMAGE_PIXELS: u64 = (1 << 30) / 12;

/// The longest edge of an image, before and after it is resized. JPEG itself ends at 65,535.
pub(crate) const IMAGE_EDGE: u32 = 1 << 20;

/// Pixels of an image while it is resized and afterwards, such as 8192 × 8192.
pub(crate) const RESIZED_PIXELS: u64 = 1 << 26;

/// The longest edge that an image processor may ask for.
pub(crate) const RESIZED_EDGE: u64 = 1 << 13;

/// Bytes of one encoded image.
pub(crate) const ENCODED_BYTES: u64 = 512 << 20;

/// Bytes of an encoded image that is read before it is known what decoding takes.
pub(crate) const SMALL_ENCODED_BYTES: u64 = 16 << 20;

/// Bytes that a PNG's chunks beside its pixels, and one of its rows, may take.
pub(crate) const PNG_CHUNK_BYTES: u64 = 128 << 20;

/// Bytes that images take while they are decoded and resized, on all threads together.
pub(crate) const DECODING_BYTES: u64 = 1 << 30;

/// Bytes of images that a reader hands over at once; one image may have more.
pub(crate) const CHUNK_BYTES: u64 = 64 << 20;

/// Bytes of an IDX file once it is unpacked. The largest file of EMNIST has 0.6 GB.
pub(crate) const IDX_BYTES: u64 = 1 << 30;

/// Rows of a split.
pub(crate) const ROWS: u64 = 1 << 25;

/// Bytes of a page of a parquet file once it is unpacked. Writers aim at 1 MiB, and put up to a thousand images into
/// one.
pub(crate) const PAGE_BYTES: u64 = 1 << 30;

/// Bytes of a line of JSON.
pub(crate) const LINE_BYTES: u64 = 16 << 20;

/// Bytes of a text. 1 MiB is about 250,000 tokens.
pub(crate) const TEXT_BYTES: u64 = 1 << 20;

/// Bytes that a tokenizer's normaliser may make of a text.
pub(crate) const NORMALISED_BYTES: u64 = 2 << 20;

/// Bytes that one step of a normaliser may claim.
pub(crate) const NORMALISING_BYTES: u64 = 16 << 20;

/// Bytes of texts that are tokenised at once, on all threads together; one text may have more.
pub(crate) const TOKENISING_BYTES: u64 = 1 << 20;

/// Bytes that the texts of a split take in memory, with [`TEXT_ROW_BYTES`] for each row beside them.
pub(crate) const TEXTS_BYTES: u64 = 4 << 30;

/// Bytes that a row of texts takes beside its texts.
pub(crate) const TEXT_ROW_BYTES: u64 = 256;

/// Bytes of a `config.json` and the like.
pub(crate) const CONFIG_BYTES: u64 = 16 << 20;

/// Bytes of an index of weights.
pub(crate) const INDEX_BYTES: u64 = 64 << 20;

/// Bytes of a `tokenizer.json`. Those of the largest vocabularies have about 35 MB.
pub(crate) const TOKENIZER_BYTES: u64 = 128 << 20;

/// Bytes of a file with a head.
pub(crate) const HEAD_BYTES: u64 = 1 << 30;

/// What a caller may limit while data are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes that the preprocessed images of one split may take in memory. Without effect where a
    /// [`DiskCache`](crate::DiskCache) takes them.
    pub image_bytes: u64,
}

impl Default for Limits {
    /// 4 GiB of images.
    fn default() -> Self {
        Self { image_bytes: 4 << 30 }
    }
}

/// More than a reader takes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}: {found}, and at most {limit} are read; {remedy}")]
pub struct LimitExceeded {
    /// What is too large.
    pub what: String,
    /// How much there is, or is claimed, with its unit.
    pub found: String,
    /// How much is read at most, in the same unit.
    pub limit: u64,
    /// What a person can do.
    pub remedy: &'static str,
}

/// A ceiling with the words for what lies above it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ceiling {
    pub(crate) limit: u64,
    /// What is counted, such as `bytes`.
    pub(crate) unit: &'static str,
    /// What is too large.
    pub(crate) what: &'static str,
    /// What a person can do.
    pub(crate) remedy: &'static str,
}

impl Ceiling {
    /// # Errors
    /// `found` is above the ceiling.
    pub(crate) fn check(&self, found: u64) -> Result<(), LimitExceeded> {
        if found <= self.limit { Ok(()) } else { Err(self.exceeded(format!("{found} {}", self.unit))) }
    }

    /// The error of what is above the ceiling.
    pub(crate) fn exceeded(&self, found: String) -> LimitExceeded {
        LimitExceeded { what: self.what.to_owned(), found, limit: self.limit, remedy: self.remedy }
    }
}
