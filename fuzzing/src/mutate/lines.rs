//! Changes of files with one JSON document on each line.

use super::{bytes, json, one, place};
use fastrand::Rng;

pub(super) fn mutate(rng: &mut Rng, input: &[u8]) -> Vec<u8> {
    let mut lines: Vec<Vec<u8>> = input.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    let at = rng.usize(0..lines.len());
    match rng.u8(0..10) {
        0..=4 => lines[at] = json::mutate(rng, &lines[at]),
        5 => {
            let line = lines[at].clone();
            lines.extend(vec![line; [1, 3, 2000][rng.usize(0..3)]]);
        }
        6 => drop(lines.remove(at)),
        7 => {
            let text = "word ".repeat([1, 100, 20_000, 200_000][rng.usize(0..4)]);
            lines[at] = serde_json::json!({"a": text, "b": "x", "label": 0}).to_string().into_bytes();
        }
        8 => {
            let between = place(rng, lines[at].len());
            let more = one(rng, &["\r", "\u{feff}", " ", "\0", "}{", "\n\n"]);
            lines[at].splice(between..between, more.bytes());
        }
        _ => lines[at] = bytes::mutate(rng, &lines[at], &[]),
    }
    lines.join(&b'\n')
}
