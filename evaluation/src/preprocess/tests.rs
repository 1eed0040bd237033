use super::{
    keys::{IMAGES, PROCESSOR},
    *,
};
use crate::settings::table_cases::check_table;
use serde_json::{Value, json};
use std::collections::BTreeMap;

fn image(width: u32, height: u32) -> Rgb {
    let pixels = (0..3 * width * height).map(|n| (n % 251) as u8 + 1).collect();
    Rgb { width, height, pixels }
}

#[test]
fn the_shorter_edge_is_exact_and_the_longer_rounds_down() {
    let resize = Resize::ShortestEdge(7, Filter::Bicubic);
    let tall = resize.apply(image(3, 5));
    let wide = resize.apply(image(10, 3));
    assert_eq!((tall.width, tall.height), (7, 11));
    assert_eq!((wide.width, wide.height), (23, 7));
}

#[test]
fn a_crop_takes_the_middle_and_borders_in_black() {
    let cut = centre(image(3, 3), 1, 1);
    assert_eq!(cut.pixels, image(3, 3).pixels[12..15]);
    let bordered = centre(image(1, 1), 2, 4);
    assert_eq!((bordered.height, bordered.width), (2, 4));
    let lit: Vec<usize> = (0..8).filter(|n| bordered.pixels[3 * n] != 0).collect();
    assert_eq!(lit, [6], "one pixel, at row 1 of 2 and column 2 of 4");
}

fn write(folder: &Path, name: &str, file: &Value) {
    std::fs::write(folder.join(name), file.to_string()).unwrap();
}

fn of(files: &[(&str, &Value)]) -> Result<Preprocess, String> {
    let folder = tempfile::tempdir().unwrap();
    files.iter().for_each(|(name, file)| write(folder.path(), name, file));
    Preprocess::of(folder.path()).map_err(|error| jobs::error_chain(&error))
}

fn old(file: &Value) -> Result<Preprocess, String> {
    of(&[("preprocessor_config.json", file)])
}

fn new(file: &Value) -> Result<Preprocess, String> {
    of(&[("processor_config.json", file)])
}

fn refused(file: &Value) -> String {
    let message = old(file).unwrap_err();
    message.split_once("`: ").map_or(message.clone(), |(_, problem)| problem.to_owned())
}

#[test]
fn every_key_does_what_its_table_says() {
    let changed = BTreeMap::from([
        ("do_resize", json!({"do_resize": false})),
        ("size", json!({"size": {"shortest_edge": 336}})),
        ("resample", json!({"resample": 2})),
        ("do_center_crop", json!({"do_center_crop": false})),
        ("crop_size", json!({"crop_size": 336})),
        ("do_rescale", json!({"do_rescale": false})),
        ("rescale_factor", json!({"rescale_factor": 0.5})),
        ("do_normalize", json!({"do_normalize": false})),
        ("image_mean", json!({"image_mean": [0.5, 0.5, 0.25]})),
        ("image_std", json!({"image_std": 0.5})),
        ("image_processor_type", json!({"image_processor_type": "ViTImageProcessor"})),
        ("feature_extractor_type", json!({"feature_extractor_type": "ViTFeatureExtractor"})),
    ]);
    check_table(IMAGES, &json!({}), &changed, old);
    check_table(IMAGES, &json!({"image_processor_type": "CLIPImageProcessor"}), &changed, |images| {
        new(&json!({ "image_processor": images }))
    });
    let changed = BTreeMap::from([("image_processor", json!({"image_processor": {"do_resize": false}}))]);
    check_table(PROCESSOR, &json!({"image_processor": {"do_resize": true}}), &changed, new);
}

#[test]
fn the_new_file_alone_is_an_image_processor() {
    let images = json!({
        "image_processor_type": "CLIPImageProcessor", "size": {"shortest_edge": 32}, "crop_size": {"height": 32, "width": 32},
        "image_mean": [0.5, 0.5, 0.5], "data_format": "channels_first", "do_convert_rgb": true,
    });
    let processor = json!({ "image_processor": images, "processor_class": "CLIPProcessor" });
    assert_eq!(new(&processor), old(&images));
    assert_eq!(new(&processor).unwrap().crop, Some((32, 32)));
    let nothing = new(&json!({"processor_class": "CLIPProcessor"})).unwrap_err();
    assert!(nothing.contains("preprocessor_config.json`"), "{nothing}");
    let wrong = new(&json!({"image_processor": 3})).unwrap_err();
    assert!(wrong.ends_with("`image_processor` is `3`, expected the settings of an image processor"), "{wrong}");
}

#[test]
fn two_files_have_to_say_the_same() {
    let both = |old: &Value, new: &Value| of(&[("preprocessor_config.json", old), ("processor_config.json", new)]);
    let plain = json!({"size": 32, "crop_size": 32});
    let same = json!({"size": {"shortest_edge": 32}, "crop_size": [32, 32], "do_resize": true});
    assert_eq!(both(&plain, &json!({ "image_processor": same })), old(&plain));
    for silent in [json!({"processor_class": "CLIPProcessor"}), json!({"image_processor": {}})] {
        assert_eq!(both(&plain, &silent), old(&plain));
    }
    let refused =
        both(&plain, &json!({"image_processor": {"size": 32, "crop_size": 32, "image_mean": 0.5}})).unwrap_err();
    let expected = "processor_config.json`: `image_processor.image_mean` is `0.5`, expected `null` as in \
                    `preprocessor_config.json`: transformers 5 reads this file, transformers 4 that; remove one";
    assert!(refused.ends_with(expected), "{refused}");
}

#[test]
fn sizes_in_all_their_forms_are_read_or_refused() {
    let resize = |size: Value| old(&json!({ "size": size })).map(|preprocess| preprocess.resize.unwrap());
    let filter = Filter::Bicubic;
    assert_eq!(resize(json!(32)), Ok(Resize::ShortestEdge(32, filter)));
    assert_eq!(resize(json!({"shortest_edge": 32})), Ok(Resize::ShortestEdge(32, filter)));
    assert_eq!(resize(json!({"shortest_edge": 32, "longest_edge": null})), Ok(Resize::ShortestEdge(32, filter)));
    assert_eq!(resize(json!({"height": 32, "width": 48})), Ok(Resize::Exact(32, 48, filter)));
    assert_eq!(resize(json!([32, 48])), Ok(Resize::Exact(32, 48, filter)));
    assert_eq!(resize(Value::Null), Ok(Resize::ShortestEdge(224, filter)));
    for size in [
        json!({"shortest_edge": 0}),
        json!({"shortest_edge": 32, "longest_edge": 64}),
        json!({"longest_edge": 64}),
        json!({"max_height": 32, "max_width": 32}),
        json!({"height": 32}),
        json!({"height": 0, "width": 32}),
        json!(0),
        json!(-1),
        json!(32.5),
        json!(1u64 << 33),
        json!([32]),
        json!("32"),
    ] {
        assert!(resize(size.clone()).unwrap_err().contains("`size` is `"), "{size}");
    }
    let crop = |size: Value| old(&json!({ "crop_size": size })).map(|preprocess| preprocess.crop.unwrap());
    assert_eq!(crop(json!({"height": 32, "width": 48})), Ok((32, 48)));
    for size in [json!({"shortest_edge": 32}), json!({"height": 0, "width": 0}), json!(0)] {
        assert!(crop(size.clone()).unwrap_err().contains("`crop_size` is `"), "{size}");
    }
}

#[test]
fn values_that_make_no_sense_are_refused_by_key() {
    for (file, problem) in [
        (json!({"image_std": [0.5, 0.0, 0.5]}), "`image_std` is `0.0`, expected numbers other than 0"),
        (json!({"image_std": 0}), "`image_std` is `0.0`, expected numbers other than 0"),
        (json!({"image_mean": [0.5]}), "`image_mean` is `[0.5]`, expected three numbers, or one for all channels"),
        (json!({"rescale_factor": 0}), "`rescale_factor` is `0`, expected a finite number other than 0"),
        (json!({"rescale_factor": null}), "`rescale_factor` is `null`, expected a finite number other than 0"),
        (json!({"do_resize": null}), "`do_resize` is `null`, expected `true` or `false`"),
        (json!({"do_resize": 1}), "`do_resize` is `1`, expected `true` or `false`"),
        (json!({"resample": 4}), "`resample` is `4`, expected 1, 2 or 3"),
        (json!({"resample": null}), "`resample` is `null`, expected 1, 2 or 3"),
        (json!({"do_thumbnail": true}), "`do_thumbnail` is `true`, expected `false`: no such step is known"),
    ] {
        assert_eq!(refused(&file), problem);
    }
    assert_eq!(old(&json!({"do_thumbnail": false})), old(&json!({})));
}

#[test]
fn unknown_keys_are_noted() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "preprocessor_config.json", &json!({"wings": 2, "do_resize": true}));
    write(folder.path(), "processor_config.json", &json!({"image_processor": {"tail": "long"}, "fur": 1}));
    let notes = Preprocess::notes(folder.path()).unwrap();
    assert_eq!(notes.len(), 2);
    assert!(
        notes[0]
            .ends_with("preprocessor_config.json` has keys that are not known here and have no effect: `wings` (`2`)")
    );
    assert!(notes[1].ends_with("no effect: `fur` (`1`), `image_processor.tail` (`long`)"), "{}", notes[1]);
}
