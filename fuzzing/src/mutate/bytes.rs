//! Changes of bytes, whatever they mean.

use super::{numbers, place};
use fastrand::Rng;

/// Changes part of `input`.
pub(super) fn mutate(rng: &mut Rng, input: &[u8], others: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = input.to_vec();
    if bytes.is_empty() {
        return numbers::value(rng).to_le_bytes().to_vec();
    }
    match rng.u8(0..10) {
        0 | 1 => flip(rng, &mut bytes),
        2 | 3 => number(rng, &mut bytes),
        4 => bytes.truncate(place(rng, input.len())),
        5 => remove(rng, &mut bytes),
        6 => repeat(rng, &mut bytes),
        7 => insert(rng, &mut bytes),
        8 => splice(rng, &mut bytes, others),
        _ => {
            let at = rng.usize(0..bytes.len());
            bytes[at] = rng.u8(..);
        }
    }
    bytes
}

fn flip(rng: &mut Rng, bytes: &mut [u8]) {
    for _ in 0..=rng.usize(0..4) {
        let at = rng.usize(0..bytes.len());
        bytes[at] ^= 1 << rng.u8(0..8);
    }
}

/// Writes a number at the edge of a type over some bytes, in either order.
fn number(rng: &mut Rng, bytes: &mut [u8]) {
    let width = [1, 2, 4, 8][rng.usize(0..4)];
    let value = numbers::value(rng);
    let at = place(rng, bytes.len().saturating_sub(width));
    let little = value.to_le_bytes();
    let big = value.to_be_bytes();
    let written = if rng.bool() { &little[..width] } else { &big[8 - width..] };
    for (to, from) in bytes[at..].iter_mut().zip(written) {
        *to = *from;
    }
}

fn remove(rng: &mut Rng, bytes: &mut Vec<u8>) {
    let from = place(rng, bytes.len());
    let longest = (bytes.len() - from).min(64);
    let to = from + place(rng, longest);
    bytes.drain(from..to);
}

fn repeat(rng: &mut Rng, bytes: &mut Vec<u8>) {
    let from = place(rng, bytes.len());
    let longest = (bytes.len() - from).min(64);
    let part = bytes[from..from + place(rng, longest)].to_vec();
    let times = [1, 1, 2, 16, 4096][rng.usize(0..5)];
    let at = place(rng, bytes.len());
    bytes.splice(at..at, part.repeat(times));
}

fn insert(rng: &mut Rng, bytes: &mut Vec<u8>) {
    let at = place(rng, bytes.len());
    let length = rng.usize(1..16);
    let more: Vec<u8> = (0..length).map(|_| rng.u8(..)).collect();
    bytes.splice(at..at, more);
}

/// The beginning of one input and the end of another.
fn splice(rng: &mut Rng, bytes: &mut Vec<u8>, others: &[Vec<u8>]) {
    let Some(other) = rng.choice(others).filter(|other| !other.is_empty()) else { return };
    bytes.truncate(place(rng, bytes.len()));
    bytes.extend_from_slice(&other[place(rng, other.len())..]);
}
