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
        assert_eq!(find_split(&there, "test", DataKind::Images).unwrap(), SplitFiles::Parquet(names(&wanted)));
    }
}

#[test]
fn files_of_every_writer_of_the_last_years_are_found() {
    for there in [
        // `push_to_hub` since 2023, and before that, when every file got a fingerprint of its own.
        vec!["data/test-00000-of-00002.parquet", "data/test-00001-of-00002.parquet"],
        vec!["data/test-00000-of-00002-3f1c9a7be0d24456.parquet", "data/test-00001-of-00002-c07d5512aa98e1f0.parquet"],
        vec!["data/test-00000-of-00001-3f1c9a7be0d24456.parquet"],
        // The hub's own conversion, in the folder of its configuration.
        vec!["test/0000.parquet", "test/0001.parquet"],
        // A configuration's folder of `push_to_hub`, pandas, Spark, and dask.
        vec!["test-00000-of-00001.parquet"],
        vec!["test.parquet"],
        vec!["test/part-00000-a1b2.c000.snappy.parquet", "test/part-00001-a1b2.c000.snappy.parquet"],
        vec!["test/part.0.parquet", "test/part.1.parquet"],
        // Numbers from 1 on.
        vec!["test-00001-of-00002.parquet", "test-00002-of-00002.parquet"],
        // Several files of one of Spark's partitions, and none of one without rows.
        vec![
            "test/part-00000-a1b2-c000.parquet",
            "test/part-00000-a1b2-c001.parquet",
            "test/part-00003-a1b2-c000.parquet",
        ],
        // Databricks, with the numbers of attempts; Ray; Arrow and polars.
        vec![
            "test/part-00000-tid-7-0a1b2c3d-0000-1111-2222-333344445555-105-1-c000.snappy.parquet",
            "test/part-00001-tid-7-0a1b2c3d-0000-1111-2222-333344445555-106-1-c000.snappy.parquet",
        ],
        vec!["test/7_000000_000000.parquet", "test/7_000001_000000.parquet"],
        vec!["test/part-0.parquet", "test/part-1.parquet"],
        vec!["test/00000000.parquet", "test/00000001.parquet"],
        vec!["test/a.parquet", "test/b.parquet"],
        vec!["test/cifar10.parquet", "test/mnist.parquet"],
        vec!["test/test.parquet"],
    ] {
        let mut names = names(&there);
        names.extend(["README.md".to_owned(), "train.parquet".to_owned(), "test/_SUCCESS".to_owned()]);
        for kind in [DataKind::Images, DataKind::Texts] {
            let found = find_split(&names, "test", kind).unwrap();
            assert_eq!(found, SplitFiles::Parquet(there.iter().map(|&name| name.to_owned()).collect()), "{there:?}");
        }
    }
}

#[test]
fn a_split_that_is_there_twice_is_refused_with_both() {
    let twice = |there: &[&str], kind| match find_split(&names(there), "test", kind) {
        Err(NoSplit::Twice { one, other }) => [one, other],
        found => panic!("{there:?}: {found:?}"),
    };
    for there in [
        ["test-00000-of-00001.parquet", "test-00000-of-00002.parquet"],
        ["data/test-00000-of-00001-3f1c.parquet", "data/test-00000-of-00001-c07d.parquet"],
        ["test-00000-of-00001.parquet", "test.parquet"],
        ["test-more.parquet", "test.parquet"],
        ["data/test-00000-of-00001.parquet", "test/0.parquet"],
        ["data/test.parquet", "test.parquet"],
        ["test/all.parquet", "test/part-00000-of-00001.parquet"],
        ["test/0000.parquet", "test/test.parquet"],
        ["test/0000.parquet", "test/more.parquet"],
        ["test/0000.parquet", "test/00000.parquet"],
        ["test/0000.parquet", "test/test-00000-of-00001.parquet"],
        ["test/a-00000-of-00001.parquet", "test/b-00000-of-00001.parquet"],
        ["test/part-00000-a1b2.c000.snappy.parquet", "test/part-00001-c3d4.c000.snappy.parquet"],
        [
            "test/part-00000-12345678-0000-1111-2222-333344445555-c000.parquet",
            "test/part-00001-87654321-0000-1111-2222-333344445555-c000.parquet",
        ],
        ["test-1.parquet", "test-old.parquet"],
        ["test-a.parquet", "test-old.parquet"],
        ["test/rows-v1.parquet", "test/rows-v2.parquet"],
    ] {
        assert_eq!(twice(&there, DataKind::Images), there);
        assert_eq!(twice(&there, DataKind::Texts), there);
    }
    for there in [
        ["test-00000-of-00001.jsonl", "test-00000-of-00002.jsonl"],
        ["test.jsonl", "test.jsonl.gz"],
        ["data/test.jsonl", "test.jsonl"],
        ["test.parquet", "test.jsonl"],
        ["test.json", "test.jsonl"],
    ] {
        assert_eq!(twice(&there, DataKind::Texts), there);
    }
    assert_eq!(twice(&["test.parquet", "test/cat/1.png"], DataKind::Images), ["test.parquet", "test/cat/1.png"]);
}

#[test]
fn a_split_is_not_taken_in_part() {
    let lacks = |there: &[&str]| match find_split(&names(there), "test", DataKind::Texts) {
        Err(NoSplit::Lacks(MissingFile(what))) => what,
        found => panic!("{there:?}: {found:?}"),
    };
    let of_two = "file `data/test-00001-of-00002…`; 1 of its 2 files are there";
    assert_eq!(lacks(&["data/test-00000-of-00002-3f1c9a7be0d24456.parquet"]), of_two);
    assert_eq!(lacks(&["test-00002-of-00002.parquet"]), "file `test-00001-of-00002…`; 1 of its 2 files are there");
    assert_eq!(lacks(&["test-00001-of-00003.jsonl"]), "file `test-00000-of-00003…`; 1 of its 3 files are there");
    let gap = lacks(&["test/0000.parquet", "test/0002.parquet"]);
    assert_eq!(gap, "file `test/0001.parquet`, and has some of higher numbers");
    for (there, lacking) in [
        (["test-0001.parquet", "test-0003.parquet"], "test-0002.parquet"),
        (["test/0.parquet", "test/2.parquet"], "test/1.parquet"),
        (["test/part.9.parquet", "test/part.1.parquet"], "test/part.2.parquet"),
        (["test/rows0.snappy.parquet", "test/rows2.snappy.parquet"], "test/rows1.snappy.parquet"),
        (["data/test-1.jsonl", "data/test-3.jsonl"], "data/test-2.jsonl"),
    ] {
        let lack = find_split(&names(&there), "test", DataKind::Texts).unwrap_err();
        let expected = format!("file `{lacking}`, and has some of higher numbers");
        assert_eq!(lack, NoSplit::Lacks(MissingFile(expected)));
    }
    for there in [["test/2019.parquet", "test/2021.parquet"], ["test/2019-01.parquet", "test/2019-03.parquet"]] {
        assert!(find_split(&names(&there), "test", DataKind::Texts).is_ok(), "numbers that do not count files");
    }
}

#[test]
fn rows_that_lie_too_deep_are_refused() {
    let deep = find_split(&names(&["test/0.parquet", "test/more/1.parquet"]), "test", DataKind::Images);
    assert!(matches!(deep, Err(NoSplit::Holds { entry, .. }) if entry == "test/more/1.parquet"));
    let deeper = find_split(&names(&["data/test/0.parquet", "data/test/more/"]), "test", DataKind::Images);
    assert!(matches!(deeper, Err(NoSplit::Holds { entry, .. }) if entry == "data/test/more/"));
    let beside = find_split(&names(&["test/cat/1.png", "test/2.png"]), "test", DataKind::Images);
    assert!(matches!(beside, Err(NoSplit::Holds { entry, .. }) if entry == "test/2.png"), "an image of no class");
}

#[test]
fn the_folder_that_has_the_split_is_named() {
    let there = names(&["default/test/0000.parquet", "default/train/0000.parquet", "other/train/0000.parquet"]);
    let Err(NoSplit::Among { within, .. }) = find_split(&there, "test", DataKind::Images) else { panic!() };
    assert_eq!(within, ["default"]);
}

#[test]
fn images_and_idx_files_are_splits_too() {
    let images = names(&["test/cat/2.PNG", "test/cat/1.jpg", "test/notes.txt", "train/cat/1.jpg"]);
    assert_eq!(find_split(&images, "test", DataKind::Images).unwrap().names(), ["test/cat/1.jpg", "test/cat/2.PNG"]);
    let idx = names(&["t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte", "train-images-idx3-ubyte"]);
    assert_eq!(find_split(&idx, "test", DataKind::Images).unwrap().names(), idx[..2]);
    assert!(find_split(&idx, "train", DataKind::Images).is_err(), "the labels are not there");
}

#[test]
fn idx_files_of_other_copies_are_read_too() {
    for (images, labels) in [
        ("t10k-images.idx3-ubyte", "t10k-labels.idx1-ubyte"),
        ("t10k-images.idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"),
        ("t10k-images-idx3-ubyte/t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte/t10k-labels-idx1-ubyte"),
    ] {
        let found = find_split(&names(&[images, labels]), "test", DataKind::Images).unwrap();
        assert_eq!(found, SplitFiles::Idx { images: images.to_owned(), labels: labels.to_owned() });
    }
}

#[test]
fn what_is_not_read_is_named_with_what_would_be() {
    use DataKind::{Images, Texts};
    for (entry, kind, why) in [
        ("data/test/cat/", Images, "name the folder `data` in the reference"),
        ("test/cat/1.webp", Images, "neither `.png`, `.jpg` nor `.jpeg`"),
        ("test/1.png", Images, "outside the folders of the classes"),
        ("TEST.parquet", Images, "call it `test.parquet`"),
        ("t10k-images-idx3-ubyte", Images, "but not its labels, `t10k-labels-idx1-ubyte[.gz]`"),
        ("t10k-labels.idx1-ubyte.gz", Images, "but not its images, `t10k-images-idx3-ubyte[.gz]`"),
        ("emnist-letters-test-images-idx3-ubyte.gz", Images, "`t10k-images-idx3-ubyte[.gz]` and `t10k-labels-idx1-"),
        ("test/part-0.jsonl", Texts, "JSON lines are called `test.jsonl`"),
        ("test.csv", Texts, "which is not read: tables are `.parquet`"),
        ("data/test.tsv", Texts, "which is not read: tables are `.parquet`"),
        ("test-1.jsonl.zst", Texts, "which is not read: tables are `.parquet`"),
        ("test.JSONL", Texts, "call it `test.jsonl`"),
    ] {
        let there = names(&["README.md", entry, "train.parquet"]);
        let refused = find_split(&there, "test", kind).unwrap_err();
        let NoSplit::Holds { entry: named, problem } = refused else { panic!("{entry}: {refused:?}") };
        assert_eq!(named, entry);
        assert!(problem.contains(why), "{entry}: {problem}");
        assert!(find_split(&there, "train", kind).is_ok(), "{entry} is no part of another split");
    }
}

#[test]
fn images_are_sorted_by_class_before_their_name() {
    let there = names(&["test/cat-a/1.png", "test/cat/2.png", "test/cat/1.png"]);
    let sorted = find_split(&there, "test", DataKind::Images).unwrap().names();
    assert_eq!(sorted, ["test/cat/1.png", "test/cat/2.png", "test/cat-a/1.png"]);
}

#[test]
fn what_is_no_image_in_a_class_is_refused_by_name() {
    for (entry, why) in [
        ("test/cat/2.webp", "neither `.png`, `.jpg` nor `.jpeg`"),
        ("test/cat/README", "neither `.png`, `.jpg` nor `.jpeg`"),
        ("test/dog/", "a class without images in any split"),
        ("test/cat/more/2.png", "not deeper"),
        ("test/cat/more/", "not deeper"),
    ] {
        let refused = find_split(&names(&["test/cat/1.png", entry]), "test", DataKind::Images).unwrap_err();
        let NoSplit::Holds { entry: named, problem } = refused else { panic!("{entry}: {refused:?}") };
        assert_eq!(named, entry);
        assert!(problem.contains(why), "{entry}: {problem}");
        assert!(
            find_split(&names(&["train/cat/1.png", entry]), "train", DataKind::Images).is_ok(),
            "{entry} is in another split"
        );
    }
}

#[test]
fn classes_are_those_of_all_splits_together() {
    let there =
        names(&["test/ant/1.png", "test/cat/1.png", "test/bee/", "train/bee/7.png", "train/cat/1.png", "x/yak/1.png"]);
    let found = find_split(&there, "test", DataKind::Images).unwrap();
    assert_eq!(found.names(), ["test/ant/1.png", "test/cat/1.png"]);
    assert_eq!(
        found.beside(),
        ["train/bee/7.png", "train/cat/1.png"],
        "a folder that shares no class is another data set"
    );
    assert_eq!(found.absent_classes(), ["bee"]);
    assert_eq!(find_split(&there, "train", DataKind::Images).unwrap().absent_classes(), ["ant"]);
    let chain = names(&["a/ant/1.png", "b/ant/1.png", "b/bee/1.png", "c/bee/1.png", "c/cat/1.png"]);
    assert_eq!(find_split(&chain, "a", DataKind::Images).unwrap().absent_classes(), ["bee", "cat"]);
    assert_eq!(find_split(&chain, "c", DataKind::Images).unwrap().absent_classes(), ["ant"]);
}

#[test]
fn lines_of_json_are_found_for_texts_and_only_for_them() {
    for (there, wanted) in [
        (vec!["validation.jsonl", "test.jsonl", "validation/metadata.jsonl"], vec!["validation.jsonl"]),
        (vec!["data/validation.jsonl"], vec!["data/validation.jsonl"]),
        (vec!["validation.jsonl.gz", "validation-stats.json"], vec!["validation.jsonl.gz"]),
        (
            vec!["validation-00001-of-00002.jsonl", "validation-00000-of-00002.jsonl"],
            vec!["validation-00000-of-00002.jsonl", "validation-00001-of-00002.jsonl"],
        ),
    ] {
        let found = find_split(&names(&there), "validation", DataKind::Texts).unwrap();
        assert_eq!(found, SplitFiles::Jsonl(names(&wanted)));
    }
    let source = names(&["data/test-00000-of-00001.parquet", "test.json"]);
    let found = find_split(&source, "test", DataKind::Texts).unwrap();
    assert_eq!(found.names(), source[..1], "parquet may have been made of it");
    let beside_images = names(&["test.jsonl", "test/cat/1.png"]);
    let found = find_split(&beside_images, "test", DataKind::Images).unwrap();
    assert!(matches!(found, SplitFiles::Images { .. }));
}

#[test]
fn json_of_another_name_is_told_what_it_should_be_called() {
    for name in ["test.json", "test.json.gz", "test.ndjson"] {
        let refused = find_split(&names(&[name]), "test", DataKind::Texts).unwrap_err();
        let NoSplit::Holds { entry, problem } = refused else { panic!("{name}: {refused:?}") };
        assert_eq!(entry, name);
        assert!(problem.contains("`.jsonl`"), "{problem}");
    }
}

#[test]
fn for_texts_other_splits_are_named() {
    let there = names(&["train.jsonl", "data/dev-00000-of-00001.parquet", "test/cat/1.png"]);
    let Err(NoSplit::Among { looked_for, splits, .. }) = find_split(&there, "test", DataKind::Texts) else { panic!() };
    assert_eq!(splits, ["dev", "train"]);
    assert_eq!(looked_for, "`[data/]test-*.parquet`, `test/*.parquet`, `[data/]test.jsonl[.gz]`");
}

#[test]
fn the_splits_that_are_there_are_named() {
    let there = names(&["data/train-00000-of-00001.parquet", "cars_test/a/1.png", "x-images-idx1-ubyte"]);
    let Err(NoSplit::Among { looked_for, splits, .. }) = find_split(&there, "test", DataKind::Images) else { panic!() };
    assert_eq!(splits, ["cars_test", "train"]);
    assert!(looked_for.contains("test-*.parquet") && looked_for.contains("t10k-images"), "{looked_for}");
}

#[test]
fn folders_of_configurations_are_named_where_no_split_lies_outside_them() {
    let there = names(&["default/train-00000-of-00001.parquet", "default/test-00000-of-00001.parquet", "README.md"]);
    assert_eq!(folders_with_splits(&there, DataKind::Images), ["default"]);
    let there = names(&["train.parquet", "default/test-00000-of-00001.parquet"]);
    assert!(folders_with_splits(&there, DataKind::Images).is_empty());
    let there = names(&["train.jsonl", "dev.jsonl"]);
    assert_eq!(splits(&there, DataKind::Texts), ["dev", "train"]);
    assert!(splits(&there, DataKind::Images).is_empty());
}
