//! Numbers at the edges of types.

use fastrand::Rng;

/// As texts, so that there are some that no type holds.
const TEXTS: [&str; 38] = [
    "0",
    "-0",
    "-1",
    "1",
    "2",
    "3",
    "7",
    "16",
    "127",
    "128",
    "255",
    "256",
    "32767",
    "65535",
    "65536",
    "1000000",
    "16777216",
    "2147483647",
    "2147483648",
    "-2147483649",
    "4294967295",
    "4294967296",
    "1099511627776",
    "9007199254740993",
    "4611686018427387904",
    "9223372036854775807",
    "9223372036854775808",
    "9223372036854775824",
    "-9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "1e30",
    "1e308",
    "1e999",
    "-1e999",
    "0.5",
    "1e-320",
    "-0.0",
];

const VALUES: [u64; 20] = [
    0,
    1,
    2,
    3,
    0x7f,
    0x80,
    0xff,
    0x100,
    0x7fff,
    0xffff,
    0x1_0000,
    0x00ff_ffff,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    0x1_0000_0000,
    1 << 40,
    1 << 62,
    i64::MAX as u64,
    u64::MAX,
];

pub(super) fn text(rng: &mut Rng) -> &'static str {
    TEXTS[rng.usize(0..TEXTS.len())]
}

pub(super) fn value(rng: &mut Rng) -> u64 {
    match rng.u8(0..4) {
        0 => rng.u64(..),
        1 => rng.u64(0..64),
        _ => VALUES[rng.usize(0..VALUES.len())],
    }
}

/// As a variable-length integer, as thrift and protobuf write them.
pub(super) fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}
