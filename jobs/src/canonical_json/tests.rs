use super::*;
use proptest::prelude::*;
use serde_json::json;
use std::collections::BTreeMap;

/// The definition: a tree of values, sorted and written by `serde_json`.
fn by_a_tree(value: &impl Serialize) -> String {
    let mut tree = serde_json::to_value(value).expect("plain data with string keys");
    tree.sort_all_objects();
    tree.to_string()
}

fn trees() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".*".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 64, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((".{0,4}", inner), 0..6)
                .prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_tree_has_the_text_of_its_sorted_tree(tree in trees()) {
        prop_assert_eq!(canonical_json(&tree), by_a_tree(&tree));
    }

    #[test]
    fn a_number_has_the_text_that_it_has_in_a_tree(single in any::<f32>(), double in any::<f64>()) {
        prop_assert_eq!(canonical_json(&(single, double)), by_a_tree(&(single, double)));
    }
}

#[derive(Serialize)]
struct Unit;

#[derive(Serialize)]
struct Newtype(u8);

#[derive(Serialize)]
struct Pair(i8, char);

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Plain,
    Wrapping(Option<f32>),
    Tuple(u16, ()),
    Fields { z: bool, a: &'static str },
}

#[derive(Serialize)]
struct Rest {
    beta: u8,
    alpha: u8,
}

#[derive(Serialize)]
struct Everything {
    z: Unit,
    newtype: Newtype,
    pair: Pair,
    kinds: Vec<Kind>,
    #[serde(flatten)]
    rest: Rest,
    by_number: BTreeMap<i32, &'static str>,
    by_truth: BTreeMap<bool, ()>,
    empty: BTreeMap<String, u8>,
    nothing: Option<u8>,
}

#[test]
fn every_form_of_data_has_the_text_of_its_sorted_tree() {
    let everything = Everything {
        z: Unit,
        newtype: Newtype(7),
        pair: Pair(-1, '"'),
        kinds: vec![Kind::Plain, Kind::Wrapping(Some(0.1)), Kind::Tuple(3, ()), Kind::Fields { z: true, a: "é\n" }],
        rest: Rest { beta: 2, alpha: 1 },
        by_number: BTreeMap::from([(-2, "b"), (10, "a"), (9, "c")]),
        by_truth: BTreeMap::from([(true, ()), (false, ())]),
        empty: BTreeMap::new(),
        nothing: None,
    };
    assert_eq!(canonical_json(&everything), by_a_tree(&everything));
}

#[test]
fn keys_are_sorted_at_every_depth() {
    let value = json!({"b": {"z": 1, "a": [{"y": 0.1, "x": null}]}, "a": -0.0, "\u{e9}": 1, "\u{1f600}": 2, "~": 3});
    let text = r#"{"a":-0.0,"b":{"a":[{"x":null,"y":0.1}],"z":1},"~":3,"é":1,"😀":2}"#;
    assert_eq!(canonical_json(&value), text);
}

#[test]
fn of_two_entries_with_one_key_the_last_one_counts() {
    #[derive(Serialize)]
    struct Twice {
        alpha: u8,
        #[serde(flatten)]
        rest: Rest,
    }
    let twice = Twice { alpha: 9, rest: Rest { beta: 2, alpha: 1 } };
    assert_eq!(canonical_json(&twice), by_a_tree(&twice));
    assert_eq!(canonical_json(&twice), r#"{"alpha":1,"beta":2}"#);
}
