//! A joint head and its map.

use super::{Check, base::Base, heads::HeadRows};
use crate::{CheckError, problems::Place};
use evaluation::JointMap;
use jobs::{Benchmark, HeadSpec, JointHeadSpec, Task};
use std::collections::BTreeMap;

/// The rows of a joint head that score each task.
pub(super) type JointRows = BTreeMap<String, HeadRows>;

impl Check<'_> {
    /// Checks the files of a joint head, and returns its rows.
    pub(super) fn joint_rows(&mut self, base: Option<&Base>) -> Option<JointRows> {
        let Benchmark::Joint { files: Some(JointHeadSpec { head, map }) } = &self.sweep.evaluation.benchmark else {
            return None;
        };
        let place = Place::key("evaluation.head");
        let read = self.head_file(&place, "joint", head);
        let shape = read.as_ref().map(|head| [head.classes(), head.width()]);
        let classes = shape.and_then(|shape| self.fits(&place, "joint", format!("`{head}`"), shape, (base, None)));
        let place = Place::key("evaluation.map");
        let files = self.look(&place, map, |inputs| inputs.list_file(map))?;
        let wrong = |source| CheckError::JointMap { source };
        let map = self.right(&place, &files, JointMap::read(files.path()).map_err(wrong))?;
        for (task, rows) in map.rows.iter().filter(|(task, _)| self.sweep.task(task).is_some()) {
            let checked = classes.map_or(Ok(()), |classes| evaluation::check_map(rows, classes));
            if let Err(source) = checked {
                self.problems.push(&place, None, &CheckError::JointTask { task: task.clone(), source });
            }
        }
        let names = match read {
            Some(head) => {
                let head = self.right(&place, &files, map.named(head, files.path()).map_err(wrong))?;
                head.names().map(<[String]>::to_vec)
            }
            None => map.classes.clone(),
        };
        let rows = map.rows.into_iter().map(|(task, rows)| {
            let names = names.as_ref().and_then(|names| rows.iter().map(|row| names.get(*row).cloned()).collect());
            (task, HeadRows { count: rows.len(), names })
        });
        Some(rows.collect())
    }

    /// The rows of the joint head that score a task.
    pub(super) fn joint_classes(&mut self, place: &Place, task: &Task, joint: Option<&JointRows>) -> Option<HeadRows> {
        if let Benchmark::Joint { files: None } = &self.sweep.evaluation.benchmark {
            return match &task.head {
                Some(HeadSpec::Prompts { classes, .. }) => Some(HeadRows::named(classes)),
                _ => None,
            };
        }
        let rows = joint?.get(&task.name);
        if rows.is_none() {
            self.problems.push(place, None, &CheckError::JointLacks { task: task.name.clone() });
        }
        rows.cloned()
    }
}
