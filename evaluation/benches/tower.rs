//! The image tower on embedded images: the work of every further point of a sweep.
//!
//! `cargo bench --workspace --bench tower`; images per second are the items. Weights are made up: only shapes matter.

#![expect(clippy::unwrap_used, reason = "what fails here should stop at once")]

#[path = "made/towers.rs"]
mod towers;

use candle_core::Device;
use divan::{Bencher, counter::ItemsCount};
use evaluation::{ImageModel, ModelError, Watch};
use jobs::Precision;
use std::path::Path;
use towers::{MINI8, Shape, VIT_B_32, prepare};

fn main() {
    divan::main();
}

fn features(
    bencher: Bencher<'_, '_>,
    shape: Shape,
    threads: usize,
    open: impl FnOnce(&Path) -> Result<ImageModel, ModelError>,
) {
    let (model, embedded) = prepare(shape, open);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    let run = || pool.install(|| model.features(&embedded, &Watch::default()).unwrap());
    bencher.counter(ItemsCount::new(shape.images)).bench_local(run);
}

fn plain(precision: Precision) -> impl FnOnce(&Path) -> Result<ImageModel, ModelError> {
    move |folder| ImageModel::open_in(folder, &Device::Cpu, precision)
}

#[divan::bench(args = [1, 2], sample_count = 7, sample_size = 1)]
fn mini8(bencher: Bencher<'_, '_>, threads: usize) {
    features(bencher, MINI8, threads, plain(Precision::F32));
}

#[divan::bench(args = [1, 2], sample_count = 7, sample_size = 1)]
fn mini8_bf16(bencher: Bencher<'_, '_>, threads: usize) {
    features(bencher, MINI8, threads, plain(Precision::Bf16));
}

#[divan::bench(args = [1, 2], sample_count = 5, sample_size = 1)]
fn vit_b_32(bencher: Bencher<'_, '_>, threads: usize) {
    features(bencher, VIT_B_32, threads, plain(Precision::F32));
}

#[divan::bench(args = [1, 2], sample_count = 5, sample_size = 1)]
fn vit_b_32_bf16(bencher: Bencher<'_, '_>, threads: usize) {
    features(bencher, VIT_B_32, threads, plain(Precision::Bf16));
}

#[divan::bench(args = [1, 2], sample_count = 5, sample_size = 1)]
fn mini8_composed(bencher: Bencher<'_, '_>, threads: usize) {
    features(bencher, MINI8, threads, |folder| ImageModel::open_composed(folder, &Device::Cpu, Precision::F32));
}
