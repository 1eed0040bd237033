//! The merge of another tool, with the names of the tasks here.

use super::{
    answers::Translation,
    comment::{comment, shell_word},
    from::Merge,
    recipe::SCHEMA,
    sweep::Baseline,
    yaml::{scalar, value},
};
use crate::{
    args,
    failure::{Failure, InitFailure},
};
use serde_json::{Map, Value, json};
use std::path::Path;

/// A translated merge whose tasks have their names.
pub(super) struct NamedMerge {
    tool: &'static str,
    /// The keys of the recipe, with weights.
    recipe: Map<String, Value>,
    remarks: Vec<String>,
    /// What the file says of inputs.
    pub(super) inputs: Translation,
}

impl NamedMerge {
    /// Names the tasks as `--adapter` does, or else as the file does.
    pub(super) fn of(merge: Merge, args: &args::Init, from: &Path) -> Result<Self, Failure> {
        let expected = merge.adapters.len();
        let given: Vec<&str> = args.adapters.iter().map(|text| text.split('=').next().unwrap_or(text)).collect();
        if !given.is_empty() && given.len() != expected {
            let found = given.len();
            return Err(InitFailure::OtherAdapters { path: from.to_owned(), expected, found }.into());
        }
        let own: Vec<&str> = merge.adapters.iter().map(|model| model.task.as_str()).collect();
        let tasks = if given.is_empty() { own } else { given };
        let mut recipe = merge.recipe;
        if !merge.weights.is_empty() {
            let weights: Map<String, Value> =
                tasks.iter().zip(&merge.weights).map(|(task, weight)| ((*task).to_owned(), json!(weight))).collect();
            recipe.insert("weights".to_owned(), weights.into());
        }
        let places: Option<Vec<String>> =
            merge.adapters.iter().map(|model| Some(format!("{}={}", model.task, model.place.as_ref()?))).collect();
        let inputs = Translation { base: merge.base, adapters: places.unwrap_or_default() };
        Ok(Self { tool: merge.tool, recipe, remarks: merge.remarks.all(), inputs })
    }

    pub(super) fn remarks(&self) -> &[String] {
        &self.remarks
    }

    /// The recipe as a row beside a search.
    pub(super) fn baseline(self) -> Baseline {
        Baseline { tool: self.tool, recipe: self.recipe, remarks: self.remarks }
    }

    /// A recipe file. Nothing is read of the inputs.
    pub(super) fn text(&self, args: &args::Init, from: &Path, out: &Path) -> String {
        let mut text = format!("# yaml-language-server: $schema={SCHEMA}\n");
        text.push_str(&comment("", &format!("A draft by `bowline init`, from `{}` of {}.", from.display(), self.tool)));
        self.remarks.iter().for_each(|remark| text.push_str(&comment("", &format!("{remark}."))));
        text.push_str("# Next:\n");
        text.push_str(&self.command(args, out));
        for (key, inner) in &self.recipe {
            text.push_str(&format!("{}: {}\n", scalar(key), value(inner)));
        }
        text
    }

    fn command(&self, args: &args::Init, out: &Path) -> String {
        let base = args.base.as_ref().or(self.inputs.base.as_ref()).map_or("BASE", String::as_str);
        let mut command = format!("#   bowline merge --base {} \\\n", shell_word(base));
        let adapters = if args.adapters.is_empty() { &self.inputs.adapters } else { &args.adapters };
        for adapter in adapters {
            command.push_str(&format!("#     --adapter {} \\\n", shell_word(adapter)));
        }
        if adapters.is_empty() {
            command.push_str("#     --adapter NAME=DIR … \\\n");
        }
        command.push_str(&format!("#     --recipe {} --out merged\n", shell_word(&out.to_string_lossy())));
        command
    }
}
