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
    /// Bytes of the examples that early stopping looks at, as they are read; 0 without it.
    pub validation: u64,
}

/// Bytes that a training takes beside the model that is evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrainMemory {
    /// Threads of the processor.
    pub threads: usize,
    /// The copies of the base's matrices.
    pub base: u64,
    /// The trained tensors with their moments, before and after a step, and those that early stopping keeps.
    pub trained: u64,
    /// The examples that early stopping looks at. They are held beside those that the accuracy is measured on.
    pub validation: u64,
    /// What a step takes on all threads, with all that blocks compute kept for the way back.
    pub step: u64,
    /// The same with blocks that run again on the way back, and keep what they took.
    pub recomputed_step: u64,
}

impl TrainMemory {
    /// All of it, with blocks that run again on the way back: less is not possible.
    pub fn least(&self) -> u64 {
        self.held().saturating_add(self.recomputed_step.min(self.step))
    }

    /// All of it, with all that blocks compute kept for the way back.
    pub fn all(&self) -> u64 {
        self.held().saturating_add(self.step)
    }

    /// What is held from the first step to the last.
    fn held(&self) -> u64 {
        self.base.saturating_add(self.trained).saturating_add(self.validation)
    }

    /// Estimates the memory of a training of adapters on a base.
    ///
    /// All numbers are in `f32`. With p trained numbers, `base = 4 · Σ outputs · inputs` and `trained = 4 · 6 p` (values, means and
    /// squares, twice), and 4 p more with early stopping, beside the examples that it looks at. With r rows (tokens) on all threads at a time, g groups whose gradients are held
    /// and h rows that are embedded, `step = 4 · r · layers · tape + held` and
    /// `recomputed_step = 4 · r · (layers · width + 2 · tape) + held`, where `tape` is what a block keeps of a token, the second one
    /// is for the gradients of the block that is on its way back, and `held = 4 (g p + h · width) + 8 p` counts gradients, embedded
    /// tokens and sums in `f64`. Masks of dropout take a byte for each input of an adapted module beside it.
    ///
    /// A group has [about 256](TrainSettings::micro_batch) tokens and closes with the example that goes over them; there are no more rows
    /// than a step has, whatever the number of threads.
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
        let step_examples = settings.examples_per_step();
        Ok(TrainShape {
            blocks: base.blocks(),
            matrices: modules.iter().map(|module| module.outputs * module.inputs).sum(),
            trained: adapted + head,
            masked: targets.iter().map(|target| target.inputs).sum(),
            longest: place.longest,
            step_examples,
            step_rows: step_examples.saturating_mul(place.longest),
            threads: place.threads,
            validation: place.validation,
        }
        .memory(settings))
    }
}

/// What the memory of a training depends on, beside its settings.
#[derive(Debug, Clone, Copy)]
pub(super) struct TrainShape {
    pub(super) blocks: BlockShape,
    /// Numbers of all matrices of the base.
    pub(super) matrices: usize,
    /// Numbers that are trained.
    pub(super) trained: usize,
    /// Inputs of all adapted modules.
    pub(super) masked: usize,
    /// Tokens of the longest example.
    pub(super) longest: usize,
    /// Examples of a step, and their tokens at most.
    pub(super) step_examples: usize,
    pub(super) step_rows: usize,
    pub(super) threads: usize,
    /// Bytes of the examples that early stopping looks at.
    pub(super) validation: u64,
}

impl TrainShape {
    /// The memory of the training.
    pub(super) fn memory(&self, settings: &TrainSettings) -> TrainMemory {
        let copies = if settings.early_stopping.is_some() { 7 } else { 6 };
        TrainMemory {
            threads: self.threads,
            base: bytes(self.matrices as u64),
            trained: bytes((self.trained as u64).saturating_mul(copies)),
            validation: if settings.early_stopping.is_some() { self.validation } else { 0 },
            step: self.step(settings, false),
            recomputed_step: self.step(settings, true),
        }
    }

    /// The rows of the largest group that the examples can make.
    fn group_rows(&self, settings: &TrainSettings) -> u64 {
        let group = match settings.micro_batch {
            Some(size) => size.saturating_mul(self.longest),
            // A group is closed by the example that goes over its part of the step.
            None => ROWS.max(self.longest).saturating_add(self.longest),
        };
        group.min(self.step_rows) as u64
    }

    fn step(&self, settings: &TrainSettings, is_recomputed: bool) -> u64 {
        let Self { blocks, trained, masked, longest, step_examples, step_rows, threads, .. } = *self;
        let tape = blocks.tape_width(longest) as u64;
        let layers = blocks.layers.max(1) as u64;
        let width = blocks.width as u64;
        let masked = if settings.dropout > 0.0 { masked as u64 } else { 0 };
        let groups = HELD_GROUPS.min(step_examples) as u64;
        // As many groups as there are threads are on their way, and never more rows than the step has.
        let most = |groups: u64| self.group_rows(settings).saturating_mul(groups).min(step_rows as u64);
        let rows = most(groups.min(threads.max(1) as u64));
        // A mask takes a byte for each number.
        let [of_row, mask] =
            if is_recomputed { [layers * width + 2 * tape, masked.div_ceil(layers)] } else { [layers * tape, masked] };
        let recorded = bytes(rows.saturating_mul(of_row)).saturating_add(rows.saturating_mul(mask));
        let gradients = groups.saturating_mul(trained as u64);
        let held = bytes(gradients.saturating_add(most(groups).saturating_mul(width)));
        let sums = (trained as u64).saturating_mul(size_of::<f64>() as u64);
        recorded.saturating_add(held).saturating_add(sums)
    }
}

fn bytes(numbers: u64) -> u64 {
    numbers.saturating_mul(size_of::<f32>() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DecoderConfig;
    use jobs::{TrainFamily, TrainLength};
    use std::fs;

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
        let place = TrainPlacement { threads, longest: 256, classes: 3, validation: 0 };
        TrainMemory::of(&llama(), &settings(), place).unwrap()
    }

    #[test]
    fn llama_3_8b_with_batches_of_8_times_256_tokens_fits_into_48_gb_with_its_base_in_16_bits_on_any_number_of_threads()
    {
        // The base that is evaluated: its layers and embeddings as they lie in the file.
        let evaluated = 2 * (32 * 218_103_808 + 128_256 * 4096);
        for threads in [1, 4, 16, 64] {
            let memory = memory(threads);
            // 32 layers of 218 million numbers, in f32.
            assert_eq!(memory.base, 4 * 32 * 218_103_808);
            assert!(memory.least() + evaluated < 48_000_000_000, "{memory:?}");
        }
        // Without running blocks again it would not.
        assert!(memory(4).all() + evaluated > 48_000_000_000);
    }

    #[test]
    fn a_step_takes_no_more_than_its_examples_whatever_the_threads() {
        let step = |batch: usize, threads: usize| {
            let place = TrainPlacement { threads, longest: 256, classes: 3, validation: 0 };
            TrainMemory::of(&llama(), &TrainSettings { batch, ..settings() }, place).unwrap().step
        };
        assert_eq!(step(1, 1), step(1, 16));
        assert!(step(64, 1) < step(64, 16));
        assert_eq!(step(8, 8), step(8, 64));
    }

    #[test]
    fn no_setting_that_is_accepted_overflows() {
        let most = TrainSettings { batch: usize::MAX, accumulation: 3, micro_batch: Some(usize::MAX), ..settings() };
        most.check().unwrap();
        let place = TrainPlacement { threads: usize::MAX, longest: 2048, classes: 3, validation: 0 };
        let memory = TrainMemory::of(&llama(), &most, place).unwrap();
        assert_eq!((memory.step, memory.all()), (u64::MAX, u64::MAX));
    }

    #[test]
    fn numbers_that_are_trained_count_with_their_moments_before_and_after_a_step() {
        // Rank 16: A and B of queries, keys, values and outputs of 32 layers, and the head.
        let trained = 32 * 16 * (2 * (4096 + 4096) + 2 * (4096 + 1024)) + 3 * 4096;
        assert_eq!(memory(1).trained, 6 * 4 * trained);
        let stopping =
            jobs::EarlyStopping { metric: jobs::StoppingMetric::Loss, every: 1, patience: 1, min_delta: 0.0 };
        let place = TrainPlacement { threads: 1, longest: 256, classes: 3, validation: 1000 };
        let stopped = TrainSettings { early_stopping: Some(stopping), ..settings() };
        let with_stopping = TrainMemory::of(&llama(), &stopped, place).unwrap();
        assert_eq!(with_stopping.trained, 7 * 4 * trained);
        let without = TrainMemory::of(&llama(), &settings(), place).unwrap();
        assert_eq!(
            (without.validation, with_stopping.validation),
            (0, 1000),
            "only early stopping reads the split once more"
        );
        let more = 4 * trained + 1000;
        assert_eq!(with_stopping.least() - without.least(), more);
        assert_eq!(with_stopping.all() - without.all(), more);
    }

    #[test]
    fn a_group_is_bounded_by_its_part_by_the_step_and_by_the_micro_batch() {
        let rows = |settings: &TrainSettings, longest: usize, step_rows: usize| {
            let blocks = llama().blocks();
            let shape = TrainShape {
                blocks,
                matrices: 0,
                trained: 0,
                masked: 0,
                longest,
                step_examples: 8,
                step_rows,
                threads: 1,
                validation: 0,
            };
            shape.group_rows(settings)
        };
        assert_eq!(rows(&settings(), 100, 800), 356);
        assert_eq!(rows(&settings(), 1000, 8000), 2000);
        assert_eq!(rows(&settings(), 10, 80), 80);
        assert_eq!(rows(&settings(), 1000, 700), 700);
        assert_eq!(rows(&TrainSettings { micro_batch: Some(2), ..settings() }, 100, 800), 200);
    }
}
