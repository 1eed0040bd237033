//! Heads over the labels of all tasks.

use crate::Head;
use jobs::HeadSpec;
use serde::Deserialize;
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    error::Error,
    fs, io,
    path::{Path, PathBuf},
};

/// One head over the labels of all tasks.
#[derive(Debug, Clone)]
pub struct JointHead {
    /// The head.
    pub head: Head,
    /// For each task, the head's row of each of its labels.
    map: BTreeMap<String, Vec<usize>>,
}

/// The prompts of a joint head that is built from the tasks' class names.
#[derive(Debug, Clone)]
pub struct JointPrompts {
    /// The name of each joint class.
    pub names: Vec<String>,
    /// The prompts of each joint class.
    pub prompts: Vec<Vec<String>>,
    /// For each task, the joint class of each of its labels.
    pub map: BTreeMap<String, Vec<usize>>,
}

/// Why a joint head and the classes of tasks cannot be put together.
#[derive(Debug, thiserror::Error)]
pub enum JointError {
    /// The map of a joint head cannot be read, or does not fit the head.
    #[error("the joint map `{}` cannot be used", path.display())]
    Map {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: io::Error,
    },
    /// A task has no class names, of which a joint head could be built.
    #[error("`{task}` has no class names and templates to build the joint head from")]
    NoPrompts {
        /// The task.
        task: String,
    },
}

/// The part of a joint map file that is read; it may say more.
#[derive(Deserialize)]
struct MapFile {
    map: BTreeMap<String, Vec<usize>>,
    /// The names of the joint classes, if it is a list of texts.
    #[serde(default)]
    classes: Value,
}

impl JointHead {
    /// Puts a head and the rows of each task's labels together.
    pub fn new(head: Head, map: BTreeMap<String, Vec<usize>>) -> Self {
        Self { head, map }
    }

    /// Puts a head and the JSON file of its map together. Either may name the joint classes.
    ///
    /// # Errors
    /// [`JointError::Map`]: those of [`JointMap::read`] and [`JointMap::named`].
    pub fn read(head: Head, path: &Path) -> Result<Self, JointError> {
        let map = JointMap::read(path)?;
        Ok(Self::new(map.named(head, path)?, map.rows))
    }

    /// The head's rows of the labels of `task`, if the map has them.
    pub fn rows_of(&self, task: &str) -> Option<&[usize]> {
        self.map.get(task).map(Vec::as_slice)
    }
}

/// The map of a joint head, as its file says it.
#[derive(Debug, Clone)]
pub struct JointMap {
    /// For each task the head's row of each of its labels.
    pub rows: BTreeMap<String, Vec<usize>>,
    /// The names of the joint classes, if the file has them.
    pub classes: Option<Vec<String>>,
}

impl JointMap {
    /// Reads a map from a JSON file.
    ///
    /// # Errors
    /// [`JointError::Map`]: it cannot be read, or maps two labels of a task to one row.
    pub fn read(path: &Path) -> Result<Self, JointError> {
        let wrong = |source: io::Error| JointError::Map { path: path.to_owned(), source };
        let bytes = fs::read(path).map_err(wrong)?;
        let file: MapFile = serde_json::from_slice(&bytes).map_err(|error| wrong(error.into()))?;
        if let Some((task, row)) = file.map.iter().find_map(|(task, rows)| Some((task, repeated(rows)?))) {
            let problem = format!("it maps two labels of `{task}` to row {row} of the joint head");
            return Err(wrong(io::Error::new(io::ErrorKind::InvalidData, problem)));
        }
        Ok(Self { rows: file.map, classes: serde_json::from_value(file.classes).ok() })
    }

    /// The joint head with the names that the map, read from `path`, gives to its classes. Either may name them.
    ///
    /// # Errors
    /// [`JointError::Map`]: both name them, and differently; or the names of the map are no class names of the head.
    pub fn named(&self, head: Head, path: &Path) -> Result<Head, JointError> {
        let refused = |problem: String| JointError::Map {
            path: path.to_owned(),
            source: io::Error::new(io::ErrorKind::InvalidData, problem),
        };
        match (&self.classes, head.names()) {
            (None, _) => Ok(head),
            (Some(names), Some(of_head)) if names == of_head => Ok(head),
            (Some(_), Some(_)) => {
                Err(refused("its `classes` are not those in the metadata of the joint head".to_owned()))
            }
            (Some(names), None) => head.named(names).map_err(|error| {
                let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
                refused(format!("its `classes` cannot be used: {error}{cause}"))
            }),
        }
    }
}

/// The first row that comes twice.
fn repeated(rows: &[usize]) -> Option<usize> {
    let mut seen = BTreeSet::new();
    rows.iter().copied().find(|row| !seen.insert(*row))
}

impl JointPrompts {
    /// Pools the classes of all tasks: a class name that several tasks share is one joint class, with the prompts of
    /// all.
    ///
    /// # Errors
    /// [`JointError::NoPrompts`]: the head of a task is not made of class names.
    pub fn pool<'a>(heads: impl IntoIterator<Item = (&'a String, &'a HeadSpec)>) -> Result<Self, JointError> {
        let mut pooled = Self { names: Vec::new(), prompts: Vec::new(), map: BTreeMap::new() };
        let mut rows: BTreeMap<&str, usize> = BTreeMap::new();
        for (task, head) in heads {
            let HeadSpec::Prompts { classes, templates } = head else {
                return Err(JointError::NoPrompts { task: task.clone() });
            };
            for class in classes {
                let row = *rows.entry(class).or_insert(pooled.prompts.len());
                if row == pooled.prompts.len() {
                    pooled.names.push(class.clone());
                    pooled.prompts.push(Vec::new());
                }
                pooled.prompts[row].extend(templates.iter().map(|template| template.replace("{}", class)));
                pooled.map.entry(task.clone()).or_default().push(row);
            }
        }
        Ok(pooled)
    }
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
        let pooled = JointPrompts::pool(heads.iter().map(|(task, head)| (task, head))).unwrap();
        assert_eq!(pooled.map["mnist"], [0, 1]);
        assert_eq!(pooled.map["scan"], [1, 2]);
        assert_eq!(pooled.prompts[1], ["digit one", "a one", "scan of one"]);
    }

    fn read(head: Head, map: &str) -> Result<JointHead, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), map).unwrap();
        JointHead::read(head, file.path()).map_err(|error| error.source().unwrap().to_string())
    }

    #[test]
    fn a_map_may_name_the_joint_classes_and_agrees_with_the_head() {
        let head = || Head::new(vec![1.0; 4], 2, 2).unwrap();
        let names = ["a".to_owned(), "b".to_owned()];
        let unnamed = read(head(), r#"{"map": {"x": [1, 0]}, "classes": {"x": 2}}"#).unwrap();
        assert_eq!(
            (unnamed.head.names(), unnamed.rows_of("x").unwrap()),
            (None, &[1, 0][..]),
            "classes of another kind"
        );
        let named = r#"{"map": {"x": [0]}, "classes": ["a", "b"]}"#;
        assert_eq!(read(head(), named).unwrap().head.names().unwrap(), names);
        assert!(read(head().named(&names).unwrap(), named).is_ok());
        let other = ["b".to_owned(), "a".to_owned()];
        let refused = read(head().named(&other).unwrap(), named).map(|_| ()).unwrap_err();
        assert_eq!(refused, "its `classes` are not those in the metadata of the joint head");
        let short = read(head(), r#"{"map": {}, "classes": ["a"]}"#).map(|_| ()).unwrap_err();
        assert_eq!(short, "its `classes` cannot be used: the head has 2 rows, and 1 class names");
    }

    #[test]
    fn two_labels_of_a_task_are_not_one_joint_class() {
        let refused =
            read(Head::new(vec![1.0; 4], 2, 2).unwrap(), r#"{"map": {"x": [1, 1]}}"#).map(|_| ()).unwrap_err();
        assert_eq!(refused, "it maps two labels of `x` to row 1 of the joint head");
    }
}
