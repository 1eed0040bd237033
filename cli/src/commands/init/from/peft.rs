//! Calls of PEFT's `add_weighted_adapter` (0.21), as `docs/methods.md` compares them with our recipes.

use super::{
    Merge, Model, Refused, Remarks, python,
    values::{names, number, rounded, shown},
};
use serde_json::{Map, Value};

/// The arguments of the call, in their order.
const ARGUMENTS: [&str; 10] = [
    "adapters",
    "weights",
    "adapter_name",
    "combination_type",
    "svd_rank",
    "svd_clamp",
    "svd_full_matrices",
    "svd_driver",
    "density",
    "majority_sign_method",
];

/// Translates the only call in a Python file, if its arguments are plain values.
pub(super) fn of_python(text: &str) -> Result<Merge, Refused> {
    let arguments = python::arguments(text, "add_weighted_adapter", &ARGUMENTS)?;
    translate(&arguments)
}

/// Translates the arguments of a call.
pub(super) fn translate(arguments: &Map<String, Value>) -> Result<Merge, Refused> {
    if let Some(unknown) = arguments.keys().find(|name| !ARGUMENTS.contains(&name.as_str())) {
        return Err(format!(
            "has the argument `{unknown}`, which `add_weighted_adapter` does not have: {}",
            names(ARGUMENTS)
        ));
    }
    let tasks = texts(arguments, "adapters")?;
    let weights = weights(arguments, tasks.len())?;
    let word = match arguments.get("combination_type") {
        None | Some(Value::Null) => "svd",
        Some(value) => value.as_str().ok_or("has a `combination_type` that is no text")?,
    };
    let kind = Kind::named(word)?;
    let mut call = Call { arguments, weights, recipe: Map::new(), remarks: Remarks::default() };
    call.fill(kind)?;
    if kind.is_truncated {
        call.truncate()?;
    }
    if !kind.is_exact {
        call.remarks.left_out.push(format!(
            "`combination_type: {word}` merges the factors A and B apart, which adds terms of two adapters at once and has no counterpart \
             here; the recipe merges the updates B·A themselves, as PEFT's `{}` does",
            kind.exact_name
        ));
    }
    let models = tasks.into_iter().map(|task| Model { task, place: None }).collect();
    Ok(Merge {
        tool: "PEFT",
        base: None,
        adapters: models,
        recipe: call.recipe,
        weights: call.weights,
        remarks: call.remarks,
    })
}

/// A type of combination.
#[derive(Debug, Clone, Copy)]
struct Kind {
    steps: Steps,
    /// Whether the updates are merged, and not their factors.
    is_exact: bool,
    /// Whether the merge is cut to a rank.
    is_truncated: bool,
    /// The type that merges updates in the same way.
    exact_name: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Steps {
    Sum,
    Ties,
    DareSum,
    DareTies,
    Prune,
}

impl Kind {
    fn named(name: &str) -> Result<Self, Refused> {
        let of = |steps, is_exact, is_truncated, exact_name| Ok(Self { steps, is_exact, is_truncated, exact_name });
        match name {
            "cat" => of(Steps::Sum, true, false, "cat"),
            "svd" => of(Steps::Sum, true, true, "svd"),
            "linear" => of(Steps::Sum, false, false, "cat"),
            "ties_svd" => of(Steps::Ties, true, true, "ties_svd"),
            "ties" => of(Steps::Ties, false, false, "ties_svd"),
            "dare_linear_svd" => of(Steps::DareSum, true, true, "dare_linear_svd"),
            "dare_linear" => of(Steps::DareSum, false, false, "dare_linear_svd"),
            "dare_ties_svd" => of(Steps::DareTies, true, true, "dare_ties_svd"),
            "dare_ties" => of(Steps::DareTies, false, false, "dare_ties_svd"),
            "magnitude_prune_svd" => of(Steps::Prune, true, true, "magnitude_prune_svd"),
            "magnitude_prune" => of(Steps::Prune, false, false, "magnitude_prune_svd"),
            other => Err(format!("has `combination_type: {other}`, which PEFT does not have")),
        }
    }
}

/// A call while it is translated.
struct Call<'a> {
    arguments: &'a Map<String, Value>,
    weights: Vec<f64>,
    recipe: Map<String, Value>,
    remarks: Remarks,
}

impl Call<'_> {
    fn fill(&mut self, kind: Kind) -> Result<(), Refused> {
        match kind.steps {
            Steps::Sum => self.set("preset", "task_arithmetic"),
            Steps::Prune => {
                self.set("preset", "magnitude_prune");
                let density = self.density()?;
                self.set("density", density);
            }
            Steps::DareSum => {
                let density = self.density()?;
                self.recipe.insert("drop_rate".to_owned(), rounded(1.0 - density));
                self.set("combine", "sum");
                self.drawn();
            }
            Steps::Ties => {
                self.set("preset", "ties");
                self.set("trim_scope", "matrix");
                self.set("trim_count", "floor");
                let density = self.density()?;
                self.set("density", density);
                self.elect()?;
            }
            Steps::DareTies => {
                self.set("preset", "dare_ties");
                let density = self.density()?;
                self.recipe.insert("drop_rate".to_owned(), rounded(1.0 - density));
                self.elect()?;
                self.drawn();
            }
        }
        Ok(())
    }

    fn set(&mut self, key: &str, value: impl Into<Value>) {
        self.recipe.insert(key.to_owned(), value.into());
    }

    fn given(&self, name: &str) -> Option<&Value> {
        self.arguments.get(name).filter(|value| !value.is_null())
    }

    fn density(&self) -> Result<f64, Refused> {
        let value = self.given("density").ok_or("has no `density`, which this type of combination needs")?;
        number(value).ok_or_else(|| format!("has `density: {}`, which is no number", shown(value)))
    }

    fn drawn(&mut self) {
        self.remarks.differences.push("which entries are dropped is drawn by another generator than PEFT's".to_owned());
    }

    /// The election of signs. PEFT elects without weights, and divides by the number of adapters that agree.
    fn elect(&mut self) -> Result<(), Refused> {
        match self.given("majority_sign_method").map(|value| value.as_str().unwrap_or_default()) {
            None | Some("total") => {}
            Some("frequency") => self.set("elect", "sum_of_signs"),
            Some(other) => {
                return Err(format!("has `majority_sign_method: {other}`; PEFT has `total` and `frequency`"));
            }
        }
        let first = self.weights.first().copied().unwrap_or(1.0);
        let is_same = self.weights.iter().all(|weight| weight.to_bits() == first.to_bits());
        if is_same && first > 0.0 {
            self.weights.clear();
            if first.to_bits() != 1f64.to_bits() {
                self.set("scaling", first);
            }
        } else if !self.weights.is_empty() {
            self.remarks.differences.push(
                "PEFT elects signs without the weights and divides by the number of adapters that agree; the recipe elects with them and \
                 divides by the weights of those that agree"
                    .to_owned(),
            );
        }
        Ok(())
    }

    /// The rank of the result, and how PEFT computes it.
    fn truncate(&mut self) -> Result<(), Refused> {
        match self.given("svd_rank").map(|value| value.as_u64().ok_or_else(|| shown(value))) {
            None => self.remarks.left_out.push(
                "`svd_rank` is not given, and PEFT then cuts the merge to the largest rank of the adapters: add `output_rank: RANK`; without \
                 it nothing is cut"
                    .to_owned(),
            ),
            Some(Ok(rank)) => self.set("output_rank", rank),
            Some(Err(value)) => return Err(format!("has `svd_rank: {value}`, which is no rank")),
        }
        if self.given("svd_clamp").is_some() {
            self.remarks.left_out.push("`svd_clamp`: the factors of a merge are not clamped here".to_owned());
        }
        Ok(())
    }
}

fn texts(arguments: &Map<String, Value>, name: &str) -> Result<Vec<String>, Refused> {
    let list = arguments.get(name).and_then(Value::as_array).ok_or_else(|| format!("has no list `{name}`"))?;
    let texts: Option<Vec<String>> = list.iter().map(|item| item.as_str().map(str::to_owned)).collect();
    let texts = texts.ok_or_else(|| format!("has a `{name}` that is no list of texts"))?;
    if texts.is_empty() { Err(format!("has an empty `{name}`")) } else { Ok(texts) }
}

/// The weights; none where all are 1.
fn weights(arguments: &Map<String, Value>, adapters: usize) -> Result<Vec<f64>, Refused> {
    let list = arguments.get("weights").and_then(Value::as_array).ok_or("has no list `weights`")?;
    let weights: Option<Vec<f64>> = list.iter().map(number).collect();
    let weights = weights.ok_or("has `weights` that are no numbers")?;
    if weights.len() != adapters {
        return Err(format!("has {} `weights` for {adapters} `adapters`", weights.len()));
    }
    Ok(if weights.iter().all(|weight| weight.to_bits() == 1f64.to_bits()) { Vec::new() } else { weights })
}

#[cfg(test)]
mod tests;
