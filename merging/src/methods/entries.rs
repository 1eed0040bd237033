//! The entries of all tasks of one weight, read in pieces: a large weight is not in memory for all tasks at once.

use rayon::prelude::*;

/// The entries of every task, in one order.
///
/// Every entry has the same value whenever it is read.
pub(crate) trait Entries: Sync {
    /// The number of tasks.
    fn tasks(&self) -> usize;

    /// The number of entries of each task.
    fn count(&self) -> usize;

    /// The number of entries that are read together, at least 1.
    fn piece(&self) -> usize;

    /// Writes the entries of a task from `start` on into `out`; `start` is a multiple of a piece, and `out` a piece or the rest.
    fn read(&self, task: usize, start: usize, out: &mut [f64]);

    /// Writes all entries of a task into `out`.
    fn read_all(&self, task: usize, out: &mut [f64]) {
        let piece = self.piece();
        out.par_chunks_mut(piece).enumerate().for_each(|(index, out)| self.read(task, index * piece, out));
    }

    /// Calls `visit` with the entries of all tasks side by side, piece after piece in order: the first place, then the entries
    /// by task.
    fn side_by_side(&self, mut visit: impl FnMut(usize, &[Vec<f64>])) {
        let piece = self.piece();
        let mut tasks = vec![Vec::new(); self.tasks()];
        for start in (0..self.count()).step_by(piece) {
            let size = piece.min(self.count() - start);
            tasks.par_iter_mut().enumerate().for_each(|(task, entries)| {
                entries.resize(size, 0.0);
                self.read(task, start, entries);
            });
            visit(start, &tasks);
        }
    }
}

#[cfg(test)]
impl Entries for Vec<Vec<f64>> {
    fn tasks(&self) -> usize {
        self.len()
    }

    fn count(&self) -> usize {
        self.first().map_or(0, |task| task.len())
    }

    fn piece(&self) -> usize {
        // Small and odd, so that tests meet the borders of pieces.
        7
    }

    fn read(&self, task: usize, start: usize, out: &mut [f64]) {
        out.copy_from_slice(&self[task][start..start + out.len()]);
    }
}
