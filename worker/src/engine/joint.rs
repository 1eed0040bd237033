use crate::JobError;
use evaluation::Head;
use jobs::HeadSpec;
use serde::Deserialize;
use std::{collections::BTreeMap, fs, path::Path};

/// One head over the labels of all tasks.
pub(super) struct JointHead {
    pub(super) head: Head,
    /// For each task, the head's row of each of its labels.
    map: BTreeMap<String, Vec<usize>>,
}

/// The prompts of a joint head that is built from the tasks' class names.
pub(super) struct JointPrompts {
    /// The prompts of each joint class.
    pub(super) prompts: Vec<Vec<String>>,
    /// For each task, the joint class of each of its labels.
    pub(super) map: BTreeMap<String, Vec<usize>>,
}

/// The part of a joint map file that is read; it may say more.
#[derive(Deserialize)]
struct MapFile {
    map: BTreeMap<String, Vec<usize>>,
}

impl JointHead {
    pub(super) fn new(head: Head, map: BTreeMap<String, Vec<usize>>) -> Self {
        Self { head, map }
    }

    /// The head's rows of the labels of `task`.
    pub(super) fn rows_of(&self, task: &str) -> Result<&[usize], JobError> {
        let missing = || JobError::Incomplete(format!("the joint head has no labels of `{task}`"));
        self.map.get(task).map(Vec::as_slice).ok_or_else(missing)
    }
}

/// Reads the map of a joint head from a JSON file: for each task the head's row of each of its labels.
///
/// # Errors
/// [`JobError::JointMap`].
pub fn read_map(path: &Path) -> Result<BTreeMap<String, Vec<usize>>, JobError> {
    let wrong = |source: std::io::Error| JobError::JointMap { path: path.to_owned(), source };
    let bytes = fs::read(path).map_err(wrong)?;
    let file: MapFile = serde_json::from_slice(&bytes).map_err(|error| wrong(error.into()))?;
    Ok(file.map)
}

/// Pools the classes of all tasks: a class name that several tasks share is one joint class, with the prompts of all.
pub(super) fn pool<'a>(heads: impl IntoIterator<Item = (&'a String, &'a HeadSpec)>) -> Result<JointPrompts, JobError> {
    let mut pooled = JointPrompts { prompts: Vec::new(), map: BTreeMap::new() };
    let mut rows: BTreeMap<&str, usize> = BTreeMap::new();
    for (task, head) in heads {
        let HeadSpec::Prompts { classes, templates } = head else {
            let text = format!("`{task}` has no class names and templates to build the joint head from");
            return Err(JobError::Incomplete(text));
        };
        for class in classes {
            let row = *rows.entry(class).or_insert(pooled.prompts.len());
            if row == pooled.prompts.len() {
                pooled.prompts.push(Vec::new());
            }
            pooled.prompts[row].extend(templates.iter().map(|template| template.replace("{}", class)));
            pooled.map.entry(task.clone()).or_default().push(row);
        }
    }
    Ok(pooled)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(classes: &[&str], templates: &[&str]) -> HeadSpec {
        let owned = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
        HeadSpec::Prompts { classes: owned(classes), templates: owned(templates) }
    }

    #[test]
    fn a_class_of_two_tasks_is_one_joint_class_with_the_prompts_of_both() {
        let heads = [
            ("mnist".to_owned(), head(&["zero", "one"], &["digit {}", "a {}"])),
            ("scan".to_owned(), head(&["one", "two"], &["scan of {}"])),
        ];
        let pooled = pool(heads.iter().map(|(task, head)| (task, head))).unwrap();
        assert_eq!(pooled.map["mnist"], [0, 1]);
        assert_eq!(pooled.map["scan"], [1, 2]);
        assert_eq!(pooled.prompts[1], ["digit one", "a one", "scan of one"]);
    }
}
