//! How many bytes packed ones become, at most.

use flate2::bufread::MultiGzDecoder;
use parquet::basic::Compression;
use std::io::{self, Read};

/// Bytes that one block of Zstandard becomes at most.
const ZSTD_BLOCK: u64 = 128 << 10;

/// Bytes that a packed page becomes at most, as far as that can be more than the `claimed` ones; counting ends above
/// `limit`.
pub(crate) fn unpacked_bytes(compression: Compression, packed: &[u8], claimed: u64, limit: u64) -> u64 {
    let length = packed.len() as u64;
    match compression {
        // The library takes the claimed size for these at once: the most that the formats can reach is 22 and 255 for
        // one.
        Compression::SNAPPY if claimed > length.saturating_mul(32).saturating_add(64) => u64::MAX,
        Compression::LZ4_RAW if claimed > length.saturating_mul(256).saturating_add(64) => u64::MAX,
        Compression::GZIP(_) => counted(MultiGzDecoder::new(packed), limit),
        Compression::BROTLI(_) => counted(brotli::Decompressor::new(packed, 4096), limit),
        Compression::ZSTD(_) => zstd_bytes(packed),
        _ => claimed,
    }
}

/// Bytes that come, up to one more than `limit`. What is damaged ends earlier, for the library as well.
fn counted(from: impl Read, limit: u64) -> u64 {
    struct Count(u64);
    impl io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len() as u64;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    let _ = io::copy(&mut from.take(limit.saturating_add(1)), &mut count);
    count.0
}

/// What the blocks of all frames become at most, without unpacking them. Counting ends where the bytes are no frames,
/// as unpacking does.
///
/// # Source
/// RFC 8878, section 3.1.
fn zstd_bytes(mut packed: &[u8]) -> u64 {
    let mut all = 0_u64;
    while let Some(bytes) = frame(&mut packed) {
        all = all.saturating_add(bytes);
    }
    all
}

/// What one frame becomes; `None` if there is none.
fn frame(packed: &mut &[u8]) -> Option<u64> {
    let magic = u32::from_le_bytes(take(packed)?);
    if magic & 0xffff_fff0 == 0x184d_2a50 {
        let length = u32::from_le_bytes(take(packed)?);
        *packed = packed.get(length as usize..)?;
        return Some(0);
    }
    if magic != 0xfd2f_b528 {
        return None;
    }
    let [descriptor] = take(packed)?;
    let is_single = descriptor >> 5 & 1 == 1;
    let window = usize::from(!is_single);
    let dictionary = [0, 1, 2, 4][usize::from(descriptor & 3)];
    let content = [usize::from(is_single), 2, 4, 8][usize::from(descriptor >> 6)];
    *packed = packed.get(window + dictionary + content..)?;
    let bytes = blocks(packed);
    let checksum = if descriptor >> 2 & 1 == 1 { 4 } else { 0 };
    *packed = packed.get(checksum..).unwrap_or_default();
    Some(bytes)
}

/// What the blocks of a frame become; those that are cut short count, since the library unpacks them one by one.
fn blocks(packed: &mut &[u8]) -> u64 {
    let mut all = 0_u64;
    while let Some([low, middle, high]) = take(packed) {
        let header = u32::from_le_bytes([low, middle, high, 0]);
        let size = u64::from(header >> 3);
        let (stored, becomes) = match header >> 1 & 3 {
            0 => (size, size),
            1 => (1, size),
            _ => (size, ZSTD_BLOCK),
        };
        all = all.saturating_add(becomes);
        *packed = packed.get(stored as usize..).unwrap_or_default();
        if header & 1 == 1 {
            break;
        }
    }
    all
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (first, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*first)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame without a content size, of one block that repeats a byte `times` times.
    fn repeating(times: u32) -> Vec<u8> {
        let header = times << 3 | 1 << 1 | 1;
        [&0xfd2f_b528_u32.to_le_bytes()[..], &[0, 0x88], &header.to_le_bytes()[..3], b"x"].concat()
    }

    #[test]
    fn frames_of_zstandard_are_added_up() {
        let skippable = [&0x184d_2a53_u32.to_le_bytes()[..], &3_u32.to_le_bytes(), b"abc"].concat();
        let two = [repeating(1000), skippable, repeating(24)].concat();
        assert_eq!(zstd_bytes(&two), 1024);
        assert_eq!(zstd_bytes(&[&two[..], &two[..5]].concat()), 1024, "a frame that is cut short hides none before it");
        assert_eq!(zstd_bytes(&two[..7]), 0);
        assert_eq!(zstd_bytes(b"no frame"), 0);
    }

    #[test]
    fn what_no_format_can_reach_is_too_much() {
        assert_eq!(unpacked_bytes(Compression::SNAPPY, &[0; 10], 384, 1 << 30), 384);
        assert_eq!(unpacked_bytes(Compression::SNAPPY, &[0; 10], 385, 1 << 30), u64::MAX);
        assert_eq!(unpacked_bytes(Compression::LZ4_RAW, &[0; 10], 1 << 30, 1 << 30), u64::MAX);
    }
}
