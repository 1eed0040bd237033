//! The way from a sweep file to the tokens and labels of the six language tasks of nli6, against the reference's.

use evaluation::{PairTokenizer, TextSource, Texts};
use inputs::Inputs;
use jobs::{DataSpec, Digest, InputRef, Sweep};
use safetensors::SafeTensors;
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

const TASKS: [&str; 6] = ["snli", "mnli", "sick", "qnli", "rte", "scitail"];

/// The reference's names of our splits.
const SPLITS: [(&str, &str); 2] = [("validation", "val"), ("test", "test")];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

fn testdata(path: &str) -> Vec<u8> {
    fs::read(root().join("testdata/nli6").join(path)).unwrap()
}

fn json(path: &str) -> Value {
    serde_json::from_slice(&testdata(path)).unwrap()
}

/// A sweep over all tasks, each by its convention.
fn sweep() -> Sweep {
    let task = |name: &str| {
        format!("  - {{name: {name}, adapter: adapters/{name}, data: {{source: data/{name}, convention: {name}}}}}\n")
    };
    let tasks: String = TASKS.iter().map(|name| task(name)).collect();
    let text = format!("name: nli6\nbase: base\ntasks:\n{tasks}evaluation: {{}}\nrecipe: {{preset: knots_ties}}\n");
    Sweep::from_yaml(&text, &root().join("examples/nli6"), &[]).unwrap()
}

fn data(task: &str) -> DataSpec {
    sweep().task(task).unwrap().data.clone().unwrap()
}

fn inputs() -> Inputs {
    Inputs::new(inputs::Settings { is_offline: true, ..inputs::Settings::default() })
}

fn tokenizer() -> PathBuf {
    root().join("examples/nli6/base/tokenizer.json")
}

fn texts(data: &DataSpec, split: &str) -> Texts {
    let spec = data.text.as_ref().unwrap();
    let located = inputs().data(data, split).unwrap();
    let tokenizer = PairTokenizer::open(&tokenizer(), spec.max_length).unwrap();
    let source = TextSource { files: &located.files, spec, label_column: &data.label_column, rows: &located.rows };
    Texts::read(&source, &tokenizer, None).unwrap()
}

#[test]
fn splits_hold_the_rows_of_the_reference_in_its_order() {
    for task in TASKS {
        let golden = json(&format!("splits/{task}.json"));
        for (split, name) in SPLITS {
            let data = data(task);
            let uncut = DataSpec { splits: BTreeMap::new(), ..data.clone() };
            let all = texts(&uncut, golden[name]["file"].as_str().unwrap());
            let rows: Vec<usize> = serde_json::from_value(golden[name]["rows"].clone()).unwrap();
            let got = texts(&data, split);
            assert_eq!(got.len(), rows.len(), "{task} {split}");
            for (text, row) in rows.into_iter().enumerate() {
                assert_eq!(got.ids(text), all.ids(row), "{task} {split}: text {text}");
                assert_eq!(got.labels()[text], all.labels()[row], "{task} {split}: text {text}");
            }
        }
    }
}

#[test]
fn texts_have_as_many_tokens_as_the_references() {
    let lengths = json("goldens/lengths.json");
    for task in TASKS {
        for (split, name) in SPLITS {
            let texts = texts(&data(task), split);
            let length = |text| texts.ids(text).len();
            let golden = &lengths[format!("{task}.{name}")];
            let min = (0..texts.len()).map(length).min();
            let max = (0..texts.len()).map(length).max();
            let found = [texts.len(), min.unwrap(), max.unwrap(), texts.tokens()];
            let wanted = ["n", "min", "max", "total"].map(|key| golden[key].as_u64().unwrap() as usize);
            assert_eq!(found, wanted, "{task} {split}");
            assert_eq!(texts.truncated(), 0);
            texts.check_vocabulary(&PairTokenizer::open(&tokenizer(), None).unwrap(), 1024).unwrap();
        }
    }
}

#[test]
fn the_first_texts_have_the_references_tokens_and_labels() {
    let bytes = testdata("goldens/logits_base_plus_snli_adapter.safetensors");
    let goldens = SafeTensors::deserialize(&bytes).unwrap();
    let numbers = |name: &str| -> Vec<u32> {
        let tensor = goldens.tensor(name).unwrap();
        tensor.data().chunks_exact(4).map(|number| u32::from_le_bytes(number.try_into().unwrap())).collect()
    };
    for task in ["snli", "mnli", "rte", "scitail"] {
        let texts = texts(&data(task), "test");
        let ids = numbers(&format!("{task}.input_ids"));
        let mask = numbers(&format!("{task}.attention_mask"));
        let labels = numbers(&format!("{task}.labels"));
        let width = ids.len() / labels.len();
        for (text, (ids, mask)) in ids.chunks(width).zip(mask.chunks(width)).enumerate() {
            let ids: Vec<u32> = ids.iter().zip(mask).filter(|(_, mask)| **mask == 1).map(|(id, _)| *id).collect();
            assert_eq!(texts.ids(text), ids, "{task}: text {text}");
        }
        assert_eq!(texts.labels()[..labels.len()], labels, "{task}");
    }
}

#[test]
fn what_is_made_of_texts_is_part_of_their_digest() {
    let digest = |data: &DataSpec| inputs().data(data, "validation").unwrap().digest;
    let changed = |change: fn(&mut DataSpec)| {
        let mut data = data("qnli");
        change(&mut data);
        digest(&data)
    };
    let digests: Vec<Digest> = vec![
        changed(|_| ()),
        changed(|data| data.text.as_mut().unwrap().columns.reverse()),
        changed(|data| data.text.as_mut().unwrap().labels.clear()),
        changed(|data| data.text.as_mut().unwrap().mask_classes.clear()),
        changed(|data| data.text.as_mut().unwrap().drop_labels = ["1".to_owned()].into()),
        changed(|data| data.text.as_mut().unwrap().max_length = None),
        changed(|data| data.label_column = "idx".to_owned()),
        changed(|data| data.splits.clear()),
    ];
    for (i, one) in digests.iter().enumerate() {
        assert!(digests[..i].iter().all(|other| other != one), "change {i} changes nothing");
    }
    let mut other_image_column = data("qnli");
    other_image_column.image_column = "image".to_owned();
    assert_eq!(digest(&other_image_column), digests[0], "nothing reads the column of images");
}

#[test]
fn a_frozen_sweep_names_the_adapters_as_heads_also_where_they_take_no_part() {
    let mut sweep = sweep();
    let root = root();
    // The adapters of mini8 stand for those of nli6: nothing is computed here.
    let at = |path: &str| InputRef::Path(root.join("examples/mini8").join(path));
    sweep.base = at("base");
    sweep.tasks.iter_mut().for_each(|task| {
        task.adapter = at("adapters/mnist").into();
        task.head = Some(jobs::HeadSpec::Adapter(at("adapters/mnist")));
    });
    sweep.evaluation.precision = jobs::PrecisionChoice::Bf16;
    let frozen = coordinator::freeze(sweep, &inputs()).unwrap();
    let job = frozen.job(frozen.meaning(jobs::Subject::Base, "test"));
    assert_eq!(job.spec().as_evaluation().unwrap().precision, jobs::Precision::Bf16);
    assert!(job.places.adapters.is_empty());
    assert_eq!(job.places.heads["qnli"], jobs::HeadSpec::Adapter(at("adapters/mnist")));
    let adapter = frozen.digests()["adapters.qnli"];
    assert!(job.spec().as_evaluation().unwrap().tasks.iter().all(|task| task.head == Some(adapter)));
    let stored = coordinator::Frozen::from_manifest(&frozen.manifest(BTreeMap::new())).unwrap();
    assert_eq!(stored.job(stored.meaning(jobs::Subject::Base, "test")).id(), job.id());
}
