//! Sweeps over texts.

use super::read;
use crate::{DataSpec, HeadSpec, InputRef, PrecisionChoice, ShuffleLike, Sweep, TextSpec};
use std::collections::{BTreeMap, BTreeSet};

const TEXTS: &str = r#"
name: texts
base: base
tasks:
  - name: scitail
    adapter: adapters/scitail
    data:
      source: hf://allenai/scitail/tsv_format
      text_columns: [premise, hypothesis]
      labels: {entails: 0, neutral: 1}
      drop_labels: [-1, unclear]
      mask_classes: [2]
      max_length: 2000
  - {name: reviews, adapter: adapters/reviews, data: {source: data/reviews, text_columns: [text]}, head: heads/reviews.safetensors}
evaluation: {precision: bf16}
recipe: {preset: knots_ties}
"#;

fn texts(overrides: &[&str]) -> Sweep {
    read(TEXTS, overrides).unwrap()
}

fn refused(overrides: &[&str]) -> String {
    read(TEXTS, overrides).unwrap_err().to_string()
}

fn convention(name: &str) -> DataSpec {
    let data = format!("tasks.scitail.data={{source: data/x, convention: {name}}}");
    texts(&[&data]).tasks.remove(0).data.unwrap()
}

fn owned<T: FromIterator<String>>(words: &[&str]) -> T {
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[test]
fn texts_are_named_by_their_columns() {
    let sweep = texts(&[]);
    let wanted = TextSpec {
        columns: owned(&["premise", "hypothesis"]),
        labels: BTreeMap::from([("entails".to_owned(), 0), ("neutral".to_owned(), 1)]),
        drop_labels: owned(&["-1", "unclear"]),
        mask_classes: BTreeSet::from([2]),
        max_length: Some(2000),
    };
    assert_eq!(sweep.tasks[0].text(), Some(&wanted));
    assert_eq!(sweep.tasks[1].text(), Some(&TextSpec { columns: owned(&["text"]), ..TextSpec::default() }));
    assert_eq!(sweep.evaluation.precision, PrecisionChoice::Bf16);
    let json = serde_json::to_string(&sweep).unwrap();
    assert_eq!(serde_json::from_str::<Sweep>(&json).unwrap(), sweep);
}

#[test]
fn raw_labels_are_numbers_or_texts() {
    let sweep = texts(&["tasks.reviews.data.labels={1: 0, 2: 1, good: 1}"]);
    let text = sweep.tasks[1].text().unwrap();
    assert_eq!(text.labels, BTreeMap::from([("1".to_owned(), 0), ("2".to_owned(), 1), ("good".to_owned(), 1)]));
}

#[test]
fn the_head_of_texts_is_their_adapters_unless_a_file_is_named() {
    let sweep = texts(&[]);
    assert_eq!(sweep.tasks[0].head, sweep.tasks[0].adapter.given().cloned().map(HeadSpec::Adapter));
    let file = InputRef::Path("/sweeps/heads/reviews.safetensors".into());
    assert_eq!(sweep.tasks[1].head, Some(HeadSpec::File(file)));
    let sweep = texts(&["tasks.reviews.head=adapter"]);
    assert_eq!(sweep.tasks[1].head, sweep.tasks[1].adapter.given().cloned().map(HeadSpec::Adapter));
}

#[test]
fn conventions_are_those_of_the_papers_code() {
    let text = |name| convention(name).text.unwrap();
    for (name, columns) in [
        ("snli", ["premise", "hypothesis"]),
        ("mnli", ["text1", "text2"]),
        ("sick", ["sentence_A", "sentence_B"]),
        ("qnli", ["text1", "text2"]),
        ("rte", ["text1", "text2"]),
        ("scitail", ["premise", "hypothesis"]),
    ] {
        assert_eq!(text(name).columns, columns, "{name}");
        assert_eq!(convention(name).label_column, "label");
    }
    assert_eq!(text("snli").drop_labels, owned(&["-1"]));
    for name in ["qnli", "rte"] {
        assert_eq!(text(name).labels, BTreeMap::from([("0".to_owned(), 0), ("1".to_owned(), 2)]), "{name}");
        assert_eq!(text(name).mask_classes, BTreeSet::from([1]), "{name}");
    }
    assert_eq!(text("scitail").labels, BTreeMap::from([("entails".to_owned(), 0), ("neutral".to_owned(), 1)]));
    assert_eq!((text("scitail").max_length, text("sick").max_length), (Some(1000), Some(2000)));
    let rule = |name, split| convention(name).splits.remove(split).unwrap();
    assert_eq!((rule("mnli", "validation").share, rule("mnli", "test").share), (Some([0.8, 1.0]), Some([0.0, 0.8])));
    assert_eq!(rule("mnli", "test").shuffle_seed, None);
    for (name, share) in [("qnli", 0.2), ("rte", 0.5)] {
        let validation = rule(name, "validation");
        let test = rule(name, "test");
        assert_eq!((validation.share, test.share), (Some([0.0, share]), Some([share, 1.0])), "{name}");
        assert_eq!((test.shuffle_seed, test.shuffle_like), (Some(42), Some(ShuffleLike::Datasets)), "{name}");
        assert_eq!(test.from.as_deref(), Some("validation"), "{name}");
    }
    assert!(convention("snli").splits.is_empty() && convention("sick").splits.is_empty());
}

#[test]
fn keys_beside_a_convention_replace_what_it_says() {
    let data = "tasks.scitail.data={source: x, convention: qnli, text_columns: [question, sentence], max_length: 64, splits: {}}";
    let data = texts(&[data]).tasks.remove(0).data.unwrap();
    let text = data.text.unwrap();
    assert_eq!((text.columns, text.max_length), (owned(&["question", "sentence"]), Some(64)));
    assert_eq!(text.mask_classes, BTreeSet::from([1]), "what is not replaced stays");
    assert!(data.splits.is_empty());
}

#[test]
fn what_texts_cannot_have_is_refused_by_name() {
    let data = "tasks[0].data";
    let cases = [
        (
            "convention=qnil",
            "convention` is `qnil`, which is none of `snli`, `mnli`, `sick`, `qnli`, `rte`, `scitail`; did you mean `qnli`?",
        ),
        ("text_columns=[a, b, c]", "text_columns` is [`a`, `b`, `c`]; one column is expected, or two different ones"),
        ("text_columns=[a, a]", "text_columns` is [`a`, `a`]; one column is expected, or two different ones"),
        ("text_columns=[]", "text_columns` is [``]; one column is expected, or two different ones"),
        ("text_columns=[label]", "text_columns` has `label`, which is the `label_column`"),
        ("mask_classes=[1]", "labels.neutral` is class 1, which `mask_classes` masks"),
        ("drop_labels=[neutral]", "labels.neutral` is also among `drop_labels`; a label has a class or is left out"),
        (
            "drop_labels=[0.5]",
            "drop_labels[0]` is the number 0.5; expected a text or a whole number; put it in quotes if it is meant as a text",
        ),
        ("max_length=0", "max_length` is 0; a text has at least one token"),
        ("image_column=image", "` has `image_column` beside texts; a data set has one or the other"),
        ("text_columns=null", "labels` is for texts only: it needs `text_columns` or a `convention`"),
    ];
    for (key, problem) in cases {
        let dot = if problem.starts_with('`') { "" } else { "." };
        assert_eq!(refused(&[&format!("tasks.scitail.data.{key}")]), format!("`{data}{dot}{problem}"), "{key}");
    }
    let unknown = refused(&["tasks.scitail.data.text_colums=[a]"]);
    assert_eq!(unknown, "unknown key `tasks[0].data.text_colums`; did you mean `text_columns`?");
    let negative = refused(&["tasks.scitail.data.labels.neutral=-1"]);
    assert_eq!(negative, "`tasks[0].data.labels.neutral` is the number -1; expected a whole number from 0 on");
}

#[test]
fn images_and_texts_do_not_mix() {
    let mixed = refused(&["tasks.reviews.data=data/images"]);
    assert_eq!(mixed, "`tasks[0].data` has texts, and `tasks[1].data` images; a sweep is over one of them");
    let joint = refused(&["evaluation={benchmark: joint}"]);
    assert_eq!(joint, "`evaluation.benchmark` is `joint`, which is for images; tasks with texts have `per_task`");
    let prompts = refused(&["tasks.scitail.classes=[a, b]", "tasks.scitail.templates=[\"{}\"]"]);
    assert_eq!(prompts, "`tasks[0]` has `classes` or `templates`, of which only heads for images are made");
    let image = |overrides: &[&str]| read(super::SMALL, overrides).unwrap_err().to_string();
    let head =
        "`tasks[0].head` is `adapter`, which only texts can have; images need a file, or `classes` and `templates`";
    assert_eq!(image(&["tasks.mnist.head=adapter"]), head);
    let unknown = read(TEXTS, &["evaluation.precision=f8"]).unwrap_err().to_string();
    assert_eq!(unknown, "`evaluation.precision` is `f8`; expected one of `auto`, `f32`, `bf16`, `f16`");
}
