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
            lines.extend(vec![line; [1, 3, 300][rng.usize(0..3)]]);
        }
        6 => drop(lines.remove(at)),
        7 => {
            let words = if rng.u8(0..32) == 0 { 200_000 } else { [1, 100, 2000][rng.usize(0..3)] };
            let text = "word ".repeat(words);
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
