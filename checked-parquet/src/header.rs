//! The beginning of a page header, in Thrift's compact protocol.

/// What a page header claims.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct PageSizes {
    /// Bytes of the page once it is unpacked.
    pub(crate) unpacked: u64,
    /// Bytes of levels before what is packed, which pages of version 2 have.
    pub(crate) levels: u64,
}

/// A field of type `i32` whose number is one above that of the field before.
const NEXT_I32: u8 = 0x15;

/// The type of data pages of version 2, and the field that describes them: after the third, and after the fourth, a
/// checksum.
const DATA_PAGE_V2: u64 = 3;
const AFTER_SIZES: u8 = 0x5c;
const AFTER_CHECKSUM: u8 = 0x4c;

impl PageSizes {
    /// Reads the type and the sizes; every writer puts these first, as the format numbers them. `None` for anything
    /// else.
    pub(crate) fn of(header: &[u8]) -> Option<Self> {
        let mut header = header.iter().copied();
        let page_type = next_i32(&mut header)?;
        let unpacked = next_i32(&mut header)?;
        next_i32(&mut header)?;
        let levels = if page_type == DATA_PAGE_V2 { levels(&mut header)? } else { 0 };
        Some(Self { unpacked, levels })
    }
}

/// The fifth and sixth number of the description of a page of version 2.
fn levels(header: &mut impl Iterator<Item = u8>) -> Option<u64> {
    match header.next()? {
        AFTER_SIZES => {}
        NEXT_I32 => {
            varint(header)?;
            (header.next()? == AFTER_CHECKSUM).then_some(())?;
        }
        _ => return None,
    }
    // Values, nulls, rows and the encoding come before.
    for _ in 0..4 {
        next_i32(header)?;
    }
    Some(next_i32(header)? + next_i32(header)?)
}

/// The number of a field that follows the one before; 0 for those below, which the library refuses itself.
fn next_i32(header: &mut impl Iterator<Item = u8>) -> Option<u64> {
    (header.next()? == NEXT_I32).then_some(())?;
    let zigzag = varint(header)?;
    let is_negative = zigzag & 1 == 1;
    Some(if is_negative { 0 } else { zigzag >> 1 })
}

fn varint(bytes: &mut impl Iterator<Item = u8>) -> Option<u64> {
    let mut number = 0;
    for shift in (0..35).step_by(7) {
        let byte = bytes.next()?;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_the_second_field() {
        let sizes = PageSizes::of(&[0x15, 0, 0x15, 0x90, 0x01, 0x15, 2, 0x2c]);
        assert_eq!(sizes, Some(PageSizes { unpacked: 72, levels: 0 }));
        let largest = PageSizes::of(&[0x15, 4, 0x15, 0xfe, 0xff, 0xff, 0xff, 0x0f, 0x15, 2]);
        assert_eq!(largest, Some(PageSizes { unpacked: i32::MAX as u64, levels: 0 }));
        for other in [&[][..], &[0x15], &[0x15, 0, 0x25, 2], &[0x15, 0, 0x15, 0x80], &[0x15, 0, 0x15, 2, 0x25, 2]] {
            assert_eq!(PageSizes::of(other), None, "{other:?}");
        }
    }

    #[test]
    fn pages_of_version_2_say_how_long_their_levels_are() {
        let description = [0x15, 20, 0x15, 0, 0x15, 20, 0x15, 0, 0x15, 6, 0x15, 4, 0x11, 0];
        let wanted = Some(PageSizes { unpacked: 36, levels: 5 });
        let plain = [&[0x15, 6, 0x15, 72, 0x15, 60, 0x5c][..], &description].concat();
        assert_eq!(PageSizes::of(&plain), wanted);
        let with_checksum = [&[0x15, 6, 0x15, 72, 0x15, 60, 0x15, 9, 0x4c][..], &description].concat();
        assert_eq!(PageSizes::of(&with_checksum), wanted);
        assert_eq!(PageSizes::of(&[0x15, 6, 0x15, 72, 0x15, 60, 0x2c]), None);
    }
}
