use super::*;
use crate::{DareDrop, Flatten, FlattenOver, PostSteps, Preset, Trim, TrimScope, recipe::choice::words_of};
use serde_json::json;

/// A recipe of each space and combination, with every other step.
fn recipes() -> Vec<Recipe> {
    let spaces = <crate::Space as Choice>::ALL;
    let of_inputs = [crate::Gram::INPUTS, crate::Gram::MERGED_INPUTS];
    let of_inputs = of_inputs.map(|gram| crate::Combine::GramMerge { gram, ridge: 0.0 });
    let combines = [<crate::Combine as Choice>::ALL, &of_inputs].concat();
    let pairs = spaces.iter().flat_map(|space| combines.iter().map(move |combine| (*space, *combine)));
    let recipe = |(space, combine)| Recipe {
        space,
        combine,
        drop: Some(DareDrop::new(0.25, 7)),
        trim: Some(Trim::new(0.5, TrimScope::Matrix)),
        post: PostSteps {
            calibrate_spectrum: Some(0.5),
            flatten: Some(Flatten { share: 0.5, over: FlattenOver::Kept }),
            output_rank: Some(4),
            normalise: None,
        },
        ..Preset::KnotsTies.recipe()
    };
    pairs.map(recipe).collect()
}

/// A value that the key takes and no recipe has by itself.
fn unusual(key: &RecipeKey) -> Value {
    match key.kind() {
        KeyKind::Word => json!(key.words().last().unwrap()),
        KeyKind::Number if key.range().unwrap().is_whole() => json!(11.0),
        KeyKind::Number => json!(0.375),
        KeyKind::Seed => json!(11),
        KeyKind::PerTask => json!({"mnist": 0.625}),
        KeyKind::PerLayer => json!({"mnist": {"0": 0.625, "m.layers.0.q": [0.5, 1.0], "visual_projection": 0.5}}),
    }
}

#[test]
fn the_table_has_the_keys_that_are_read_and_written_in_their_order() {
    let mut spec = RecipeSpec::default();
    for key in RecipeKey::ALL {
        spec.set(key.name(), &unusual(key)).unwrap();
    }
    let written = serde_json::to_value(&spec).unwrap();
    let names: Vec<&str> = written.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, RecipeKey::ALL.iter().map(RecipeKey::name).collect::<Vec<_>>());
    assert_eq!(serde_json::from_value::<RecipeSpec>(written.clone()).unwrap(), spec);
    // What serde reads and no row names would be missing above: its error lists every field.
    let error = serde_json::from_value::<RecipeSpec>(json!({"?": 0})).unwrap_err().to_string();
    let fields: Vec<&str> = error.split('`').skip(3).step_by(2).collect();
    assert_eq!(fields, names);
}

#[test]
fn setting_a_key_sets_the_field_of_its_name_alone() {
    for key in RecipeKey::ALL {
        let mut spec = RecipeSpec::default();
        spec.set(key.name(), &unusual(key)).unwrap();
        assert_eq!(serde_json::to_value(&spec).unwrap(), json!({key.name(): unusual(key)}));
    }
}

#[test]
fn a_key_has_a_place_in_the_recipes_that_it_belongs_to_and_in_no_other() {
    for key in RecipeKey::resolved() {
        let mut spec = RecipeSpec::default();
        spec.set(key.name(), &unusual(key)).unwrap();
        for mut recipe in recipes() {
            let applied = key.apply(&spec, &mut recipe);
            let name = key.name();
            match applied {
                Ok(()) => {
                    let mut written = RecipeSpec::default();
                    key.write(&mut recipe, &mut written);
                    assert_eq!(written, spec, "`{name}` is written as it was read, in {recipe:?}");
                }
                Err(error) => {
                    assert!(!key.belongs_to().holds(&recipe), "{error} in {recipe:?}");
                    assert!(error.to_string().starts_with(&format!("`{name}` has no effect ")), "{error}");
                }
            }
        }
        assert!(recipes().iter().any(|recipe| key.belongs_to().holds(recipe)), "`{}` belongs to nothing", key.name());
    }
}

#[test]
fn a_key_without_a_place_is_an_error_wherever_it_does_not_belong() {
    for key in RecipeKey::resolved() {
        let mut spec = RecipeSpec::default();
        spec.set(key.name(), &unusual(key)).unwrap();
        for recipe in recipes().iter().filter(|recipe| !key.belongs_to().holds(recipe)) {
            assert!(key.apply(&spec, &mut recipe.clone()).is_err(), "`{}` in {recipe:?}", key.name());
        }
    }
}

#[test]
fn words_of_spaces_and_combinations_that_keys_belong_to_exist() {
    for key in RecipeKey::ALL {
        match key.belongs_to() {
            BelongsTo::Every | BelongsTo::Statistics | BelongsTo::Inputs => {}
            BelongsTo::Space(word) => assert!(words_of::<crate::Space>().contains(&word)),
            BelongsTo::Combine(word) => assert!(words_of::<crate::Combine>().contains(&word)),
        }
    }
}

#[test]
fn numbers_out_of_their_range_are_refused_for_every_key() {
    for key in RecipeKey::resolved().filter(|key| key.kind() == KeyKind::Number) {
        let range = key.range().unwrap();
        let mut spec = RecipeSpec::default();
        // Smaller than any factor of either sign may be.
        let value = -1e300;
        spec.set(key.name(), &json!(value)).unwrap();
        let recipe = recipes().into_iter().find(|recipe| key.belongs_to().holds(recipe)).unwrap();
        let error = key.apply(&spec, &mut recipe.clone()).unwrap_err();
        let expected = format!("`{}` is {value}, outside ", key.name());
        assert!(error.to_string().starts_with(&expected), "{error} ({range:?})");
    }
}

#[test]
fn a_name_finds_its_key_and_a_task_that_of_the_tasks() {
    assert_eq!(RecipeKey::of("weights.mnist").unwrap().name(), "weights");
    assert_eq!(RecipeKey::of("weights").unwrap().kind(), KeyKind::PerTask);
    assert_eq!(RecipeKey::of("layer_weights.mnist").unwrap().name(), "layer_weights");
    assert!(RecipeKey::of("density.mnist").is_none());
    assert!(RecipeKey::of("densty").is_none());
}

#[test]
fn a_grid_varies_what_costs_least_innermost() {
    let mut keys: Vec<&RecipeKey> = RecipeKey::ALL.iter().collect();
    keys.sort_by_key(|key| key.cost_order());
    let names: Vec<&str> = keys.into_iter().map(RecipeKey::name).collect();
    let order = [
        vec!["preset", "space", "axis", "sigma_cut", "sigma_cut_relative", "sigma"],
        vec!["rank", "balance", "smoothing", "smoothing_rule", "mask", "cover_rank", "calibrate", "seed", "drop_rate"],
        vec!["drop_spread", "drop_rescale"],
        vec![
            "trim_scope",
            "density",
            "trim_count",
            "outliers",
            "trim_rescale",
            "weights",
            "layer_weights",
            "elect",
            "combine",
            "common_share",
        ],
        vec![
            "gram",
            "examples",
            "off_diagonal",
            "ridge",
            "rank_share",
            "residual_scale",
            "position",
            "arc_over",
            "tolerance",
            "max_iterations",
            "clamp",
            "clamp_high",
            "top_share",
        ],
        vec!["select", "group_rank", "group_seed", "factor_density", "distinct_share", "fisher_floor", "fisher_norm"],
        vec!["calibrate_spectrum", "flatten", "flatten_over", "output_rank", "normalise", "scaling"],
    ];
    assert_eq!(names, order.concat(), "another order decides otherwise between equal points of grids that are stored");
}

#[test]
fn a_step_that_is_not_taken_shows_the_number_at_which_it_would_do_nothing_and_no_word() {
    let spec = RecipeSpec::from(&Preset::TaskArithmetic.recipe());
    let shown = |name: &str| RecipeKey::of(name).unwrap().shown(&spec);
    assert_eq!(shown("density"), Some(KeyValue::Number(1.0)));
    assert_eq!(shown("drop_rate"), Some(KeyValue::Number(0.0)));
    assert_eq!(shown("scaling"), Some(KeyValue::Number(1.0)));
    assert_eq!(shown("combine"), Some(KeyValue::Text("sum".into())));
    for absent in ["preset", "axis", "sigma_cut", "seed", "trim_scope", "elect", "common_share", "weights"] {
        assert_eq!(shown(absent), None, "{absent}");
    }
}

/// The table of `docs/sweep-file.md`: a key, its values, its default and a note in each row.
fn documented() -> Vec<[String; 4]> {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/sweep-file.md")).unwrap();
    let recipes = text.split_once("\n## Recipes\n").unwrap().1.split_once("\n### Presets\n").unwrap().0.to_owned();
    let rows = recipes.lines().filter(|line| line.starts_with("| `"));
    // `\|` in a cell is a bar of its text.
    let cells = |line: &str| {
        let line = line.replace("\\|", "\u{0}");
        let cells: Vec<String> = line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
        <[String; 4]>::try_from(cells).unwrap()
    };
    rows.map(cells).collect()
}

#[test]
fn the_documentation_names_every_key_with_its_values() {
    let documented: Vec<(String, String)> = documented().into_iter().map(|[key, values, ..]| (key, values)).collect();
    let values = |key: &RecipeKey| match key.kind() {
        _ if key.name() == "preset" => "a name from the table below".to_owned(),
        KeyKind::Word => key.words().iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", "),
        KeyKind::Number => key.range().unwrap().in_words().to_owned(),
        KeyKind::Seed => "whole number ≥ 0".to_owned(),
        KeyKind::PerTask => format!("map from task to {}", key.range().unwrap().in_words()),
        KeyKind::PerLayer => {
            format!("map from task to map from layer or module to {0} or list of {0}s", key.range().unwrap().in_words())
        }
    };
    let expected: Vec<(String, String)> =
        RecipeKey::ALL.iter().map(|key| (format!("`{}`", key.name()), values(key))).collect();
    assert_eq!(documented, expected);
}

#[test]
fn the_documentation_says_what_a_key_belongs_to() {
    for (key, [name, _, _, note]) in RecipeKey::ALL.iter().zip(documented()) {
        match key.belongs_to() {
            BelongsTo::Every => assert!(!note.starts_with("only "), "{name}: {note}"),
            BelongsTo::Statistics => {
                assert!(note.starts_with("only `inputs`, `merged_inputs` and `fisher`"), "{name}: {note}")
            }
            BelongsTo::Inputs => assert!(note.starts_with("only `inputs` and `merged_inputs`"), "{name}: {note}"),
            BelongsTo::Space(word) | BelongsTo::Combine(word) => {
                assert!(note.starts_with(&format!("only `{word}`")), "{name}: {note}");
            }
        }
    }
}

#[test]
fn the_documentation_says_the_default_of_every_number() {
    for (key, [name, _, default, _]) in RecipeKey::ALL.iter().zip(documented()) {
        if !matches!(key.kind(), KeyKind::Number | KeyKind::Seed) {
            continue;
        }
        if let Some(other) = default.strip_prefix("that of ") {
            assert!(RecipeKey::ALL.iter().any(|key| format!("`{}`", key.name()) == other), "{name}: {default}");
            continue;
        }
        let said: f64 = default.rsplit(' ').next().unwrap().parse().unwrap();
        let (space, combine, gram) = match key.belongs_to() {
            BelongsTo::Every => ("full", "sum", None),
            BelongsTo::Space(word) => (word, "sum", None),
            BelongsTo::Combine(word @ ("lego" | "robust_merge" | "fisher")) => ("full", word, None),
            BelongsTo::Combine(word) => ("core", word, None),
            BelongsTo::Inputs | BelongsTo::Statistics => ("full", "gram_merge", Some("inputs")),
        };
        let is_seed_of_drop = key.kind() == KeyKind::Seed && key.belongs_to() == BelongsTo::Every;
        let drop_rate = if is_seed_of_drop { 0.5 } else { 0.0 };
        let mut spec = json!({"space": space, "combine": combine, "drop_rate": drop_rate});
        if let Some(word) = gram {
            spec["gram"] = word.into();
        }
        let recipe = serde_json::from_value::<RecipeSpec>(spec).unwrap().resolve().unwrap();
        let value = match key.shown(&RecipeSpec::from(&recipe)) {
            Some(KeyValue::Number(value)) => value,
            Some(KeyValue::Whole(value)) => value as f64,
            shown => unreachable!("{name} is {shown:?}"),
        };
        assert_eq!(said.to_bits(), value.to_bits(), "{name}: {default}");
    }
}
