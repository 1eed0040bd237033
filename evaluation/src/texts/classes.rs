use crate::{ClassError, Match, classes::head_rows};
use jobs::TextSpec;

/// The class names that a data set of texts states, and the numbers that its labels have by them.
///
/// A label is the number of its class in the head, so a name has to stand at the same place on both sides. Classes
/// whose rows are left out and classes that are masked need no name on the other side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextClasses {
    names: Vec<String>,
    /// The label of each name.
    labels: Vec<u32>,
    masked: Vec<u32>,
}

impl TextClasses {
    /// Of `names` in the order of the labels; `None` if the sweep file says what labels mean.
    pub(super) fn of(names: &[String], spec: &TextSpec) -> Option<Self> {
        if !spec.labels.is_empty() {
            return None;
        }
        let is_dropped = |label: u32, name: &String| {
            spec.drop_labels.contains(name) || spec.drop_labels.contains(&label.to_string())
        };
        let kept =
            (0..).zip(names).filter(|(label, name)| !spec.mask_classes.contains(label) && !is_dropped(*label, name));
        let (labels, names) = kept.map(|(label, name)| (label, name.clone())).unzip();
        Some(Self { names, labels, masked: spec.mask_classes.iter().copied().collect() })
    }

    /// The names of the classes that rows may have.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The labels of the named classes.
    pub fn labels(&self) -> &[u32] {
        &self.labels
    }

    /// How many rows of a head are not masked.
    pub fn rows_of(&self, head: usize) -> usize {
        head - self.masked.iter().filter(|class| (**class as usize) < head).count()
    }

    /// The names of those rows of a head that are not masked.
    pub fn unmasked(&self, head: &[String]) -> Vec<String> {
        let rows = (0..).zip(head).filter(|(row, _)| !self.masked.contains(row));
        rows.map(|(_, name)| name.clone()).collect()
    }

    /// Checks that the rows of a head have the names of the `labels` that occur, and returns how they are matched.
    ///
    /// # Errors
    /// Those of [`head_rows`](crate::head_rows); a name whose label is not its row, or that has none.
    pub fn check_head(&self, head: &[String], labels: impl IntoIterator<Item = u32>) -> Result<Match, ClassError> {
        let rows = (0..).zip(head).filter(|(row, _)| !self.masked.contains(row));
        let (rows, names): (Vec<u32>, Vec<String>) = rows.map(|(row, name)| (row, name.clone())).unzip();
        let found = head_rows(&self.names, Some(&names), names.len())?;
        for label in labels {
            let Some(place) = self.labels.iter().position(|known| *known == label) else { continue };
            let name = || self.names[place].clone();
            let data = || self.names.clone();
            let head = || head.to_vec();
            match found.rows[place].map(|row| rows[row]) {
                None => return Err(ClassError::Absent { name: name(), head: head() }),
                Some(row) if row != label => {
                    let place = label as usize;
                    let row = row as usize;
                    return Err(ClassError::Place { name: name(), place, row, data: data(), head: head() });
                }
                Some(_) => {}
            }
        }
        Ok(found.by)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    fn check(data: &[&str], head: &[&str], labels: &[u32], spec: &TextSpec) -> Result<Match, ClassError> {
        let classes = TextClasses::of(&names(data), spec).unwrap();
        classes.check_head(&names(head), labels.iter().copied())
    }

    fn spec() -> TextSpec {
        TextSpec {
            columns: vec!["text".to_owned()],
            labels: [].into(),
            drop_labels: [].into(),
            mask_classes: [].into(),
            max_length: None,
        }
    }

    #[test]
    fn names_in_another_order_are_refused_and_other_words_are_not() {
        let head = ["entailment", "neutral", "contradiction"];
        assert_eq!(check(&head, &head, &[0, 1, 2], &spec()), Ok(Match::Names));
        let turned = check(&["contradiction", "neutral", "entailment"], &head, &[0], &spec());
        assert!(matches!(turned, Err(ClassError::Order { .. })));
        assert_eq!(check(&["yes", "maybe", "no"], &head, &[0, 1, 2], &spec()), Ok(Match::Place));
    }

    #[test]
    fn a_label_is_the_row_of_its_name() {
        let head = ["entailment", "neutral", "contradiction"];
        assert_eq!(check(&["entailment", "contradiction"], &head, &[0], &spec()), Ok(Match::Names));
        let moved = check(&["entailment", "contradiction"], &head, &[0, 1], &spec()).unwrap_err().to_string();
        assert!(moved.contains("`contradiction` is label 1 of the data set and row 2 of the head"), "{moved}");
        let four = ["entailment", "neutral", "contradiction", "hidden"];
        assert_eq!(check(&four, &head, &[0, 1, 2], &spec()), Ok(Match::Names));
        assert!(matches!(check(&four, &head, &[3], &spec()), Err(ClassError::Absent { .. })));
    }

    #[test]
    fn classes_that_are_dropped_or_masked_need_no_name() {
        let head = ["entailment", "neutral", "contradiction"];
        let dropping = TextSpec { drop_labels: ["-".to_owned()].into(), ..spec() };
        assert_eq!(check(&["yes", "maybe", "no", "-"], &head, &[0, 1, 2], &dropping), Ok(Match::Place));
        let masking = TextSpec { mask_classes: [2].into(), ..spec() };
        assert_eq!(check(&["yes", "no"], &head, &[0, 1], &masking), Ok(Match::Place));
        assert_eq!(TextClasses::of(&names(&["yes", "no"]), &masking).unwrap().rows_of(3), 2);
        assert_eq!(TextClasses::of(&[], &TextSpec { labels: [("a".to_owned(), 0)].into(), ..spec() }), None);
    }
}
