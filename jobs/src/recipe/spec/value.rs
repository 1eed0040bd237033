//! The value of one key.

use super::RecipeSpec;
use crate::recipe::keys::RecipeKey;
use serde_json::Value;

impl RecipeSpec {
    /// The value that the recipe has at a key, also `weights.<task>` and `layer_weights.<task>.<layer>`: the one that is
    /// written, else that of the preset, else the one at which the step of the key does nothing.
    ///
    /// `None` if there is none: a key of another space or combination, or no recipe that describes a merge.
    pub fn value_of(&self, name: &str) -> Option<Value> {
        if let Some(task) = name.strip_prefix("weights.") {
            return Some(self.weights.get(task).copied().unwrap_or(1.0).into());
        }
        if let Some((task, layer)) = RecipeKey::layer_of_weight(name) {
            let weight = self.layer_weights.get(task).and_then(|parts| parts.get(layer));
            return Some(weight.and_then(|weight| weight.numbers().first().copied()).unwrap_or(1.0).into());
        }
        self.written(name).or_else(|| self.whole()?.written(name)).or_else(|| self.of_another_key(name))
    }

    fn written(&self, name: &str) -> Option<Value> {
        serde_json::to_value(self).ok()?.get(name).cloned()
    }

    /// The recipe with every key said, those of steps that do nothing as well.
    fn whole(&self) -> Option<Self> {
        let mut recipe = self.with_idle_steps().ok()?;
        let mut whole = Self::default();
        RecipeKey::ALL.iter().for_each(|key| key.write(&mut recipe, &mut whole));
        Some(whole)
    }

    /// The value of a key that is that of another one unless it is said.
    fn of_another_key(&self, name: &str) -> Option<Value> {
        if name == "clamp_high" { self.value_of("clamp") } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn value(spec: Value, key: &str) -> Option<Value> {
        serde_json::from_value::<RecipeSpec>(spec).unwrap().value_of(key)
    }

    #[test]
    fn a_key_has_the_written_value_even_if_its_step_does_nothing() {
        assert_eq!(value(json!({"preset": "ties", "density": 1.0}), "density"), Some(json!(1.0)));
        assert_eq!(value(json!({"preset": "tsv"}), "preset"), Some(json!("tsv")));
        assert_eq!(value(json!({"preset": "della", "drop_rate": 0.0}), "drop_rate"), Some(json!(0.0)));
        assert_eq!(value(json!({"preset": "iso_c_full", "flatten": 0.0}), "flatten"), Some(json!(0.0)));
    }

    #[test]
    fn a_key_that_is_not_written_has_the_value_of_the_preset() {
        assert_eq!(value(json!({"preset": "ties"}), "density"), Some(json!(0.2)));
        assert_eq!(value(json!({"preset": "knots_ties"}), "axis"), Some(json!("columns")));
        assert_eq!(value(json!({"preset": "ties", "scaling": 0.5}), "scaling"), Some(json!(0.5)));
        assert_eq!(value(json!({"preset": "tsv"}), "scaling"), Some(json!(1.0)));
    }

    #[test]
    fn a_step_that_is_not_taken_has_the_value_at_which_it_does_nothing() {
        for (key, usual) in [("density", 1.0), ("drop_rate", 0.0), ("flatten", 0.0), ("calibrate_spectrum", 0.0)] {
            assert_eq!(value(json!({"preset": "task_arithmetic"}), key), Some(json!(usual)), "{key}");
        }
        assert_eq!(value(json!({"preset": "ties"}), "outliers"), Some(json!(0.0)));
        assert_eq!(value(json!({"preset": "ties"}), "output_rank"), Some(json!(0.0)));
    }

    #[test]
    fn usual_words_are_said_as_well() {
        let words =
            [("trim_rescale", "none"), ("trim_count", "floor_plus_one"), ("calibrate", "none"), ("normalise", "none")];
        for (key, usual) in words {
            assert_eq!(value(json!({"preset": "ties"}), key), Some(json!(usual)), "{key}");
        }
        assert_eq!(value(json!({"preset": "knots_ties"}), "sigma"), Some(json!("folded")));
        assert_eq!(value(json!({"preset": "dare_ties"}), "drop_rescale"), Some(json!("probability")));
        assert_eq!(value(json!({"preset": "task_arithmetic"}), "elect"), Some(json!("none")));
    }

    #[test]
    fn weights_are_1_and_the_upper_clamp_is_the_lower_one_unless_they_are_said() {
        assert_eq!(value(json!({"weights": {"v1.0": 0.5}}), "weights.v1.0"), Some(json!(0.5)));
        assert_eq!(value(json!({}), "weights.mnist"), Some(json!(1.0)));
        assert_eq!(value(json!({"layer_weights": {"v1.0": {"3": 0.5}}}), "layer_weights.v1.0.3"), Some(json!(0.5)));
        assert_eq!(value(json!({}), "layer_weights.mnist.3"), Some(json!(1.0)));
        assert_eq!(value(json!({"preset": "pcb", "clamp": 0.1}), "clamp_high"), Some(json!(0.1)));
        assert_eq!(value(json!({"preset": "ties"}), "axis"), None);
    }
}
