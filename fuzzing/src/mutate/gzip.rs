//! Changes of IDX files, within gzip or without.

use super::{bytes, numbers};
use fastrand::Rng;
use flate2::{Compression, read::MultiGzDecoder, write::GzEncoder};
use std::io::{Read, Write};

pub(super) fn mutate_idx(rng: &mut Rng, input: &[u8], others: &[Vec<u8>]) -> Vec<u8> {
    let mut plain = Vec::new();
    let is_packed = MultiGzDecoder::new(input).take(1 << 20).read_to_end(&mut plain).is_ok();
    if !is_packed {
        plain = input.to_vec();
    }
    match rng.u8(0..10) {
        // The magic number and the sizes behind it.
        0..=4 => {
            let at = 4 * rng.usize(0..4);
            if let Some(four) = plain.get_mut(at..at + 4) {
                four.copy_from_slice(&(numbers::value(rng) as u32).to_be_bytes());
            }
        }
        5 => plain.extend(vec![0; [1, 100, 4096, 1 << 20][rng.usize(0..4)]]),
        // Little that unpacks to much.
        6 if rng.u8(0..16) == 0 => return packed(&[plain, vec![0; 64 << 20]].concat()),
        6 => return bytes::mutate(rng, input, others),
        7 => return [packed(&plain), packed(&plain)].concat(),
        _ => plain = bytes::mutate(rng, &plain, others),
    }
    if is_packed != (rng.u8(0..8) == 0) { packed(&plain) } else { plain }
}

pub(crate) fn packed(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(plain).and_then(|()| encoder.finish()).expect("a vector can be written to")
}
