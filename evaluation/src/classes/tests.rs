use super::*;

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

fn rows(data: &[&str], head: &[&str]) -> Result<Vec<Option<usize>>, ClassError> {
    head_rows(&names(data), Some(&names(head)), head.len()).map(|found| found.rows)
}

fn at(places: &[usize]) -> Result<Vec<Option<usize>>, ClassError> {
    Ok(places.iter().copied().map(Some).collect())
}

#[test]
fn the_same_names_in_another_order_are_refused_with_both_orders() {
    assert_eq!(rows(&["zero", "one", "two"], &["zero", "one", "two"]), at(&[0, 1, 2]));
    let error = rows(&["zero", "one", "two"], &["one", "two", "zero"]).unwrap_err().to_string();
    assert_eq!(
        error,
        "the class names are in another order: the data set's labels count `zero`, `one`, `two`, the head's rows `one`, `two`, \
         `zero`; put the names into the order of the data set"
    );
}

#[test]
fn spelling_does_not_hide_another_order() {
    assert_eq!(rows(&["T-shirt", "ankle_boot"], &["t shirt", "Ankle  boot"]), at(&[0, 1]));
    assert!(matches!(rows(&["T-shirt", "ankle_boot"], &["ankle boot", "t-shirt"]), Err(ClassError::Order { .. })));
    // Letters of either case are classes of their own somewhere.
    assert_eq!(rows(&["A", "a"], &["A", "a"]), at(&[0, 1]));
    assert!(matches!(rows(&["A", "a"], &["a", "A"]), Err(ClassError::Order { .. })));
}

#[test]
fn other_words_for_classes_are_matched_by_place() {
    assert_eq!(rows(&["AnnualCrop", "Forest"], &["annual crop land", "forest"]), at(&[0, 1]));
    assert_eq!(rows(&["a", "b"], &["x", "y"]), at(&[0, 1]));
    let conflict = rows(&["Forest", "AnnualCrop"], &["annual crop land", "forest"]).unwrap_err().to_string();
    assert!(
        conflict
            .starts_with("the class names do not agree: `Forest` is label 0 of the data set and row 1 of the head;")
    );
    assert!(
        conflict.contains("`Forest`, `AnnualCrop`") && conflict.contains("`annual crop land`, `forest`"),
        "{conflict}"
    );
}

#[test]
fn a_class_that_one_side_lacks_shifts_no_other() {
    assert_eq!(rows(&["a", "c"], &["a", "b", "c"]), at(&[0, 2]));
    assert_eq!(rows(&["a", "b", "c"], &["a", "c"]), Ok(vec![Some(0), None, Some(1)]));
    assert!(matches!(rows(&["c", "a"], &["a", "b", "c"]), Err(ClassError::Order { .. })));
    let neither = rows(&["a", "b", "x"], &["a", "b", "c", "d"]).unwrap_err().to_string();
    assert!(neither.starts_with("the head has 4 classes, the data set has 3, and neither has all names of the other"));
    assert!(neither.ends_with("only the data set has `x`; only the head has `c`, `d`"), "{neither}");
}

#[test]
fn without_names_of_the_head_only_the_number_can_be_held_against_it() {
    assert_eq!(head_rows(&names(&["a", "b"]), None, 2).map(|found| found.rows), at(&[0, 1]));
    let error = head_rows(&names(&["a", "b"]), None, 3).unwrap_err().to_string();
    assert!(error.starts_with("the head has 3 classes, the data set has 2: `a`, `b`; "), "{error}");
}

#[test]
fn numbers_in_the_order_of_texts_need_a_head_that_names_its_rows() {
    let sorted = ["0", "1", "10", "11", "2"];
    let error = head_rows(&names(&sorted), None, 5).unwrap_err().to_string();
    assert!(
        error.starts_with("the classes of the data set are numbered and in the order of texts, `0`, `1`, `10`"),
        "{error}"
    );
    assert!(matches!(rows(&sorted, &["a", "b", "c", "d", "e"]), Err(ClassError::Numbers { .. })));
    assert_eq!(rows(&sorted, &sorted), at(&[0, 1, 2, 3, 4]));
    assert!(matches!(rows(&sorted, &["0", "1", "2", "10", "11"]), Err(ClassError::Order { .. })));
    for counted in [&["0", "1", "2"][..], &["00", "01", "10"], &["2", "10"], &["0", "one", "10", "2"]] {
        let found = head_rows(&names(counted), None, counted.len()).unwrap();
        assert_eq!(found.rows, (0..counted.len()).map(Some).collect::<Vec<_>>());
    }
}

#[test]
fn every_class_has_a_name_of_its_own() {
    assert_eq!(check_names(&names(&["a", "A"])), Ok(()));
    assert_eq!(check_names(&names(&["a", " "])).unwrap_err().to_string(), "class 1 has an empty name");
    let twice = check_names(&names(&["a", "b", "a"])).unwrap_err().to_string();
    assert_eq!(twice, "classes 0 and 2 are both called `a`");
}

#[test]
fn long_lists_are_not_shown_whole() {
    let many: Vec<String> = (0..40).map(|n| format!("c{n}")).collect();
    assert!(listed(&many).ends_with("`c29` and 10 more"));
}

#[test]
fn numbered_names_are_as_doubtful_as_numbers() {
    let is_doubtful =
        |data: &[&str]| matches!(head_rows(&names(data), None, data.len()), Err(ClassError::Numbers { .. }));
    assert!(is_doubtful(&["class 1 of", "class 10 of", "class 2 of"]));
    assert!(is_doubtful(&["c0", "c1", "c10", "c2"]));
    assert!(is_doubtful(&["1. rose", "10. tulip", "2. lily"]));
    assert!(is_doubtful(&["v1_c1", "v1_c10", "v1_c2"]));
    assert!(is_doubtful(&["digit 1 of 10", "digit 10 of 10", "digit 2 of 10"]));
    assert!(is_doubtful(&["x10y0", "x1y0", "x2y0"]));
    assert!(is_doubtful(&["-1", "-2", "0", "1"]));
    assert!(is_doubtful(&["0.5", "1.5", "10.5", "2.5"]));
    for plain in [
        &["c0", "c1", "c2"][..],
        &["c01", "c02", "c10"],
        &["a1", "b0"],
        &["one"],
        &["707-320", "DC-10", "DC-3"],
        &["v1_c1", "v1_c2", "v2_c0"],
        &["-1", "0", "1"],
        &["0.10", "0.25", "0.5"],
        &["a-1", "a-2"],
        // Not sorted: the order was given.
        &["c2", "c1", "c10"],
    ] {
        assert!(!is_doubtful(plain), "{plain:?}");
    }
}

#[test]
fn names_that_hold_those_of_the_other_side_are_compared_by_these() {
    let prompts = ["digit one", "digit two", "digit zero"];
    assert_eq!(rows(&["one", "two", "zero"], &prompts), at(&[0, 1, 2]));
    assert_eq!(rows(&prompts, &["one", "two", "zero"]), at(&[0, 1, 2]));
    assert!(matches!(rows(&["zero", "one", "two"], &prompts), Err(ClassError::Order { .. })));
    assert!(matches!(rows(&prompts, &["zero", "one", "two"]), Err(ClassError::Order { .. })));
    // Parts of words, and words of two names, say nothing.
    assert_eq!(by(&["cat", "dog"], &["dogma", "catalogue"]), Match::Place);
    assert_eq!(by(&["cat", "dog"], &["dog and cat", "cow"]), Match::Place);
}

#[test]
fn a_match_by_place_is_told_from_one_by_name() {
    assert_eq!(by(&["T-shirt", "bag"], &["t shirt", "Bag"]), Match::Names);
    assert_eq!(by(&["a", "b"], &["x", "y"]), Match::Place);
    assert_eq!(head_rows(&names(&["a", "b"]), None, 2).unwrap().by, Match::Unnamed);
}

fn by(data: &[&str], head: &[&str]) -> Match {
    head_rows(&names(data), Some(&names(head)), head.len()).unwrap().by
}
