use super::*;

const RANGE: &str = "parameters={scaling: {min: 0.1, max: 10, log: true}}";

#[test]
fn a_bracket_takes_ranges_and_lists_of_numbers() {
    let sweep = read(SMALL, &["method=bracket"]).unwrap();
    assert_eq!((sweep.method, sweep.searches[0].parameters.len()), (Method::Bracket, 2));
    let range = read(SMALL, &["method=bracket", RANGE]).unwrap();
    let expected = Values::Continuous { min: 0.1, max: 10.0, log: true };
    assert_eq!(range.searches[0].parameters[0].values, expected);
}

#[test]
fn values_that_a_method_cannot_order_are_refused() {
    let bracket = |parameters: &str| message(&["method=bracket", &format!("parameters={parameters}")]);
    let words = bracket("{axis: [columns, rows]}");
    assert_eq!(
        words,
        "`parameters.axis` has the value `columns`, which is no number: `method: bracket` needs numbers; take `linear`, `grid` \
         or `tpe`, or a search for each value"
    );
    let seeds = message(&[
        "method=bracket",
        "recipe.preset=knots_dare_ties",
        "recipe.drop_rate=0.5",
        "parameters={seed: [1, 2]}",
    ]);
    assert!(seeds.starts_with("`parameters.seed` is a seed, whose size means nothing"), "{seeds}");
    let maps = bracket("{weights: [{mnist: 1}]}");
    assert!(maps.starts_with(r#"`parameters.weights` has the value `{"mnist":1}`, which is no number"#), "{maps}");
}

#[test]
fn ranges_without_numbers_in_them_are_refused() {
    let bracket = |parameters: &str| message(&["method=bracket", &format!("parameters={parameters}")]);
    let order = "`parameters.scaling` needs finite `min` below `max`, and `min` above 0 where `log` is set";
    assert_eq!(bracket("{scaling: {min: 1, max: 1}}"), order);
    assert_eq!(bracket("{scaling: {min: 0, max: 1, log: true}}"), order);
    assert!(bracket("{scaling: []}").contains("is empty"));
    assert!(bracket("{axis: {min: 0, max: 1}}").contains("`axis`"));
    assert!(bracket("{scaling: {min: 0, max: 1, points: 5}}").contains("unknown key `parameters.scaling.points`"));
}

#[test]
fn a_method_that_goes_through_a_list_needs_steps() {
    for method in ["linear", "grid"] {
        let text = message(&[&format!("method={method}"), RANGE]);
        assert!(
            text.starts_with(&format!("`parameters.scaling` needs a `step`: `method: {method}` goes through")),
            "{text}"
        );
    }
}

#[test]
fn a_search_has_a_number_of_points_of_its_own() {
    let searches = "searches=[{recipe: {preset: ties}, parameters: {scaling: {min: 0.1, max: 1}}, trials: 7}, {name: other, recipe: {preset: ties}}]";
    let overrides = ["recipe=null", "parameters=null", searches];
    let sweep = read(SMALL, &[&overrides[..], &["method=random", "trials=20", "seed=1"]].concat()).unwrap();
    let methods: Vec<Method> = sweep.searches.iter().map(|search| sweep.method_of(search)).collect();
    assert_eq!(methods, [Method::Random { trials: 7, seed: 1 }, Method::Random { trials: 20, seed: 1 }]);
    let stepped = searches.replace("max: 1}", "max: 1, step: 0.1}");
    let text = message(&["recipe=null", "parameters=null", &stepped]);
    assert_eq!(text, "`searches[0].trials` has no effect without `method: random`, `tpe` or `cma_es`");
    let none = searches.replace("trials: 7", "trials: 0");
    let text = message(&["recipe=null", "parameters=null", &none, "method=random", "trials=20"]);
    assert_eq!(text, "`searches[0].trials` is 0");
}

#[test]
fn methods_that_draw_need_trials_and_have_limits() {
    for (method, limit) in [("tpe", 2_000), ("cma_es", 10_000)] {
        let of = |trials: &str| message(&[&format!("method={method}"), RANGE, &format!("trials={trials}")]);
        assert_eq!(of("null"), format!("`trials` is missing; `method: {method}` needs it"));
        assert_eq!(of("0"), "`trials` is 0");
        let above = format!("`trials` is {}; `method: {method}` takes at most {limit}", limit + 1);
        assert_eq!(of(&(limit + 1).to_string()), above);
        let sweep = read(SMALL, &[&format!("method={method}"), RANGE, "trials=50", "seed=3"]).unwrap();
        assert_eq!((sweep.method.name(), sweep.method.trials(), sweep.method.seed()), (method, Some(50), Some(3)));
    }
    let text = message(&["method=bracket", "seed=1"]);
    assert!(text.starts_with("`seed` has no effect without `method: random`, `tpe` or `cma_es`"), "{text}");
}

#[test]
fn cma_es_refuses_lists_and_tpe_takes_all_values() {
    let text = message(&["method=cma_es", "trials=50"]);
    assert!(text.starts_with("`parameters.scaling` is a list of values, and `method: cma_es` moves through"), "{text}");
    let mixed = "parameters={axis: [columns, rows], density: [0.1, 0.5], scaling: {min: 0.1, max: 1}}";
    assert_eq!(read(SMALL, &["method=tpe", "trials=50", mixed]).unwrap().searches[0].parameters.len(), 3);
}

/// The sweep with two tasks, without a recipe.
fn bare(overrides: &[&str]) -> Result<Sweep, SweepError> {
    read(SMALL, &[&["recipe=null", "parameters=null", "method=portfolio"], overrides].concat())
}

fn presets(sweep: &Sweep) -> Vec<&str> {
    let values = sweep.searches[0].parameters[0].values.listed().unwrap();
    values.iter().filter_map(|value| value.as_str()).collect()
}

#[test]
fn a_portfolio_has_all_presets_that_fit_the_sweep() {
    let sweep = bare(&[]).unwrap();
    assert_eq!((sweep.searches[0].name.as_str(), sweep.searches.len()), ("portfolio", 1));
    let two_tasks = presets(&sweep);
    assert_eq!(two_tasks[..3], ["task_arithmetic", "ties", "dare_ties"]);
    assert!(two_tasks.contains(&"slerp") && !two_tasks.contains(&"regmean") && !two_tasks.contains(&"fisher"));
    let measured = bare(&["evaluation.statistics=train"]).unwrap();
    assert_eq!(presets(&measured).len(), two_tasks.len() + 3, "regmean, regmean_plus_plus and fisher");
    assert_eq!(measured.statistics_needs().len(), 2);
    let low_rank = bare(&["recipe={output_rank: 8}"]).unwrap();
    assert_eq!(low_rank.searches[0].recipe.output_rank, Some(8.0));
    let core = bare(&["recipe={space: core}"]).unwrap();
    assert!(presets(&core).contains(&"core_ties") && !presets(&core).contains(&"lego"), "LEGO is in `full` alone");
    assert_eq!(presets(&bare(&["parameters={preset: [tsv, ties]}"]).unwrap()), ["tsv", "ties"]);
}

#[test]
fn what_a_portfolio_decides_itself_is_refused() {
    let message = |overrides: &[&str]| crate::error_chain(&bare(overrides).unwrap_err());
    let preset = message(&["recipe={preset: ties}"]);
    assert!(preset.starts_with("`recipe.preset` has no effect with `method: portfolio`"), "{preset}");
    assert!(message(&["recipe={scaling: 1}"]).starts_with("`recipe.scaling` has no effect"));
    let range = message(&["parameters={scaling: [0.1]}"]);
    assert!(range.starts_with("`parameters.scaling` has no effect with `method: portfolio`"), "{range}");
    assert!(message(&["parameters={preset: [core_tsv]}"]).contains("names no preset"));
    assert!(message(&["trials=5"]).starts_with("`trials` has no effect"));
}

#[test]
fn a_file_without_recipe_and_method_is_a_portfolio_and_no_other_file_is() {
    let nothing = ["recipe=null", "parameters=null", "baselines=[]", "method=null"];
    assert_eq!(read(SMALL, &nothing).unwrap().method, Method::Portfolio);
    let baselines = ["recipe=null", "parameters=null", "method=null"];
    assert_eq!(read(SMALL, &baselines).unwrap().method, Method::Linear);
    assert_eq!(read(SMALL, &["method=null"]).unwrap().method, Method::Linear);
    let text = message(&["recipe=null", "baselines=[]", "method=null"]);
    assert_eq!(text, "`parameters` needs a `recipe` to change");
    let linear = message(&["recipe=null", "parameters=null", "baselines=[]"]);
    assert!(linear.starts_with("`recipe` is missing"), "{linear}");
}

#[test]
fn a_layer_of_a_task_has_a_weight_that_is_searched() {
    let ta = ["method=cma_es", "trials=9", "recipe={preset: task_arithmetic}"];
    let with = |parameters: &str| read(SMALL, &[&ta[..], &[&format!("parameters={parameters}")]].concat());
    let sweep = with("{layer_weights.mnist.0: {min: 0, max: 2}, layer_weights.icons.11: {min: 0, max: 2}}").unwrap();
    let mut spec = sweep.searches[0].recipe.clone();
    spec.set("layer_weights.mnist.0", &json!(0.5)).unwrap();
    spec.set("layer_weights.icons.11", &json!(0.25)).unwrap();
    assert_eq!(serde_json::to_value(&spec.layer_weights).unwrap(), json!({"mnist": {"0": 0.5}, "icons": {"11": 0.25}}));
    let text = with("{layer_weights.flags.0: {min: 0, max: 2}}").unwrap_err().to_string();
    assert_eq!(text, "`parameters.layer_weights.flags.0` names the task `flags`, which is not listed");
    let text = crate::error_chain(&with("{layer_weights.mnist: {min: 0, max: 2}}").unwrap_err());
    assert!(text.contains("a map from layer or module"), "{text}");
}

#[test]
fn a_number_is_the_weight_of_a_layer_even_if_a_task_is_named_so() {
    let cma_es = ["method=cma_es", "trials=9", "recipe={preset: task_arithmetic}"];
    let range = "parameters={layer_weights.mnist.0: {min: 0, max: 2}}";
    let renamed = [&cma_es[..], &["tasks.mnist.name=mnist.0", range]].concat();
    assert_eq!(message(&renamed), "`parameters.layer_weights.mnist.0` names the task `mnist`, which is not listed");
    let map = "parameters={layer_weights.mnist.0: [{\"1\": 0.5}]}";
    assert!(read(SMALL, &["tasks.mnist.name=mnist.0", "recipe={preset: task_arithmetic}", map]).is_ok());
}

#[test]
fn a_whole_range_of_examples_is_refused_since_statistics_are_made_before() {
    let regmean = ["recipe={preset: regmean}", "evaluation.statistics=train", "trials=9"];
    for method in ["method=random", "method=tpe"] {
        let with = |parameters| read(SMALL, &[&regmean[..], &[method, parameters]].concat());
        let text = with("parameters={examples: {min: 10, max: 100}}").unwrap_err().to_string();
        assert!(text.starts_with("`parameters.examples` is a whole range, and statistics are made"), "{text}");
        let listed = with("parameters={examples: {min: 10, max: 30, step: 10}}").unwrap();
        assert_eq!(listed.statistics_needs().len(), 4, "256 of the recipe as well");
    }
}

#[test]
fn two_parameters_whose_values_do_not_fit_together_are_refused_by_methods_that_learn() {
    let words = "parameters={space: [knots, core], axis: [columns, rows]}";
    let text = message(&["method=tpe", "trials=9", words]);
    assert_eq!(
        text,
        "`parameters.space` may be \"core\", which does not fit together with \"columns\" for `axis`: `axis` has no effect outside \
         the `knots` space"
    );
    let ties = "recipe={preset: ties}";
    for method in ["cma_es", "tpe", "bracket"] {
        let trials = if method == "bracket" { "trials=null" } else { "trials=9" };
        let with = |max: f64| {
            let parameters =
                format!("parameters={{density: {{min: 0.1, max: {max}}}, outliers: {{min: 0, max: 0.3}}}}");
            read(SMALL, &[ties, &format!("method={method}"), trials, &parameters])
        };
        let text = with(0.95).unwrap_err().to_string();
        assert!(text.starts_with("`parameters.density` may be 0.95, which does not fit together with 0.3"), "{text}");
        assert!(with(0.6).is_ok());
    }
}

#[test]
fn a_portfolio_takes_keys_that_only_its_presets_know() {
    let axis = ["recipe={axis: rows}", "parameters={preset: [knots_ties, knots_dare_ties]}"];
    assert_eq!(presets(&bare(&axis).unwrap()), ["knots_ties", "knots_dare_ties"]);
    let text =
        crate::error_chain(&bare(&["recipe={axis: rows}", "parameters={preset: [knots_ties, ties]}"]).unwrap_err());
    assert!(text.contains("parameters.preset[1]") && text.contains("`axis` has no effect"), "{text}");
    let fitting = bare(&["recipe={axis: rows}"]).unwrap();
    assert!(presets(&fitting).iter().all(|preset| preset.starts_with("knots_")), "{:?}", presets(&fitting));
}

#[test]
fn a_range_of_a_key_that_a_portfolio_refines_itself_is_refused_by_that_reason() {
    let text = bare(&["parameters={scaling: {min: 0.1, max: 1}}"]).unwrap_err().to_string();
    assert!(text.starts_with("`parameters.scaling` has no effect with `method: portfolio`"), "{text}");
}

#[test]
fn tpe_takes_32_parameters_and_no_more() {
    let with = |count: usize| {
        let weights: Vec<String> = (0..count).map(|layer| format!("layer_weights.mnist.{layer}: [0, 1]")).collect();
        let parameters = format!("parameters={{{}}}", weights.join(", "));
        read(SMALL, &["method=tpe", "trials=9", "recipe={preset: task_arithmetic}", &parameters])
    };
    assert_eq!(with(32).unwrap().searches[0].parameters.len(), 32);
    let text = with(33).unwrap_err().to_string();
    assert_eq!(text, "`parameters` has 33 entries; `method: tpe` takes at most 32, `cma_es` more");
}
