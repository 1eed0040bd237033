//! The low-rank updates of several tasks on one module, side by side.

use crate::model::host::real::Real;
use std::ops::Range;

/// The factors of one adapted module: directions of all tasks, one after the other.
pub(super) struct Factors<T> {
    /// The place of the module among the adapted ones.
    pub(super) module: usize,
    /// Directions of all tasks together.
    pub(super) directions: usize,
    /// `[directions, inputs]`
    pub(super) a: Vec<T>,
    /// `[outputs, directions]`
    pub(super) b: Vec<T>,
}

/// An adapted module: its name, and which of its directions are whose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdaptedModule {
    /// Its name in the Hugging Face model.
    pub name: String,
    /// The directions of each task, in the order of the tasks; empty where a task's adapter leaves the module as it is.
    pub tasks: Vec<Range<usize>>,
}

impl AdaptedModule {
    /// Directions of all tasks together.
    pub fn directions(&self) -> usize {
        self.tasks.last().map_or(0, |last| last.end)
    }
}

/// One factor for each direction of each adapted module.
#[derive(Debug, Clone, PartialEq)]
pub struct Scales<T> {
    modules: Vec<Vec<T>>,
}

impl<T: Real> Scales<T> {
    /// Takes the numbers of every module, by its place among the adapted ones.
    pub(super) fn new(modules: Vec<Vec<T>>) -> Self {
        Self { modules }
    }

    pub(super) fn of(&self, module: usize) -> &[T] {
        &self.modules[module]
    }
}

/// The factors of one task on one module.
pub(super) struct TaskFactors<'a> {
    /// `[outputs, rank]`
    pub(super) b: &'a [f32],
    /// `[rank, inputs]`
    pub(super) a: &'a [f32],
    pub(super) rank: usize,
}

impl<T: Real> Factors<T> {
    /// Puts the factors of all tasks side by side.
    pub(super) fn stacked(
        module: usize,
        outputs: usize,
        tasks: &[Option<TaskFactors<'_>>],
    ) -> (Self, Vec<Range<usize>>) {
        let mut end = 0;
        let ranges: Vec<Range<usize>> = tasks
            .iter()
            .map(|task| {
                let start = end;
                end += task.as_ref().map_or(0, |task| task.rank);
                start..end
            })
            .collect();
        let wide = |x: &f32| T::of(f64::from(*x));
        let a = tasks.iter().flatten().flat_map(|task| task.a.iter().map(wide)).collect();
        let mut b = Vec::with_capacity(outputs * end);
        for row in 0..outputs {
            for task in tasks.iter().flatten() {
                b.extend(task.b[row * task.rank..(row + 1) * task.rank].iter().map(wide));
            }
        }
        (Self { module, directions: end, a, b }, ranges)
    }
}
