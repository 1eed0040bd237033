//! One layer, over a padded batch.

use super::exact::Exact;
use crate::{
    decoder::{DecoderConfig, module::ModuleKind, rope::Rope},
    device::{
        Accelerator,
        fused::{self, Added},
    },
    observe::Hook,
};
use candle_core::{D, DType, Result, Tensor};
use candle_nn::rotary_emb::rope;

/// An RMS norm, computed in `f32`.
#[derive(Clone)]
pub(crate) struct Norm {
    pub(crate) weight: Tensor,
    pub(crate) eps: f32,
}

impl Norm {
    pub(crate) fn apply(&self, x: &Tensor) -> Result<Tensor> {
        fused::rms_norm(&x.contiguous()?, &self.weight, self.eps)
    }

    /// Adds an update to a stream, and norms the sum.
    fn apply_to_sum(&self, stream: &Tensor, update: &Tensor) -> Result<Added> {
        fused::add_rms_norm(&stream.contiguous()?, &update.contiguous()?, &self.weight, self.eps)
    }
}

/// One layer; a clone shares every matrix.
#[derive(Clone)]
pub(crate) struct Layer {
    pub(crate) norms: [Norm; 2],
    /// In the order of [`ModuleKind::ALL`], each `[outputs, inputs]`.
    pub(crate) linears: Vec<Tensor>,
    /// In the same order, the matrices that these are rounded from, unless they are patched or nothing is rounded.
    pub(super) exact: Vec<Option<Exact>>,
    /// In the same order, `[outputs]` each.
    pub(crate) biases: Vec<Option<Tensor>>,
    /// Of queries and of keys.
    pub(crate) head_norms: Option<[Norm; 2]>,
    /// True if the tokens see no more than the model's window.
    pub(crate) has_window: bool,
}

/// What the layers know of a batch of texts, padded on the right to the longest.
pub(crate) struct Batch {
    on: Accelerator,
    texts: usize,
    /// `[longest, head_width / 2]` each.
    cos: Tensor,
    sin: Tensor,
    /// The row of each text's last token among the rows of all.
    ends: Tensor,
    whole: Masks,
    windowed: Option<Masks>,
}

/// The bytes of a [`Batch`] of so many texts on a device.
pub(super) fn batch_bytes(config: &DecoderConfig, texts: usize, longest: usize) -> u64 {
    let masks = longest * longest + texts * longest;
    let masks = if config.window.is_some() { 2 * masks } else { masks };
    // Cosines and sines of each position, for half of a head.
    let turns = longest * config.head_width;
    (size_of::<f32>() * (masks + turns) + size_of::<u32>() * texts) as u64
}

/// What tokens see.
struct Masks {
    /// `[longest, longest]`: minus infinity where a token would see a later one, or one before its window.
    all: Tensor,
    /// `[texts, 1, 1, longest]`, for the last token of each text: the same, and padding.
    ends: Tensor,
}

impl Masks {
    fn new(lengths: &[usize], longest: usize, window: usize, on: &Accelerator) -> Result<Self> {
        let sees = |row: usize, column: usize| column <= row && row - column < window;
        let mask = |row, column| if sees(row, column) { 0.0 } else { f32::NEG_INFINITY };
        let all = (0..longest).flat_map(|row| (0..longest).map(move |column| mask(row, column)));
        let ends = lengths.iter().flat_map(|length| (0..longest).map(move |column| mask(length - 1, column)));
        Ok(Self {
            all: on.put(all.collect::<Vec<f32>>(), (longest, longest))?,
            ends: on.put(ends.collect::<Vec<f32>>(), (lengths.len(), 1, 1, longest))?,
        })
    }
}

impl Batch {
    pub(crate) fn new(config: &DecoderConfig, lengths: &[usize], on: &Accelerator) -> Result<Self> {
        let longest = lengths.iter().copied().max().unwrap_or(0);
        let rope = Rope::new(config, longest);
        let masks = |window| Masks::new(lengths, longest, window, on);
        let windowed = config.window.as_ref().map(|window| masks(window.tokens)).transpose()?;
        let ends = lengths.iter().zip(0u32..).map(|(length, text)| text * longest as u32 + *length as u32 - 1);
        Ok(Self {
            cos: on.put(rope.cos, (longest, rope.half))?,
            sin: on.put(rope.sin, (longest, rope.half))?,
            ends: on.put(ends.collect::<Vec<_>>(), lengths.len())?,
            whole: masks(usize::MAX)?,
            windowed,
            on: on.clone(),
            texts: lengths.len(),
        })
    }

    pub(crate) fn texts(&self) -> usize {
        self.texts
    }

    /// The last token's row of each text: `[texts, 1, width]` from `[texts, longest, width]`.
    fn ends(&self, x: &Tensor) -> Result<Tensor> {
        let (texts, _, width) = x.dims3()?;
        x.reshape(((), width))?.index_select(&self.ends, 0)?.reshape((texts, 1, width))
    }

    /// Turns `[texts, heads, longest, head_width]`.
    fn turn(&self, x: &Tensor) -> Result<Tensor> {
        let turned = rope(&x.to_dtype(DType::F32)?.contiguous()?, &self.cos, &self.sin)?;
        turned.to_dtype(x.dtype())
    }
}

impl Layer {
    /// With `to_ends`, only the last token of each text comes out: `[texts, 1, width]`.
    pub(crate) fn apply(
        &self,
        config: &DecoderConfig,
        x: &Tensor,
        batch: &Batch,
        to_ends: bool,
        hook: &mut dyn Hook<ModuleKind>,
    ) -> Result<Tensor> {
        let normed = self.norms[0].apply(x)?;
        hook.takes(ModuleKind::Query, &normed);
        let heads = |kind, count, norm: Option<&Norm>| {
            let projected = self.project(kind, &normed, &batch.on)?;
            let (texts, longest, _) = projected.dims3()?;
            let heads = projected.reshape((texts, longest, count, config.head_width))?;
            let heads = norm.map_or(Ok(heads.clone()), |norm| norm.apply(&heads))?;
            heads.transpose(1, 2)?.contiguous()
        };
        let [query_norm, key_norm] = self.head_norms.as_ref().map_or([None; 2], |norms| norms.each_ref().map(Some));
        let key = batch.turn(&heads(ModuleKind::Key, config.kv_heads, key_norm)?)?;
        let value = heads(ModuleKind::Value, config.kv_heads, None)?;
        let query = batch.turn(&heads(ModuleKind::Query, config.heads, query_norm)?)?;
        let (query, x) = if to_ends {
            let (texts, heads, longest, width) = query.dims4()?;
            let rows = query.transpose(1, 2)?.contiguous()?.reshape((texts, longest, heads * width))?;
            (batch.ends(&rows)?.reshape((texts, heads, 1, width))?, batch.ends(x)?)
        } else {
            (query, x.clone())
        };
        let masks = batch.windowed.as_ref().filter(|_| self.has_window).unwrap_or(&batch.whole);
        let mask = if to_ends { &masks.ends } else { &masks.all };
        let context = attend(config, Heads { query: &query, key: &key, value: &value }, mask, &batch.on)?;
        hook.takes(ModuleKind::Out, &context);
        let Added { sum: x, normed } =
            self.norms[1].apply_to_sum(&x, &self.project(ModuleKind::Out, &context, &batch.on)?)?;
        hook.takes(ModuleKind::Gate, &normed);
        let gate = self.project(ModuleKind::Gate, &normed, &batch.on)?;
        let inner = fused::gated(&gate, &self.project(ModuleKind::Up, &normed, &batch.on)?)?;
        hook.takes(ModuleKind::Down, &inner);
        x + self.project(ModuleKind::Down, &inner, &batch.on)?
    }

    /// Rows of any leading shape times a matrix, as one product.
    fn project(&self, kind: ModuleKind, x: &Tensor, on: &Accelerator) -> Result<Tensor> {
        let matrix = &self.linears[kind as usize];
        let (outputs, inputs) = matrix.dims2()?;
        let mut shape = x.dims().to_vec();
        shape.pop();
        shape.push(outputs);
        let product = on.product(&x.reshape(((), inputs))?, &matrix.t()?)?;
        let product = match &self.biases[kind as usize] {
            Some(bias) => product.broadcast_add(bias)?,
            None => product,
        };
        product.reshape(shape)
    }
}

/// The heads of a batch, `[texts, heads, tokens, head_width]` each.
struct Heads<'a> {
    query: &'a Tensor,
    key: &'a Tensor,
    value: &'a Tensor,
}

/// `softmax(q · kᵀ / √head_width) · v` as `[texts, queries, heads · head_width]`. The heads that share keys and values
/// are rows of one product.
fn attend(config: &DecoderConfig, heads: Heads<'_>, mask: &Tensor, on: &Accelerator) -> Result<Tensor> {
    let Heads { query, key, value } = heads;
    let (texts, heads, count, width) = query.dims4()?;
    let shared = query.contiguous()?.reshape((texts, config.kv_heads, (), width))?;
    let scores = on.product(&shared, &key.t()?)?.reshape((texts, heads, count, ()))?;
    let shares = fused::masked_shares(&scores, mask, 1.0 / (width as f32).sqrt())?;
    let longest = shares.dim(D::Minus1)?;
    let context = on.product(&shares.reshape((texts, config.kv_heads, (), longest))?, value)?;
    context.reshape((texts, heads, count, width))?.transpose(1, 2)?.contiguous()?.reshape((texts, count, heads * width))
}
