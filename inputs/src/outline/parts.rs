//! Which part of a file describes its content.

use super::SMALL_BYTES;
use crate::InputError;
use std::ops::Range;

/// How much of the header or footer is read first. Most are shorter.
const FIRST_BYTES: u64 = 64 << 10;

/// The largest header or footer that is fetched.
const LARGEST_BYTES: u64 = 100_000_000;

/// The part of a file that is read for an outline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Whole,
    /// The header of a safetensors file: eight bytes that give its length, and JSON.
    Header,
    /// The footer of a parquet file: metadata, four bytes that give their length, and `PAR1`.
    Footer,
}

/// Bytes of a file from a place on.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) at: u64,
    pub(super) content: Vec<u8>,
}

type Read<'a> = &'a dyn Fn(Range<u64>) -> Result<Vec<u8>, InputError>;

impl Part {
    /// The part of a file of this name and size that is read; `None` if no part describes its content.
    pub(super) fn of(name: &str, bytes: u64) -> Option<Self> {
        match name.rsplit_once('.')?.1 {
            // Configurations and tokenizers.
            "json" | "txt" | "model" if bytes <= SMALL_BYTES => Some(Self::Whole),
            "safetensors" => Some(Self::Header),
            "parquet" => Some(Self::Footer),
            _ => None,
        }
    }

    /// Reads the part of a file of this size.
    pub(super) fn read(self, bytes: u64, read: Read<'_>) -> Result<Piece, InputError> {
        match self {
            Self::Whole => Ok(Piece { at: 0, content: read(0..bytes)? }),
            Self::Header => header(bytes, read),
            Self::Footer => footer(bytes, read),
        }
    }
}

fn header(bytes: u64, read: Read<'_>) -> Result<Piece, InputError> {
    let first = bytes.min(FIRST_BYTES);
    let mut content = read(0..first)?;
    let length = content.first_chunk().map_or(0, |length| u64::from_le_bytes(*length)).saturating_add(8);
    // The reader of the header reports an impossible length.
    if length > first && length <= bytes.min(LARGEST_BYTES) {
        content.extend(read(first..length)?);
    }
    Ok(Piece { at: 0, content })
}

fn footer(bytes: u64, read: Read<'_>) -> Result<Piece, InputError> {
    let from = bytes.saturating_sub(FIRST_BYTES);
    let mut content = read(from..bytes)?;
    let length = content.len().checked_sub(8).and_then(|at| content[at..].first_chunk());
    let length = length.map_or(0, |length| u64::from(u32::from_le_bytes(*length))).saturating_add(8);
    let start = bytes.saturating_sub(length);
    if start >= from || length > LARGEST_BYTES || length > bytes {
        return Ok(Piece { at: from, content });
    }
    let mut whole = read(start..from)?;
    whole.append(&mut content);
    Ok(Piece { at: start, content: whole })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    /// What is read of `file`, and which ranges were asked for.
    fn parts(part: Part, file: &[u8]) -> (Piece, Vec<Range<u64>>) {
        let asked = RefCell::new(Vec::new());
        let read = |range: Range<u64>| {
            asked.borrow_mut().push(range.clone());
            Ok(file[range.start as usize..range.end as usize].to_vec())
        };
        (part.read(file.len() as u64, &read).unwrap(), asked.into_inner())
    }

    fn tensors(header: usize, data: usize) -> Vec<u8> {
        [&(header as u64).to_le_bytes()[..], &vec![b' '; header], &vec![7; data]].concat()
    }

    fn table(data: usize, footer: usize) -> Vec<u8> {
        [&vec![7; data][..], &vec![b'm'; footer], &(footer as u32).to_le_bytes(), b"PAR1"].concat()
    }

    #[test]
    fn a_long_header_is_read_in_two_parts_and_no_further() {
        let (piece, asked) = parts(Part::Header, &tensors(100_000, 500_000));
        assert_eq!((piece.at, piece.content.len(), asked), (0, 100_008, vec![0..65_536, 65_536..100_008]));
        let (piece, asked) = parts(Part::Header, &tensors(10, 20));
        assert_eq!((piece.content.len(), asked.len()), (38, 1), "a short file is read whole");
    }

    #[test]
    fn a_long_footer_is_read_in_two_parts_and_no_further() {
        let (piece, asked) = parts(Part::Footer, &table(500_000, 100_000));
        assert_eq!((piece.at, piece.content.len(), asked.len()), (500_000, 100_008, 2));
        let (piece, _) = parts(Part::Footer, &table(10, 20));
        assert_eq!((piece.at, piece.content.len()), (0, 38));
    }

    #[test]
    fn what_is_no_header_is_read_once() {
        let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 12345\n";
        for part in [Part::Header, Part::Footer] {
            let (piece, asked) = parts(part, pointer);
            assert_eq!((piece.content.as_slice(), asked.len()), (&pointer[..], 1));
        }
        assert_eq!(parts(Part::Header, b"").0.content, b"");
        assert_eq!(parts(Part::Header, &[0xff; 70_000]).1.len(), 1, "a length beyond the file");
    }

    #[test]
    fn images_and_pickles_tell_nothing_by_parts() {
        assert_eq!(Part::of("config.json", 10), Some(Part::Whole));
        assert_eq!(Part::of("huge.json", 1 << 40), None);
        assert_eq!(Part::of("data/test-0.parquet", 1 << 40), Some(Part::Footer));
        for name in ["adapter_model.bin", "test/cat/1.png", "test.jsonl", "LICENSE"] {
            assert_eq!(Part::of(name, 10), None, "{name}");
        }
    }
}
