//! The file that a tuning job makes.

use crate::PartWeight;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The name of the file in the artefact of a tuning job.
pub const LEARNED_FILE: &str = "coefficients.json";

/// What the facts of an artefact call coefficients. No task has a `/` in its name.
const WEIGHTS: &str = "weights/";
const LAYER_WEIGHTS: &str = "layer_weights/";
const DIRECTION_WEIGHTS: &str = "direction_weights/";

/// Whether a fact of an artefact is a learned coefficient.
pub(crate) fn is_coefficient(fact: &str) -> bool {
    [WEIGHTS, LAYER_WEIGHTS, DIRECTION_WEIGHTS].iter().any(|prefix| fact.starts_with(prefix))
}

/// The newest version of the file's layout. Files without coefficients of single directions are of version 1.
const VERSION: u32 = 2;

/// Learned coefficients, as recipes state them, and how tuning went.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LearnedCoefficients {
    version: u32,
    /// By task, the factor on all of its update; empty where a task has one for each layer or module.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub weights: BTreeMap<String, f64>,
    /// By task, and then by the number of a layer or the name of a module, the factors on parts of its update.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub layer_weights: BTreeMap<String, BTreeMap<String, PartWeight>>,
    /// The loss of each step, before the step.
    pub losses: Vec<f64>,
    /// What the guard saw, in order; empty without a guard.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<TuneCheck>,
    /// True if the guard ended tuning before the last step.
    pub is_stopped: bool,
}

/// Learned coefficients as recipes state them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LearnedWeights {
    /// As [`LearnedCoefficients::weights`].
    pub weights: BTreeMap<String, f64>,
    /// As [`LearnedCoefficients::layer_weights`].
    pub layer_weights: BTreeMap<String, BTreeMap<String, PartWeight>>,
}

impl LearnedWeights {
    /// Reads the coefficients among the facts of an artefact: `weights/TASK`, `layer_weights/TASK/PLACE` and
    /// `direction_weights/TASK/MODULE/NUMBER`.
    pub fn from_facts(facts: &BTreeMap<String, f64>) -> Self {
        let mut learned = Self::default();
        // Facts are in the order of their names, in which 10 comes before 2.
        let mut directions: BTreeMap<(&str, &str, usize), f64> = BTreeMap::new();
        for (name, value) in facts {
            if let Some(task) = name.strip_prefix(WEIGHTS) {
                learned.weights.insert(task.to_owned(), *value);
            }
            if let Some((task, place)) = name.strip_prefix(LAYER_WEIGHTS).and_then(|name| name.split_once('/')) {
                learned.layer_weights.entry(task.to_owned()).or_default().insert(place.to_owned(), (*value).into());
            }
            if let Some(place) = name.strip_prefix(DIRECTION_WEIGHTS).and_then(direction) {
                directions.insert(place, *value);
            }
        }
        for ((task, module, _), value) in directions {
            let parts = learned.layer_weights.entry(task.to_owned()).or_default();
            push_direction(parts, module, value);
        }
        learned
    }
}

/// Task, module and number of a direction.
fn direction(name: &str) -> Option<(&str, &str, usize)> {
    let (task, place) = name.split_once('/')?;
    let (module, number) = place.rsplit_once('/')?;
    Some((task, module, number.parse().ok()?))
}

/// Adds the weight of the next direction of a module.
fn push_direction(parts: &mut BTreeMap<String, PartWeight>, module: &str, value: f64) {
    match parts.entry(module.to_owned()).or_insert_with(|| PartWeight::Directions(Vec::new())) {
        PartWeight::Directions(weights) => weights.push(value),
        // A module has either one weight or one for each direction.
        PartWeight::Whole(_) => {}
    }
}

/// One look of the guard.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TuneCheck {
    /// Steps made before.
    pub step: usize,
    /// The share of tuning examples for which the merge and the task's own model name the same class, averaged over the tasks.
    pub agreement: f64,
}

/// A file that holds no learned coefficients.
#[derive(Debug, thiserror::Error)]
pub enum LearnedError {
    /// It is not what a tuning job writes.
    #[error("`{LEARNED_FILE}` is no file of learned coefficients")]
    Json(#[from] serde_json::Error),
    /// It is of another version.
    #[error("`{LEARNED_FILE}` is of version {found}, and this Bowline reads versions up to {VERSION}")]
    Version {
        /// Its version.
        found: u32,
    },
    /// A number in it is not finite.
    #[error("`{LEARNED_FILE}` has a coefficient of task `{task}` that is not finite")]
    NotFinite {
        /// The task.
        task: String,
    },
}

impl LearnedCoefficients {
    /// No coefficients yet, of a run that went so.
    pub fn new(losses: Vec<f64>, checks: Vec<TuneCheck>, is_stopped: bool) -> Self {
        let weights = BTreeMap::new();
        let layer_weights = BTreeMap::new();
        Self { version: 1, weights, layer_weights, losses, checks, is_stopped }
    }

    /// Adds the coefficient of the next direction of a module of `task`.
    pub fn push_direction(&mut self, task: &str, module: &str, value: f64) {
        self.version = VERSION;
        push_direction(self.layer_weights.entry(task.to_owned()).or_default(), module, value);
    }

    /// Reads the file.
    ///
    /// # Errors
    /// It is not what a tuning job of this version writes.
    pub fn read(bytes: &[u8]) -> Result<Self, LearnedError> {
        #[derive(Deserialize)]
        struct Versioned {
            version: u32,
        }
        let Versioned { version } = serde_json::from_slice(bytes)?;
        if !(1..=VERSION).contains(&version) {
            return Err(LearnedError::Version { found: version });
        }
        let learned: Self = serde_json::from_slice(bytes)?;
        let whole = learned.weights.iter().map(|(task, weight)| (task, *weight));
        let parts = learned
            .layer_weights
            .iter()
            .flat_map(|(task, parts)| parts.values().flat_map(PartWeight::numbers).map(move |weight| (task, *weight)));
        match whole.chain(parts).find(|(_, weight)| !weight.is_finite()) {
            Some((task, _)) => Err(LearnedError::NotFinite { task: task.clone() }),
            None => Ok(learned),
        }
    }

    /// The text of the file.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("maps of numbers are JSON")
    }

    /// The coefficients as facts of an artefact, from which a sweep takes them without opening a file.
    pub fn facts(&self) -> BTreeMap<String, f64> {
        let whole = self.weights.iter().map(|(task, weight)| (format!("{WEIGHTS}{task}"), *weight));
        let parts = self
            .layer_weights
            .iter()
            .flat_map(|(task, parts)| parts.iter().flat_map(move |(place, weight)| facts_of(task, place, weight)));
        whole.chain(parts).collect()
    }

    /// The agreement at the coefficients that were kept, if it was checked.
    pub fn agreement(&self) -> Option<f64> {
        self.checks.iter().map(|check| check.agreement).max_by(f64::total_cmp)
    }
}

fn facts_of(task: &str, place: &str, weight: &PartWeight) -> Vec<(String, f64)> {
    match weight {
        PartWeight::Whole(weight) => vec![(format!("{LAYER_WEIGHTS}{task}/{place}"), *weight)],
        PartWeight::Directions(weights) => {
            let fact =
                |(number, weight): (usize, &f64)| (format!("{DIRECTION_WEIGHTS}{task}/{place}/{number}"), *weight);
            weights.iter().enumerate().map(fact).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn learned() -> LearnedCoefficients {
        let checks = vec![TuneCheck { step: 0, agreement: 0.5 }, TuneCheck { step: 5, agreement: 0.75 }];
        let mut learned = LearnedCoefficients::new(vec![2.0, 1.0], checks, false);
        learned.weights.insert("mnist".to_owned(), 0.1 + 0.2);
        learned.layer_weights.insert("flags".to_owned(), [("0".to_owned(), PartWeight::Whole(1.0 / 3.0))].into());
        learned
    }

    #[test]
    fn coefficients_come_back_to_the_last_bit() {
        let text = learned().to_json();
        assert_eq!(LearnedCoefficients::read(text.as_bytes()).unwrap(), learned());
        assert_eq!(learned().agreement(), Some(0.75));
    }

    #[test]
    fn coefficients_of_directions_come_back_in_their_order_and_make_the_file_newer() {
        let mut learned = learned();
        assert!(learned.to_json().contains("\"version\": 1"));
        (0..12).for_each(|number| learned.push_direction("mnist", "m.layers.0.q", f64::from(number) / 7.0));
        let text = learned.to_json();
        assert!(text.contains("\"version\": 2"), "{text}");
        assert_eq!(LearnedCoefficients::read(text.as_bytes()).unwrap(), learned);
        let LearnedCoefficients { weights, layer_weights, .. } = learned.clone();
        assert_eq!(layer_weights["mnist"]["m.layers.0.q"].numbers().len(), 12);
        assert_eq!(LearnedWeights::from_facts(&learned.facts()), LearnedWeights { weights, layer_weights });
        assert!(learned.facts().keys().all(|fact| is_coefficient(fact)));
    }

    #[test]
    fn coefficients_are_found_among_the_facts_of_an_artefact() {
        let LearnedCoefficients { weights, layer_weights, .. } = learned();
        let mut facts = learned().facts();
        facts.insert("steps".to_owned(), 30.0);
        assert_eq!(LearnedWeights::from_facts(&facts), LearnedWeights { weights, layer_weights });
    }

    #[test]
    fn a_file_of_another_kind_or_version_is_refused() {
        let refused = |text: &str| LearnedCoefficients::read(text.as_bytes()).unwrap_err().to_string();
        assert_eq!(refused("{}"), "`coefficients.json` is no file of learned coefficients");
        let later = learned().to_json().replace("\"version\": 1", "\"version\": 3");
        assert_eq!(refused(&later), "`coefficients.json` is of version 3, and this Bowline reads versions up to 2");
        let unknown = learned().to_json().replace("\"losses\"", "\"loss\"");
        assert_eq!(refused(&unknown), "`coefficients.json` is no file of learned coefficients");
    }
}
