//! The beginning of a page header, in Thrift's compact protocol.

/// What a page header claims.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct PageSizes {
    /// Bytes of the page once it is unpacked.
    pub(super) unpacked: u64,
}

/// A field of type `i32` whose number is one above that of the field before.
const NEXT_I32: u8 = 0x15;

impl PageSizes {
    /// Reads the type and the size; every writer puts these first, as the format numbers them. `None` for anything else.
    pub(super) fn of(header: &[u8]) -> Option<Self> {
        let mut header = header.iter().copied();
        let mut next = || {
            (header.next()? == NEXT_I32).then_some(())?;
            varint(&mut header)
        };
        next()?;
        let zigzag = next()?;
        // The library refuses sizes below 0 itself.
        let is_negative = zigzag & 1 == 1;
        Some(Self { unpacked: if is_negative { 0 } else { zigzag >> 1 } })
    }
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
        assert_eq!(PageSizes::of(&[0x15, 0, 0x15, 0x90, 0x01, 0x15, 2]), Some(PageSizes { unpacked: 72 }));
        let largest = PageSizes::of(&[0x15, 4, 0x15, 0xfe, 0xff, 0xff, 0xff, 0x0f]);
        assert_eq!(largest, Some(PageSizes { unpacked: i32::MAX as u64 }));
        for other in
            [&[][..], &[0x15], &[0x15, 0, 0x25, 2], &[0x15, 0, 0x15, 0x80], &[0x15, 0, 0x15, 255, 255, 255, 255, 255]]
        {
            assert_eq!(PageSizes::of(other), None, "{other:?}");
        }
    }
}
