use super::*;

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn parquet_files_are_found_in_every_usual_place_and_in_order() {
    for (there, wanted) in [
        (vec!["data/test-00000-of-00001.parquet"], vec!["data/test-00000-of-00001.parquet"]),
        (vec!["test-00000-of-00001-a09b74b3.parquet"], vec!["test-00000-of-00001-a09b74b3.parquet"]),
        (vec!["test/0001.parquet", "test/0000.parquet"], vec!["test/0000.parquet", "test/0001.parquet"]),
        (vec!["test.parquet"], vec!["test.parquet"]),
        (
            vec!["test-00001-of-00002.parquet", "test-00000-of-00002.parquet"],
            vec!["test-00000-of-00002.parquet", "test-00001-of-00002.parquet"],
        ),
    ] {
        let mut there = names(&there);
        there.extend(names(&["README.md", "train-00000-of-00001.parquet", "test2-00000-of-00001.parquet"]));
        assert_eq!(find_split(&there, "test", DataKind::Pictures).unwrap(), SplitFiles::Parquet(names(&wanted)));
    }
}

#[test]
fn a_split_is_not_taken_twice_or_in_part() {
    let both = names(&["data/test-00000-of-00001.parquet", "test/0.parquet"]);
    assert_eq!(
        find_split(&both, "test", DataKind::Pictures).unwrap(),
        SplitFiles::Parquet(names(&["data/test-00000-of-00001.parquet"]))
    );
    let part = names(&["test-00000-of-00002.parquet"]);
    assert!(matches!(find_split(&part, "test", DataKind::Pictures), Err(NoSplit::Lacks(_))));
}

#[test]
fn pictures_and_idx_files_are_splits_too() {
    let pictures = names(&["test/cat/2.PNG", "test/cat/1.jpg", "test/notes.txt", "train/cat/1.jpg"]);
    assert_eq!(
        find_split(&pictures, "test", DataKind::Pictures).unwrap().names(),
        ["test/cat/1.jpg", "test/cat/2.PNG"]
    );
    let idx = names(&["t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte", "train-images-idx3-ubyte"]);
    assert_eq!(find_split(&idx, "test", DataKind::Pictures).unwrap().names(), idx[..2]);
    assert!(find_split(&idx, "train", DataKind::Pictures).is_err(), "the labels are not there");
}

#[test]
fn pictures_are_sorted_by_class_before_their_name() {
    let there = names(&["test/cat-a/1.png", "test/cat/2.png", "test/cat/1.png"]);
    let sorted = find_split(&there, "test", DataKind::Pictures).unwrap().names();
    assert_eq!(sorted, ["test/cat/1.png", "test/cat/2.png", "test/cat-a/1.png"]);
}

#[test]
fn what_is_no_picture_in_a_class_is_refused_by_name() {
    for (entry, why) in [
        ("test/cat/2.webp", "neither `.png`, `.jpg` nor `.jpeg`"),
        ("test/cat/README", "neither `.png`, `.jpg` nor `.jpeg`"),
        ("test/dog/", "a class without pictures"),
        ("test/cat/more/2.png", "not deeper"),
        ("test/cat/more/", "not deeper"),
    ] {
        let refused = find_split(&names(&["test/cat/1.png", entry]), "test", DataKind::Pictures).unwrap_err();
        let NoSplit::Holds { entry: named, problem } = refused else { panic!("{entry}: {refused:?}") };
        assert_eq!(named, entry);
        assert!(problem.contains(why), "{entry}: {problem}");
        assert!(
            find_split(&names(&["train/cat/1.png", entry]), "train", DataKind::Pictures).is_ok(),
            "{entry} is in another split"
        );
    }
}

#[test]
fn lines_of_json_are_found_for_texts_and_only_for_them() {
    for (there, wanted) in [
        (vec!["validation.jsonl", "test.jsonl", "validation/metadata.jsonl"], vec!["validation.jsonl"]),
        (vec!["data/validation.jsonl", "validation.jsonl"], vec!["data/validation.jsonl"]),
        (
            vec!["validation-00001-of-00002.jsonl", "validation-00000-of-00002.jsonl"],
            vec!["validation-00000-of-00002.jsonl", "validation-00001-of-00002.jsonl"],
        ),
    ] {
        let found = find_split(&names(&there), "validation", DataKind::Texts).unwrap();
        assert_eq!(found, SplitFiles::Jsonl(names(&wanted)));
    }
    let both = names(&["test.jsonl", "test.parquet"]);
    let found = find_split(&both, "test", DataKind::Texts).unwrap();
    assert_eq!(found, SplitFiles::Parquet(names(&["test.parquet"])), "parquet goes first");
    let part = names(&["test-00000-of-00002.jsonl"]);
    assert!(matches!(find_split(&part, "test", DataKind::Texts), Err(NoSplit::Lacks(_))));
    let beside_pictures = names(&["test.jsonl", "test/cat/1.png"]);
    let found = find_split(&beside_pictures, "test", DataKind::Pictures).unwrap();
    assert!(matches!(found, SplitFiles::Pictures { .. }));
}

#[test]
fn for_texts_other_splits_are_named() {
    let there = names(&["train.jsonl", "data/dev-00000-of-00001.parquet", "test/cat/1.png"]);
    let Err(NoSplit::Among { looked_for, splits }) = find_split(&there, "test", DataKind::Texts) else { panic!() };
    assert_eq!(splits, ["dev", "train"]);
    assert_eq!(looked_for, "`[data/]test-*.parquet`, `test/*.parquet`, `[data/]test.jsonl`");
}

#[test]
fn the_splits_that_are_there_are_named() {
    let there = names(&["data/train-00000-of-00001.parquet", "cars_test/a/1.png", "t10k-images-idx3-ubyte"]);
    let Err(NoSplit::Among { looked_for, splits }) = find_split(&there, "test", DataKind::Pictures) else { panic!() };
    assert_eq!(splits, ["cars_test", "train"]);
    assert!(looked_for.contains("test-*.parquet") && looked_for.contains("t10k-images"), "{looked_for}");
}
