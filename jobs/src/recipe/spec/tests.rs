use super::*;
use crate::{Axis, Elect, Preset, Sigma, SigmaCut, Space, Trim, TrimScope};
use serde_json::json;

fn spec(value: Value) -> RecipeSpec {
    serde_json::from_value(value).unwrap()
}

fn message(value: Value) -> String {
    spec(value).resolve().unwrap_err().to_string()
}

#[test]
fn a_preset_takes_changes() {
    let recipe = spec(json!({"preset": "knots_ties", "density": 0.3, "scaling": 0.6})).resolve().unwrap();
    assert_eq!(recipe.trim, Some(Trim::new(0.3, TrimScope::Model)));
    assert_eq!(recipe.elect, Some(Elect::SumOfValues));
    assert!(recipe.is_low_rank());
}

#[test]
fn two_ways_to_say_the_same_are_equal() {
    let preset = spec(json!({"preset": "ties", "density": 1.0, "weights": {"mnist": 1.0}}));
    let steps = spec(json!({"space": "full", "elect": "sum_of_values", "combine": "mean", "seed": 7}));
    assert_eq!(preset.resolve().unwrap(), steps.resolve().unwrap());
}

#[test]
fn every_preset_resolves_to_itself() {
    for preset in Preset::ALL {
        let spec = RecipeSpec { preset: Some(preset.name().to_owned()), ..RecipeSpec::default() };
        assert_eq!(spec.resolve().unwrap(), preset.recipe(), "{preset}");
        assert_eq!(serde_json::to_value(preset).unwrap(), json!(preset.name()));
    }
}

#[test]
fn a_recipe_written_out_reads_back_as_the_same() {
    for preset in Preset::ALL {
        let mut recipe = preset.recipe().with_scaling(0.7);
        recipe.weights.insert("mnist".to_owned(), 0.5);
        recipe.semantics = recipe.current_semantics();
        assert_eq!(RecipeSpec::from(&recipe).resolve().unwrap(), recipe, "{preset}");
    }
}

#[test]
fn numbers_out_of_range_are_named() {
    assert_eq!(message(json!({"density": 0.0})), "`density` is 0, outside (0, 1]");
    assert_eq!(message(json!({"density": 1.4})), "`density` is 1.4, outside (0, 1]");
    assert_eq!(message(json!({"scaling": -0.3})), "`scaling` is -0.3, outside [0, ∞)");
    assert_eq!(message(json!({"drop_rate": 1.0})), "`drop_rate` is 1, outside [0, 1)");
}

#[test]
fn an_unknown_preset_gets_the_nearest_one() {
    let message = message(json!({"preset": "knot_ties"}));
    assert!(message.starts_with("`preset` is `knot_ties`, which is none of `task_arithmetic`, "), "{message}");
    assert!(message.ends_with("did you mean `knots_ties`?"), "{message}");
}

#[test]
fn keys_without_effect_are_refused() {
    assert_eq!(message(json!({"preset": "ties", "axis": "rows"})), "`axis` has no effect outside the `knots` space");
    assert!(message(json!({"preset": "ties", "combine": "tsv"})).contains("need `space: core`"));
    assert!(message(json!({"preset": "tsv", "elect": "sum_of_values"})).contains("whole matrices"));
}

#[test]
fn parameters_set_keys() {
    let mut spec = spec(json!({"preset": "ties"}));
    spec.set("density", &json!(0.5)).unwrap();
    spec.set("weights.mnist", &json!(0.7)).unwrap();
    let recipe = spec.resolve().unwrap();
    assert_eq!(recipe.weight("mnist").to_bits(), 0.7f64.to_bits());
    assert_eq!(recipe.weight("icons").to_bits(), 1f64.to_bits());
    let unknown = spec.set("densty", &json!(0.5)).unwrap_err();
    assert_eq!(unknown.to_string(), "`densty` is not a recipe key; did you mean `density`?");
    let wrong = spec.set("density", &json!("high")).unwrap_err();
    assert_eq!(wrong.to_string(), "`density` is `\"high\"`, which is not a number");
}

#[test]
fn old_names_and_both_spaces_are_one_recipe() {
    for method in ["tsv", "iso_c", "iso_cts"] {
        let canonical = spec(json!({"preset": method, "scaling": 0.7})).resolve().unwrap();
        assert_eq!(canonical.space, Space::Core);
        for same in [
            json!({"preset": format!("core_{method}"), "scaling": 0.7}),
            json!({"preset": format!("knots_{method}"), "scaling": 0.7}),
            json!({"preset": method, "space": "knots", "scaling": 0.7}),
            json!({"space": "knots", "combine": method, "scaling": 0.7}),
            json!({"space": "knots", "axis": "columns", "sigma_cut": 0.0, "combine": method, "scaling": 0.7}),
            json!({"space": "core", "combine": method, "scaling": 0.7}),
        ] {
            assert_eq!(spec(same.clone()).resolve().unwrap(), canonical, "{same}");
        }
    }
}

#[test]
fn the_axis_matters_to_iso_cts_alone() {
    let rows = |method: &str| spec(json!({"space": "knots", "axis": "rows", "combine": method})).resolve().unwrap();
    assert_eq!(rows("tsv"), Preset::Tsv.recipe());
    assert_eq!(rows("iso_c"), Preset::IsoC.recipe());
    assert_eq!(
        rows("iso_cts").space,
        Space::Knots { axis: Axis::Rows, cut: SigmaCut::default(), sigma: Sigma::Folded }
    );
}

#[test]
fn a_space_in_which_entries_are_looked_at_or_directions_left_out_stays() {
    let knots = |axis| Space::Knots { axis, cut: SigmaCut::default(), sigma: Sigma::Folded };
    let space = |value: Value| spec(value).resolve().unwrap().space;
    assert_eq!(space(json!({"preset": "knots_tsv", "density": 0.5})), knots(Axis::Columns));
    assert_eq!(space(json!({"preset": "knots_iso_c", "drop_rate": 0.1, "axis": "rows"})), knots(Axis::Rows));
    let cut = SigmaCut { absolute: 1e-5, relative: 0.1 };
    let larger = space(json!({"space": "knots", "combine": "tsv", "sigma_cut_relative": 0.1}));
    assert_eq!(larger, Space::Knots { axis: Axis::Columns, cut, sigma: Sigma::Folded });
    assert_eq!(space(json!({"preset": "knots_ties", "density": 1.0})), knots(Axis::Columns), "entries are elected");
}

#[test]
fn only_recipes_whose_merge_changed_have_a_new_version() {
    let version = |value: Value| spec(value).resolve().unwrap().semantics;
    for second in [
        json!({"preset": "tsv"}),
        json!({"preset": "knots_tsv", "density": 0.5}),
        json!({"elect": "sum_of_signs", "combine": "sum"}),
        json!({"preset": "knots_ties", "elect": "sum_of_signs"}),
        json!({"preset": "ties", "weights": {"mnist": 0.5}}),
        json!({"combine": "mean", "weights": {"mnist": 0.5}}),
    ] {
        assert_eq!(version(second.clone()), 2, "{second}");
    }
    for first in [
        json!({"preset": "ties"}),
        json!({"preset": "ties", "weights": {"mnist": 1.0}}),
        json!({"preset": "ties", "combine": "sum", "weights": {"mnist": 0.5}}),
        json!({"preset": "task_arithmetic", "weights": {"mnist": 0.5}}),
        json!({"preset": "knots_iso_c"}),
        json!({"preset": "iso_cts", "weights": {"mnist": 0.5}}),
    ] {
        assert_eq!(version(first.clone()), 1, "{first}");
    }
}

#[test]
fn steps_on_whole_matrices_are_one_recipe_in_every_space() {
    for steps in
        [json!({"combine": "gram_merge"}), json!({"flatten": 0.5}), json!({"combine": "tsv", "output_rank": 8})]
    {
        let at = |space: &str| {
            let mut steps = steps.clone();
            steps["space"] = json!(space);
            spec(steps).resolve()
        };
        let core = at("core").unwrap();
        assert_eq!(core.space, Space::Core);
        assert_eq!(at("knots").unwrap(), core, "{steps}");
        assert_eq!(at("core_qr").unwrap(), core, "{steps}");
        if steps["combine"] != "tsv" {
            assert_eq!(at("full").unwrap(), core, "{steps}");
        }
    }
}

#[test]
fn a_step_that_counts_the_directions_of_the_space_stays_in_it() {
    for steps in [json!({"combine": "cart"}), json!({"flatten": 1.0, "flatten_over": "all"})] {
        let recipe = spec(steps.clone()).resolve().unwrap();
        assert_eq!(recipe.space, Space::Full, "{steps}");
        assert_eq!(recipe.alignment(), Space::Core, "{steps}");
        assert!(recipe.is_low_rank() && !recipe.is_linear());
    }
}

#[test]
fn steps_that_do_nothing_leave_the_recipe_as_it_was() {
    let idle = json!({
        "preset": "knots_ties", "calibrate_spectrum": 0.0, "flatten": 0.0, "flatten_over": "all", "output_rank": 0,
        "normalise": "none", "outliers": 0.0, "trim_count": "floor_plus_one", "sigma": "folded",
    });
    assert_eq!(spec(idle).resolve().unwrap(), Preset::KnotsTies.recipe());
}

#[test]
fn steps_that_contradict_each_other_say_so() {
    assert!(message(json!({"combine": "gram_merge", "density": 0.5})).contains("needs `space: core`"));
    assert!(message(json!({"density": 0.9, "outliers": 0.2})).contains("add up to more than 1"));
    assert!(message(json!({"combine": "cart", "elect": "sum_of_values"})).contains("whole matrices"));
    assert_eq!(message(json!({"ridge": 0.1})), "`ridge` has no effect without `combine: gram_merge`");
    assert_eq!(
        message(json!({"output_rank": 2.5})),
        "`output_rank` is 2.5, outside the whole numbers from 0 to 1048576"
    );
    assert_eq!(message(json!({"space": "core", "sigma": "after"})), "`sigma` has no effect outside the `knots` space");
}

#[test]
fn a_spectrum_is_calibrated_only_in_spaces_that_hold_the_whole_updates() {
    for space in ["compressed", "dc", "core_geodesic"] {
        let error = message(json!({"space": space, "calibrate_spectrum": 0.1}));
        assert!(error.starts_with("`calibrate_spectrum` compares the merge with the tasks' whole updates"), "{error}");
    }
    for space in ["full", "core", "core_qr", "knots"] {
        spec(json!({"space": space, "calibrate_spectrum": 0.1})).resolve().unwrap();
    }
}

#[test]
fn least_squares_take_no_negative_weights() {
    for (gram, space) in [("update", "core"), ("update_normalised", "core"), ("inputs", "full")] {
        let error = message(json!({"combine": "gram_merge", "gram": gram, "space": space, "weights": {"mnist": -0.5}}));
        assert!(error.starts_with("`gram_merge` multiplies the squared errors"), "{error}");
    }
}

#[test]
fn a_merge_has_the_name_of_a_preset_only_where_the_space_gives_the_same() {
    let named = |value: Value| Preset::of(&spec(value).resolve().unwrap());
    for space in ["compressed", "dc", "core_geodesic"] {
        assert_eq!(named(json!({"space": space, "combine": "tsv"})), None, "{space}");
    }
    let after = json!({"space": "knots", "sigma": "after", "combine": "tsv"});
    assert_eq!(named(after), None);
    assert_eq!(named(json!({"space": "knots", "combine": "tsv"})), Some(Preset::Tsv));
    assert_eq!(named(json!({"preset": "cart", "space": "full"})), Some(Preset::Cart));
    assert_eq!(named(json!({"normalise": "mean_norm"})), Some(Preset::TaskArithmetic));
    assert_eq!(named(json!({"preset": "svc", "space": "full"})), Some(Preset::Svc));
    assert_eq!(named(json!({"space": "core", "flatten": 1.0, "flatten_over": "all"})), None);
}

#[test]
fn keys_of_a_drop_without_a_rate_are_refused() {
    assert_eq!(message(json!({"drop_spread": 0.1})), "`drop_spread` has no effect without `drop_rate`");
    assert_eq!(message(json!({"drop_rescale": "sum"})), "`drop_rescale` has no effect without `drop_rate`");
    for allowed in [
        json!({"preset": "della", "drop_spread": 0.1}),
        json!({"preset": "dare_ties", "drop_rescale": "sum"}),
        json!({"drop_rate": 0.0, "drop_rescale": "sum"}),
        json!({"drop_spread": 0.0, "drop_rescale": "probability"}),
    ] {
        spec(allowed.clone()).resolve().unwrap_or_else(|error| panic!("{allowed}: {error}"));
    }
}

#[test]
fn methods_with_rules_of_their_own_say_what_they_go_with() {
    assert!(
        message(json!({"preset": "pcb", "elect": "sum_of_values"})).contains("before `mean`, `sum` and `max` alone")
    );
    assert!(message(json!({"preset": "lego", "space": "core"})).contains("need `space: full`"));
    assert!(message(json!({"preset": "robust_merge", "density": 0.5})).contains("work on the factors"));
    assert!(message(json!({"preset": "nuslerp", "arc_over": "rows"})).contains("need `space: full`"));
    assert!(message(json!({"preset": "ties", "calibrate": "pico"})).contains("`space: core` alone"));
    assert!(
        message(json!({"preset": "slerp", "space": "full", "density": 0.5})).contains("whole matrices after `density`")
    );
    let drop = json!({"preset": "dare_ties", "drop_rate": 0.1, "drop_spread": 0.2});
    assert!(message(drop).contains("`drop_rate` minus `drop_spread` is not above 0"));
    assert!(message(json!({"preset": "nuslerp", "arc_over": "columns"})).contains("need `space: full`"));
    assert!(message(json!({"combine": "average", "elect": "sum_of_values"})).contains("`sum` and `max` alone"));
    assert_eq!(message(json!({"preset": "pcb", "clamp": 0.5})), "`clamp` is 0.5, outside [0, 0.5)");
    assert_eq!(message(json!({"top_share": 0.1})), "`top_share` has no effect without `combine: pcb`");
}

#[test]
fn a_calibrated_sum_is_computed_in_the_core_space() {
    let recipe = spec(json!({"calibrate": "pico"})).resolve().unwrap();
    assert_eq!(recipe.space, Space::Core);
    assert!(!recipe.is_linear() && recipe.is_low_rank());
}

#[test]
fn a_recipe_with_a_newer_step_has_the_newest_version() {
    for newer in [
        json!({"preset": "wudi_closed"}),
        json!({"preset": "knots_ties", "sigma": "after"}),
        json!({"preset": "ties", "trim_count": "floor"}),
        json!({"preset": "ties", "outliers": 0.01}),
        json!({"preset": "ties", "trim_rescale": "sum"}),
        json!({"preset": "dare_ties", "drop_rescale": "none"}),
        json!({"combine": "average"}),
        json!({"preset": "karcher"}),
        json!({"preset": "sce"}),
        json!({"preset": "lego"}),
        json!({"preset": "dare_ties", "drop_spread": 0.01}),
        json!({"preset": "core_ties", "calibrate": "pico"}),
        json!({"preset": "tsv", "flatten": 1.0}),
        json!({"preset": "core_ties", "space": "core_qr"}),
    ] {
        assert_eq!(spec(newer.clone()).resolve().unwrap().semantics, 3, "{newer}");
    }
}

#[test]
fn a_preset_is_known_by_its_steps() {
    for preset in Preset::ALL {
        assert_eq!(Preset::of(&preset.recipe().with_scaling(0.3)), Some(preset));
    }
}

#[test]
fn a_recipe_without_newer_steps_is_written_as_before_them() {
    let written = serde_json::to_value(RecipeSpec::from(&Preset::KnotsTies.recipe())).unwrap();
    let keys: Vec<&str> = written.as_object().unwrap().keys().map(String::as_str).collect();
    let before =
        ["space", "axis", "sigma_cut", "sigma_cut_relative", "density", "trim_scope", "elect", "combine", "scaling"];
    assert_eq!(keys, before);
}

#[test]
fn weights_of_layers_belong_to_task_arithmetic_and_are_left_out_where_they_are_1() {
    let weights = json!({"mnist": {"0": 0.5, "1": 1.0}, "flags": {"0": 1.0}});
    let recipe = spec(json!({"preset": "task_arithmetic", "layer_weights": weights})).resolve().unwrap();
    assert_eq!(json!(recipe.layer_weights), json!({"mnist": {"0": 0.5}}));
    assert_eq!(RecipeSpec::from(&recipe).resolve().unwrap(), recipe);
    assert!((recipe.weight_on("mnist", "m.layers.0.q") - 0.5).abs() < 1e-12);
    assert!((recipe.weight_on("mnist", "m.layers.10.q") - 1.0).abs() < 1e-12);
    for other in [json!({"preset": "ties"}), json!({"flatten": 1.0}), json!({"combine": "mean"})] {
        let mut refused = spec(other);
        refused.set("layer_weights.mnist", &json!({"0": 0.5})).unwrap();
        let error = refused.resolve().unwrap_err().to_string();
        assert!(error.starts_with("`layer_weights` are for task arithmetic"), "{error}");
    }
    let mut wrong = spec(json!({}));
    let error = wrong.set("layer_weights.mnist", &json!(0.5)).unwrap_err().to_string();
    assert!(error.contains("a map from layer or module to number"), "{error}");
}

#[test]
fn keys_that_came_later_leave_recipes_without_them_as_they_were() {
    for (preset, usual) in [
        ("dc_merge", json!({"cover_rank": 0})),
        ("karcher", json!({"max_iterations": 1000})),
        ("pcb", json!({"clamp_high": 0.01})),
        ("breadcrumbs", json!({"trim_rescale": "none"})),
    ] {
        let plain = spec(json!({"preset": preset}));
        let mut said = plain.clone();
        for (key, value) in usual.as_object().unwrap() {
            said.set(key, value).unwrap();
        }
        let recipe = said.resolve().unwrap();
        assert_eq!(recipe, plain.resolve().unwrap(), "{preset}");
        let text = serde_json::to_string(&recipe).unwrap();
        for key in ["cover_rank", "max_iterations", "clamp_high", "rescale"] {
            assert!(!text.contains(key), "{preset}: {text}");
        }
    }
}

#[test]
fn no_smoothing_is_smoothing_by_nothing() {
    let none = spec(json!({"preset": "dc_merge", "smoothing_rule": "none", "smoothing": 0.5})).resolve().unwrap();
    assert_eq!(none, spec(json!({"preset": "dc_merge", "smoothing": 0.0})).resolve().unwrap());
}

#[test]
fn an_average_keeps_the_factors_and_takes_no_negative_weights() {
    let average = spec(json!({"combine": "average", "weights": {"mnist": 0.5}})).resolve().unwrap();
    assert!(average.is_linear() && average.is_low_rank());
    assert_eq!(spec(json!({"combine": "average", "flatten": 0.5})).resolve().unwrap().space, Space::Core);
    for combine in ["average", "nuslerp", "karcher"] {
        let error = message(json!({"space": "core", "combine": combine, "weights": {"mnist": -0.5}}));
        assert!(error.starts_with("`weights` of `nuslerp`, `karcher`, `average` and `fisher`"), "{error}");
    }
    let mut refused = spec(json!({"combine": "average"}));
    refused.set("layer_weights.mnist", &json!({"0": 0.5})).unwrap();
    assert!(refused.resolve().is_err(), "weights of layers would have no sum to be divided by");
}

#[test]
fn a_list_of_weights_belongs_to_the_directions_of_a_module() {
    let weights = json!({"mnist": {"0": 0.5, "m.layers.0.q": [0.5, 2.0], "m.layers.0.k": [1.0, 1.0]}});
    let recipe = spec(json!({"layer_weights": weights, "weights": {"mnist": 3.0}})).resolve().unwrap();
    let kept = json!({"mnist": {"0": 0.5, "m.layers.0.q": [0.5, 2.0], "m.layers.0.k": 1.0}});
    assert_eq!(json!(recipe.layer_weights), kept);
    assert!((recipe.weight_on("mnist", "m.layers.0.k") - 3.0).abs() < 1e-12, "not the layer's number");
    let idle = json!({"mnist": {"0": 0.5, "1": 1.0, "m.layers.1.k": 1.0, "m.layers.2.k": [1.0]}, "flags": {"3": 1.0}});
    let idle = spec(json!({"layer_weights": idle})).resolve().unwrap();
    assert_eq!(json!(idle.layer_weights), json!({"mnist": {"0": 0.5}}));
    assert_eq!(recipe.direction_weights("mnist", "m.layers.0.q"), Some(&[0.5, 2.0][..]));
    assert_eq!(recipe.direction_weights("mnist", "m.layers.0.v"), None);
    assert!(
        (recipe.weight_on("mnist", "m.layers.0.q") - 3.0).abs() < 1e-12,
        "the list takes the place of the layer's number"
    );
    assert!((recipe.weight_on("mnist", "m.layers.0.v") - 1.5).abs() < 1e-12);
    assert_eq!(RecipeSpec::from(&recipe).resolve().unwrap(), recipe);
    let text = serde_json::to_string(&recipe).unwrap();
    assert_eq!(serde_json::from_str::<crate::Recipe>(&text).unwrap(), recipe);
    for refused in [json!({"mnist": {"0": [0.5, 2.0]}}), json!({"mnist": {"m.layers.0.q": []}})] {
        let error = message(json!({"layer_weights": refused}));
        assert!(error.starts_with("a list in `layer_weights` has a number for each direction"), "{error}");
    }
    let written = RecipeSpec::from(&recipe);
    let shown = RecipeKey::of("layer_weights").unwrap().shown(&written).unwrap();
    assert!(shown.as_text().unwrap().starts_with("4 numbers ("), "{shown:?}");
}
