//! What each method costs after the alignment, at the shapes of ViT-B/32 with eight adapters of rank 16, and of Llama-3-8B with
//! six. The factors are random; no base model is needed.
//!
//! `cargo bench -p merging --bench methods` runs everything; a word after `--` picks some, for instance `-- llama`.

#![expect(clippy::unwrap_used, reason = "what fails here should stop at once")]

use divan::Bencher;
use jobs::{Preset, Recipe, RecipeSpec, Space};
use merging::{Adapter, Aligned, LoraModule, Matrix};
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};
use std::{collections::BTreeMap, sync::OnceLock};

const RANK: usize = 16;

/// Combinations of whole matrices and the steps after a combination, in the core space.
const MATRIX_WISE: [&str; 11] =
    ["tsv", "tsv_iso", "iso_c", "iso_cts", "wudi_closed", "actmerge", "cart", "svc", "karcher", "model_stock", "pico"];

/// Combinations that look at all entries of a matrix, by preset and space.
const ALL_ENTRIES: [(&str, &str); 4] = [("pcb", "core"), ("sce", "core"), ("pcb", "full"), ("sce", "full")];

fn main() {
    divan::main();
}

fn random(rows: usize, cols: usize, rng: &mut ChaCha8Rng) -> Matrix {
    Matrix::from_fn(rows, cols, |_, _| (rng.next_u32() as f32 / (1u64 << 31) as f32 - 1.0) * 0.05)
}

fn of_shapes(tasks: usize, shapes: &[[usize; 2]]) -> Vec<Adapter> {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut module = |(index, [rows, cols]): (usize, &[usize; 2])| {
        let lora_b = random(*rows, RANK, &mut rng);
        let lora_a = random(RANK, *cols, &mut rng);
        let name = format!("m{index:03}");
        (name.clone(), LoraModule { source: name, lora_b, lora_a, scale: 1.0 })
    };
    let mut task = |task: usize| {
        let modules: BTreeMap<_, _> = shapes.iter().enumerate().map(&mut module).collect();
        Adapter { name: format!("task{task}"), modules, ..Adapter::default() }
    };
    (0..tasks).map(&mut task).collect()
}

/// Eight adapters of q, k, v and out in twelve layers.
fn adapters() -> &'static [Adapter] {
    static ADAPTERS: OnceLock<Vec<Adapter>> = OnceLock::new();
    ADAPTERS.get_or_init(|| of_shapes(8, &[[768, 768]; 48]))
}

/// Six adapters of q, o (4096 x 4096), k and v (1024 x 4096) in 32 layers.
fn llama() -> &'static [Adapter] {
    static ADAPTERS: OnceLock<Vec<Adapter>> = OnceLock::new();
    let shapes = [[[4096, 4096]; 64], [[1024, 4096]; 64]].concat();
    ADAPTERS.get_or_init(|| of_shapes(6, &shapes))
}

fn spec(preset: &str) -> RecipeSpec {
    RecipeSpec { preset: Some(preset.to_owned()), ..RecipeSpec::default() }
}

fn recipe(preset: &str) -> Recipe {
    spec(preset).resolve().unwrap()
}

#[divan::bench(sample_count = 3, sample_size = 1, args = MATRIX_WISE)]
fn merge_of_48_matrices_in_core(bencher: Bencher<'_, '_>, preset: &str) {
    static CORE: OnceLock<Aligned> = OnceLock::new();
    let aligned = CORE.get_or_init(|| Aligned::new(adapters(), Space::Core).unwrap());
    let recipe = recipe(preset);
    bencher.bench_local(|| aligned.merge(&recipe).unwrap());
}

#[divan::bench(sample_count = 3, sample_size = 1, args = MATRIX_WISE)]
fn llama_merge_of_128_matrices_in_core(bencher: Bencher<'_, '_>, preset: &str) {
    static CORE: OnceLock<Aligned> = OnceLock::new();
    let aligned = CORE.get_or_init(|| Aligned::new(llama(), Space::Core).unwrap());
    let recipe = recipe(preset);
    bencher.bench_local(|| aligned.merge(&recipe).unwrap());
}

/// The alignment is the larger part of these.
#[divan::bench(sample_count = 3, sample_size = 1, args = [Preset::Ctm, Preset::DcMerge, Preset::CoreQrTies])]
fn alignment_of_48_matrices(bencher: Bencher<'_, '_>, preset: Preset) {
    let space = preset.recipe().alignment();
    bencher.bench_local(|| Aligned::new(adapters(), space).unwrap());
}

#[divan::bench(sample_count = 3, sample_size = 1, args = ["ctm", "ctm_ties", "dc_merge", "core_qr_ties", "knots_ties_unscaled"])]
fn merge_of_48_matrices_in_the_space_of_the_preset(bencher: Bencher<'_, '_>, preset: &str) {
    let recipe = recipe(preset);
    let aligned = Aligned::new(adapters(), recipe.alignment()).unwrap();
    bencher.bench_local(|| aligned.merge(&recipe).unwrap());
}

#[divan::bench(sample_count = 3, sample_size = 1, args = ALL_ENTRIES)]
fn merge_of_two_matrices_with_all_entries_in_view(bencher: Bencher<'_, '_>, (preset, space): (&str, &str)) {
    let recipe = RecipeSpec { space: Some(space.to_owned()), ..spec(preset) }.resolve().unwrap();
    let two = |adapter: &Adapter| {
        let modules = adapter.modules.iter().take(2).map(|(name, module)| (name.clone(), module.clone())).collect();
        Adapter { modules, ..adapter.clone() }
    };
    let adapters: Vec<Adapter> = adapters().iter().map(two).collect();
    let aligned = Aligned::for_recipe(&adapters, &recipe).unwrap();
    bencher.bench_local(|| aligned.merge(&recipe).unwrap());
}
