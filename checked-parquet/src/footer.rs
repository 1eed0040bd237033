//! The footer of a parquet file, checked against what the library assumes.
//!
//! The library reserves memory for as many children of a column as the footer claims, recurses as deep as columns are
//! nested, and stops the process at offsets below 0. So the footer is read first, which Thrift's compact protocol
//! allows without knowing the fields. The library takes each field that it knows for what the format says, so a field of
//! another form is refused: the library would read other values behind it than are checked here.

mod form;

use form::Form;
use parquet::{
    errors::{ParquetError, Result},
    file::reader::ChunkReader,
};

/// The length of the footer, and `PAR1`.
const END: u64 = 8;

/// How deep columns, and the footer's own values, may be nested: structs, lists and maps in each other.
const MOST_DEPTH: usize = 64;

/// `FileMetaData.schema`, and the number of children of one of its elements.
const SCHEMA: &[i16] = &[2];
const CHILDREN: &[i16] = &[2, 5];

/// Of a row group: its bytes, its rows. Of a column in it: values, bytes unpacked and packed, the places of its pages.
const NEVER_NEGATIVE: [&[i16]; 8] =
    [&[4, 2], &[4, 3], &[4, 1, 3, 5], &[4, 1, 3, 6], &[4, 1, 3, 7], &[4, 1, 3, 9], &[4, 1, 3, 10], &[4, 1, 3, 11]];

/// Checks the footer of a file. What does not end as a parquet file does is left to the library.
///
/// # Errors
/// The file cannot be read, or its footer is damaged.
pub(crate) fn check_footer(file: &impl ChunkReader) -> Result<()> {
    let Some(end) = file.len().checked_sub(END) else { return Ok(()) };
    let last = file.get_bytes(end, END as usize)?;
    let [a, b, c, d, ref magic @ ..] = *last else { return Ok(()) };
    let length = u32::from_le_bytes([a, b, c, d]);
    let Some(start) = end.checked_sub(u64::from(length)) else { return Ok(()) };
    if magic != b"PAR1" {
        return Ok(());
    }
    check(&file.get_bytes(start, length as usize)?)
}

fn check(footer: &[u8]) -> Result<()> {
    let mut reader = FooterReader { rest: footer, depth: 0, children: Vec::new() };
    reader.fields(&mut Vec::new()).ok_or_else(|| damaged("it is no list of fields in the forms of the format"))?;
    check_schema(&reader.children)
}

/// Checks that the elements, which are in depth-first order, are one tree that is not too deep.
fn check_schema(children: &[i64]) -> Result<()> {
    let claimed = children.iter().try_fold(0_u64, |sum, claimed| sum.checked_add(u64::try_from(*claimed).ok()?));
    if claimed.is_none_or(|claimed| claimed >= (children.len() as u64).max(1)) {
        return Err(damaged("its columns claim more children than there are"));
    }
    // How many children are still to come of each element that is not closed.
    let mut open: Vec<i64> = Vec::new();
    for claimed in children {
        if let Some(left) = open.last_mut() {
            *left -= 1;
        }
        open.push(*claimed);
        while open.last() == Some(&0) {
            open.pop();
        }
        if open.len() > MOST_DEPTH {
            return Err(damaged("its columns are nested too deep"));
        }
    }
    Ok(())
}

fn damaged(what: &str) -> ParquetError {
    ParquetError::General(format!("the footer is damaged: {what}"))
}

/// Reads a footer. Every method returns `None` if the bytes are not Thrift's, or hold what is not allowed.
struct FooterReader<'a> {
    rest: &'a [u8],
    /// The number of values that are open. Lists of lists go deeper without a field.
    depth: usize,
    /// The number of children of each element of the schema.
    children: Vec<i64>,
}

impl FooterReader<'_> {
    /// The fields of a struct whose place in the footer is `path`.
    fn fields(&mut self, path: &mut Vec<i16>) -> Option<()> {
        if path == SCHEMA {
            self.children.push(0);
        }
        let mut number = 0_i16;
        loop {
            let head = self.byte()?;
            let kind = head & 0x0f;
            if kind == 0 {
                return Some(());
            }
            number = match head >> 4 {
                0 => i16::try_from(self.integer()?).ok()?,
                step => number.checked_add(step.into())?,
            };
            path.push(number);
            let form = Form::of_kind(kind)?;
            if Form::expected(path).is_some_and(|expected| expected != form) {
                return None;
            }
            // A truth value is part of its kind.
            if !matches!(kind, 1 | 2) {
                self.value(kind, path)?;
            }
            path.pop();
        }
    }

    /// A value. Every value within another one is read through here, so that the depth is limited here alone.
    fn value(&mut self, kind: u8, path: &mut Vec<i16>) -> Option<()> {
        if self.depth == MOST_DEPTH {
            return None;
        }
        self.depth += 1;
        self.value_within(kind, path)?;
        self.depth -= 1;
        Some(())
    }

    fn value_within(&mut self, kind: u8, path: &mut Vec<i16>) -> Option<()> {
        match kind {
            1..=3 => self.skip(1),
            4..=6 => {
                let number = self.integer()?;
                self.number(number, path)
            }
            7 => self.skip(8),
            8 => {
                let length = self.varint()?;
                self.skip(length)
            }
            9 | 10 => {
                let head = self.byte()?;
                let length = if head >> 4 == 15 { self.varint()? } else { u64::from(head >> 4) };
                let form = Form::of_kind(head & 0x0f);
                let is_expected = Form::expected_of_elements(path).is_none_or(|expected| form == Some(expected));
                // Some writers leave out the kind of the elements of an empty list.
                if length > 0 && !is_expected {
                    return None;
                }
                self.values(length, &[head & 0x0f], path)
            }
            11 => {
                let length = self.varint()?;
                let kinds = if length == 0 { 0 } else { self.byte()? };
                self.values(length, &[kinds >> 4, kinds & 0x0f], path)
            }
            12 => self.fields(path),
            _ => None,
        }
    }

    /// So many times one value of each of `kinds`, each of which takes a byte at least.
    fn values(&mut self, length: u64, kinds: &[u8], path: &mut Vec<i16>) -> Option<()> {
        if length > self.rest.len() as u64 {
            return None;
        }
        (0..length).try_for_each(|_| kinds.iter().try_for_each(|kind| self.value(*kind, path)))
    }

    fn number(&mut self, number: i64, path: &[i16]) -> Option<()> {
        if path == CHILDREN {
            *self.children.last_mut()? = number;
        }
        (number >= 0 || !NEVER_NEGATIVE.contains(&path)).then_some(())
    }

    fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*byte)
    }

    fn skip(&mut self, bytes: u64) -> Option<()> {
        self.rest = self.rest.get(usize::try_from(bytes).ok()?..)?;
        Some(())
    }

    fn varint(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    /// A signed number: 0, −1, 1, −2 and so on.
    fn integer(&mut self) -> Option<i64> {
        let number = self.varint()?;
        Some((number >> 1) as i64 ^ -((number & 1) as i64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A footer with these numbers of children, one row group and one column in it.
    fn footer(children: &[u8], data_page: u8) -> Vec<u8> {
        let schema = children.iter().flat_map(|children| [0x55, 2 * children, 0]);
        let column = [0x3c, 0x96, data_page, 0, 0];
        [
            vec![0x29, (children.len() as u8) << 4 | 0x0c],
            schema.collect(),
            vec![0x29, 0x1c, 0x19, 0x1c],
            column.to_vec(),
            vec![0, 0],
        ]
        .concat()
    }

    fn refusal(footer: &[u8]) -> String {
        check(footer).unwrap_err().to_string()
    }

    #[test]
    fn children_that_are_not_there_are_refused() {
        check(&footer(&[2, 0, 1, 0], 8)).unwrap();
        assert!(refusal(&footer(&[2, 0], 8)).contains("claim more children than there are"));
        // −1
        let negative = [0x29, 0x1c, 0x55, 1, 0, 0];
        assert!(refusal(&negative).contains("claim more children than there are"));
    }

    #[test]
    fn pages_before_the_file_are_refused() {
        assert!(refusal(&footer(&[1, 0], 1)).contains("it is no list of fields"));
    }

    #[test]
    fn columns_that_are_nested_without_end_are_refused() {
        let element = [0x55, 2, 0];
        let deep = [[0x29, 0xfc, 100].as_slice(), &element.repeat(99), &[0x55, 0, 0, 0]].concat();
        assert!(refusal(&deep).contains("nested too deep"), "{}", refusal(&deep));
        // A struct in a struct in a struct.
        let structs = [[0xac].as_slice(), &[0x1c; 10_000]].concat();
        assert!(refusal(&structs).contains("it is no list of fields"));
    }

    #[test]
    fn values_that_are_nested_without_end_are_refused() {
        let list = [[0xa9].as_slice(), &[0x19; 1 << 20]].concat();
        assert!(refusal(&list).contains("it is no list of fields"));
        // A map whose only key is a map, and so on.
        let map = [[0xab].as_slice(), &[1, 0xbb].repeat(1 << 19)].concat();
        assert!(refusal(&map).contains("it is no list of fields"));
    }

    #[test]
    fn values_are_nested_up_to_the_limit() {
        // Field 10, which the format does not know.
        let nested = |lists: usize| [vec![0xa9], vec![0x19; lists - 1], vec![0x03, 0]].concat();
        // The innermost list is empty.
        check(&nested(MOST_DEPTH)).unwrap();
        assert!(refusal(&nested(MOST_DEPTH + 1)).contains("it is no list of fields"));
    }

    /// Behind a field of another form, the library would read other values than are checked here.
    #[test]
    fn a_field_of_another_form_than_the_format_gives_it_is_refused() {
        let version = [0x15, 2, 0];
        check(&version).unwrap();
        let version_as_truth_value = [0x11, 0];
        assert!(refusal(&version_as_truth_value).contains("in the forms of the format"));
        // The schema as a list of numbers; an empty list may leave out the kind of its elements.
        assert!(refusal(&[0x29, 0x15, 2, 0]).contains("in the forms of the format"));
        check(&[0x29, 0x00, 0]).unwrap();
        // A number has the same form in 16, 32 and 64 bits.
        check(&[0x16, 2, 0]).unwrap();
        // An unknown field has any form.
        check(&[0xa1, 0]).unwrap();
        check(&[0xa5, 2, 0]).unwrap();
    }

    #[test]
    fn lists_that_claim_more_than_the_footer_holds_are_refused() {
        assert!(refusal(&[0x29, 0xfc, 0xff, 0xff, 0xff, 0xff, 0x0f, 0]).contains("it is no list of fields"));
    }
}
