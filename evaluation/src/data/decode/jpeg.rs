/// Whether a JPEG has its end marker, outside of its segments: a preview in one of them has a marker of its own.
///
/// A decoder that is content with less makes up what is missing. libjpeg, and so PIL, waits for the end.
pub(super) fn has_end(bytes: &[u8]) -> bool {
    let mut at = 2;
    loop {
        // Scan data and what else is between segments runs to the next 0xFF.
        let Some(found) = bytes.get(at..).and_then(|rest| rest.iter().position(|byte| *byte == 0xff)) else {
            return false;
        };
        at += found;
        // Any number of 0xFF may fill the space before a marker.
        while bytes.get(at) == Some(&0xff) {
            at += 1;
        }
        let Some(marker) = bytes.get(at) else { return false };
        at += 1;
        match marker {
            0xd9 => return true,
            // A byte 0xFF of the scan, a restart, a second start: no segment follows.
            0x00 | 0x01 | 0xd0..=0xd8 => {}
            _ => {
                let length = bytes.get(at..at + 2).map_or(0, |two| usize::from(u16::from_be_bytes([two[0], two[1]])));
                at += length;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: &[u8] = &[0xff, 0xd8];
    const END: &[u8] = &[0xff, 0xd9];
    /// An application segment that holds an end marker, as a preview has it.
    const PREVIEW: &[u8] = &[0xff, 0xe1, 0, 6, 0xff, 0xd9, 1, 2];
    /// A scan with a stuffed byte, a restart and fill bytes.
    const SCAN: &[u8] = &[0xff, 0xda, 0, 2, 7, 0xff, 0x00, 7, 0xff, 0xd0, 7, 0xff, 0xff];

    #[test]
    fn only_the_marker_after_the_last_scan_is_the_end() {
        assert!(has_end(&[START, PREVIEW, SCAN, SCAN, END].concat()));
        assert!(has_end(&[START, PREVIEW, SCAN, END, b"trailing bytes"].concat()));
        assert!(!has_end(&[START, PREVIEW, SCAN].concat()), "the preview's marker does not count");
        assert!(!has_end(&[START, PREVIEW, SCAN, &END[..1]].concat()));
        assert!(!has_end(&[START, &PREVIEW[..3]].concat()));
        assert!(!has_end(START));
    }
}
