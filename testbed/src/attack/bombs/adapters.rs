//! Adapters that unpack to much more than their size.

use super::{Bomb, changed, image_sweep};
use crate::{Failure, attack::bench::CaseFolder};
use serde_json::json;
use std::{
    fs::{self, File},
    io::Write,
    path::PathBuf,
};
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

pub(super) const BOMBS: [Bomb; 7] = [
    Bomb::new("memo doubled forty times", |case| pickled(case, &doubled())),
    Bomb::new("two million nested tuples", |case| pickled(case, &surrounded(b"N", b"\x85", 2_000_000))),
    Bomb::new("three million marks", |case| pickled(case, &marks(3_000_000))),
    Bomb::new("sixty million nones", |case| pickled(case, &surrounded(b"", b"N", 60_000_000))),
    Bomb::new("2^40 elements over 12 kB", |case| pickled(case, &claiming(1 << 20, 1 << 20))),
    Bomb::new("2^62 elements over 12 kB", |case| pickled(case, &claiming(1 << 30, i32::MAX))),
    Bomb::new("3000 alpha patterns", patterns),
];

/// A key of the adapter.
const KEY: &str = "base_model.model.vision_model.encoder.layers.0.self_attn.q_proj.lora_A.weight";

/// A sweep over an adapter whose weights are in a file of torch, with this pickle.
fn pickled(case: &CaseFolder<'_>, pickle: &[u8]) -> Result<PathBuf, Failure> {
    let from = case.example("mini8/adapters/optdigits/adapter_config.json");
    case.write("adapter/adapter_config.json", fs::read(from)?)?;
    let mut archive = ZipWriter::new(File::create(case.path("adapter/adapter_model.bin"))?);
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for (name, content) in [("data.pkl", pickle), ("version", b"3\n"), ("data/0", &[0; 12_288])] {
        archive.start_file(format!("archive/{name}"), stored)?;
        archive.write_all(content)?;
    }
    archive.finish()?;
    sweep(case, case.path("adapter"))
}

fn sweep(case: &CaseFolder<'_>, adapter: PathBuf) -> Result<PathBuf, Failure> {
    let data = case.example("mini8/data/optdigits").display().to_string();
    image_sweep(case, &case.example("mini8/base"), &adapter, &data)
}

/// A pair of itself, forty times over: 2^40 objects, were each one counted.
fn doubled() -> Vec<u8> {
    let mut pickle = b"\x80\x02N".to_vec();
    for number in 0..40 {
        // Put the object into the memo, get it again, make a pair of both.
        pickle.extend([b'q', number, b'h', number, b'\x86']);
    }
    pickle.push(b'.');
    pickle
}

fn surrounded(first: &[u8], again: &[u8], times: usize) -> Vec<u8> {
    [&b"\x80\x02"[..], first, &again.repeat(times), b"."].concat()
}

fn marks(times: usize) -> Vec<u8> {
    [&b"\x80\x02"[..], &b"(".repeat(times), &b"t".repeat(times), b"."].concat()
}

/// A state dict with one tensor that claims a shape which its storage does not hold.
fn claiming(rows: i32, columns: i32) -> Vec<u8> {
    let mut pickle = b"\x80\x02}(".to_vec();
    let text = |pickle: &mut Vec<u8>, text: &str| {
        pickle.push(b'X');
        pickle.extend(u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes());
        pickle.extend(text.as_bytes());
    };
    let pair = |pickle: &mut Vec<u8>, one: i32, other: i32| {
        for number in [one, other] {
            pickle.push(b'J');
            pickle.extend(number.to_le_bytes());
        }
        pickle.push(b'\x86');
    };
    text(&mut pickle, KEY);
    pickle.extend(b"ctorch._utils\n_rebuild_tensor_v2\n((");
    text(&mut pickle, "storage");
    pickle.extend(b"ctorch\nFloatStorage\n");
    text(&mut pickle, "0");
    text(&mut pickle, "cpu");
    pickle.push(b'J');
    pickle.extend(3072_i32.to_le_bytes());
    // The storage by its id, from its start.
    pickle.extend(b"tQK\x00");
    pair(&mut pickle, rows, columns);
    pair(&mut pickle, columns, 1);
    pickle.extend(b"\x89ccollections\nOrderedDict\n)RtRu.");
    pickle
}

fn patterns(case: &CaseFolder<'_>) -> Result<PathBuf, Failure> {
    let adapter = changed(case, "mini8/adapters/optdigits", "adapter_config.json", |config| {
        let patterns = (0..3000).map(|number| (format!("layers\\.(\\w{{1,30}}|{number})+\\.q"), json!(8)));
        config["alpha_pattern"] = patterns.collect();
    })?;
    sweep(case, adapter)
}
