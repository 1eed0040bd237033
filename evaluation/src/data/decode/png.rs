/// Bytes of a chunk beside its data: their length, its name, a checksum.
const CHUNK: usize = 12;

/// Whether a PNG has its last chunk, `IEND`, and all of those before it.
pub(super) fn has_end(bytes: &[u8]) -> bool {
    let mut at = 8_usize;
    while let Some(&[a, b, c, d, ref name @ ..]) = bytes.get(at..at.saturating_add(8)) {
        if name == b"IEND" {
            return true;
        }
        at = at.saturating_add(CHUNK).saturating_add(u32::from_be_bytes([a, b, c, d]) as usize);
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: &[u8] = b"\x89PNG\r\n\x1a\n";
    const DATA: &[u8] = b"\0\0\0\x08IDAT\0\0\0\0IENDsum!";
    const END: &[u8] = b"\0\0\0\0IENDsum!";

    #[test]
    fn only_a_chunk_of_its_own_is_the_end() {
        assert!(has_end(&[START, DATA, END].concat()));
        assert!(has_end(&[START, DATA, END, b"trailing bytes"].concat()));
        assert!(!has_end(&[START, DATA].concat()));
        assert!(!has_end(&[START, &DATA[..14]].concat()));
        assert!(!has_end(&[START, DATA, &END[..6]].concat()));
        assert!(!has_end(START) && !has_end(b""));
    }
}
