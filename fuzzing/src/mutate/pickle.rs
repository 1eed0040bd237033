//! Changes of files of `torch.save`: of the pickle's instructions, and of the archive around it.

use super::{bytes, numbers, one, place};
use fastrand::Rng;
use std::io::{Cursor, Read, Write};
use zip::{CompressionMethod, ZipArchive, ZipWriter, write::SimpleFileOptions};

/// Instructions that are well-formed anywhere.
const INSTRUCTIONS: [&[u8]; 24] = [
    b"N", b"(", b"0", b")", b"]", b"}", b"\x85", b"\x86", b"\x87", b"t", b"R", b"Q", b"s", b"u", b"a", b"e", b"b",
    b".", b"\x93", b"\x94", b"q\x00", b"h\x00", b"\x88", b"\x81",
];

/// What a state dict is made of, and what it is not.
const PHRASES: [&[u8]; 10] = [
    b"cos\nsystem\n",
    b"ccollections\nOrderedDict\n",
    b"ctorch._utils\n_rebuild_tensor_v2\n",
    b"ctorch\nFloatStorage\n",
    b"ctorch\nDoubleStorage\n",
    b"ctorch._utils\n_rebuild_parameter\n",
    b"\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f",
    b"J\xff\xff\xff\xff",
    b"ctorch._tensor\n_rebuild_from_type_v2\n",
    b"X\x01\x00\x00\x00a",
];

/// A tuple of two that doubles what it holds, one that goes ever deeper, a list and a dict that hold themselves.
const REPEATED: [&[u8]; 5] = [b"(h\x00h\x00tq\x00", b"h\x00\x85q\x00", b"]q\x00h\x00a", b"(NNt", b"}q\x00h\x00h\x00s"];

pub(super) fn mutate(rng: &mut Rng, input: &[u8], others: &[Vec<u8>]) -> Vec<u8> {
    if !input.starts_with(b"PK") {
        return if rng.bool() { instructions(rng, input) } else { bytes::mutate(rng, input, others) };
    }
    let Some(mut entries) = entries(input) else { return bytes::mutate(rng, input, others) };
    if entries.is_empty() {
        return bytes::mutate(rng, input, others);
    }
    let at = rng.usize(0..entries.len());
    match rng.u8(0..12) {
        0..=7 => {
            if let Some((_, pickle)) = entries.iter_mut().find(|(name, _)| name.ends_with("data.pkl")) {
                *pickle = instructions(rng, pickle);
            }
        }
        8 => drop(entries.remove(at)),
        9 => entries[at].1 = bytes::mutate(rng, &entries[at].1, &[]),
        10 => {
            let name = one(
                rng,
                &["a/data.pkl", "byteorder", "archive/byteorder", "../data.pkl", "archive/data/0x", "archive/version"],
            );
            entries.push((name.to_owned(), b"big".to_vec()));
        }
        _ => return bytes::mutate(rng, input, others),
    }
    archive(&entries)
}

fn instructions(rng: &mut Rng, pickle: &[u8]) -> Vec<u8> {
    let mut pickle = pickle.to_vec();
    let at = place(rng, pickle.len());
    let more = match rng.u8(0..8) {
        0..=2 => INSTRUCTIONS[rng.usize(0..INSTRUCTIONS.len())].to_vec(),
        3 => PHRASES[rng.usize(0..PHRASES.len())].to_vec(),
        4 => {
            let value = numbers::value(rng);
            [&[0x8a, 8], &value.to_le_bytes()[..]].concat()
        }
        5 => REPEATED[rng.usize(0..REPEATED.len())].repeat([1, 40, 5000, 300_000][rng.usize(0..4)]),
        _ => return bytes::mutate(rng, &pickle, &[]),
    };
    pickle.splice(at..at, more);
    pickle
}

fn entries(input: &[u8]) -> Option<Vec<(String, Vec<u8>)>> {
    let mut archive = ZipArchive::new(Cursor::new(input)).ok()?;
    (0..archive.len().min(64))
        .map(|at| {
            let mut entry = archive.by_index(at).ok()?;
            let name = entry.name().ok()?.to_string();
            let mut bytes = Vec::new();
            (&mut entry).take(1 << 22).read_to_end(&mut bytes).ok()?;
            Some((name, bytes))
        })
        .collect()
}

/// An archive as torch writes it: nothing is compressed.
pub(crate) fn archive(entries: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for (name, bytes) in entries {
        // A name that comes twice is left out.
        if zip.start_file(name.as_str(), options).is_ok() {
            zip.write_all(bytes).expect("a vector can be written to");
        }
    }
    zip.finish().map(Cursor::into_inner).unwrap_or_default()
}
