//! The log of LevelDB as W&B writes it: records in blocks of 32 KiB, with the plain CRC-32 in place of CRC-32C.

const BLOCK: usize = 32_768;
const HEADER: usize = 7;
/// `:W&B`, a number that says what it is, and version 0. The header counts as a part of the first block.
const BEGINNING: [u8; HEADER] = [b':', b'W', b'&', b'B', 0xe1, 0xbe, 0];

const FULL: u8 = 1;
const FIRST: u8 = 2;
const MIDDLE: u8 = 3;
const LAST: u8 = 4;

/// A log under construction.
#[derive(Debug)]
pub(super) struct Log(Vec<u8>);

impl Default for Log {
    fn default() -> Self {
        Self(BEGINNING.to_vec())
    }
}

impl Log {
    /// Adds a record, in pieces where it does not fit into its block.
    pub(super) fn push(&mut self, record: &[u8]) {
        let mut rest = record;
        let mut is_begun = false;
        loop {
            let left = BLOCK - self.0.len() % BLOCK;
            if left < HEADER {
                self.0.resize(self.0.len() + left, 0);
                continue;
            }
            let room = left - HEADER;
            let is_end = rest.len() <= room;
            let (piece, after) = rest.split_at(room.min(rest.len()));
            let kind = match (is_begun, is_end) {
                (false, true) => FULL,
                (false, false) => FIRST,
                (true, false) => MIDDLE,
                (true, true) => LAST,
            };
            self.piece(kind, piece);
            if is_end {
                return;
            }
            is_begun = true;
            rest = after;
        }
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    fn piece(&mut self, kind: u8, piece: &[u8]) {
        let mut checksum = crc32fast::Hasher::new();
        checksum.update(&[kind]);
        checksum.update(piece);
        self.0.extend(checksum.finalize().to_le_bytes());
        // A piece is shorter than a block.
        self.0.extend((piece.len() as u16).to_le_bytes());
        self.0.push(kind);
        self.0.extend(piece);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The records of a log, by the rules of LevelDB.
    fn read(log: &[u8]) -> Vec<Vec<u8>> {
        let mut at = HEADER;
        let mut records: Vec<Vec<u8>> = Vec::new();
        while at < log.len() {
            let left = BLOCK - at % BLOCK;
            if left < HEADER {
                assert!(log[at..at + left].iter().all(|byte| *byte == 0));
                at += left;
                continue;
            }
            let length = usize::from(u16::from_le_bytes([log[at + 4], log[at + 5]]));
            let kind = log[at + 6];
            let piece = &log[at + HEADER..at + HEADER + length];
            let checksum = crc32fast::hash(&[&[kind], piece].concat());
            assert_eq!(checksum.to_le_bytes(), log[at..at + 4]);
            match kind {
                FULL | FIRST => records.push(piece.to_vec()),
                _ => records.last_mut().unwrap().extend(piece),
            }
            at += HEADER + length;
        }
        records
    }

    #[test]
    fn records_of_every_length_are_read_back_wherever_blocks_end() {
        let lengths = [0, 1, BLOCK - 3 * HEADER - 1, 0, 5, BLOCK - HEADER, 3 * BLOCK, BLOCK - HEADER - 8, 7, 100_000];
        let records: Vec<Vec<u8>> = lengths.iter().enumerate().map(|(at, length)| vec![at as u8; *length]).collect();
        let mut log = Log::default();
        records.iter().for_each(|record| log.push(record));
        assert_eq!(read(&log.into_bytes()), records);
    }
}
