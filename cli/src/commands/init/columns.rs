//! Which columns of a table are examples and labels, by their names and contents.

use evaluation::{ColumnContent, TableColumn};

/// Usual names of label columns, the most usual first.
const LABELS: [&str; 8] = ["label", "labels", "gold_label", "fine_label", "class", "target", "category", "y"];

/// Usual names of columns of images.
const IMAGES: [&str; 3] = ["image", "img", "picture"];

/// Usual names of pairs of texts.
const PAIRS: [[&str; 2]; 9] = [
    ["premise", "hypothesis"],
    ["sentence1", "sentence2"],
    ["sentence_A", "sentence_B"],
    ["text1", "text2"],
    ["text_a", "text_b"],
    ["question1", "question2"],
    ["question", "sentence"],
    ["question", "passage"],
    ["question", "context"],
];

/// Usual names of single texts.
const TEXTS: [&str; 9] = ["text", "sentence", "content", "review", "document", "tweet", "question", "comment", "input"];

/// The columns of a data set of images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ImageColumns {
    pub(super) image: String,
    pub(super) label: String,
}

/// The columns of a data set of texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TextColumns {
    /// One column, or two whose texts are pairs.
    pub(super) texts: Vec<String>,
    pub(super) label: String,
    /// Whether other columns would have done as well.
    pub(super) is_guess: bool,
}

/// What a table lacks, in words.
pub(super) type Lacking = &'static str;

pub(super) fn image_columns(columns: &[TableColumn]) -> Result<ImageColumns, Lacking> {
    let image = usual(columns, &IMAGES, ColumnContent::Images).ok_or("of images (a struct with `bytes`)")?;
    let label = usual(columns, &LABELS, ColumnContent::Integers).ok_or("of whole numbers for the labels")?;
    Ok(ImageColumns { image, label })
}

pub(super) fn text_columns(columns: &[TableColumn]) -> Result<TextColumns, Lacking> {
    let has = |name: &str| columns.iter().any(|column| column.name == name && column.content == ColumnContent::Texts);
    let pair = PAIRS.iter().find(|pair| pair.iter().all(|name| has(name))).map(|pair| pair.to_vec());
    let single = || TEXTS.iter().find(|name| has(name)).map(|name| vec![*name]);
    let others: Vec<&str> = columns
        .iter()
        .filter(|column| column.content == ColumnContent::Texts && !is_beside(&column.name))
        .map(|column| column.name.as_str())
        .collect();
    let known = pair.or_else(single);
    let is_guess = known.is_none() && others.len() > 1;
    let texts = match known {
        Some(texts) => texts,
        None => others.first().map(|first| vec![*first]).ok_or("of texts")?,
    };
    let rest: Vec<TableColumn> =
        columns.iter().filter(|column| !texts.contains(&column.name.as_str())).cloned().collect();
    let label = named(&rest, &LABELS, ColumnContent::Integers)
        .or_else(|| named(&rest, &LABELS, ColumnContent::Texts))
        .or_else(|| usual(&rest, &[], ColumnContent::Integers))
        .ok_or("for the labels (`label`, of whole numbers or texts)")?;
    Ok(TextColumns { texts: texts.into_iter().map(str::to_owned).collect(), label, is_guess })
}

/// Whether a column of texts stands beside the examples: an identifier, or a label in words.
fn is_beside(name: &str) -> bool {
    let lower = name.to_lowercase();
    LABELS.contains(&lower.as_str())
        || lower.contains("label")
        || lower == "id"
        || lower.ends_with("_id")
        || lower == "idx"
}

/// The column with this content: of a usual name if there is one, else the only one.
fn usual(columns: &[TableColumn], names: &[&str], content: ColumnContent) -> Option<String> {
    named(columns, names, content).or_else(|| {
        let mut fitting = columns.iter().filter(|column| column.content == content && !is_identifier(&column.name));
        let only = fitting.next().filter(|_| fitting.next().is_none());
        only.map(|column| column.name.clone())
    })
}

/// The column with this content and one of these names.
fn named(columns: &[TableColumn], names: &[&str], content: ColumnContent) -> Option<String> {
    let is_it = |name: &str| columns.iter().any(|column| column.name == name && column.content == content);
    names.iter().find(|name| is_it(name)).map(|name| (*name).to_owned())
}

fn is_identifier(name: &str) -> bool {
    ["id", "idx", "index", "__index_level_0__"].contains(&name.to_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use ColumnContent::{Images, Integers, Other, Texts};

    fn columns(columns: &[(&str, ColumnContent)]) -> Vec<TableColumn> {
        columns.iter().map(|(name, content)| TableColumn { name: (*name).to_owned(), content: *content }).collect()
    }

    #[test]
    fn images_and_labels_are_found_by_content_and_by_name() {
        let found = image_columns(&columns(&[("img", Images), ("coarse_label", Integers), ("fine_label", Integers)]));
        assert_eq!(found, Ok(ImageColumns { image: "img".into(), label: "fine_label".into() }));
        let found = image_columns(&columns(&[("scan", Images), ("species", Integers), ("note", Texts)]));
        assert_eq!(found, Ok(ImageColumns { image: "scan".into(), label: "species".into() }));
        assert!(image_columns(&columns(&[("image", Images), ("idx", Integers)])).unwrap_err().contains("labels"));
        assert!(image_columns(&columns(&[("text", Texts), ("label", Integers)])).unwrap_err().contains("images"));
    }

    #[test]
    fn pairs_go_before_single_texts_and_usual_names_before_others() {
        let of = |list: &[(&str, ColumnContent)]| text_columns(&columns(list));
        let pair = of(&[("idx", Integers), ("label", Integers), ("text1", Texts), ("text2", Texts)]).unwrap();
        assert_eq!((pair.texts, pair.is_guess), (vec!["text1".to_owned(), "text2".to_owned()], false));
        let single = of(&[("text", Texts), ("label", Texts), ("id", Texts)]).unwrap();
        assert_eq!((single.texts, single.label), (vec!["text".to_owned()], "label".to_owned()));
        let guess = of(&[("title", Texts), ("body", Texts), ("label", Integers)]).unwrap();
        assert_eq!((guess.texts, guess.is_guess), (vec!["title".to_owned()], true));
        let words = of(&[("text", Texts), ("label", Texts), ("year", Integers)]).unwrap();
        assert_eq!(words.label, "label", "a label in words goes before another number");
        assert!(of(&[("text", Texts), ("vector", Other)]).unwrap_err().contains("labels"));
        assert!(of(&[("label", Integers)]).unwrap_err().contains("of texts"));
    }
}
