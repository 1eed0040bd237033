//! Small inputs that claim, or unpack to, more memory than a machine has.

mod adapters;
mod images;
mod texts;

use super::{
    Case,
    bench::{Bench, CaseFolder, copy_folder},
    ensure,
    program::Watched,
    sweeps,
};
use crate::Failure;
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

pub(super) const ADAPTERS: Case = Case {
    name: "bombs-adapters",
    about: "pickles that grow, nest or claim large sizes, thousands of patterns: refused by name within the memory limit",
    run: |bench| drop_all(bench, "bombs-adapters", &adapters::BOMBS),
};

pub(super) const IMAGES: Case = Case {
    name: "bombs-images",
    about: "PNG, IDX, parquet and image processors of absurd sizes: refused by name, or read within the memory limit",
    run: |bench| drop_all(bench, "bombs-images", &images::BOMBS),
};

pub(super) const TEXTS: Case = Case {
    name: "bombs-texts",
    about: "endless lines and words, a multiplying tokenizer: refused by name, or read within the memory limit",
    run: |bench| drop_all(bench, "bombs-texts", &texts::BOMBS),
};

/// A harmful input, and a sweep that uses it.
struct Bomb {
    name: &'static str,
    make: fn(&CaseFolder<'_>) -> Result<PathBuf, Failure>,
    /// Whether it is a sound input that only takes long.
    is_long: bool,
}

impl Bomb {
    const fn new(name: &'static str, make: fn(&CaseFolder<'_>) -> Result<PathBuf, Failure>) -> Self {
        Self { name, make, is_long: false }
    }

    const fn that_takes_long(self) -> Self {
        Self { is_long: true, ..self }
    }
}

/// The worker's budget for images and for everything else, in MiB.
const IMAGE_MEMORY_MIB: u64 = 64;
const REST_MIB: u64 = 256;

/// The limit on the address space of a worker, in MiB, which protects the machine.
const ADDRESSES_MIB: u64 = 8192;

/// How long a bomb may take.
const LIMIT: Duration = Duration::from_secs(120);

/// Runs a sweep over each bomb, and checks its end and its memory.
fn drop_all(bench: &Bench, name: &str, bombs: &[Bomb]) -> Result<String, Failure> {
    let mut worst = 0;
    let mut worst_of = "none";
    let mut faults = Vec::new();
    for bomb in bombs {
        let case = bench.case_folder(&format!("{name}/{}", bomb.name.replace([' ', '/'], "-")))?;
        match drop_one(&case, bomb) {
            Ok(peak) if peak > worst => (worst, worst_of) = (peak, bomb.name),
            Ok(_) => {}
            Err(fault) => faults.push(format!("{}: {fault}", bomb.name)),
        }
        // Some take hundreds of megabytes.
        fs::remove_dir_all(case.path(""))?;
    }
    let allowed = IMAGE_MEMORY_MIB + REST_MIB;
    ensure(faults.is_empty(), || format!("{} of {} bombs:\n  {}", faults.len(), bombs.len(), faults.join("\n  ")))?;
    Ok(format!("{} bombs, none aborts; the worst took {worst} MiB of {allowed} ({worst_of})", bombs.len()))
}

fn drop_one(case: &CaseFolder<'_>, bomb: &Bomb) -> Result<u64, Failure> {
    let sweep = (bomb.make)(case)?;
    let sweep = sweep.to_str().ok_or("the folder's name is no UTF-8")?;
    let budget = IMAGE_MEMORY_MIB.to_string();
    let args = ["run", sweep, "--store", "store", "--threads", "1", "--image-memory", &budget];
    let running = case.start("run", &mut case.bowline_within(ADDRESSES_MIB, &args))?;
    let peak = match running.watch(LIMIT)? {
        Watched::Ended(ended) => {
            let peak = ended.peak_mib;
            // It is refused beforehand, or fails its jobs, or is read.
            ended.ends_with(&[0, 3, 65]).map_err(|failure| format!("{failure} ({peak} MiB)"))?;
            peak
        }
        Watched::GoesOn { peak_mib } => {
            ensure(bomb.is_long, || format!("did not end within {} s ({peak_mib} MiB)", LIMIT.as_secs()))?;
            peak_mib
        }
    };
    let allowed = IMAGE_MEMORY_MIB + REST_MIB;
    ensure(peak <= allowed, || format!("took {peak} MiB, more than {allowed}"))?;
    Ok(peak)
}

/// A sweep over one task of images.
fn image_sweep(case: &CaseFolder<'_>, base: &Path, adapter: &Path, data: &str) -> Result<PathBuf, Failure> {
    let head = case.example("mini8/heads/optdigits.safetensors");
    sweeps::one_task(case, base, &format!("adapter: {}, data: {data}, head: {}", adapter.display(), head.display()))
}

/// A copy of a folder of the examples with one of its JSON files changed.
fn changed(case: &CaseFolder<'_>, folder: &str, file: &str, change: impl Fn(&mut Value)) -> Result<PathBuf, Failure> {
    let copy = case.path("changed");
    copy_folder(&case.example(folder), &copy)?;
    let path = copy.join(file);
    let mut value: Value = serde_json::from_slice(&fs::read(&path)?)?;
    change(&mut value);
    fs::write(path, serde_json::to_vec(&value)?)?;
    Ok(copy)
}
