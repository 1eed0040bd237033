//! Memory of a training, before anything is opened.

use super::{
    TrainError,
    groups::ROWS,
    targets,
    trainer::{HELD_GROUPS, check_ranks},
};
use crate::Configuration;
use jobs::TrainSettings;

/// The shapes of a model's blocks, as far as the memory of a training depends on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockShape {
    /// Number of blocks.
    pub layers: usize,
    /// Width of a token.
    pub width: usize,
    /// Width of the queries of all heads.
    pub query_width: usize,
    /// Width of the keys, and of the values, of all heads.
    pub kv_width: usize,
    /// Heads of queries.
    pub heads: usize,
    /// Width of the MLP's inner layer.
    pub mlp_width: usize,
    /// Whether the MLP has a gate.
    pub is_gated: bool,
}

impl BlockShape {
    /// Numbers that a block keeps for the way back for one token of an example of `tokens`.
    pub(crate) fn tape_width(&self, tokens: usize) -> usize {
        let inner = if self.is_gated { 3 } else { 2 } * self.mlp_width;
        4 * self.width + 3 * self.query_width + 3 * self.kv_width + self.heads * tokens + inner
    }
}

/// Where and on what an adapter is trained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrainPlacement {
    /// Threads of the processor.
    pub threads: usize,
    /// Tokens of the longest example.
    pub longest: usize,
    /// Classes of the head.
    pub classes: usize,
}

/// Bytes that a training takes beside the model that is evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrainMemory {
    /// The copies of the base's matrices.
    pub base: u64,
    /// The trained tensors with their moments, before and after a step, and those that early stopping keeps.
    pub trained: u64,
    /// What a step takes on all threads, with all that blocks compute kept for the way back.
    pub step: u64,
    /// The same with blocks that run again on the way back, and keep what they took.
    pub recomputed_step: u64,
}

impl TrainMemory {
    /// All of it, with blocks that run again on the way back: less is not possible.
    pub fn least(&self) -> u64 {
        self.base.saturating_add(self.trained).saturating_add(self.recomputed_step.min(self.step))
    }

    /// All of it, with all that blocks compute kept for the way back.
    pub fn all(&self) -> u64 {
        self.base.saturating_add(self.trained).saturating_add(self.step)
    }

    /// Estimates the memory of a training of adapters on a base.
    ///
    /// With r rows (tokens) in a group, g groups held at a time, t of them on threads, p trained numbers and all numbers in `f32`:
    /// `base = 4 · Σ outputs · inputs`; `trained = 4 · 6 p` (values, means and squares, twice), and p more with early stopping;
    /// `step = t · r · layers · tape + held` and `recomputed_step = t · r · (layers · width + 2 · tape) + held`, where `tape` is
    /// what a block keeps of a token, the second one is for the gradients of the block that is on its way back, and
    /// `held = 4 g (p + r · width) + 8 p` counts gradients, embedded tokens and sums in `f64`.
    ///
    /// A group has [about 256](TrainSettings::micro_batch) tokens and closes with the example that goes over them, so that r is at
    /// most 256 and an example, or two examples.
    ///
    /// # Errors
    /// Targets that the model does not have, a rank above that of a matrix.
    pub fn of(base: &dyn Configuration, settings: &TrainSettings, place: TrainPlacement) -> Result<Self, TrainError> {
        let modules = base.modules();
        let linears = modules.iter().map(|module| (module.name.as_str(), [module.outputs, module.inputs]));
        let targets = targets::pick(linears, &settings.targets)?;
        check_ranks(&targets, settings.rank)?;
        let adapted: usize = targets.iter().map(|target| settings.rank * (target.outputs + target.inputs)).sum();
        let head = if settings.trains_head { place.classes * base.width().0 } else { 0 };
        let masked = if settings.dropout > 0.0 { targets.iter().map(|target| target.inputs).sum() } else { 0 };
        let step = Step {
            blocks: base.blocks(),
            trained: adapted + head,
            masked,
            rows: rows(settings, place.longest, usize::MAX),
            longest: place.longest,
            step_examples: settings.examples_per_step(),
            threads: place.threads,
        };
        let matrices: usize = modules.iter().map(|module| module.outputs * module.inputs).sum();
        let copies = if settings.early_stopping.is_some() { 7 } else { 6 };
        Ok(Self {
            base: bytes(matrices),
            trained: bytes(copies * step.trained),
            step: step.bytes(false),
            recomputed_step: step.bytes(true),
        })
    }
}

/// The rows of the largest group that examples of up to `longest` tokens make, if a step has no more than `all` of them.
pub(super) fn rows(settings: &TrainSettings, longest: usize, all: usize) -> usize {
    let group = match settings.micro_batch {
        Some(size) => size.saturating_mul(longest),
        // A group is closed by the example that goes over its part of the step.
        None => ROWS.max(longest) + longest,
    };
    group.min(all).min(settings.examples_per_step().saturating_mul(longest))
}

/// What the memory of a step depends on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step {
    pub(super) blocks: BlockShape,
    /// Numbers that are trained.
    pub(super) trained: usize,
    /// Inputs of all adapted modules, where some of them are zeroed at random.
    pub(super) masked: usize,
    /// Tokens of the largest group.
    pub(super) rows: usize,
    /// Tokens of the longest example.
    pub(super) longest: usize,
    pub(super) step_examples: usize,
    pub(super) threads: usize,
}

impl Step {
    /// Bytes of a step.
    pub(super) fn bytes(&self, is_recomputed: bool) -> u64 {
        let Self { blocks, trained, masked, rows, longest, step_examples, threads } = *self;
        let tape = blocks.tape_width(longest);
        let groups = HELD_GROUPS.min(step_examples);
        let layers = blocks.layers.max(1);
        // A mask takes a byte for each number.
        let recorded = if is_recomputed {
            bytes(rows.saturating_mul(layers * blocks.width + 2 * tape)) + (rows * masked.div_ceil(layers)) as u64
        } else {
            bytes(rows.saturating_mul(layers * tape)) + (rows * masked) as u64
        };
        let held = bytes(groups.saturating_mul(trained + rows.saturating_mul(blocks.width)));
        let sums = (trained * size_of::<f64>()) as u64;
        recorded.saturating_mul(threads.clamp(1, HELD_GROUPS) as u64).saturating_add(held).saturating_add(sums)
    }
}

fn bytes(numbers: usize) -> u64 {
    (numbers as u64).saturating_mul(size_of::<f32>() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DecoderConfig;
    use jobs::{TrainFamily, TrainLength};
    use std::{fs, path::Path};

    /// The configuration of Llama-3-8B.
    fn llama() -> DecoderConfig {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.json");
        let config = r#"{"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 4096,
            "intermediate_size": 14336, "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8,
            "rms_norm_eps": 1e-05, "rope_theta": 500000.0, "vocab_size": 128256, "max_position_embeddings": 8192,
            "hidden_act": "silu", "torch_dtype": "bfloat16"}"#;
        fs::write(&path, config).unwrap();
        DecoderConfig::read(&path).unwrap()
    }

    fn settings() -> TrainSettings {
        TrainSettings { batch: 8, ..TrainFamily::Texts.defaults(TrainLength::Steps(10)) }
    }

    fn memory(threads: usize) -> TrainMemory {
        let place = TrainPlacement { threads, longest: 256, classes: 3 };
        TrainMemory::of(&llama(), &settings(), place).unwrap()
    }

    #[test]
    fn llama_3_8b_with_batches_of_8_times_256_tokens_fits_into_48_gb_with_its_base_in_16_bits() {
        let memory = memory(4);
        // 32 layers of 218 million numbers, in f32.
        assert_eq!(memory.base, 4 * 32 * 218_103_808);
        // The base that is evaluated: its layers and embeddings as they lie in the file.
        let evaluated = 2 * (32 * 218_103_808 + 128_256 * 4096);
        assert!(memory.least() + evaluated < 48_000_000_000, "{memory:?}");
        // Without running blocks again it would not.
        assert!(memory.base + memory.trained + memory.step + evaluated > 48_000_000_000, "{memory:?}");
    }

    #[test]
    fn numbers_that_are_trained_count_with_their_moments_before_and_after_a_step() {
        // Rank 16: A and B of queries, keys, values and outputs of 32 layers, and the head.
        let trained = 32 * 16 * (2 * (4096 + 4096) + 2 * (4096 + 1024)) + 3 * 4096;
        assert_eq!(memory(1).trained, 6 * 4 * trained);
        let stopping =
            jobs::EarlyStopping { metric: jobs::StoppingMetric::Loss, every: 1, patience: 1, min_delta: 0.0 };
        let place = TrainPlacement { threads: 1, longest: 256, classes: 3 };
        let stopped = TrainSettings { early_stopping: Some(stopping), ..settings() };
        assert_eq!(TrainMemory::of(&llama(), &stopped, place).unwrap().trained, 7 * 4 * trained);
    }

    #[test]
    fn a_group_is_bounded_by_its_part_by_the_step_and_by_the_micro_batch() {
        assert_eq!(rows(&settings(), 100, usize::MAX), 356);
        assert_eq!(rows(&settings(), 1000, usize::MAX), 2000);
        assert_eq!(rows(&settings(), 10, usize::MAX), 80);
        assert_eq!(rows(&settings(), 1000, 700), 700);
        assert_eq!(rows(&TrainSettings { micro_batch: Some(2), ..settings() }, 100, usize::MAX), 200);
    }

    #[test]
    fn the_estimate_before_is_that_of_a_run_on_the_longest_examples() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/mini8/base");
        let base = crate::configuration(&folder).unwrap();
        let tower = crate::GradientTower::<f32>::open_clip(&folder).unwrap();
        assert_eq!(tower.block_shape(), base.blocks());
    }
}
