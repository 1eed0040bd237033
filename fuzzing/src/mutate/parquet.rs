//! Changes of parquet files: of the footer above all, which says where everything else is.

use super::{bytes, numbers, place};
use fastrand::Rng;

/// The length of the footer, and `PAR1`.
const END: usize = 8;

pub(super) fn mutate(rng: &mut Rng, input: &[u8], others: &[Vec<u8>]) -> Vec<u8> {
    let Some((pages, footer)) = parts(input) else { return bytes::mutate(rng, input, others) };
    match rng.u8(0..10) {
        0..=2 => framed(pages, &bytes::mutate(rng, footer, &[])),
        3..=5 => framed(pages, &with_number(rng, footer)),
        6 => framed(&with_number(rng, pages), footer),
        7 => framed(&bytes::mutate(rng, pages, &[]), footer),
        8 => {
            let mut whole = input.to_vec();
            let at = whole.len() - END;
            whole[at..at + 4].copy_from_slice(&(numbers::value(rng) as u32).to_le_bytes());
            whole
        }
        // The pages of one file and the footer of another.
        _ => match rng.choice(others).and_then(|other| parts(other)) {
            Some((_, footer)) => framed(pages, footer),
            None => bytes::mutate(rng, input, others),
        },
    }
}

fn parts(input: &[u8]) -> Option<(&[u8], &[u8])> {
    let (rest, end) = input.split_last_chunk::<END>()?;
    let length = u32::from_le_bytes([end[0], end[1], end[2], end[3]]);
    rest.split_at_checked(rest.len().checked_sub(length as usize)?)
}

fn framed(pages: &[u8], footer: &[u8]) -> Vec<u8> {
    [pages, footer, &(footer.len() as u32).to_le_bytes(), b"PAR1"].concat()
}

/// Another number in place of a variable-length one, as thrift has them everywhere.
fn with_number(rng: &mut Rng, part: &[u8]) -> Vec<u8> {
    let from = place(rng, part.len());
    let width = part[from..].iter().position(|byte| byte & 0x80 == 0).map_or(0, |last| last + 1);
    let number = numbers::varint(numbers::value(rng));
    [&part[..from], &number, &part[from + width..]].concat()
}
