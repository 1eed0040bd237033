//! An adapter that was trained here, as a PEFT folder.

use super::{
    OutputError,
    adapter::{Named, tensors},
    card::is_hub_id,
    folder::{write_file, write_whole},
};
use jobs::TrainSettings;
use serde_json::{Value, json};
use std::{collections::BTreeSet, fmt::Write, path::Path};

/// A trained adapter on its way to a folder.
#[derive(Debug, Clone)]
pub struct TrainedOutput<'a> {
    /// The factors of every module.
    pub modules: Vec<TrainedFactors<'a>>,
    /// The names of all linear layers of the base, adapted or not.
    pub linears: Vec<String>,
    /// The trained head of a classifier, `[classes, width]`.
    pub head: Option<&'a [f32]>,
    /// Classes of that head.
    pub classes: usize,
    /// How it was trained: rank, α, rsLoRA and dropout go into the configuration.
    pub settings: &'a TrainSettings,
    /// Whether the base reads texts: then the adapter is one of a sequence classifier.
    pub is_of_texts: bool,
    /// The base's hub id, or another name.
    pub base_model: Option<String>,
    /// The revision of that.
    pub revision: Option<String>,
    /// The task.
    pub task: String,
    /// Markdown below the settings in the card, such as accuracies.
    pub notes: String,
    /// How training went, as a JSON document.
    pub record: String,
}

/// The factors of one module.
#[derive(Debug, Clone, Copy)]
pub struct TrainedFactors<'a> {
    /// The base's name of it.
    pub name: &'a str,
    /// `[rank, inputs]`
    pub a: &'a [f32],
    /// `[outputs, rank]`
    pub b: &'a [f32],
}

/// The prefix of the image tower in the names of a `CLIPModel`. Its adapters are those of the tower alone, as the paper's are:
/// `PeftModel.from_pretrained(model.vision_model, folder)` loads them.
const IMAGE_TOWER: &str = "vision_model.";

/// Writes a trained adapter as a PEFT folder: configuration, weights, model card and `training.json`. All of it or nothing.
///
/// # Errors
/// A folder that is not empty, numbers that are not finite, anything the file system says.
pub fn write_trained(trained: &TrainedOutput<'_>, target: &Path) -> Result<(), OutputError> {
    let rank = trained.settings.rank;
    let mut named = Vec::with_capacity(2 * trained.modules.len() + 1);
    for TrainedFactors { name, a, b } in &trained.modules {
        if a.iter().chain(*b).any(|entry| !entry.is_finite()) {
            return Err(OutputError::Overflow { tensor: (*name).to_owned(), dtype: "F32".to_owned() });
        }
        let own = trained.own_name(name);
        let factor = |factor: &str, shape: [usize; 2], values| Named {
            name: format!("base_model.model.{own}.{factor}.weight"),
            shape: shape.to_vec(),
            values,
        };
        named.push(factor("lora_A", [rank, a.len() / rank.max(1)], a));
        named.push(factor("lora_B", [b.len() / rank.max(1), rank], b));
    }
    if let Some(head) = trained.head {
        let shape = vec![trained.classes, head.len() / trained.classes.max(1)];
        named.push(Named { name: "base_model.model.score.weight".to_owned(), shape, values: head });
    }
    write_whole(target, |folder| {
        let weights = folder.join("adapter_model.safetensors");
        write_file(&weights, &tensors(named, &weights)?)?;
        write_file(&folder.join("adapter_config.json"), trained.config().as_bytes())?;
        write_file(&folder.join("training.json"), trained.record.as_bytes())?;
        write_file(&folder.join("README.md"), trained.card().as_bytes())
    })
}

impl TrainedOutput<'_> {
    /// Whether all modules lie in the image tower.
    fn is_of_image_tower(&self) -> bool {
        self.modules.iter().all(|module| module.name.starts_with(IMAGE_TOWER))
    }

    /// What the adapted class calls a module of the base.
    fn own_name<'a>(&self, name: &'a str) -> &'a str {
        if self.is_of_image_tower() { name.strip_prefix(IMAGE_TOWER).unwrap_or(name) } else { name }
    }

    /// The last parts of the names, if PEFT finds nothing else by them; else the names in full.
    fn target_modules(&self) -> BTreeSet<&str> {
        let last = |name: &'_ str| name.rfind('.').map_or(0, |dot| dot + 1);
        let short: BTreeSet<&str> = self.modules.iter().map(|module| &module.name[last(module.name)..]).collect();
        let is_trained = |name: &str| self.modules.iter().any(|module| module.name == name);
        let is_in_class = |name: &&String| !self.is_of_image_tower() || name.starts_with(IMAGE_TOWER);
        let mut found = self.linears.iter().filter(is_in_class).filter(|name| short.contains(&name[last(name)..]));
        let has_short = self.is_of_texts || self.is_of_image_tower();
        if has_short && found.all(|name| is_trained(name)) {
            return short;
        }
        self.modules.iter().map(|module| self.own_name(module.name)).collect()
    }

    fn config(&self) -> String {
        let settings = self.settings;
        let targets = self.target_modules();
        let class = json!({
            "base_model_class": "CLIPVisionModel",
            "parent_library": "transformers.models.clip.modeling_clip",
        });
        let value = json!({
            "alpha_pattern": {},
            "auto_mapping": if self.is_of_image_tower() { class } else { Value::Null },
            "base_model_name_or_path": self.base_model,
            "bias": "none",
            "exclude_modules": Value::Null,
            "fan_in_fan_out": false,
            "inference_mode": true,
            "init_lora_weights": true,
            "layer_replication": Value::Null,
            "layers_pattern": Value::Null,
            "layers_to_transform": Value::Null,
            "lora_alpha": whole(settings.alpha),
            "lora_bias": false,
            "lora_dropout": settings.dropout,
            "modules_to_save": Value::Null,
            "peft_type": "LORA",
            "r": settings.rank,
            "rank_pattern": {},
            "revision": self.revision,
            "target_modules": targets,
            "task_type": if self.head.is_some() { json!("SEQ_CLS") } else { Value::Null },
            "use_dora": false,
            "use_rslora": settings.rslora,
        });
        format!("{value:#}\n")
    }

    fn card(&self) -> String {
        let mut text = String::from("---\n");
        if let Some(base) = self.base_model.as_deref().filter(|base| is_hub_id(base)) {
            let _ = writeln!(text, "base_model: {base}\nbase_model_relation: adapter");
        }
        let _ = writeln!(text, "library_name: peft\ntags:\n- bowline\n- lora\n---\n");
        let _ = writeln!(text, "# LoRA adapter for `{}`\n", self.task);
        if let Some(base) = &self.base_model {
            let _ = writeln!(text, "Base model: `{base}`\n");
        }
        let settings = serde_json::to_string_pretty(self.settings).expect("settings are plain data with string keys");
        let _ = writeln!(text, "Trained by Bowline:\n\n```json\n{settings}\n```");
        if !self.notes.is_empty() {
            let _ = writeln!(text, "\n{}", self.notes.trim_end());
        }
        text
    }
}

/// A number without a fraction as an integer, as PEFT writes α.
fn whole(number: f64) -> Value {
    let is_whole = number.fract().abs() < f64::EPSILON && number.abs() < 1e15;
    if is_whole { json!(number as i64) } else { json!(number) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check_output;
    use jobs::{TrainFamily, TrainLength};

    fn config(output: &TrainedOutput<'_>) -> Value {
        serde_json::from_str(&output.config()).unwrap()
    }

    fn output<'a>(name: &'a str, settings: &'a TrainSettings, head: Option<&'a [f32]>) -> TrainedOutput<'a> {
        TrainedOutput {
            modules: vec![TrainedFactors { name, a: &[1.0, 2.0, 3.0], b: &[4.0, 5.0] }],
            linears: vec![name.to_owned()],
            head,
            classes: 2,
            settings,
            is_of_texts: head.is_some(),
            base_model: None,
            revision: None,
            task: "rte".to_owned(),
            notes: "Accuracy: 1.".to_owned(),
            record: "{}".to_owned(),
        }
    }

    fn settings(family: TrainFamily) -> TrainSettings {
        TrainSettings { rank: 1, ..family.defaults(TrainLength::Steps(1)) }
    }

    #[test]
    fn a_folder_holds_what_peft_reads() {
        let settings = settings(TrainFamily::Texts);
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("adapter");
        let trained = output("model.layers.0.self_attn.q_proj", &settings, Some(&[1.0, 0.0, 0.0, 1.0]));
        write_trained(&trained, &target).unwrap();
        let bytes = std::fs::read(target.join("adapter_model.safetensors")).unwrap();
        let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        let shape = |name: &str| file.tensor(&format!("base_model.model.{name}.weight")).unwrap().shape().to_vec();
        assert_eq!(shape("model.layers.0.self_attn.q_proj.lora_A"), [1, 3]);
        assert_eq!(shape("model.layers.0.self_attn.q_proj.lora_B"), [2, 1]);
        assert_eq!(shape("score"), [2, 2]);
        let config = config(&trained);
        assert_eq!(config["task_type"], "SEQ_CLS");
        assert_eq!(config["target_modules"], json!(["q_proj"]));
        assert_eq!(config["lora_alpha"], json!(16));
        assert!(std::fs::read_to_string(target.join("README.md")).unwrap().contains("Accuracy: 1."));
        let again = write_trained(&trained, &target).unwrap_err().to_string();
        assert!(again.contains("exists and is not an empty folder"), "{again}");
    }

    #[test]
    fn an_image_adapter_is_one_of_the_tower_unless_a_module_lies_outside() {
        let settings = settings(TrainFamily::Images);
        let inside = output("vision_model.encoder.layers.0.mlp.fc1", &settings, None);
        assert_eq!(inside.own_name(inside.modules[0].name), "encoder.layers.0.mlp.fc1");
        assert_eq!(config(&inside)["target_modules"], json!(["fc1"]));
        let outside = output("visual_projection", &settings, None);
        assert_eq!(config(&outside)["target_modules"], json!(["visual_projection"]));
        assert!(config(&outside)["auto_mapping"].is_null());
    }

    #[test]
    fn targets_stand_in_full_where_their_last_parts_name_other_modules_too() {
        let settings = settings(TrainFamily::Texts);
        let mut trained = output("model.layers.0.self_attn.q_proj", &settings, Some(&[1.0, 0.0, 0.0, 1.0]));
        trained.linears.push("model.layers.1.self_attn.k_proj".to_owned());
        assert_eq!(config(&trained)["target_modules"], json!(["q_proj"]));
        trained.linears.push("model.layers.1.self_attn.q_proj".to_owned());
        assert_eq!(config(&trained)["target_modules"], json!(["model.layers.0.self_attn.q_proj"]));
    }

    #[test]
    fn a_place_where_no_folder_can_be_written_is_refused_beforehand() {
        let folder = tempfile::tempdir().unwrap();
        for unnamed in [".", "..", "a/..", "a/."] {
            let error = check_output(&folder.path().join(unnamed)).unwrap_err().to_string();
            assert!(error.contains("ends in no name"), "{unnamed}: {error}");
        }
        std::fs::write(folder.path().join("file"), "").unwrap();
        assert!(check_output(&folder.path().join("file/out")).is_err());
        check_output(&folder.path().join("new/out")).unwrap();
        assert_eq!(std::fs::read_dir(folder.path().join("new")).unwrap().count(), 0, "the probe leaves nothing");
    }

    #[test]
    fn numbers_that_are_not_finite_are_not_written() {
        let settings = settings(TrainFamily::Images);
        let mut trained = output("visual_projection", &settings, None);
        trained.modules[0].b = &[f32::NAN, 0.0];
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("adapter");
        assert!(write_trained(&trained, &target).is_err());
        assert!(!target.exists());
    }
}
