//! A joint head and its map.

use super::{Check, base::Base, heads::Shape, problems::Place};
use crate::failure::Failure;
use jobs::{Benchmark, HeadSpec, JointHeadSpec, Task};
use std::collections::BTreeMap;

/// The joint class of each class, by task.
pub(super) type JointMap = BTreeMap<String, Vec<usize>>;

impl Check<'_> {
    /// Looks at the files of a joint head, and gives its map.
    pub(super) fn joint_map(&mut self, base: Option<&Base>) -> Option<JointMap> {
        let Benchmark::Joint { files: Some(JointHeadSpec { head, map }) } = &self.sweep.evaluation.benchmark else {
            return None;
        };
        let place = Place::key("evaluation.head");
        let shape = self.head_file(&place, "joint", head);
        let shape = shape.map(|shape| Shape { task: "joint", at: format!("`{head}`"), shape, text: None });
        let classes = shape.and_then(|shape| self.fits(&place, &shape, base));
        let place = Place::key("evaluation.map");
        let files = self.look(&place, map, |inputs| inputs.list_file(map))?;
        let read =
            worker::read_joint_map(files.path()).map_err(|source| Failure::JointMap { source: Box::new(source) });
        let map = self.right(&place, &files, read)?;
        for (task, rows) in map.iter().filter(|(task, _)| self.sweep.task(task).is_some()) {
            let checked = classes.map_or(Ok(()), |classes| evaluation::check_map(rows, classes));
            if let Err(source) = checked {
                self.problems.push(&place, None, &Failure::JointTask { task: task.clone(), source });
            }
        }
        Some(map)
    }

    /// How many classes the joint head has for a task.
    pub(super) fn joint_classes(&mut self, place: &Place, task: &Task, map: Option<&JointMap>) -> Option<usize> {
        if let Benchmark::Joint { files: None } = &self.sweep.evaluation.benchmark {
            return match &task.head {
                Some(HeadSpec::Prompts { classes, .. }) => Some(classes.len()),
                _ => None,
            };
        }
        let rows = map?.get(&task.name);
        if rows.is_none() {
            self.problems.push(place, None, &Failure::JointLacks { task: task.name.clone() });
        }
        rows.map(Vec::len)
    }
}
