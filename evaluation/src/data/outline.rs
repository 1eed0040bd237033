use crate::{ClassError, Match, classes::head_rows};
use std::collections::BTreeMap;

/// A split looked at from outside: the columns are there and of the right types, every row that is taken has a label.
/// No image was decoded and no text tokenised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataOutline {
    rows: u64,
    classes: Option<Vec<String>>,
    labels: BTreeMap<u32, u64>,
}

impl DataOutline {
    pub(crate) fn new(classes: Option<Vec<String>>, labels: BTreeMap<u32, u64>) -> Self {
        Self { rows: labels.values().sum(), classes, labels }
    }

    /// Of a split of which only headers were looked at.
    pub(crate) fn of_headers(classes: Option<Vec<String>>, rows: u64) -> Self {
        Self { rows, classes, labels: BTreeMap::new() }
    }

    /// Number of rows that are taken.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// The class names, in the order of the labels, if the data set states them.
    pub fn classes(&self) -> Option<&[String]> {
        self.classes.as_deref()
    }

    /// The labels that occur among the rows taken, each with the number of its rows. Of texts these are classes of the
    /// head.
    pub fn labels(&self) -> &BTreeMap<u32, u64> {
        &self.labels
    }

    /// The classes of which no row is taken.
    pub fn absent_classes(&self) -> Vec<&str> {
        let classes = (0..).zip(self.classes.iter().flatten());
        classes.filter(|(label, _)| !self.labels.contains_key(label)).map(|(_, name)| name.as_str()).collect()
    }

    /// Checks that a head with so many rows, of these names if it has any, scores the classes of a data set of images,
    /// and returns how they are matched; `None` where the data set does not name them.
    ///
    /// # Errors
    /// What [`accuracy`](crate::accuracy) would say of the classes.
    pub fn check_head(&self, names: Option<&[String]>, rows: usize) -> Result<Option<Match>, ClassError> {
        let Some(classes) = &self.classes else {
            let beyond = self.largest_label().filter(|label| usize::try_from(*label).is_ok_and(|label| label >= rows));
            return beyond.map_or(Ok(None), |label| Err(ClassError::Beyond { label, rows }));
        };
        let found = head_rows(classes, names, rows)?;
        let has_no_row = |label: &&u32| found.rows.get(**label as usize).is_some_and(Option::is_none);
        match self.labels.keys().find(has_no_row) {
            None => Ok(Some(found.by)),
            Some(&label) => {
                let name = classes[label as usize].clone();
                let head = names.unwrap_or_default().to_vec();
                Err(ClassError::Absent { name, head })
            }
        }
    }

    /// Checks that another split of the data set counts its classes in the same way, if both name them.
    ///
    /// # Errors
    /// The names or their order differ.
    pub fn check_same_classes(&self, other: &Self) -> Result<(), ClassError> {
        match (&self.classes, &other.classes) {
            (Some(one), Some(other)) if one != other => {
                Err(ClassError::Splits { one: one.clone(), other: other.clone() })
            }
            _ => Ok(()),
        }
    }

    /// The largest label that occurs: a head needs one row more than that.
    pub fn largest_label(&self) -> Option<u32> {
        self.labels.last_key_value().map(|(label, _)| *label)
    }
}
