//! A matrix of the model and the products with it, whatever it is stored as.

use super::vector;
use crate::{
    decoder::{
        half::Half,
        half_of,
        stored::{Format, Stored},
        updates::Update,
        weights::LinearWeights,
    },
    instructions::arch,
    model::host::{
        kernels::{View, matmul},
        pairs::{pairs_of, round_panel, round_rows, widen_panel},
        product::{Finish, NO_BIAS, PANEL, Partial, Product},
    },
};
use jobs::Precision;
use rayon::prelude::*;
use std::{ops::Range, sync::Arc};

/// Inputs, or pairs of inputs, of one slab: with `PANEL` outputs, 256 KiB that stay in a core's second cache.
const DEPTH: usize = 1024;

/// A matrix `[outputs, inputs]` and what is added after it. A clone shares its numbers.
///
/// # Numerics
/// In `bf16` the rows that the matrix multiplies are rounded as well ([`pairs`](crate::model::host::pairs)). In `f16` they stay in `f32`.
#[derive(Clone)]
pub(crate) struct Matrix {
    outputs: usize,
    inputs: usize,
    values: Values,
    /// The matrix of the file, where `values` are rounded from it: what an update is added to, so that the sum is rounded once.
    exact: Option<Stored>,
    bias: Option<Arc<[f32]>>,
}

/// Panels hold a line of `PANEL` elements for each input or pair of inputs; the last is filled up with zeros. Stored are rows of the file,
/// which are brought into this order at every product.
#[derive(Clone)]
enum Values {
    /// For products in `f32`.
    Numbers(Numbers),
    /// For products in `bf16`.
    Pairs(Pairs),
}

#[derive(Clone)]
enum Numbers {
    Full(Arc<Vec<f32>>),
    /// Widened at every product.
    F16(Arc<Vec<u16>>),
    /// In the model's own precision or narrower.
    Stored(Stored),
}

#[derive(Clone)]
enum Pairs {
    Packed(Arc<Vec<u32>>),
    Stored(Stored),
}

/// Buffers of one thread.
#[derive(Default)]
pub(crate) struct Slabs {
    slab: Vec<f32>,
    pair_slab: Vec<u32>,
    /// Rows in pairs.
    rounded: Vec<u32>,
    /// `[rows, depth]`
    part: Vec<f32>,
    pair_part: Vec<u32>,
    /// `[rows, PANEL]` for every panel.
    sums: Vec<[f32; PANEL]>,
}

impl Matrix {
    /// Takes a matrix of a file: as it lies there if it is half-width and the model can compute with that.
    pub(crate) fn new(found: &LinearWeights, precision: Precision) -> Self {
        let stored = &found.matrix;
        let outputs = stored.rows;
        let inputs = stored.columns;
        let values = match (half_of(precision), stored.format) {
            (None, Format::Half(_)) | (Some(Half::F16), Format::Half(Half::F16)) => {
                Values::Numbers(Numbers::Stored(stored.clone()))
            }
            (Some(Half::Bf16), Format::Half(Half::Bf16)) if stored.has_pairs() => {
                Values::Pairs(Pairs::Stored(stored.clone()))
            }
            (wanted, Format::Full | Format::Half(_)) => {
                Values::packed(wanted, outputs, inputs, |n, panel| stored.slab(n * PANEL, 0, panel))
            }
        };
        let exact = match &values {
            Values::Numbers(Numbers::F16(_)) => Some(stored.clone()),
            // Pairs are packed of a file in `bf16` as well, whose numbers they have.
            Values::Pairs(Pairs::Packed(_)) => (stored.format != Format::Half(Half::Bf16)).then(|| stored.clone()),
            Values::Numbers(Numbers::Full(_) | Numbers::Stored(_)) | Values::Pairs(Pairs::Stored(_)) => None,
        };
        Self { outputs, inputs, values, exact, bias: found.bias.as_ref().map(|bias| vector(bias, precision)) }
    }

    /// True if products bring the numbers into their order, or widen them.
    pub(crate) fn is_widened(&self) -> bool {
        match self.values {
            Values::Numbers(Numbers::Full(_)) | Values::Pairs(Pairs::Packed(_)) => false,
            Values::Numbers(Numbers::F16(_) | Numbers::Stored(_)) | Values::Pairs(Pairs::Stored(_)) => true,
        }
    }

    /// The matrix as the file has it with `scaling` times the update added, in `f32` and then rounded to the model's precision.
    pub(crate) fn patched(&self, update: &Update<Vec<f32>>, scaling: f32, precision: Precision) -> Self {
        let outputs = self.outputs;
        let inputs = self.inputs;
        let values = Values::packed(half_of(precision), outputs, inputs, |n, panel| {
            match &self.exact {
                Some(stored) => stored.slab(n * PANEL, 0, panel),
                None => self.values.read_panel(n, inputs, panel),
            }
            add(panel, update, scaling, n * PANEL, [outputs, inputs]);
        });
        Self { outputs, inputs, values, exact: None, bias: self.bias.clone() }
    }

    /// Finishes `to` with `from · matrixᵀ + bias`. Row `r` of `to` lies at `r · stride`.
    pub(crate) fn apply(&self, (to, stride): (&mut [f32], usize), from: &[f32], finish: Finish, own: &mut Slabs) {
        let inputs = self.inputs;
        let outputs = self.outputs;
        let bias = self.bias.as_deref();
        match &self.values {
            Values::Numbers(Numbers::Full(panels)) if inputs <= 2 * DEPTH => {
                arch().dispatch(Product { panels, depth: inputs, outputs, bias, to, stride, from, finish });
            }
            Values::Numbers(numbers) => {
                self.sum_numbers(numbers, from, own);
                self.finish((to, stride), finish, own);
            }
            Values::Pairs(pairs) => {
                let mut rounded = std::mem::take(&mut own.rounded);
                round_rows(&mut rounded, from, inputs);
                let depth = pairs_of(inputs);
                match pairs {
                    Pairs::Packed(panels) if depth <= 2 * DEPTH => {
                        Product { panels, depth, outputs, bias, to, stride, from: &rounded, finish }.compute();
                    }
                    Pairs::Packed(_) | Pairs::Stored(_) => {
                        self.sum_pairs(pairs, &rounded, own);
                        self.finish((to, stride), finish, own);
                    }
                }
                own.rounded = rounded;
            }
        }
    }

    fn sum_numbers(&self, numbers: &Numbers, from: &[f32], own: &mut Slabs) {
        let Slabs { slab: buffer, part, sums, .. } = own;
        let inputs = self.inputs;
        let rows = RowParts { rows: from, depth: inputs, panels: self.outputs.div_ceil(PANEL) };
        rows.each(part, sums, |n, range, from, sums| {
            let depth = range.len();
            let slab = match numbers {
                Numbers::Full(panels) => &panels[(n * inputs + range.start) * PANEL..][..depth * PANEL],
                Numbers::F16(_) | Numbers::Stored(_) => {
                    buffer.resize(depth * PANEL, 0.0);
                    numbers.read(n, inputs, range.start, buffer);
                    &*buffer
                }
            };
            arch().dispatch(Partial { sums, from, slab });
        });
    }

    fn sum_pairs(&self, pairs: &Pairs, from: &[u32], own: &mut Slabs) {
        let Slabs { pair_slab: buffer, pair_part: part, sums, .. } = own;
        let whole = pairs_of(self.inputs);
        let rows = RowParts { rows: from, depth: whole, panels: self.outputs.div_ceil(PANEL) };
        rows.each(part, sums, |n, range, from, sums| {
            let depth = range.len();
            let slab = match pairs {
                Pairs::Packed(panels) => &panels[(n * whole + range.start) * PANEL..][..depth * PANEL],
                Pairs::Stored(stored) => {
                    buffer.resize(depth * PANEL, 0);
                    stored.pair_slab(n * PANEL, range.start, buffer);
                    &*buffer
                }
            };
            Partial { sums, from, slab }.compute();
        });
    }

    /// Finishes what was summed panel by panel.
    fn finish(&self, (to, stride): (&mut [f32], usize), finish: Finish, own: &Slabs) {
        let rows = own.sums.len() / self.outputs.div_ceil(PANEL);
        arch().dispatch(|| {
            for (sums, start) in own.sums.chunks_exact(rows).zip((0..).step_by(PANEL)) {
                let columns = start..self.outputs.min(start + PANEL);
                let bias = self.bias.as_ref().map_or(&NO_BIAS[..columns.len()], |bias| &bias[columns.clone()]);
                for (to, sums) in to.chunks_mut(stride).zip(sums) {
                    finish.row(&mut to[columns.clone()], sums, bias);
                }
            }
        });
    }
}

impl Numbers {
    /// Reads `[depth, PANEL]` numbers of panel `n`, from input `first` on.
    fn read(&self, n: usize, inputs: usize, first: usize, slab: &mut [f32]) {
        let range = (n * inputs + first) * PANEL..(n * inputs + first) * PANEL + slab.len();
        match self {
            Self::Full(panels) => slab.copy_from_slice(&panels[range]),
            Self::F16(panels) => Half::F16.widen(slab, &panels[range]),
            Self::Stored(stored) => stored.slab(n * PANEL, first, slab),
        }
    }
}

/// Rows that meet the panels of a matrix some elements at a time.
struct RowParts<'a, T> {
    /// `[rows, depth]`
    rows: &'a [T],
    depth: usize,
    panels: usize,
}

impl<T: Copy> RowParts<'_, T> {
    /// Calls `add` with each panel's number, a range of elements, the part of the rows in it, and the sums of the panel. The part of the rows
    /// is brought together, and stays in a cache for all panels.
    fn each(
        &self,
        part: &mut Vec<T>,
        sums: &mut Vec<[f32; PANEL]>,
        mut add: impl FnMut(usize, Range<usize>, &[T], &mut [[f32; PANEL]]),
    ) {
        let rows = self.rows.len() / self.depth;
        sums.clear();
        sums.resize(rows * self.panels, [0.0; PANEL]);
        for first in (0..self.depth).step_by(DEPTH) {
            let range = first..self.depth.min(first + DEPTH);
            part.clear();
            part.extend(self.rows.chunks_exact(self.depth).flat_map(|row| &row[range.clone()]));
            for (n, sums) in sums.chunks_exact_mut(rows).enumerate() {
                add(n, range.clone(), part, sums);
            }
        }
    }
}

impl Values {
    /// Reads the numbers of panel `n`: `[inputs, PANEL]`.
    fn read_panel(&self, n: usize, inputs: usize, panel: &mut [f32]) {
        match self {
            Self::Numbers(numbers) => numbers.read(n, inputs, 0, panel),
            Self::Pairs(Pairs::Packed(panels)) => {
                let size = pairs_of(inputs) * PANEL;
                widen_panel(panel, &panels[n * size..(n + 1) * size]);
            }
            Self::Pairs(Pairs::Stored(stored)) => stored.slab(n * PANEL, 0, panel),
        }
    }

    /// Makes every panel, several threads side by side.
    fn packed(half: Option<Half>, outputs: usize, inputs: usize, make: impl Fn(usize, &mut [f32]) + Sync) -> Self {
        let size = inputs * PANEL;
        let panels = outputs.div_ceil(PANEL);
        match half {
            None => {
                let mut full = vec![0.0; panels * size];
                full.par_chunks_exact_mut(size).enumerate().for_each(|(n, panel)| make(n, panel));
                Self::Numbers(Numbers::Full(Arc::new(full)))
            }
            Some(Half::Bf16) => {
                let pairs = pairs_of(inputs) * PANEL;
                Self::Pairs(Pairs::Packed(rounded(panels, [size, pairs], make, round_panel)))
            }
            Some(Half::F16) => {
                let narrow = |to: &mut [u16], panel: &[f32]| {
                    to.iter_mut().zip(panel).for_each(|(to, x)| *to = Half::F16.narrow(*x));
                };
                Self::Numbers(Numbers::F16(rounded(panels, [size; 2], make, narrow)))
            }
        }
    }
}

/// Makes panels of `size` numbers, and keeps `kept` elements of each.
fn rounded<T: Default + Copy + Send>(
    panels: usize,
    [size, kept]: [usize; 2],
    make: impl Fn(usize, &mut [f32]) + Sync,
    round: impl Fn(&mut [T], &[f32]) + Sync,
) -> Arc<Vec<T>> {
    let mut all = vec![T::default(); panels * kept];
    all.par_chunks_exact_mut(kept).enumerate().for_each_init(
        || vec![0.0; size],
        |panel, (n, to)| {
            make(n, panel);
            round(to, panel);
        },
    );
    Arc::new(all)
}

/// Adds `scaling` times the rows from `output` on of an update to a panel `[inputs, PANEL]`.
fn add(panel: &mut [f32], update: &Update<Vec<f32>>, scaling: f32, output: usize, [outputs, inputs]: [usize; 2]) {
    let count = PANEL.min(outputs - output);
    match update {
        Update::LowRank { b, a, rank } => {
            let to = (panel, View::columns(inputs, PANEL, 0, count));
            let b = (&b[output * rank..], View::dense(count, *rank).transposed());
            matmul(to, true, scaling, (a, View::dense(*rank, inputs).transposed()), b);
        }
        Update::Dense(values) => {
            for (row, values) in values.chunks_exact(inputs).skip(output).take(count).enumerate() {
                panel[row..].iter_mut().step_by(PANEL).zip(values).for_each(|(to, x)| *to += scaling * x);
            }
        }
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "sums of small integers are exact")]
mod tests {
    use super::*;

    /// More inputs than two slabs of numbers hold, and neither slabs nor panels come out even.
    #[test]
    fn deep_and_ragged_products_are_the_plain_sums() {
        let rows = 7;
        let outputs = 70;
        let inputs = 2 * DEPTH + 300;
        let stride = 75;
        let number = |n: usize| (n % 13) as f32 - 6.0;
        let from: Vec<f32> = (0..rows * inputs).map(|n| (n % 7) as f32 - 3.0).collect();
        let make = |n: usize, panel: &mut [f32]| {
            for (input, line) in panel.chunks_exact_mut(PANEL).enumerate() {
                for (output, to) in (n * PANEL..outputs).zip(line) {
                    *to = number(output * inputs + input);
                }
            }
        };
        let update = Update::Dense((0..outputs * inputs).map(number).collect());
        const FORMATS: [(Option<Half>, Precision); 3] =
            [(None, Precision::F32), (Some(Half::Bf16), Precision::Bf16), (Some(Half::F16), Precision::F16)];
        let mut own = Slabs::default();
        for (half, precision) in FORMATS {
            let values = Values::packed(half, outputs, inputs, make);
            let matrix = Matrix { outputs, inputs, values, exact: None, bias: None }.patched(&update, 2.0, precision);
            for (finish, before) in [(Finish::Write, 0.0), (Finish::Add, 1.0)] {
                let mut to = vec![1.0; rows * stride];
                matrix.apply((&mut to, stride), &from, finish, &mut own);
                for (r, to) in to.chunks_exact(stride).enumerate() {
                    let sum =
                        |c: usize| (0..inputs).map(|k| from[r * inputs + k] * number(c * inputs + k)).sum::<f32>();
                    let want = |c: usize| if c < outputs { before + 3.0 * sum(c) } else { 1.0 };
                    to.iter().enumerate().for_each(|(c, to)| assert_eq!(*to, want(c), "row {r}, column {c}"));
                }
            }
        }
    }
}
