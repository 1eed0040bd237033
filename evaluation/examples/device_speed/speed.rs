//! How fast image towers and merges are.

use crate::{Failure, tower::Shape};
use candle_core::Device;
use evaluation::{Delta, Embedded, Head, ImageModel, Module, Watch, accuracy};
use jobs::Precision;
use serde_json::json;
use std::time::Instant;

/// Measured runs, after one to warm up. The median counts.
const RUNS: usize = 5;

/// The rank of a merge of eight adapters of rank 16.
const RANK: usize = 128;

/// Measures a tower in every precision and batch, with a scaling and a density step at the largest batch.
pub(crate) fn tower(shape: &Shape, device: &Device, peaks: Option<[f64; 2]>) -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    shape.write(folder.path())?;
    for precision in [Precision::F32, Precision::Bf16, Precision::F16] {
        let model = ImageModel::open_in(folder.path(), device, precision)?;
        let flops = model.config().feature_flops() as f64;
        let peak = peaks.map(|[full, half]| if precision == Precision::F32 { full } else { half });
        let head = Head::new(vec![0.5; 100 * model.config().projection], 100, model.config().projection)?;
        for count in shape.batches {
            let images = shape.images(*count, folder.path())?;
            let embedded = model.embed(&images, u64::MAX, &Watch::default())?;
            let seconds = median(|| evaluate(&model, &embedded, &head))?;
            let speed = *count as f64 / seconds;
            let share = peak.map(|peak| speed * flops / peak);
            println!(
                "{}",
                json!({
                    "tower": shape.name, "precision": precision.name(), "images": count, "images_per_second": speed,
                    "share_of_peak": share,
                })
            );
            if shape.batches.last() == Some(count) {
                merges(shape, precision, &model, &embedded, &head)?;
            }
        }
    }
    Ok(())
}

/// Measures a scaling and a density step over one batch of images.
fn merges(
    shape: &Shape,
    precision: Precision,
    model: &ImageModel,
    embedded: &Embedded,
    head: &Head,
) -> Result<(), Failure> {
    let modules: Vec<Module> = model.modules().into_iter().filter(|module| module.name.contains("self_attn")).collect();
    let width = model.config().vision.encoder.width;
    let factors = vec![1e-3; width * RANK];
    let updates = || {
        let delta = Delta::LowRank { b: &factors, a: &factors, rank: RANK };
        modules.iter().map(move |module| (module.name.as_str(), delta))
    };
    let deltas = model.deltas(updates())?;
    let scaling = median(|| evaluate(&model.patched(&deltas, 0.5)?, embedded, head))?;
    let density = median(|| evaluate(&model.patched(&model.deltas(updates())?, 0.5)?, embedded, head))?;
    let base = median(|| evaluate(model, embedded, head))?;
    println!(
        "{}",
        json!({
            "merge": shape.name, "precision": precision.name(), "images": embedded.len(),
            "scaling_ms": (scaling - base) * 1e3, "density_ms": (density - base) * 1e3, "transfers": format!("{:?}", model.transfers()),
        })
    );
    Ok(())
}

/// Makes features and answers; when it returns, the device has finished.
fn evaluate(model: &ImageModel, embedded: &Embedded, head: &Head) -> Result<(), Failure> {
    accuracy(&model.features(embedded, &Watch::default())?, head)?;
    Ok(())
}

fn median(run: impl Fn() -> Result<(), Failure>) -> Result<f64, Failure> {
    run()?;
    let mut seconds = Vec::with_capacity(RUNS);
    for _ in 0..RUNS {
        let start = Instant::now();
        run()?;
        seconds.push(start.elapsed().as_secs_f64());
    }
    seconds.sort_by(f64::total_cmp);
    Ok(seconds[RUNS / 2])
}
