//! Words of papers and of other tools that people write into sweep files, and what they are called here.

/// A word, the beginning of the paths that it is meant for, and what to write.
struct Synonym {
    word: &'static str,
    place: Place,
    meant: &'static str,
}

/// Where in a file a word stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Top,
    Recipe,
    Parameters,
    Range,
    Task,
    Data,
    Split,
    Evaluation,
    Metric,
    /// The value of `method`.
    Method,
}

const fn synonym(place: Place, word: &'static str, meant: &'static str) -> Synonym {
    Synonym { word, place, meant }
}

const SCALING: &str = "λ, the factor of the merged update, is called `scaling`";
const DROP: &str = "DARE's share of dropped entries is called `drop_rate`, which is 1 − density in PEFT and mergekit";
const PROGRAM: &str = "Bowline makes the merges itself; a program that evaluates them is `evaluation: {command: […]}`";
const EVALUATOR: &str = "a program that evaluates the merges is `command: [PROGRAM, ARGUMENT, …]`";

const SYNONYMS: [Synonym; 74] = [
    synonym(Place::Recipe, "lambda", SCALING),
    synonym(Place::Recipe, "lam", SCALING),
    synonym(Place::Recipe, "alpha", SCALING),
    synonym(Place::Recipe, "scale", SCALING),
    synonym(Place::Recipe, "scaling_coef", SCALING),
    synonym(Place::Recipe, "scaling_coefficient", SCALING),
    synonym(Place::Recipe, "scaling_factor", SCALING),
    synonym(Place::Recipe, "coefficient", SCALING),
    synonym(
        Place::Recipe,
        "weight",
        "factors of single tasks are `weights: {TASK: NUMBER}`, and that of the whole merge is `scaling`",
    ),
    synonym(Place::Recipe, "p", DROP),
    synonym(Place::Recipe, "drop_prob", DROP),
    synonym(Place::Recipe, "dropout", DROP),
    synonym(Place::Recipe, "topk", "the share of entries that a trim keeps is called `density`, from 0 to 1"),
    synonym(Place::Recipe, "top_k", "the share of entries that a trim keeps is called `density`, from 0 to 1"),
    synonym(Place::Recipe, "k", "the share of entries that a trim keeps is called `density`, from 0 to 1"),
    synonym(Place::Recipe, "method", "the method of a recipe is called `preset`"),
    synonym(Place::Recipe, "name", "the method of a recipe is called `preset`"),
    synonym(Place::Recipe, "type", "the method of a recipe is called `preset`"),
    synonym(
        Place::Recipe,
        "merge_method",
        "the method of a recipe is called `preset`; `bowline init --from FILE` translates a mergekit file",
    ),
    synonym(
        Place::Recipe,
        "combination_type",
        "the method of a recipe is called `preset`; `bowline init --from FILE` translates PEFT's arguments",
    ),
    synonym(Place::Recipe, "t", "the share of the way from the first to the second task is called `position`"),
    synonym(Place::Recipe, "gamma", "the share of the largest entries that a trim leaves out is called `outliers`"),
    synonym(Place::Recipe, "epsilon", "DELLA's spread of drop rates is called `drop_spread`"),
    synonym(Place::Recipe, "svd_rank", "the rank that the merge is cut to is called `output_rank`"),
    synonym(
        Place::Recipe,
        "normalize",
        "mergekit's `normalize` is `combine: mean`, or `average` without an election of signs",
    ),
    synonym(
        Place::Recipe,
        "rescale",
        "mergekit's `rescale` is `trim_rescale: sum` after a trim, and `drop_rescale: sum` after a drop",
    ),
    synonym(
        Place::Recipe,
        "majority_sign_method",
        "PEFT's `total` is `elect: sum_of_values`, and its `frequency` `elect: sum_of_signs`",
    ),
    synonym(Place::Recipe, "parameters", "`parameters` stands beside `recipe`, not in it"),
    synonym(
        Place::Range,
        "value",
        "a single value is written without a map, as in `density: 0.3`; several are `values: […]`",
    ),
    synonym(Place::Range, "start", "the ends of a range are called `min` and `max`"),
    synonym(Place::Range, "low", "the ends of a range are called `min` and `max`"),
    synonym(Place::Range, "lower", "the ends of a range are called `min` and `max`"),
    synonym(Place::Range, "stop", "the ends of a range are called `min` and `max`"),
    synonym(Place::Range, "high", "the ends of a range are called `min` and `max`"),
    synonym(Place::Range, "upper", "the ends of a range are called `min` and `max`"),
    synonym(Place::Range, "end", "the ends of a range are called `min` and `max`"),
    synonym(Place::Range, "q", "W&B's `q` is called `step`"),
    synonym(Place::Range, "num", "a range has a `step` in place of a number of values"),
    synonym(Place::Range, "choices", "listed values are called `values`"),
    synonym(
        Place::Range,
        "distribution",
        "W&B's `uniform` is `{min: …, max: …}`, and `log_uniform_values` the same with `log: true`",
    ),
    synonym(Place::Top, "program", PROGRAM),
    synonym(Place::Top, "command", PROGRAM),
    synonym(Place::Top, "early_terminate", "points are compared on a part of the examples by `racing`"),
    synonym(Place::Top, "run_cap", "the number of points is called `trials`"),
    synonym(Place::Top, "n_trials", "the number of points is called `trials`"),
    synonym(Place::Top, "merge_method", "this is a file of mergekit: `bowline init --from FILE` translates it"),
    synonym(
        Place::Top,
        "models",
        "adapters are listed under `tasks`; `bowline init --from FILE` translates a mergekit file",
    ),
    synonym(Place::Top, "adapters", "adapters are listed under `tasks`, each with its data"),
    synonym(Place::Top, "base_model", "the base model is called `base`"),
    synonym(Place::Top, "model", "the base model is called `base`"),
    synonym(Place::Top, "datasets", "data sets belong to tasks: `tasks[…].data`"),
    synonym(Place::Top, "data", "data sets belong to tasks: `tasks[…].data`"),
    synonym(Place::Top, "search", "a search is `recipe` and `parameters`, or several of them under `searches`"),
    synonym(Place::Top, "search_space", "what is searched is called `parameters`"),
    synonym(Place::Top, "params", "what is searched is called `parameters`"),
    synonym(Place::Top, "direction", "the direction is `goal` in `metric`: `metric: {name: …, goal: maximize}`"),
    synonym(Place::Top, "preset", "the keys of the merge stand under `recipe`"),
    synonym(Place::Top, "scaling", "the keys of the merge stand under `recipe`"),
    synonym(Place::Top, "density", "the keys of the merge stand under `recipe`"),
    synonym(Place::Task, "dataset", "the data set of a task is called `data`"),
    synonym(Place::Task, "lora", "the adapter of a task is called `adapter`"),
    synonym(Place::Task, "path", "the adapter of a task is called `adapter`, and its data set `data`"),
    synonym(Place::Task, "model", "the adapter of a task is called `adapter`; the base is named once, at top level"),
    synonym(Place::Data, "path", "the place of a data set is called `source`"),
    synonym(Place::Data, "name", "the place of a data set is called `source`"),
    synonym(Place::Data, "split", "the splits are those of `evaluation`; rules for them stand under `splits`"),
    synonym(Place::Data, "text_column", "the columns are a list: `text_columns: [text]`"),
    synonym(Place::Split, "seed", "the seed of the shuffle is called `shuffle_seed`"),
    synonym(Place::Evaluation, "program", EVALUATOR),
    synonym(Place::Evaluation, "script", EVALUATOR),
    synonym(Place::Evaluation, "evaluator", EVALUATOR),
    synonym(Place::Evaluation, "split", "the split of the search is called `select`, and that of the report `report`"),
    synonym(Place::Metric, "mode", "the direction is called `goal`"),
    synonym(Place::Method, "bayes", "W&B's `bayes` is `tpe` here"),
];

/// What is probably meant by `word`, which stands at the end of `path` or is the value there.
pub(super) fn meant(path: &str, word: &str) -> Option<&'static str> {
    let place = place_of(path)?;
    let is_digits = !word.is_empty() && word.chars().all(|c| c.is_ascii_digit());
    if is_digits && [Place::Recipe, Place::Parameters, Place::Range].contains(&place) {
        return Some("numbers have a decimal point, as in `0.2`");
    }
    let of = |place: Place| SYNONYMS.iter().find(|synonym| synonym.place == place && synonym.word == word);
    // A parameter is named as the key of a recipe.
    let found = of(place).or_else(|| (place == Place::Parameters).then(|| of(Place::Recipe)).flatten());
    found.map(|synonym| synonym.meant)
}

fn place_of(path: &str) -> Option<Place> {
    let plain: String = path
        .split('[')
        .enumerate()
        .map(|(i, part)| if i == 0 { part } else { part.split_once(']').map_or("", |(_, rest)| rest) })
        .collect();
    let parts: Vec<&str> = plain.split('.').collect();
    Some(match parts.as_slice() {
        ["method"] => Place::Method,
        [_] => Place::Top,
        ["recipe", _] | ["baselines", _] | ["searches", "recipe", _] => Place::Recipe,
        ["parameters", _] | ["searches", "parameters", _] => Place::Parameters,
        ["parameters", .., _] | ["searches", "parameters", .., _] => Place::Range,
        ["tasks", _] => Place::Task,
        ["tasks", "data", _] => Place::Data,
        ["tasks", "data", "splits", _, _] => Place::Split,
        ["evaluation", _] => Place::Evaluation,
        ["metric", _] => Place::Metric,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_understood_where_they_stand() {
        assert_eq!(meant("recipe.lambda", "lambda"), Some(SCALING));
        assert_eq!(meant("baselines[2].alpha", "alpha"), Some(SCALING));
        assert_eq!(meant("searches[0].parameters.lambda", "lambda"), Some(SCALING));
        assert!(meant("parameters.density.value", "value").unwrap().contains("without a map"));
        assert!(meant("tasks[0].data.path", "path").unwrap().contains("`source`"));
        assert!(meant("tasks[0].path", "path").unwrap().contains("`adapter`"));
        assert_eq!(meant("evaluation.program", "program"), Some(EVALUATOR));
        assert_eq!(
            meant("tasks[0].data.splits.test.seed", "seed"),
            Some("the seed of the shuffle is called `shuffle_seed`")
        );
        assert_eq!(meant("recipe.2", "2"), Some("numbers have a decimal point, as in `0.2`"));
        assert_eq!(meant("recipe.densty", "densty"), None);
    }

    #[test]
    fn no_synonym_is_a_key_that_is_read_there() {
        for synonym in SYNONYMS.iter().filter(|synonym| synonym.place == Place::Recipe) {
            assert!(crate::RecipeKey::of(synonym.word).is_none(), "{}", synonym.word);
        }
    }
}
