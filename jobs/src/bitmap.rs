use base64::{DecodeError, Engine, prelude::BASE64_STANDARD_NO_PAD};
use serde::{Serialize, Serializer};
use std::fmt;

/// A yes or no for each of many examples, in the order of the data set: one bit each.
///
/// Written as base64 (RFC 4648, without padding) of bytes whose lowest bit comes first; the bits behind the last
/// example are 0. The text does not contain the number of examples: [`Bitmap::parse`] takes it, and checks it.
///
/// # Examples
/// ```
/// let right: jobs::Bitmap = [true, false, true].into_iter().collect();
/// assert_eq!((right.len(), right.count(), right.to_string().as_str()), (3, 2, "BQ"));
/// assert_eq!(jobs::Bitmap::parse("BQ", 3).unwrap(), right);
/// ```
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Bitmap {
    bytes: Vec<u8>,
    len: usize,
}

/// A text that is no bitmap of that many examples.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BitmapError {
    /// It is no base64.
    #[error("it is no base64 without padding")]
    Base64(#[from] DecodeError),
    /// It has too few or too many bytes.
    #[error("it has {found} bytes, and {len} examples take {expected}")]
    Length {
        /// Its bytes.
        found: usize,
        /// The bytes that there should be.
        expected: usize,
        /// The examples that it is said to be of.
        len: usize,
    },
    /// A bit is set that stands for no example.
    #[error("it says something of examples behind the last of {len}")]
    Behind {
        /// The examples that it is said to be of.
        len: usize,
    },
}

impl Bitmap {
    /// Reads the text of a bitmap of `len` examples.
    ///
    /// # Errors
    /// It is no base64, or of another number of examples.
    pub fn parse(text: &str, len: usize) -> Result<Self, BitmapError> {
        let bytes = BASE64_STANDARD_NO_PAD.decode(text)?;
        let found = bytes.len();
        let expected = len.div_ceil(8);
        if found != expected {
            return Err(BitmapError::Length { found, expected, len });
        }
        let used = len % 8;
        match bytes.last() {
            Some(last) if used > 0 && last >> used != 0 => Err(BitmapError::Behind { len }),
            _ => Ok(Self { bytes, len }),
        }
    }

    /// No for each of `len` examples.
    pub fn none(len: usize) -> Self {
        Self { bytes: vec![0; len.div_ceil(8)], len }
    }

    /// What it says of an example.
    ///
    /// # Panics
    /// There is no such example.
    pub fn get(&self, example: usize) -> bool {
        assert!(example < self.len, "there are {} examples", self.len);
        self.bytes[example / 8] >> (example % 8) & 1 == 1
    }

    /// Changes what it says of an example.
    ///
    /// # Panics
    /// There is no such example.
    pub fn set(&mut self, example: usize, is_yes: bool) {
        assert!(example < self.len, "there are {} examples", self.len);
        let bit = 1 << (example % 8);
        if is_yes {
            self.bytes[example / 8] |= bit;
        } else {
            self.bytes[example / 8] &= !bit;
        }
    }

    /// The number of examples.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no example.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many are yes.
    pub fn count(&self) -> u64 {
        self.bytes.iter().map(|byte| u64::from(byte.count_ones())).sum()
    }

    /// How many are yes here and no in `other`; what one of them does not have counts as no.
    pub fn count_without(&self, other: &Self) -> u64 {
        let other = other.bytes.iter().copied().chain(std::iter::repeat(0));
        self.bytes.iter().zip(other).map(|(own, other)| u64::from((own & !other).count_ones())).sum()
    }

    /// The examples in their order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = bool> {
        (0..self.len).map(|index| self.bytes[index / 8] >> (index % 8) & 1 == 1)
    }
}

impl FromIterator<bool> for Bitmap {
    fn from_iter<I: IntoIterator<Item = bool>>(examples: I) -> Self {
        let mut bitmap = Self::default();
        for example in examples {
            if bitmap.len.is_multiple_of(8) {
                bitmap.bytes.push(0);
            }
            if let Some(last) = bitmap.bytes.last_mut() {
                *last |= u8::from(example) << (bitmap.len % 8);
            }
            bitmap.len += 1;
        }
        bitmap
    }
}

impl fmt::Display for Bitmap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE64_STANDARD_NO_PAD.encode(&self.bytes))
    }
}

impl fmt::Debug for Bitmap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bitmap({} of {}: {self})", self.count(), self.len)
    }
}

impl Serialize for Bitmap {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_bitmap_reads_back_from_its_text(examples: Vec<bool>) {
            let bitmap: Bitmap = examples.iter().copied().collect();
            prop_assert_eq!(bitmap.len(), examples.len());
            prop_assert_eq!(bitmap.count() as usize, examples.iter().filter(|yes| **yes).count());
            prop_assert_eq!(bitmap.iter().collect::<Vec<_>>(), examples);
            prop_assert_eq!(Bitmap::parse(&bitmap.to_string(), bitmap.len()), Ok(bitmap));
        }

        #[test]
        fn what_one_has_without_the_other_is_counted(pairs: Vec<(bool, bool)>) {
            let one: Bitmap = pairs.iter().map(|pair| pair.0).collect();
            let other: Bitmap = pairs.iter().map(|pair| pair.1).collect();
            let without = pairs.iter().filter(|(one, other)| *one && !other).count();
            prop_assert_eq!(one.count_without(&other) as usize, without);
        }
    }

    #[test]
    fn a_text_of_another_number_of_examples_is_refused() {
        let text = [true; 12].into_iter().collect::<Bitmap>().to_string();
        let refused = |text: &str, len| Bitmap::parse(text, len).unwrap_err().to_string();
        assert_eq!(refused(&text, 17), "it has 2 bytes, and 17 examples take 3");
        assert_eq!(refused(&text, 8), "it has 2 bytes, and 8 examples take 1");
        assert_eq!(refused(&text, 11), "it says something of examples behind the last of 11");
        assert_eq!(refused("?", 1), "it is no base64 without padding");
        // Bits that belong to no byte would make two texts of one bitmap.
        assert_eq!(refused("BR", 3), "it is no base64 without padding");
    }
}
