//! Whether a device answers as the processor does.

use crate::Failure;
use candle_core::Device;
use evaluation::{Delta, Head, ImageModel, Images, Module, Preprocess, Source, Watch, accuracy};
use jobs::{DataFiles, Precision, Rows};
use serde_json::json;
use std::{path::Path, sync::Arc};

const TASKS: [&str; 8] = ["mnist", "fashion_mnist", "optdigits", "letters", "scripts", "flags", "emoji", "icons"];

/// The most images of a task that may be right on one side and wrong on the other: of a merge in bf16, four were found on a processor.
const MOST: usize = 4;

/// The rank of the updates that are checked.
const RANK: usize = 16;

/// The models that are compared: the base, and updates of some modules, which are added on the device.
const UPDATED: [Updated; 3] = [
    Updated { name: "base", modules: &[] },
    // Between queries and values lie the keys, which keep their columns of the matrix that all three share.
    Updated { name: "queries and values", modules: &["q_proj", "v_proj"] },
    Updated { name: "all modules", modules: &[""] },
];

/// A model, by the parts of the names of the modules that are updated.
struct Updated {
    name: &'static str,
    modules: &'static [&'static str],
}

/// Compares the right answers on each task of mini8, of its base and with updates.
pub(crate) fn mini8(folder: &Path, device: &Device) -> Result<(), Failure> {
    for updated in &UPDATED {
        let exact = right(folder, updated, &Device::Cpu, Precision::F32)?;
        for precision in [Precision::F32, Precision::Bf16, Precision::F16] {
            let found = right(folder, updated, device, precision)?;
            let differs = |(a, b): (&Vec<bool>, &Vec<bool>)| a.iter().zip(b).filter(|(a, b)| a != b).count();
            let most = exact.iter().zip(&found).map(differs).max().unwrap_or(0);
            let is_same = most <= MOST;
            let name = precision.name();
            let model = updated.name;
            println!(
                "{}",
                json!({
                    "check": "mini8", "model": model, "precision": name, "most_differ": most, "is_same": is_same,
                })
            );
            if !is_same {
                let problem = format!("{most} images of a task have other answers, {MOST} may");
                return Err(format!("mini8, {model}, in {name}: {problem}").into());
            }
        }
    }
    Ok(())
}

fn right(folder: &Path, updated: &Updated, device: &Device, precision: Precision) -> Result<Vec<Vec<bool>>, Failure> {
    let base = ImageModel::open_in(&folder.join("base"), device, precision)?;
    let preprocess = Preprocess::read(&folder.join("base/preprocessor_config.json"))?;
    let model = patched(&base, updated)?;
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

/// The base with updates of made-up numbers, another one for each module.
fn patched(base: &ImageModel, updated: &Updated) -> Result<ImageModel, Failure> {
    let is_updated = |module: &Module| updated.modules.iter().any(|part| module.name.contains(part));
    let modules: Vec<Module> = base.modules().into_iter().filter(is_updated).collect();
    let number = |n: usize, seed: usize| 0.02 * ((n * 7 + seed * 31) as f32).sin();
    let numbers = |count: usize, seed: usize| (0..count).map(|n| number(n, seed)).collect::<Vec<f32>>();
    let factors = |(n, module): (usize, &Module)| {
        [numbers(module.outputs * RANK, 2 * n), numbers(module.inputs * RANK, 2 * n + 1)]
    };
    let factors: Vec<[Vec<f32>; 2]> = modules.iter().enumerate().map(factors).collect();
    let updates = modules.iter().zip(&factors).map(|(module, [b, a])| {
        let delta = Delta::LowRank { b, a, rank: RANK };
        (module.name.as_str(), delta)
    });
    Ok(base.patched(&base.deltas(updates)?, 0.7)?)
}
