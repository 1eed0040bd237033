use crate::LimitExceeded;
use image::{ImageError, ImageFormat};

/// Why an image cannot be decoded.
#[derive(Debug, thiserror::Error)]
pub enum ImageProblem {
    /// There is nothing.
    #[error("it has no bytes")]
    Empty,
    /// It is of a format that is not read.
    #[error("it is {0}, and only PNG and JPEG are read: convert it to PNG")]
    Format(String),
    /// It is of no format that is known.
    #[error("it is no image of a known format: it begins with `{0}`; PNG and JPEG are read")]
    Unknown(String),
    /// The end of a JPEG is missing.
    #[error("the JPEG is cut short: it has no end marker")]
    CutShort,
    /// It has no pixels.
    #[error("it has no pixels")]
    NoPixels,
    /// It has more pixels, or takes more memory, than is read.
    #[error(transparent)]
    TooLarge(#[from] LimitExceeded),
    /// It is damaged, or of a kind that the decoder does not know.
    #[error("the decoder refuses it")]
    Decoder(#[from] ImageError),
    /// It is damaged in a way that the decoder did not expect.
    #[error("it contradicts itself: it is damaged")]
    Contradiction,
    /// Reading it failed.
    #[error("it cannot be read")]
    Read(#[from] std::io::Error),
}

impl ImageProblem {
    /// What is wrong with bytes that are neither PNG nor JPEG.
    pub(super) fn of_other(bytes: &[u8], format: Option<ImageFormat>) -> Self {
        let is_brand = |brands: &[&[u8]]| brands.iter().any(|brand| bytes.get(4..12) == Some(brand));
        match format {
            _ if bytes.is_empty() => Self::Empty,
            Some(format) => Self::Format(format!("an image in {}", name(format))),
            None if is_brand(&[b"ftypheic", b"ftypheix", b"ftypmif1", b"ftypmsf1"]) => {
                Self::Format("an image in HEIC".to_owned())
            }
            None if is_page(bytes) => Self::Format("an HTML or XML page".to_owned()),
            None => Self::Unknown(bytes.iter().take(8).flat_map(|byte| byte.escape_ascii()).map(char::from).collect()),
        }
    }
}

fn is_page(bytes: &[u8]) -> bool {
    let start = bytes.trim_ascii_start();
    start.starts_with(b"<") && start.get(1).is_some_and(|byte| byte.is_ascii_alphabetic() || b"!?".contains(byte))
}

fn name(format: ImageFormat) -> String {
    match format {
        ImageFormat::WebP => "WebP".to_owned(),
        other => format!("{other:?}").to_uppercase(),
    }
}
