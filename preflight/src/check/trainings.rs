//! Whether the adapters that a sweep trains can be trained on its base: a job would say it only after everything is hashed and read.

use super::Check;
use crate::{CheckError, memory::training_memory, problems::Place};
use evaluation::{Configuration, TrainMemory};
use std::collections::BTreeMap;

impl Check<'_> {
    /// Checks targets and ranks of all trainings. Returns what each takes beside the model that is evaluated, by task.
    pub(super) fn trainings(
        &mut self,
        base: &dyn Configuration,
        threads: Option<usize>,
    ) -> BTreeMap<String, TrainMemory> {
        let mut found = training_memory(self.sweep, base, threads, &self.sizes);
        let mut fitting = BTreeMap::new();
        for (i, task) in self.sweep.tasks.iter().enumerate() {
            match found.remove(&task.name) {
                Some(Ok(memory)) => drop(fitting.insert(task.name.clone(), memory)),
                Some(Err(source)) => {
                    let failure = CheckError::Training { task: task.name.clone(), source };
                    self.problems.push(&Place::of_task(i, task).adapter(self.sweep), None, &failure);
                }
                None => {}
            }
        }
        fitting
    }
}
