//! How much memory a model takes, before anything is opened.

use super::{DecoderConfig, composed, host, module};
use crate::{MemoryNeed, ModelError, model::host::product::PANEL};
use jobs::Precision;

/// Where and how a model is to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecoderPlacement {
    /// True for the processor, false for other devices.
    pub on_host: bool,
    /// The precision it is opened in.
    pub precision: Precision,
    /// The format of the weights in the files; [`DecoderConfig::stored`] says it, if it is known.
    pub stored: Precision,
    /// Threads of the processor; other devices run one batch at a time.
    pub threads: usize,
    /// Tokens of the longest text.
    pub longest: usize,
}

impl DecoderConfig {
    /// Estimates the memory of this model with updates of the named modules.
    ///
    /// On the processor, matrices are held as panels of 64 outputs; half-width ones of the wanted format stay in the
    /// file. Activations count what a batch holds at its peak: states, queries, keys and values, the inner layer and
    /// scores. Buffers of the device's own libraries come on top.
    ///
    /// # Errors
    /// [`ModelError::Module`] for a name that is no [module](crate::DecoderModel::modules) of such a model.
    pub fn memory<S: AsRef<str>>(
        &self,
        place: DecoderPlacement,
        adapted: impl IntoIterator<Item = S>,
    ) -> Result<MemoryNeed, ModelError> {
        let base = self.linear_bytes(place, place.keeps_file()) + self.other_bytes(place);
        let mut sum = 0;
        for name in adapted {
            let (_, kind) = module::find(self, name.as_ref())?;
            sum += place.matrix_bytes(kind.shape(self), width(place.precision) + place.exact_width(), false);
        }
        Ok(MemoryNeed { base, adapted: sum, activations: self.activation_bytes(place) })
    }

    fn linear_bytes(&self, place: DecoderPlacement, in_file: bool) -> u64 {
        let size = if in_file { width(place.stored) } else { width(place.precision) };
        let layer: u64 =
            module::ModuleKind::ALL.map(|kind| place.matrix_bytes(kind.shape(self), size, in_file)).iter().sum();
        layer * self.layers as u64
    }

    /// Embedding and norms.
    fn other_bytes(&self, place: DecoderPlacement) -> u64 {
        let size = if place.on_host { width(place.stored) } else { width(place.precision) };
        (self.vocabulary * self.width) as u64 * size + ((2 * self.layers + 1) * self.width * size_of::<f32>()) as u64
    }

    fn activation_bytes(&self, place: DecoderPlacement) -> u64 {
        let kv = 2 * self.kv_width();
        let token = 2 * self.width + 2 * self.query_width() + kv;
        if place.on_host {
            let tokens = if place.widens() { host::BATCH_TOKENS_WIDENED } else { host::BATCH_TOKENS };
            let tokens = tokens.max(place.longest) as u64;
            // The sums of the widest product lie beside the inner layer.
            let floats = tokens * (token + 2 * self.mlp_width) as u64;
            // Rows in `bf16` lie beside those that they are made of.
            let rounded =
                if place.precision == Precision::Bf16 { tokens * self.mlp_width.div_ceil(2) as u64 } else { 0 };
            let scores = place.longest.min(host::attention::QUERIES) as u64 * place.longest as u64;
            return (floats + rounded + scores).saturating_mul((size_of::<f32>() * place.threads) as u64);
        }
        let square = (place.longest as u64).saturating_pow(2);
        let tokens = composed::BATCH_TOKENS.max(place.longest) as u64;
        // Norms and rotary embedding widen what they take; the inner layer is there three times while it is made.
        let own = (token + 3 * self.mlp_width) as u64 * width(place.precision);
        let wide = (2 * self.width + 2 * self.query_width()) as u64 * size_of::<f32>() as u64;
        let pairs = (composed::BATCH_PAIRS as u64).max(square).saturating_mul(self.heads as u64);
        let scores = pairs.saturating_mul(3 * size_of::<f32>() as u64 + width(place.precision));
        (tokens * (own + wide)).saturating_add(scores)
    }
}

impl DecoderPlacement {
    /// True if the matrices stay in the mapped file.
    fn keeps_file(&self) -> bool {
        let half = self.stored != Precision::F32;
        self.on_host && half && (self.precision == Precision::F32 || self.precision == self.stored)
    }

    /// True if products widen numbers, or bring them into their order.
    fn widens(&self) -> bool {
        self.keeps_file() || self.precision == Precision::F16
    }

    /// Bytes of a number of the exact matrices that a device keeps beside rounded ones, for updates.
    fn exact_width(&self) -> u64 {
        let rounds = self.precision != Precision::F32 && self.precision != self.stored;
        if rounds && !self.on_host { width(self.stored) } else { 0 }
    }

    fn matrix_bytes(&self, [outputs, inputs]: [usize; 2], size: u64, in_file: bool) -> u64 {
        let rows = if self.on_host && !in_file { outputs.next_multiple_of(PANEL) } else { outputs };
        (rows * inputs) as u64 * size
    }
}

/// Bytes of a number.
fn width(precision: Precision) -> u64 {
    match precision {
        Precision::F32 => 4,
        Precision::Bf16 | Precision::F16 => 2,
    }
}
