//! The lengths of texts in the encodings `DELTA_LENGTH_BYTE_ARRAY` and `DELTA_BYTE_ARRAY`.
//!
//! # Source
//! Encodings of Apache Parquet: <https://parquet.apache.org/docs/file-format/data-pages/encodings/>

/// Texts of a page. The library takes memory for all of their lengths at once.
const MOST_TEXTS: u64 = 1 << 22;

/// What is wrong with the lengths of a page.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LengthsProblem {
    #[error("they end too early")]
    End,
    #[error("the page claims {0} of them, and at most {MOST_TEXTS} are read")]
    Count(u64),
    #[error("blocks of {block} lengths in {parts} parts cannot be")]
    Blocks { block: u64, parts: u64 },
    #[error("a length of {0} bits cannot be")]
    Width(u8),
    #[error("text {text} has {length} bytes")]
    Negative { text: usize, length: i32 },
    #[error("the texts have {lengths} bytes, and the page has {found}")]
    Sum { lengths: u64, found: u64 },
    #[error("there are {prefixes} prefixes and {texts} texts")]
    Prefixes { prefixes: usize, texts: usize },
    #[error("text {text} begins with {prefix} bytes of the text before it, which has {length}")]
    Prefix { text: usize, prefix: u64, length: u64 },
}

/// Checks the lengths before texts, and returns the bytes of the texts: they lie in the page.
pub(crate) fn check_lengths(page: &[u8]) -> Result<u64, LengthsProblem> {
    let Lengths { lengths, rest } = Lengths::read(page)?;
    check_sum(&lengths, rest)
}

/// Checks the lengths of texts that each begin as the one before, and returns the bytes of all texts once they are
/// whole: a page of a megabyte may hold gigabytes.
pub(crate) fn check_prefixes(page: &[u8]) -> Result<u64, LengthsProblem> {
    let Lengths { lengths: prefixes, rest } = Lengths::read(page)?;
    let Lengths { lengths: suffixes, rest } = Lengths::read(rest)?;
    if prefixes.len() != suffixes.len() {
        return Err(LengthsProblem::Prefixes { prefixes: prefixes.len(), texts: suffixes.len() });
    }
    check_sum(&suffixes, rest)?;
    let mut before = 0_u64;
    let mut sum = 0_u64;
    for (text, (prefix, suffix)) in prefixes.iter().zip(&suffixes).enumerate() {
        let prefix = positive(text, *prefix)?;
        if prefix > before {
            return Err(LengthsProblem::Prefix { text, prefix, length: before });
        }
        before = prefix + positive(text, *suffix)?;
        sum = sum.saturating_add(before);
    }
    Ok(sum)
}

fn check_sum(lengths: &[i32], rest: &[u8]) -> Result<u64, LengthsProblem> {
    let mut sum = 0_u64;
    for (text, length) in lengths.iter().enumerate() {
        sum = sum.saturating_add(positive(text, *length)?);
    }
    let found = rest.len() as u64;
    if sum <= found { Ok(sum) } else { Err(LengthsProblem::Sum { lengths: sum, found }) }
}

fn positive(text: usize, length: i32) -> Result<u64, LengthsProblem> {
    u64::try_from(length).map_err(|_| LengthsProblem::Negative { text, length })
}

/// Numbers in the encoding `DELTA_BINARY_PACKED`, and what follows them.
#[derive(Debug, PartialEq, Eq)]
struct Lengths<'a> {
    lengths: Vec<i32>,
    rest: &'a [u8],
}

impl<'a> Lengths<'a> {
    fn read(page: &'a [u8]) -> Result<Self, LengthsProblem> {
        let mut bytes = Bytes(page);
        let block = bytes.varint()?;
        let parts = bytes.varint()?;
        let count = bytes.varint()?;
        let first = bytes.zigzag()?;
        if count > MOST_TEXTS {
            return Err(LengthsProblem::Count(count));
        }
        let is_right = parts > 0 && block.is_multiple_of(128) && block.is_multiple_of(parts);
        let part = if is_right { block / parts } else { 0 };
        // More parts than bytes cannot have their widths before them.
        if part == 0 || !part.is_multiple_of(32) || parts > page.len() as u64 {
            return Err(LengthsProblem::Blocks { block, parts });
        }
        let blocks = Blocks { parts: parts as usize, part: usize::try_from(part).unwrap_or(usize::MAX) };
        let lengths = blocks.read(&mut bytes, count as usize, first)?;
        Ok(Self { lengths, rest: bytes.0 })
    }
}

/// How the differences of numbers are divided: a block has parts, each with a width in bits.
struct Blocks {
    parts: usize,
    /// Numbers of a part.
    part: usize,
}

impl Blocks {
    /// Reads `count` numbers, of which the first is known. Arithmetic wraps, as writers do it.
    fn read(&self, bytes: &mut Bytes<'_>, count: usize, first: i64) -> Result<Vec<i32>, LengthsProblem> {
        let mut numbers = Vec::with_capacity(count);
        let mut last = first as i32;
        numbers.extend((count > 0).then_some(last));
        while numbers.len() < count {
            let least = bytes.zigzag()? as i32;
            let widths = bytes.take(self.parts)?;
            for width in widths {
                let left = count - numbers.len();
                // Parts behind the last number have a width and no bytes.
                if left == 0 {
                    break;
                }
                if *width > 32 {
                    return Err(LengthsProblem::Width(*width));
                }
                // The page claims the size of a part, up to all that a number can hold.
                let packed = (self.part / 8).checked_mul(usize::from(*width)).ok_or(LengthsProblem::End)?;
                let packed = bytes.take(packed)?;
                for place in 0..left.min(self.part) {
                    last = last.wrapping_add(least).wrapping_add(bits(packed, place, *width) as i32);
                    numbers.push(last);
                }
            }
        }
        Ok(numbers)
    }
}

/// The number at `place` among numbers of `width` bits, the lowest bit first.
fn bits(packed: &[u8], place: usize, width: u8) -> u32 {
    let start = place * usize::from(width);
    let mut word = [0; 8];
    for (to, from) in word.iter_mut().zip(&packed[start / 8..]) {
        *to = *from;
    }
    let mask = (1_u64 << width) - 1;
    ((u64::from_le_bytes(word) >> (start % 8)) & mask) as u32
}

/// Bytes that are read from their beginning.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], LengthsProblem> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(LengthsProblem::End)?;
        self.0 = rest;
        Ok(taken)
    }

    fn varint(&mut self) -> Result<u64, LengthsProblem> {
        let mut number = 0_u64;
        for shift in (0..63).step_by(7) {
            let byte = self.take(1)?[0];
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(LengthsProblem::End)
    }

    /// A signed number: 0, −1, 1, −2 and so on.
    fn zigzag(&mut self) -> Result<i64, LengthsProblem> {
        let number = self.varint()?;
        Ok((number >> 1) as i64 ^ -((number & 1) as i64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers in blocks of 128 in 4 parts, each difference in 32 bits.
    fn packed(numbers: &[i32]) -> Vec<u8> {
        let varint = |mut number: u64| {
            let mut bytes = Vec::new();
            while number > 0x7f {
                bytes.push(number as u8 | 0x80);
                number >>= 7;
            }
            bytes.push(number as u8);
            bytes
        };
        let zigzag = |number: i64| varint(((number << 1) ^ (number >> 63)) as u64);
        let first = numbers.first().copied().unwrap_or_default();
        let mut bytes = [vec![0x80, 1, 4], varint(numbers.len() as u64), zigzag(first.into())].concat();
        let differences: Vec<i32> = numbers.windows(2).map(|pair| pair[1].wrapping_sub(pair[0])).collect();
        for block in differences.chunks(128) {
            bytes.push(0);
            bytes.extend([32; 4]);
            for part in block.chunks(32) {
                bytes.extend(part.iter().flat_map(|difference| difference.to_le_bytes()));
                bytes.resize(bytes.len() + (32 - part.len()) * 4, 0);
            }
        }
        bytes
    }

    #[test]
    fn numbers_read_back_with_what_follows_them() {
        for count in [0, 1, 2, 33, 128, 129, 130, 500] {
            let numbers: Vec<i32> = (0..count).map(|number| number * 7919 % 1000).collect();
            let page = [packed(&numbers), b"rest".to_vec()].concat();
            assert_eq!(Lengths::read(&page), Ok(Lengths { lengths: numbers, rest: b"rest" }), "{count}");
        }
    }

    #[test]
    fn numbers_of_few_bits_begin_within_bytes() {
        // 0b101_100_011_010_001_000 in parts of three bits: 0, 1, 2, 3, 4, 5.
        let bytes = 0b101_100_011_010_001_000_u32.to_le_bytes();
        assert_eq!((0..6).map(|place| bits(&bytes, place, 3)).collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5]);
        assert_eq!(bits(&[], 7, 0), 0);
    }

    #[test]
    fn texts_that_the_page_does_not_hold_are_refused() {
        let page = |lengths: &[i32]| [packed(lengths), b"abcd".to_vec()].concat();
        assert_eq!(check_lengths(&page(&[1, 3])), Ok(4));
        assert_eq!(check_lengths(&page(&[1, 4])), Err(LengthsProblem::Sum { lengths: 5, found: 4 }));
        assert_eq!(check_lengths(&page(&[1, -1])), Err(LengthsProblem::Negative { text: 1, length: -1 }));
        assert_eq!(check_lengths(&page(&[1, 3])[..20]), Err(LengthsProblem::End));
        assert_eq!(check_lengths(&[0x80, 1, 4, 0xff, 0xff, 0xff, 0xff, 1, 0]), Err(LengthsProblem::Count(0x1fff_ffff)));
        assert_eq!(check_lengths(&[0x80, 1, 0, 1, 0]), Err(LengthsProblem::Blocks { block: 128, parts: 0 }));
        assert_eq!(check_lengths(&[0x80, 1, 8, 1, 0]), Err(LengthsProblem::Blocks { block: 128, parts: 8 }));
    }

    #[test]
    fn parts_larger_than_a_number_can_hold_are_refused() {
        // One part of 2^62 numbers of 32 bits each.
        let block = [[0x80; 8].as_slice(), &[0x40]].concat();
        let page = [block.as_slice(), &[1, 2, 0, 0, 32]].concat();
        assert_eq!(check_lengths(&page), Err(LengthsProblem::End));
    }

    #[test]
    fn texts_that_repeat_the_ones_before_count_with_what_they_repeat() {
        let page = |prefixes: &[i32], suffixes: &[i32]| [packed(prefixes), packed(suffixes), b"abcd".to_vec()].concat();
        // a, ab, abc, abcd
        assert_eq!(check_prefixes(&page(&[0, 1, 2, 3], &[1; 4])), Ok(10));
        let beyond = LengthsProblem::Prefix { text: 1, prefix: 2, length: 1 };
        assert_eq!(check_prefixes(&page(&[0, 2], &[1; 2])), Err(beyond));
        assert_eq!(check_prefixes(&page(&[0], &[1; 2])), Err(LengthsProblem::Prefixes { prefixes: 1, texts: 2 }));
        // Four bytes, a hundred thousand times.
        let repeated = [vec![0], vec![4; 100_000]].concat();
        let suffixes = [vec![4], vec![0; 100_000]].concat();
        assert_eq!(check_prefixes(&page(&repeated, &suffixes)), Ok(400_004));
    }
}
