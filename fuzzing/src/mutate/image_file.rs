//! Changes of images: of the chunks of a PNG, with right checksums, and of the segments of a JPEG.

use super::{bytes, numbers, one, place};
use fastrand::Rng;
use flate2::{Compression, Crc, write::ZlibEncoder};
use std::io::Write;

const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";

pub(super) fn mutate(rng: &mut Rng, input: &[u8], others: &[Vec<u8>]) -> Vec<u8> {
    match input.strip_prefix(SIGNATURE).map(chunks) {
        Some(chunks) if !chunks.is_empty() => png(rng, chunks),
        _ if input.starts_with(&[0xff, 0xd8]) => jpeg(rng, input, others),
        _ => bytes::mutate(rng, input, others),
    }
}

type Chunk = ([u8; 4], Vec<u8>);

fn chunks(mut rest: &[u8]) -> Vec<Chunk> {
    let mut chunks = Vec::new();
    while let Some((&[a, b, c, d, n0, n1, n2, n3], behind)) = rest.split_first_chunk::<8>() {
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        let Some((data, behind)) = behind.split_at_checked(length) else { break };
        chunks.push(([n0, n1, n2, n3], data.to_vec()));
        rest = behind.get(4..).unwrap_or_default();
    }
    chunks
}

fn png(rng: &mut Rng, mut chunks: Vec<Chunk>) -> Vec<u8> {
    let at = rng.usize(0..chunks.len());
    match rng.u8(0..10) {
        0..=2 => header(rng, &mut chunks[0].1),
        3 => chunks[at].1 = bytes::mutate(rng, &chunks[at].1, &[]),
        4 => drop(chunks.remove(at)),
        5 => chunks.insert(at, chunks[at].clone()),
        6 => {
            let with = rng.usize(0..chunks.len());
            chunks.swap(at, with);
        }
        7 => {
            let name = one(
                rng,
                &[
                    "tRNS", "PLTE", "gAMA", "iCCP", "eXIf", "tEXt", "zTXt", "iTXt", "acTL", "fcTL", "fdAT", "sBIT",
                    "IDAT", "IEND", "ABCD",
                ],
            );
            let data = extra(rng);
            chunks.insert(at, (name.as_bytes().try_into().expect("names of chunks have four letters"), data));
        }
        // Pixels that do not fit the header, or that are many out of few bytes.
        8 => {
            if let Some((_, data)) = chunks.iter_mut().find(|(name, _)| name == b"IDAT") {
                *data = deflated(&vec![rng.u8(0..6); [0, 1, 48, 4096, 8 << 20][rng.usize(0..5)]]);
            }
        }
        _ => return bytes::mutate(rng, &written(&chunks), &[]),
    }
    written(&chunks)
}

fn header(rng: &mut Rng, header: &mut [u8]) {
    let side = [1, 2, 16, 255, 1000, 4000, 20_000, 60_000, 4_000_000, 0x7fff_ffff][rng.usize(0..10)];
    let (at, value): (usize, Vec<u8>) = match rng.u8(0..6) {
        0 => (0, u32::to_be_bytes(side).to_vec()),
        1 => (4, u32::to_be_bytes(side).to_vec()),
        2 => (8, vec![[1, 2, 4, 8, 16][rng.usize(0..5)]]),
        3 => (9, vec![[0, 2, 3, 4, 6][rng.usize(0..5)]]),
        4 => (12, vec![rng.u8(0..2)]),
        _ => (4 * rng.usize(0..2), (numbers::value(rng) as u32).to_be_bytes().to_vec()),
    };
    for (to, from) in header.iter_mut().skip(at).zip(value) {
        *to = from;
    }
}

/// The data of a chunk beside the pixels, which may unpack to much.
fn extra(rng: &mut Rng) -> Vec<u8> {
    match rng.u8(0..4) {
        0 => [b"name\0\0", deflated(&vec![0; [10, 64 << 20][rng.usize(0..2)]]).as_slice()].concat(),
        1 => [b"Exif\0\0MM\0*\0\0\0\x08".as_slice(), &rng.u32(..).to_be_bytes()].concat(),
        _ => (0..rng.usize(0..64)).map(|_| rng.u8(..)).collect(),
    }
}

fn deflated(plain: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(plain).and_then(|()| encoder.finish()).expect("a vector can be written to")
}

fn written(chunks: &[Chunk]) -> Vec<u8> {
    let mut bytes = SIGNATURE.to_vec();
    for (name, data) in chunks {
        let mut sum = Crc::new();
        sum.update(name);
        sum.update(data);
        bytes.extend((data.len() as u32).to_be_bytes());
        bytes.extend(name);
        bytes.extend(data);
        bytes.extend(sum.sum().to_be_bytes());
    }
    bytes
}

/// Changes the frame's sizes, a segment's length, or bytes.
fn jpeg(rng: &mut Rng, input: &[u8], others: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = input.to_vec();
    let markers: Vec<usize> =
        (0..input.len().saturating_sub(9)).filter(|&at| input[at] == 0xff && input[at + 1] >= 0xc0).collect();
    let Some(&at) = rng.choice(&markers) else { return bytes::mutate(rng, input, others) };
    match rng.u8(0..5) {
        0 => {
            let frame = markers.iter().find(|&&at| matches!(input[at + 1], 0xc0..=0xc2));
            let at = frame.map_or(at, |frame| frame + 5);
            bytes[at..at + 4].copy_from_slice(&(numbers::value(rng) as u32).to_be_bytes());
        }
        1 => bytes[at + 2..at + 4].copy_from_slice(&(numbers::value(rng) as u16).to_be_bytes()),
        2 => bytes[at + 1] = [0xc0, 0xc1, 0xc2, 0xc4, 0xda, 0xdb, 0xdd, 0xd9, 0xe1, 0xee][rng.usize(0..10)],
        3 => {
            let behind = at + 4 + place(rng, 5);
            bytes[behind] = rng.u8(..);
        }
        _ => return bytes::mutate(rng, input, others),
    }
    bytes
}
