use super::{
    blocks::Block,
    combination::{Combination, EntriesMethod},
    drop::EntryDrop,
    threshold::{Thresholds, thresholds},
};
use crate::{
    Aligned, Matrix,
    align::{AlignedMatrix, Form},
    fisher::FisherOptions,
    linalg,
    methods::{Entries, PCB_BUFFERS, SCE_ENTRY_BYTES, pcb, sce},
    regmean::{GramOptions, gram_bytes},
};
use faer::Mat;
use jobs::{Recipe, Space};
use rayon::prelude::*;
use std::ops::Range;

/// Entries that are formed together. The size is fixed: results do not depend on the number of threads.
const PIECE: usize = 1 << 18;

/// Bytes that the weights which are worked on at the same time take together; one that takes more is worked on alone.
const WORKING_BYTES: u64 = 1 << 30;

/// Merges the entries of every weight with all of its entries in view, after drop and trim.
///
/// A task of weight 0 is left out; an adapter that lacks a weight has a zero update of it.
///
/// # Numerics
/// In `f64`: quantiles decide, and an entry that passes one because it was rounded moves a matrix by up to 0.4 %. In the
/// `full` space entries are formed a piece of rows at a time, and [`working_memory`] says what a merge holds. Results do
/// not depend on the number of threads.
pub(super) fn merge(aligned: &Aligned, recipe: &Recipe, method: EntriesMethod) -> Vec<Matrix> {
    let drop = EntryDrop::of(aligned, recipe);
    let thresholds = thresholds(aligned, recipe, drop.as_ref());
    let weights: Vec<f64> = aligned.tasks.iter().map(|task| recipe.weight(task)).collect();
    let steps = Steps { aligned, drop: drop.as_ref(), thresholds: &thresholds, weights: &weights, method };
    let needs: Vec<u64> = aligned.matrices.iter().map(|matrix| method.bytes(matrix.entry_shape())).collect();
    let merged = groups(&needs).into_iter().flat_map(|group| {
        let merged = group.into_par_iter().map(|index| steps.merge(index));
        merged.collect::<Vec<_>>()
    });
    merged.collect()
}

/// The bytes that a merge takes beside the updates that it is given and those that it makes, for recipes that look at all
/// entries of a weight in the `full` space, and for merges by statistics; 0 for others, which work on a block of rows at a
/// time.
///
/// # Shapes
/// `shapes`: `[O, I]` of every weight that the adapters update.
pub fn working_memory(recipe: &Recipe, shapes: impl IntoIterator<Item = [usize; 2]>) -> u64 {
    if recipe.alignment() != Space::Full {
        return 0;
    }
    let needs: Vec<u64> = if let Combination::Entries(method) = Combination::from(recipe.combine) {
        shapes.into_iter().map(|shape| method.bytes(shape)).collect()
    } else if FisherOptions::of(recipe).is_some() {
        shapes.into_iter().map(fisher_bytes).collect()
    } else if GramOptions::of(recipe).is_some() {
        shapes.into_iter().map(gram_bytes).collect()
    } else {
        return 0;
    };
    let largest = needs.iter().copied().max().unwrap_or_default();
    largest.max(needs.iter().sum::<u64>().min(WORKING_BYTES))
}

impl EntriesMethod {
    /// The bytes that a matrix takes while it is merged.
    fn bytes(self, [rows, cols]: [usize; 2]) -> u64 {
        let place = match self {
            Self::Pcb(_) => PCB_BUFFERS * size_of::<f64>(),
            Self::Sce { .. } => SCE_ENTRY_BYTES,
        };
        (rows as u64) * (cols as u64) * (place + size_of::<f32>()) as u64
    }
}

/// The bytes that a weight takes while it is merged by Fisher information: two sums in 64 bits, and in 32 bits the information as
/// it is read, the update of a task as it is formed, and the merge.
pub(crate) fn fisher_bytes([rows, cols]: [usize; 2]) -> u64 {
    let entry = 2 * size_of::<f64>() + 5 * size_of::<f32>();
    (rows as u64) * (cols as u64) * entry as u64
}

/// Neighbours that may be worked on at the same time.
pub(crate) fn groups(needs: &[u64]) -> Vec<Range<usize>> {
    let mut groups: Vec<Range<usize>> = Vec::new();
    let mut taken = 0;
    for (index, need) in needs.iter().enumerate() {
        match groups.last_mut() {
            Some(group) if taken + need <= WORKING_BYTES => {
                group.end = index + 1;
                taken += need;
            }
            _ => {
                groups.push(index..index + 1);
                taken = *need;
            }
        }
    }
    groups
}

/// What is the same for all weights.
struct Steps<'a> {
    aligned: &'a Aligned,
    drop: Option<&'a EntryDrop>,
    thresholds: &'a Thresholds,
    weights: &'a [f64],
    method: EntriesMethod,
}

impl Steps<'_> {
    fn merge(&self, index: usize) -> Matrix {
        let matrix = &self.aligned.matrices[index];
        let [rows, cols] = matrix.entry_shape();
        let tasks: Vec<usize> = (0..self.weights.len()).filter(|task| self.weights[*task].abs() > 0.0).collect();
        let weights: Vec<f64> = tasks.iter().map(|task| self.weights[*task]).collect();
        if tasks.is_empty() || cols == 0 {
            return Matrix::zeros(rows, cols);
        }
        let exact = self.drop.is_none() && matches!(self.thresholds, Thresholds::None);
        let source = |factors| {
            let exact: Vec<_> = tasks.iter().map(|task| exact.then(|| ExactTask::of(matrix, *task))).collect();
            WeightEntries { steps: self, index, tasks: &tasks, exact, factors }
        };
        let merged = match self.method {
            EntriesMethod::Pcb(settings) => pcb(&source(None), &weights, settings),
            EntriesMethod::Sce { selected } => sce(&source(Some(&*weights)), selected),
        };
        Matrix::new(rows, cols, merged.into_iter().map(|entry| entry as f32).collect())
    }
}

/// The entries of one weight, of the tasks that take part.
struct WeightEntries<'a> {
    steps: &'a Steps<'a>,
    index: usize,
    tasks: &'a [usize],
    /// By task, what its entries are formed of without a drop and a trim.
    exact: Vec<Option<ExactTask<'a>>>,
    /// What entries are multiplied with, by task.
    factors: Option<&'a [f64]>,
}

impl Entries for WeightEntries<'_> {
    fn tasks(&self) -> usize {
        self.tasks.len()
    }

    fn count(&self) -> usize {
        self.matrix().entry_count()
    }

    /// Whole rows.
    fn piece(&self) -> usize {
        let [_, cols] = self.matrix().entry_shape();
        (PIECE / cols).max(1) * cols
    }

    fn read(&self, task: usize, start: usize, out: &mut [f64]) {
        let [_, cols] = self.matrix().entry_shape();
        let rows = start / cols..(start + out.len()) / cols;
        match &self.exact[task] {
            Some(exact) => exact.read(rows, cols, out),
            None => self.read_trimmed(self.tasks[task], rows, out),
        }
        if let Some(factors) = self.factors {
            out.iter_mut().for_each(|entry| *entry *= factors[task]);
        }
    }
}

impl WeightEntries<'_> {
    fn matrix(&self) -> &AlignedMatrix {
        &self.steps.aligned.matrices[self.index]
    }

    /// The entries after drop and trim.
    fn read_trimmed(&self, task: usize, rows: Range<usize>, out: &mut [f64]) {
        let Steps { aligned, drop, thresholds, .. } = self.steps;
        let mut scratch = Vec::new();
        let block = Block { matrix: self.index, rows };
        let Some(entries) = aligned.dropped(&block, task, *drop, &mut scratch) else { return out.fill(0.0) };
        let band = thresholds.of(self.index, task);
        let scale = f64::from(band.scale);
        let value = |entry: &f32| if band.keeps(*entry) { f64::from(*entry) * scale } else { 0.0 };
        out.iter_mut().zip(entries).for_each(|(out, entry)| *out = value(entry));
    }
}

/// What the entries of one task matrix are formed of, in the precision of the factors where these are known.
enum ExactTask<'a> {
    Zero,
    /// ΔWᵀ = at · bᵀ; the factors are held in `f64`.
    Product {
        b: Mat<f64>,
        at: Mat<f64>,
    },
    Whole(&'a Mat<f64>),
    Rounded(&'a Matrix),
}

impl<'a> ExactTask<'a> {
    fn of(matrix: &'a AlignedMatrix, task: usize) -> Self {
        if matrix.ranks[task] == 0 {
            return Self::Zero;
        }
        match (&matrix.form, &matrix.exact) {
            (_, Some(parts)) => Self::Whole(&parts[task]),
            (Form::Full(factors), None) => match &factors[task] {
                Some((b, a)) => Self::Product { b: b.to_f64(), at: a.transposed_to_f64() },
                None => Self::Zero,
            },
            (Form::Columns { parts, .. } | Form::Rows { parts, .. } | Form::Core { parts, .. }, None) => {
                Self::Rounded(&parts[task])
            }
        }
    }

    /// Writes some rows, one after the other.
    fn read(&self, rows: Range<usize>, cols: usize, out: &mut [f64]) {
        match self {
            Self::Zero => out.fill(0.0),
            Self::Product { b, at } => {
                // The transpose of the product lies by columns as the product lies by rows.
                let transposed = linalg::product(at.as_ref(), b.get(rows, ..).transpose());
                let columns = out.chunks_mut(cols).enumerate();
                columns.for_each(|(row, out)| out.copy_from_slice(transposed.col_as_slice(row)));
            }
            Self::Whole(part) => {
                for (row, out) in rows.zip(out.chunks_mut(cols)) {
                    out.iter_mut().zip(part.row(row).iter()).for_each(|(out, entry)| *out = *entry);
                }
            }
            Self::Rounded(part) => {
                out.iter_mut().zip(part.row_block(rows)).for_each(|(out, entry)| *out = f64::from(*entry));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Adapter, LoraModule, methods::Pcb};
    use jobs::Preset;

    #[test]
    fn weights_share_the_working_memory_and_one_that_is_too_large_is_alone() {
        let giga = WORKING_BYTES;
        assert_eq!(groups(&[giga / 2, giga / 4, giga / 4, 1, 3 * giga, 1]), [0..3, 3..4, 4..5, 5..6]);
        assert_eq!(groups(&[]), [0..0; 0]);
    }

    /// A weight of several pieces.
    #[test]
    fn entries_that_are_read_in_pieces_give_the_merge_of_all_of_them() {
        let number = |seed: usize| ((seed * 2_654_435_761) % 1009) as f32 / 1009.0 - 0.5;
        let factor = |rows, cols, task: usize| {
            Matrix::from_fn(rows, cols, |row, col| number(task * 7919 + row * 613 + col * 31 + rows))
        };
        let task = |task: usize| {
            let lora_b = factor(700, 2, task);
            let lora_a = factor(2, 600, task);
            let module = LoraModule { source: "m".to_owned(), lora_b, lora_a, scale: 1.0 };
            let modules = [("m".to_owned(), module)].into();
            Adapter { name: format!("task{task}"), modules, ..Adapter::default() }
        };
        let adapters = [task(1), task(2)];
        let whole: Vec<Vec<f64>> = adapters
            .iter()
            .map(|adapter| {
                let LoraModule { lora_b, lora_a, .. } = &adapter.modules["m"];
                let transposed = linalg::product(lora_a.transposed_to_f64().as_ref(), lora_b.to_f64().transpose());
                (0..700).flat_map(|row| transposed.col_as_slice(row).iter().copied()).collect()
            })
            .collect();
        let by_pcb = pcb(&whole, &[1.0; 2], Pcb { clamp_low: 0.01, clamp_high: 0.01, density: 0.05 });
        let by_sce = sce(&whole, 0.1);
        for (preset, expected) in [(Preset::Pcb, by_pcb), (Preset::Sce, by_sce)] {
            let recipe = preset.recipe();
            let update = Aligned::for_recipe(&adapters, &recipe).unwrap().merge(&recipe).unwrap();
            let found = update.modules["m"].to_dense().into_data();
            let off = found.iter().zip(&expected).filter(|(found, entry)| (f64::from(**found) - **entry).abs() > 1e-6);
            assert_eq!(off.count(), 0, "{preset}");
        }
    }

    #[test]
    fn what_a_merge_holds_follows_from_its_largest_weight() {
        let pcb = Preset::Pcb.recipe();
        let place = (PCB_BUFFERS * 8 + 4) as u64;
        assert_eq!(working_memory(&pcb, [[4096, 14336]; 3]), 4096 * 14336 * place);
        assert_eq!(working_memory(&pcb, [[768, 768]; 2]), 2 * 768 * 768 * place);
        assert_eq!(working_memory(&pcb, [[768, 768]; 4800]), WORKING_BYTES);
        assert_eq!(working_memory(&Preset::Ties.recipe(), [[4096, 4096]]), 0);
    }
}
