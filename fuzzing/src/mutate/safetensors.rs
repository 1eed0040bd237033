//! Changes of safetensors files: of the header's JSON, its length, and the tensors behind it.

use super::{bytes, json, numbers};
use fastrand::Rng;
use serde_json::{Value, json};

pub(super) fn mutate(rng: &mut Rng, input: &[u8]) -> Vec<u8> {
    let Some((header, data)) = parts(input) else { return bytes::mutate(rng, input, &[]) };
    match rng.u8(0..10) {
        0..=4 => framed(&json::mutate(rng, header), data),
        5 => framed(&bytes::mutate(rng, header, &[]), data),
        6 => framed(header, &bytes::mutate(rng, data, &[])),
        7 => {
            let mut whole = input.to_vec();
            let length = if rng.bool() {
                numbers::value(rng)
            } else {
                (header.len() as u64).wrapping_add(rng.u64(0..5)).wrapping_sub(2)
            };
            whole[..8].copy_from_slice(&length.to_le_bytes());
            whole
        }
        _ => framed(&tensor(rng, header), data),
    }
}

/// Header and data of a file.
fn parts(input: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = input.split_first_chunk::<8>()?;
    rest.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)
}

/// A file with a true length of its header.
pub(crate) fn framed(header: &[u8], data: &[u8]) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes(), header, data].concat()
}

/// Gives one tensor another type, shape or place, each of which is as such well-formed.
fn tensor(rng: &mut Rng, header: &[u8]) -> Vec<u8> {
    let Ok(Value::Object(mut entries)) = serde_json::from_slice::<Value>(header) else { return header.to_vec() };
    let Some(name) = rng.choice(entries.keys()).cloned() else { return header.to_vec() };
    let Some(other) = rng.choice(entries.values()).cloned() else { return header.to_vec() };
    let entry = &mut entries[&name];
    if !entry.is_object() {
        return header.to_vec();
    }
    match rng.u8(0..6) {
        0 => {
            entry["dtype"] =
                json!(["F64", "F32", "F16", "BF16", "I64", "U8", "BOOL", "F8_E5M2", "F4", "C64"][rng.usize(0..10)])
        }
        1 => {
            let sides = rng.usize(0..5);
            entry["shape"] = (0..sides).map(|_| numbers::value(rng)).collect();
        }
        2 => entry["data_offsets"] = json!([numbers::value(rng), numbers::value(rng)]),
        3 => entry["data_offsets"] = other.get("data_offsets").cloned().unwrap_or_default(),
        4 => {
            // Sides whose product wraps to what was there.
            if let Some(sides) = entry["shape"].as_array_mut() {
                sides.insert(0, json!(1_u64 << 32));
                sides.insert(0, json!((1_u64 << 32) | 1));
            }
        }
        _ => *entry = other,
    }
    Value::Object(entries).to_string().into_bytes()
}
