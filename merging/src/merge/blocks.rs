use super::drop::EntryDrop;
use crate::{Aligned, align::AlignedMatrix};
use std::ops::Range;

/// Entries per block and task: eight tasks' blocks fit into a second-level cache.
const ENTRIES: usize = 1 << 15;

/// Some rows of the task matrices of one weight.
#[derive(Debug, Clone)]
pub(super) struct Block {
    pub(super) matrix: usize,
    pub(super) rows: Range<usize>,
}

/// The number of rows of a block of a matrix with `cols` columns.
pub(super) fn block_rows(cols: usize) -> usize {
    (ENTRIES / cols.max(1)).max(1)
}

impl Aligned {
    /// Every matrix with entries, cut into blocks.
    pub(super) fn blocks(&self) -> Vec<Block> {
        (0..self.matrices.len()).flat_map(|matrix| self.blocks_of(matrix)).collect()
    }

    /// One matrix, cut into blocks.
    pub(super) fn blocks_of(&self, matrix: usize) -> Vec<Block> {
        let [rows, cols] = self.matrices[matrix].entry_shape();
        if cols == 0 {
            return Vec::new();
        }
        let step = block_rows(cols);
        let block = |start: usize| Block { matrix, rows: start..(start + step).min(rows) };
        (0..rows).step_by(step).map(block).collect()
    }

    /// One task's entries in `block` after the drop; `None` means that they are zero.
    pub(super) fn dropped<'a>(
        &'a self,
        block: &Block,
        task: usize,
        drop: Option<&EntryDrop>,
        scratch: &'a mut Vec<f32>,
    ) -> Option<&'a [f32]> {
        let matrix: &AlignedMatrix = &self.matrices[block.matrix];
        let Some(drop) = drop else { return matrix.block(task, block.rows.clone(), scratch) };
        if !matrix.fill_block(task, block.rows.clone(), scratch) {
            return None;
        }
        drop.apply(self, block, task, scratch);
        Some(scratch)
    }
}
