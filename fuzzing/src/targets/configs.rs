//! Small settings beside a model.

use super::{examples, put};
use crate::{Format, Target};
use evaluation::{Images, Preprocess, Source, notes};
use jobs::{DataFiles, Rows, error_chain};
use std::path::Path;

pub(super) fn targets() -> Vec<Target> {
    vec![Target {
        name: "preprocessor-config",
        format: Format::Json,
        seeds: || {
            let newest = br#"{"image_processor":{"do_resize":true,"size":{"shortest_edge":16},"crop_size":12,"do_center_crop":true,
                "resample":2,"do_rescale":true,"rescale_factor":0.00392156862745098,"do_normalize":false}}"#;
            let size = br#"{"size":{"height":8,"width":8},"do_center_crop":false,"resample":3,"image_mean":[0.5,0.5,0.5],"image_std":[0.5,0.5,0.5]}"#;
            vec![examples::file("examples/mini8/base/preprocessor_config.json"), newest.to_vec(), size.to_vec()]
        },
        prepare: |folder| put(folder, "class/image.png", examples::file("evaluation/tests/data/images/wide.png")),
        read: |folder, input| {
            put(folder, "preprocessor_config.json", input);
            preprocessed(folder)
        },
        // The configuration, or the image that does not fit it.
        named: "`",
    }]
}

fn preprocessed(folder: &Path) -> Result<String, String> {
    let _ = notes(folder);
    let preprocess = Preprocess::of(folder).map_err(|error| error_chain(&error))?;
    let image = folder.join("class/image.png");
    let files = DataFiles::ImageFolder {
        folder: folder.to_owned(),
        classes: vec!["class".to_owned()],
        images: vec![("class".to_owned(), image)],
    };
    let source = Source { files: &files, image_column: "image", label_column: "label", rows: &Rows::All };
    let images = Images::read(&source, &preprocess, None).map_err(|error| error_chain(&error))?;
    let sum: u64 = images.pixels(0).iter().map(|level| u64::from(*level)).sum();
    Ok(format!("{preprocess:?} {sum}"))
}
