//! What an image tower costs a device, or the processor: formulas, which tests compare with what is counted.

use super::{
    ClipConfig, EncoderConfig, ModelError, Module, composed,
    host::tower,
    patch::{self, BlockMatrix, TowerMatrix},
};
use crate::{ImageResidency, MemoryNeed};
use jobs::Precision;
use std::collections::BTreeSet;

/// Floating-point operations of a product `[m, k] · [k, n]`.
fn product(m: usize, k: usize, n: usize) -> u64 {
    2 * (m * k * n) as u64
}

impl ClipConfig {
    /// Floating-point operations of the matrix products that embed one image.
    pub fn embedding_flops(&self) -> u64 {
        let vision = &self.vision;
        product(vision.patches(), 3 * vision.patch_size.pow(2), vision.encoder.width)
    }

    /// Floating-point operations of the matrix products that make the features of one embedded image.
    ///
    /// With T tokens of width d and an MLP of width m, a block takes 8·T·d² + 4·T²·d + 4·T·d·m. In the last one only the class token
    /// leaves attention: 6·T·d² + 4·T·d + 2·d² + 4·d·m. The projection takes 2·d·p.
    pub fn feature_flops(&self) -> u64 {
        let EncoderConfig { width, mlp_width, layers, .. } = self.vision.encoder;
        let tokens = self.vision.tokens();
        let block = |queries: usize| {
            product(tokens, width, 3 * width)
                + 2 * product(queries, width, tokens)
                + product(queries, width, width)
                + 2 * product(queries, width, mlp_width)
        };
        let projection = product(1, width, self.projection);
        let Some(whole) = layers.checked_sub(1) else { return projection };
        whole as u64 * block(tokens) + block(1) + projection
    }

    /// Bytes that a tower of this precision keeps on a device, with updates of the modules in `adapted`.
    ///
    /// Factors of merges and what a forward needs for a moment come on top.
    ///
    /// # Errors
    /// [`ModelError::Module`] for a name that is no module of the tower.
    pub(crate) fn residency<S: AsRef<str>>(
        &self,
        precision: Precision,
        adapted: &[S],
    ) -> Result<ImageResidency, ModelError> {
        let vision = &self.vision;
        let EncoderConfig { width, mlp_width, layers, .. } = vision.encoder;
        let rounded: u64 = match precision {
            Precision::F32 => 4,
            Precision::Bf16 | Precision::F16 => 2,
        };
        // In `f32` the two are one.
        let number = if precision == Precision::F32 { rounded } else { 4 + rounded };
        let all: BTreeSet<TowerMatrix> =
            (0..=layers).flat_map(|layer| patch::modules_of(self, layer)).map(|m| m.1).collect();
        let matrices: u64 = all.iter().map(|id| self.numbers(*id)).sum();
        let embedding = (3 * vision.patch_size.pow(2) * width) as u64;
        // Positions, the norms before and after all blocks, and of each block two norms and four biases.
        let vectors =
            vision.tokens() * width + 4 * width + layers * (4 * width + 3 * width + width + mlp_width + width);
        let changed =
            adapted.iter().map(|name| patch::matrix_of(self, name.as_ref())).collect::<Result<BTreeSet<_>, _>>()?;
        Ok(ImageResidency {
            base: matrices * number + embedding * rounded + 4 * vectors as u64,
            adapted: changed.iter().map(|id| self.numbers(*id) * number).sum(),
            tokens: (vision.tokens() * width) as u64 * rounded,
            pixels: self.pixel_bytes(),
        })
    }

    /// Estimates what a tower in 16 bits takes in the memory of the processor, with updates of the modules in `adapted`: each matrix is there
    /// in `f32`, to which updates are added, and rounded. `None` in `f32`.
    ///
    /// # Errors
    /// As [`residency`](Self::residency).
    pub(crate) fn host_memory<S: AsRef<str>>(
        &self,
        precision: Precision,
        threads: usize,
        adapted: &[S],
    ) -> Result<Option<MemoryNeed>, ModelError> {
        let EncoderConfig { width, mlp_width, heads, .. } = self.vision.encoder;
        let tokens = self.vision.tokens();
        // Numbers of one step: tokens, their norms, queries, keys and values, context and inner layer, and what is rounded of them.
        let numbers = match precision {
            Precision::F32 => return Ok(None),
            Precision::Bf16 => tower::STEP_ROWS.max(tokens) * (6 * width + mlp_width + mlp_width / 2),
            Precision::F16 => composed::HOST_STEP_ROWS.max(tokens) * (8 * width + 3 * mlp_width + 3 * heads * tokens),
        };
        let ImageResidency { base, adapted, .. } = self.residency(precision, adapted)?;
        // On plain slices the patch embedding stays in `f32`.
        let embedding = 2 * (3 * self.vision.patch_size.pow(2) * width) as u64;
        let activations = (size_of::<f32>() * numbers * threads) as u64;
        Ok(Some(MemoryNeed { base: base + embedding, adapted, activations }))
    }

    fn numbers(&self, id: TowerMatrix) -> u64 {
        let EncoderConfig { width, mlp_width, .. } = self.vision.encoder;
        let numbers = match id {
            TowerMatrix::Projection => width * self.projection,
            TowerMatrix::Block(_, BlockMatrix::Qkv) => 3 * width * width,
            TowerMatrix::Block(_, BlockMatrix::Out) => width * width,
            TowerMatrix::Block(_, BlockMatrix::Fc1 | BlockMatrix::Fc2) => width * mlp_width,
        };
        numbers as u64
    }

    /// Bytes of the pixels of one image, one for each channel.
    pub fn pixel_bytes(&self) -> u64 {
        3 * (self.vision.image_size as u64).pow(2)
    }
}

impl Module {
    /// Bytes of the factors of an update of this rank, as they are copied to a device.
    pub fn factor_bytes(&self, rank: usize) -> u64 {
        ((self.outputs + self.inputs) * rank * size_of::<f32>()) as u64
    }

    /// Floating-point operations of the product that makes the update of its factors.
    pub fn update_flops(&self, rank: usize) -> u64 {
        product(self.inputs, rank, self.outputs)
    }
}
