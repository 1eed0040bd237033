//! Whether a device answers texts as the reference does.

use crate::Failure;
use candle_core::{DType, Device, Tensor};
use evaluation::{DecoderModel, Delta, Texts, Watch};
use jobs::Precision;
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, HashMap},
    fs,
    path::Path,
};

const TASKS: [&str; 6] = ["snli", "mnli", "sick", "qnli", "rte", "scitail"];

/// The adapter of the goldens, with its head.
const ADAPTER: &str = "snli";

/// The largest difference of a logit in `f32`. Tests on a processor allow a tenth of it.
const LARGEST: f32 = 1e-3;

/// The most texts that may have another answer in 16 bits.
const MOST: usize = 4;

/// How the logits of a task differ from the reference's.
#[derive(Default)]
struct Differences {
    texts: usize,
    other_answers: usize,
    largest: f32,
}

/// Compares the logits of nli6 with an adapter, `goldens`, with those of a device.
pub(crate) fn nli6(folder: &Path, goldens: &Path, device: &Device) -> Result<(), Failure> {
    let golden = candle_core::safetensors::load(goldens, &Device::Cpu)?;
    let head = candle_core::safetensors::load(folder.join(format!("heads/{ADAPTER}.safetensors")), &Device::Cpu)?;
    let head = head.get("score.weight").ok_or("the head has no `score.weight`")?;
    for precision in [Precision::F32, Precision::Bf16, Precision::F16] {
        let base = DecoderModel::open_composed(&folder.join("base"), device, precision)?;
        let model = with_adapter(&base, &folder.join("adapters").join(ADAPTER))?;
        let mut found = Differences::default();
        for task in TASKS {
            found.add(&model, &golden, task, head)?;
        }
        let is_same = match precision {
            Precision::F32 => found.largest <= LARGEST && found.other_answers == 0,
            Precision::Bf16 | Precision::F16 => found.other_answers <= MOST,
        };
        let Differences { texts, other_answers, largest } = found;
        let name = precision.name();
        println!(
            "{}",
            json!({
                "check": "nli6", "precision": name, "texts": texts, "other_answers": other_answers,
                "largest_difference": largest, "is_same": is_same,
            })
        );
        if !is_same {
            let problem =
                format!("{other_answers} of {texts} texts have other answers, and a logit differs by {largest}");
            return Err(format!("nli6 in {name}: {problem}").into());
        }
        if texts == 0 {
            return Err(format!("`{}` has no texts of nli6", goldens.display()).into());
        }
    }
    Ok(())
}

impl Differences {
    fn add(
        &mut self,
        model: &DecoderModel,
        golden: &HashMap<String, Tensor>,
        task: &str,
        head: &Tensor,
    ) -> Result<(), Failure> {
        let rows = |name: &str| -> Result<Vec<Vec<i64>>, Failure> {
            let tensor = golden.get(&format!("{task}.{name}")).ok_or_else(|| format!("no `{task}.{name}`"))?;
            Ok(tensor.to_dtype(DType::I64)?.to_vec2()?)
        };
        if !golden.contains_key(&format!("{task}.input_ids")) {
            return Ok(());
        }
        let kept = |(ids, mask): (Vec<i64>, Vec<i64>)| {
            let kept = ids.iter().zip(&mask).filter(|(_, seen)| **seen == 1).map(|(id, _)| *id as u32);
            (kept.collect::<Vec<_>>(), 0)
        };
        let texts = Texts::new(rows("input_ids")?.into_iter().zip(rows("attention_mask")?).map(kept));
        let features = model.features(&texts, &Watch::default())?;
        let features = Tensor::from_slice(features.values()?, (texts.len(), features.width()), &Device::Cpu)?;
        let found = features.matmul(&head.to_dtype(DType::F32)?.t()?)?.to_vec2::<f32>()?;
        let expected = golden.get(&format!("{task}.logits_padded")).ok_or("no `logits_padded`")?;
        let expected = expected.to_dtype(DType::F32)?.to_vec2::<f32>()?;
        if found.len() != expected.len() || found.iter().zip(&expected).any(|(a, b)| a.len() != b.len()) {
            return Err(format!("`{task}`: the reference has another number of texts or classes").into());
        }
        if found.iter().flatten().any(|x| !x.is_finite()) {
            return Err(format!("`{task}`: a logit is no finite number").into());
        }
        for (found, expected) in found.iter().zip(&expected) {
            self.texts += 1;
            self.other_answers += usize::from(largest(found) != largest(expected));
            let apart = found.iter().zip(expected).map(|(a, b)| (a - b).abs());
            self.largest = apart.fold(self.largest, f32::max);
        }
        Ok(())
    }
}

fn largest(logits: &[f32]) -> Option<usize> {
    (0..logits.len()).max_by(|a, b| logits[*a].total_cmp(&logits[*b]))
}

fn with_adapter(base: &DecoderModel, folder: &Path) -> Result<DecoderModel, Failure> {
    let adapter = candle_core::safetensors::load(folder.join("adapter_model.safetensors"), &Device::Cpu)?;
    let config: Value = serde_json::from_str(&fs::read_to_string(folder.join("adapter_config.json"))?)?;
    let rank = config["r"].as_u64().ok_or("the adapter states no rank")? as usize;
    let mut pairs: BTreeMap<String, [Vec<f32>; 2]> = BTreeMap::new();
    for (key, tensor) in &adapter {
        let module = key.strip_prefix("base_model.model.").and_then(|key| key.split_once(".lora_"));
        let Some((module, part)) = module else { continue };
        let values = tensor.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?;
        pairs.entry(module.to_owned()).or_default()[usize::from(part.starts_with('B'))] = values;
    }
    let updates = pairs.iter().map(|(name, [a, b])| (name, Delta::LowRank { b, a, rank }));
    Ok(base.patched(&base.deltas(updates)?, 1.0)?)
}
