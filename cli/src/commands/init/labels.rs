//! What the labels of texts mean, as far as the data say it.

use super::yaml::{list, scalar};
use std::collections::BTreeMap;

/// Different labels above which a column holds no classes.
pub(super) const MOST_LABELS: usize = 1_000;

/// The keys of a data set that say what its labels mean.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct LabelDraft {
    /// Lines of YAML.
    pub(super) keys: Vec<String>,
    /// What a person has to check.
    pub(super) caveat: Option<String>,
}

/// Drafts the meaning of labels as they stand in the data, each with the number of its rows, for a head of so many classes.
pub(super) fn draft_labels(raw: &BTreeMap<String, u64>, head_classes: Option<usize>) -> LabelDraft {
    let numbers: Option<Vec<i64>> = raw.keys().map(|label| label.parse().ok()).collect();
    match numbers {
        Some(numbers) => of_numbers(&numbers, head_classes),
        None => of_words(raw.keys().map(String::as_str).collect(), head_classes),
    }
}

/// Numbers are those of the classes; a negative one is a row without a label, as in SNLI.
fn of_numbers(numbers: &[i64], head_classes: Option<usize>) -> LabelDraft {
    let dropped: Vec<String> = numbers.iter().filter(|number| **number < 0).map(ToString::to_string).collect();
    let keys = if dropped.is_empty() { Vec::new() } else { vec![format!("drop_labels: [{}]", dropped.join(", "))] };
    let mut kept: Vec<i64> = numbers.iter().copied().filter(|number| *number >= 0).collect();
    kept.sort_unstable();
    let caveat = head_classes.filter(|classes| *classes != kept.len()).map(|classes| {
        format!(
            "its labels are {}, and its head has {classes} classes: labels are read as the numbers of classes; if they are not, \
             `labels: {{LABEL: CLASS}}` says which class a label is, and `mask_classes` which classes never occur",
            kept.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
        )
    });
    LabelDraft { keys, caveat }
}

/// Words have no order of their own. That of the alphabet is what scikit-learn and `class_encode_column` give them.
fn of_words(mut words: Vec<&str>, head_classes: Option<usize>) -> LabelDraft {
    words.sort_unstable();
    let mut pairs = Vec::with_capacity(words.len());
    for (class, word) in words.iter().enumerate() {
        pairs.push(format!("{}: {class}", scalar(word)));
    }
    let classes = head_classes.map(|classes| format!(" of the head's {classes}")).unwrap_or_default();
    let caveat = format!(
        "its labels are the words {}, and no file says which class{classes} each of them is: they are numbered in the order of the \
         alphabet; correct `labels` if the adapter was trained with another order",
        list(words.iter().copied())
    );
    LabelDraft { keys: vec![format!("labels: {{{}}}", pairs.join(", "))], caveat: Some(caveat) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(labels: &[&str], head: Option<usize>) -> LabelDraft {
        draft_labels(&labels.iter().map(|label| ((*label).to_owned(), 1)).collect(), head)
    }

    #[test]
    fn numbers_from_zero_on_need_no_words() {
        assert_eq!(draft(&["0", "1", "2"], Some(3)), LabelDraft::default());
        assert_eq!(draft(&["0", "1"], None), LabelDraft::default());
    }

    #[test]
    fn negative_numbers_are_rows_without_a_label() {
        assert_eq!(draft(&["-1", "0", "1"], Some(2)).keys, ["drop_labels: [-1]"]);
    }

    #[test]
    fn another_number_of_classes_than_the_head_has_is_told() {
        let caveat = draft(&["0", "1"], Some(3)).caveat.unwrap();
        assert!(caveat.contains("labels are 0, 1, and its head has 3 classes"), "{caveat}");
    }

    #[test]
    fn words_are_numbered_by_the_alphabet_and_that_is_told() {
        let draft = draft(&["neutral", "entails", "no"], Some(3));
        assert_eq!(draft.keys, [r#"labels: {entails: 0, neutral: 1, "no": 2}"#]);
        assert!(draft.caveat.unwrap().contains("no file says which class of the head's 3 each of them is"));
    }
}
