//! Where `method: portfolio` begins with every preset, and what it refines.

use super::Preset;
use crate::{Parameter, RecipeSpec, Values};

/// The refined range of λ reaches from an eighth of its first value to eight times that: best values of one method differ by
/// such factors between models.
const SCALING_FACTOR: f64 = 8.0;

/// How a preset is tried and refined.
#[derive(Debug, Clone, Copy)]
struct Tuning {
    /// λ of the first point. The other keys are those of the preset.
    scaling: f64,
    /// The key that decides most beside λ.
    main: Option<MainKey>,
}

/// A key that is refined after λ.
#[derive(Debug, Clone, Copy)]
struct MainKey {
    key: &'static str,
    min: f64,
    max: f64,
    log: bool,
}

/// Shares of entries: from very few to all.
const DENSITY: MainKey = logarithmic("density", 0.05, 1.0);

const fn logarithmic(key: &'static str, min: f64, max: f64) -> MainKey {
    MainKey { key, min, max, log: true }
}

const fn linear(key: &'static str, min: f64, max: f64) -> MainKey {
    MainKey { key, min, max, log: false }
}

const fn tuning(scaling: f64, main: Option<MainKey>) -> Tuning {
    Tuning { scaling, main }
}

impl Preset {
    /// λ of the point with which a portfolio tries the preset: the published one where the paper or its code has one for the
    /// merge as it is meant here, else 1, and 0.3 for plain sums of all updates.
    pub fn first_scaling(self) -> f64 {
        self.tuning().scaling
    }

    /// The parameters by which a portfolio refines the preset, in order: λ, and the key that decides most beside it.
    pub fn refined(self) -> Vec<Parameter> {
        let Tuning { scaling, main } = self.tuning();
        let range = |MainKey { key, min, max, log }: MainKey| Parameter {
            key: key.to_owned(),
            values: Values::Continuous { min, max, log },
        };
        let scaling = logarithmic("scaling", scaling / SCALING_FACTOR, scaling * SCALING_FACTOR);
        std::iter::once(scaling).chain(main).map(range).collect()
    }

    /// Those of [`refined`](Self::refined) that a portfolio with the keys of `recipe` varies: not keys that the recipe sets, and
    /// not those of which an end does not fit together with its keys.
    pub fn refined_beside(self, recipe: &RecipeSpec) -> Vec<Parameter> {
        let start =
            RecipeSpec { preset: Some(self.name().to_owned()), scaling: Some(self.first_scaling()), ..recipe.clone() };
        let set = recipe.numbers();
        let fits = |key: &str, value: f64| {
            let mut spec = start.clone();
            spec.set(key, &value.into()).is_ok() && spec.resolve().is_ok()
        };
        let is_varied = |Parameter { key, values }: &Parameter| match values {
            Values::Continuous { min, max, .. } => !set.contains_key(key) && fits(key, *min) && fits(key, *max),
            Values::List(_) => false,
        };
        self.refined().into_iter().filter(is_varied).collect()
    }

    fn tuning(self) -> Tuning {
        match self {
            // Eight tasks in the paper.
            Self::TaskArithmetic => tuning(0.3, None),
            Self::Ties | Self::KnotsTies | Self::CoreTies | Self::CoreQrTies => tuning(1.0, Some(DENSITY)),
            Self::DareTies | Self::KnotsDareTies => tuning(1.0, Some(linear("drop_rate", 0.05, 0.95))),
            Self::Tsv | Self::TsvIso | Self::IsoC => tuning(1.0, None),
            Self::IsoCts => tuning(1.0, Some(linear("common_share", 0.2, 1.0))),
            // Density 0.9 and λ 0.6 in its code.
            Self::KnotsTiesUnscaled => tuning(0.6, Some(DENSITY)),
            Self::IsoCFull => tuning(1.0, Some(linear("flatten", 0.0, 1.0))),
            Self::Breadcrumbs => tuning(0.3, Some(logarithmic("density", 0.05, 0.95))),
            Self::MagnitudePrune => tuning(0.3, Some(DENSITY)),
            Self::WudiClosed | Self::Actmerge | Self::ModelStock | Self::Pico | Self::Karcher => tuning(1.0, None),
            Self::Nuslerp => tuning(1.0, None),
            // Every value of a key beside λ is a job over all tasks.
            Self::RegmeanPlusPlus => tuning(1.0, None),
            Self::Regmean => tuning(1.0, Some(linear("off_diagonal", 0.0, 1.0))),
            Self::Cart => tuning(1.0, Some(logarithmic("rank_share", 0.02, 1.0))),
            Self::Svc => tuning(1.0, Some(linear("calibrate_spectrum", 0.0, 1.0))),
            Self::Ctm => tuning(0.3, Some(linear("balance", 0.0, 1.0))),
            // λ 0.75 for a ViT-B/32 in its code.
            Self::CtmTies => tuning(0.75, Some(DENSITY)),
            Self::DcMerge => tuning(1.0, Some(linear("smoothing", 0.0, 1.0))),
            Self::Della => tuning(1.0, Some(linear("drop_rate", 0.2, 0.8))),
            // λ 1.2 in its code.
            Self::Pcb => tuning(1.2, Some(logarithmic("top_share", 0.01, 1.0))),
            Self::Sce => tuning(1.0, Some(logarithmic("select", 0.01, 1.0))),
            Self::Slerp => tuning(1.0, Some(linear("position", 0.0, 1.0))),
            Self::Lego => tuning(1.0, Some(logarithmic("group_rank", 1.0, 64.0))),
            // λ 4 in its code.
            Self::RobustMerge => tuning(4.0, Some(logarithmic("factor_density", 0.05, 1.0))),
            Self::Fisher => tuning(1.0, Some(logarithmic("fisher_floor", 1e-10, 1e-2))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn every_preset_can_be_tried_and_refined_over_the_whole_of_its_ranges() {
        for preset in Preset::ALL {
            let mut start: RecipeSpec = serde_json::from_value(json!({"preset": preset.name()})).unwrap();
            start.scaling = Some(preset.first_scaling());
            let recipe = start.resolve().unwrap();
            let own = RecipeSpec::from(&recipe).numbers();
            for Parameter { key, values } in preset.refined() {
                let Values::Continuous { min, max, .. } = values else { panic!("{preset}: {key}") };
                for value in [min, max, f64::midpoint(min, max).round().clamp(min, max)] {
                    let mut spec = start.clone();
                    spec.set(&key, &Value::from(value)).unwrap();
                    assert!(spec.resolve().is_ok(), "{preset}: {key} = {value}");
                }
                assert!((min..=max).contains(&own[&key]), "{preset} begins within the range of {key}");
            }
        }
    }

    /// The points of a portfolio follow from these numbers: a change of one of them gives other jobs to sweeps that run.
    #[test]
    fn the_first_scalings_and_refined_ranges_are_these() {
        let line = |preset: Preset| {
            let mut line = format!("{preset} {}", preset.first_scaling());
            for Parameter { key, values } in &preset.refined()[1..] {
                let Values::Continuous { min, max, log } = values else { panic!("{key}") };
                let kind = if *log { "log" } else { "linear" };
                line = format!("{line}, {key} {min}..{max} {kind}");
            }
            line
        };
        let expected = [
            "task_arithmetic 0.3",
            "ties 1, density 0.05..1 log",
            "dare_ties 1, drop_rate 0.05..0.95 linear",
            "knots_ties 1, density 0.05..1 log",
            "knots_dare_ties 1, drop_rate 0.05..0.95 linear",
            "core_ties 1, density 0.05..1 log",
            "tsv 1",
            "iso_c 1",
            "iso_cts 1, common_share 0.2..1 linear",
            "knots_ties_unscaled 0.6, density 0.05..1 log",
            "core_qr_ties 1, density 0.05..1 log",
            "tsv_iso 1",
            "iso_c_full 1, flatten 0..1 linear",
            "breadcrumbs 0.3, density 0.05..0.95 log",
            "magnitude_prune 0.3, density 0.05..1 log",
            "wudi_closed 1",
            "actmerge 1",
            "regmean 1, off_diagonal 0..1 linear",
            "regmean_plus_plus 1",
            "cart 1, rank_share 0.02..1 log",
            "svc 1, calibrate_spectrum 0..1 linear",
            "ctm 0.3, balance 0..1 linear",
            "ctm_ties 0.75, density 0.05..1 log",
            "dc_merge 1, smoothing 0..1 linear",
            "della 1, drop_rate 0.2..0.8 linear",
            "pcb 1.2, top_share 0.01..1 log",
            "sce 1, select 0.01..1 log",
            "slerp 1, position 0..1 linear",
            "nuslerp 1",
            "karcher 1",
            "model_stock 1",
            "pico 1",
            "lego 1, group_rank 1..64 log",
            "robust_merge 4, factor_density 0.05..1 log",
            "fisher 1, fisher_floor 0.0000000001..0.01 log",
        ];
        assert_eq!(Preset::ALL.map(line), expected);
        let scaling = &Preset::TaskArithmetic.refined()[0];
        assert_eq!(scaling.key, "scaling");
        let Values::Continuous { min, max, log } = scaling.values else { panic!("a range") };
        assert!((min - 0.3 / 8.0).abs() < 1e-12 && (max - 2.4).abs() < 1e-12 && log);
    }

    #[test]
    fn what_the_recipe_sets_or_what_does_not_fit_beside_it_is_not_refined() {
        let keys = |preset: Preset, recipe: Value| -> Vec<String> {
            let recipe: RecipeSpec = serde_json::from_value(recipe).unwrap();
            preset.refined_beside(&recipe).into_iter().map(|parameter| parameter.key).collect()
        };
        assert_eq!(keys(Preset::Ties, json!({})), ["scaling", "density"]);
        assert_eq!(keys(Preset::Ties, json!({"output_rank": 8})), ["scaling", "density"]);
        assert_eq!(keys(Preset::Ties, json!({"density": 0.5})), ["scaling"]);
        assert_eq!(keys(Preset::Breadcrumbs, json!({"outliers": 0.1})), ["scaling"], "0.95 and 0.1 are more than all");
        // At 1 nothing is trimmed, and densities between 0.9 and 1 count as failed.
        assert_eq!(keys(Preset::Ties, json!({"outliers": 0.1})), ["scaling", "density"]);
    }
}
