//! What a merge costs at the shapes of ViT-B/32 and Llama-3-8B, and what the dense decomposition would cost.
//!
//! `cargo bench --workspace --bench alignment` runs everything; a word after `--` picks some, for instance `-- llama`.
//! Peak memory of the alignment at Llama's shapes: `/usr/bin/time -v cargo bench --workspace --bench alignment --
//! llama`.

#![expect(clippy::unwrap_used, reason = "what fails here should stop at once")]

use divan::{Bencher, black_box};
use faer::Mat;
use jobs::{Axis, Preset, Recipe, Sigma, SigmaCut, Space, Trim, TrimScope};
use merging::{Adapter, Aligned, LoraModule, Matrix};
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};
use std::{collections::BTreeMap, sync::OnceLock};

const KNOTS: Space =
    Space::Knots { axis: Axis::Columns, cut: SigmaCut { absolute: 1e-5, relative: 0.0 }, sigma: Sigma::Folded };
const RANK: usize = 16;

fn main() {
    divan::main();
}

fn random(rows: usize, cols: usize, rng: &mut ChaCha8Rng) -> Matrix {
    Matrix::from_fn(rows, cols, |_, _| (rng.next_u32() as f32 / (1u64 << 31) as f32 - 1.0) * 0.05)
}

fn adapters(tasks: usize, shapes: &[[usize; 2]]) -> Vec<Adapter> {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let task = |task: usize| {
        let modules: BTreeMap<_, _> = shapes
            .iter()
            .enumerate()
            .map(|(index, [rows, cols])| {
                let lora_b = random(*rows, RANK, &mut rng);
                let lora_a = random(RANK, *cols, &mut rng);
                let name = format!("m{index:03}");
                (name.clone(), LoraModule { source: name, lora_b, lora_a, scale: 1.0 })
            })
            .collect();
        Adapter { name: format!("task{task}"), modules, ..Adapter::default() }
    };
    (0..tasks).map(task).collect()
}

/// Eight adapters of q, k, v and out in twelve layers.
fn vit() -> &'static [Adapter] {
    static ADAPTERS: OnceLock<Vec<Adapter>> = OnceLock::new();
    ADAPTERS.get_or_init(|| adapters(8, &[[768, 768]; 48]))
}

fn vit_in(space: Space) -> &'static Aligned {
    static KNOTS_ALIGNED: OnceLock<Aligned> = OnceLock::new();
    static FULL: OnceLock<Aligned> = OnceLock::new();
    let cell = if space == Space::Full { &FULL } else { &KNOTS_ALIGNED };
    cell.get_or_init(|| Aligned::new(vit(), space).unwrap())
}

/// Six adapters of q, o (4096 x 4096), k and v (1024 x 4096) in 32 layers.
fn llama() -> &'static [Adapter] {
    static ADAPTERS: OnceLock<Vec<Adapter>> = OnceLock::new();
    let shapes = [[[4096, 4096]; 64], [[1024, 4096]; 64]].concat();
    ADAPTERS.get_or_init(|| adapters(6, &shapes))
}

#[divan::bench(sample_count = 5, sample_size = 1)]
fn vit_alignment_of_48_matrices(bencher: Bencher<'_, '_>) {
    bencher.with_inputs(vit).bench_refs(|adapters| Aligned::new(adapters, KNOTS));
}

#[divan::bench(sample_count = 5, sample_size = 1)]
fn vit_alignment_of_48_matrices_in_core(bencher: Bencher<'_, '_>) {
    bencher.with_inputs(vit).bench_refs(|adapters| Aligned::new(adapters, Space::Core));
}

/// What KnOTS does as published, for one of the 48 matrices.
#[divan::bench(sample_count = 3, sample_size = 1)]
fn vit_dense_svd_of_1_matrix(bencher: Bencher<'_, '_>) {
    let updates: Vec<_> = vit()
        .iter()
        .map(|adapter| adapter.modules["m000"].lora_b.to_f64() * adapter.modules["m000"].lora_a.to_f64())
        .collect();
    let joint = Mat::from_fn(768, 8 * 768, |row, col| updates[col / 768][(row, col % 768)]);
    bencher.bench_local(|| black_box(&joint).thin_svd().unwrap());
}

fn density(preset: Preset, density: f64) -> Recipe {
    Recipe { trim: Some(Trim::new(density, TrimScope::Model)), ..preset.recipe() }
}

#[divan::bench(sample_count = 5, sample_size = 1, args = [0.1, 0.3])]
fn vit_further_density(bencher: Bencher<'_, '_>, share: f64) {
    let aligned = vit_in(KNOTS);
    let recipe = density(Preset::KnotsTies, share);
    // The first density pays for the counts that all share.
    aligned.merge(&density(Preset::KnotsTies, 0.2)).unwrap();
    bencher.bench_local(|| aligned.merge(&recipe).unwrap());
}

#[divan::bench(sample_count = 5, sample_size = 1)]
fn vit_further_density_in_the_full_space(bencher: Bencher<'_, '_>) {
    let aligned = vit_in(Space::Full);
    let recipe = density(Preset::Ties, 0.3);
    aligned.merge(&density(Preset::Ties, 0.2)).unwrap();
    bencher.bench_local(|| aligned.merge(&recipe).unwrap());
}

#[divan::bench]
fn vit_further_scaling(bencher: Bencher<'_, '_>) {
    let update = vit_in(KNOTS).merge(&Preset::KnotsTies.recipe()).unwrap();
    bencher.bench_local(|| black_box(&update).with_scaling(0.7));
}

#[divan::bench(sample_count = 5, sample_size = 1)]
fn vit_dense_updates_of_48_matrices(bencher: Bencher<'_, '_>) {
    let update = vit_in(KNOTS).merge(&Preset::KnotsTies.recipe()).unwrap();
    bencher.bench_local(|| update.modules.keys().filter_map(|module| update.dense(module)).count());
}

#[divan::bench(sample_count = 1, sample_size = 1)]
fn llama_alignment_of_128_matrices(bencher: Bencher<'_, '_>) {
    bencher.with_inputs(llama).bench_refs(|adapters| Aligned::new(adapters, KNOTS));
}
