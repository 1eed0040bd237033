//! Whether a device answers as the processor does.

use crate::Failure;
use candle_core::Device;
use evaluation::{Head, ImageModel, Images, Preprocess, Source, Watch, accuracy};
use jobs::{DataFiles, Precision, Rows};
use serde_json::json;
use std::{path::Path, sync::Arc};

const TASKS: [&str; 8] = ["mnist", "fashion_mnist", "optdigits", "letters", "scripts", "flags", "emoji", "icons"];

/// The most images of a task that may have another answer than on the processor in f32.
const MOST: usize = 2;

/// Compares the right answers of the base model of mini8 on each task.
pub(crate) fn mini8(folder: &Path, device: &Device) -> Result<(), Failure> {
    let exact = right(folder, &Device::Cpu, Precision::F32)?;
    for precision in [Precision::F32, Precision::Bf16, Precision::F16] {
        let found = right(folder, device, precision)?;
        let differs = |(a, b): (&Vec<bool>, &Vec<bool>)| a.iter().zip(b).filter(|(a, b)| a != b).count();
        let most = exact.iter().zip(&found).map(differs).max().unwrap_or(0);
        let is_same = most <= MOST;
        println!(
            "{}",
            json!({"check": "mini8", "precision": precision.name(), "most_differ": most, "is_same": is_same})
        );
        if !is_same {
            let name = precision.name();
            return Err(format!("mini8 in {name}: {most} images of a task have other answers, {MOST} may").into());
        }
    }
    Ok(())
}

fn right(folder: &Path, device: &Device, precision: Precision) -> Result<Vec<Vec<bool>>, Failure> {
    let model = ImageModel::open_in(&folder.join("base"), device, precision)?;
    let preprocess = Preprocess::read(&folder.join("base/preprocessor_config.json"))?;
    let of_task = |task: &&str| {
        let file = folder.join(format!("data/{task}/validation-00000-of-00001.parquet"));
        let files = DataFiles::Parquet(vec![file]);
        let source = Source { files: &files, image_column: "image", label_column: "label", rows: &Rows::All };
        let images = Arc::new(Images::read(&source, &preprocess, None)?);
        let embedded = model.embed(&images, u64::MAX, &Watch::default())?;
        let head = Head::read(&folder.join(format!("heads/{task}.safetensors")))?;
        Ok(accuracy(&model.features(&embedded, &Watch::default())?, &head)?.right)
    };
    TASKS.iter().map(of_task).collect()
}
