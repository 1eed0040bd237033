//! mergekit's methods in our recipes.

use super::{
    super::{Refused, values::rounded},
    Settings,
};
use serde_json::{Map, Value, json};

/// Methods of mergekit that have a counterpart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    TaskArithmetic,
    Ties,
    DareTies,
    DareLinear,
    Breadcrumbs,
    BreadcrumbsTies,
    Della,
    DellaLinear,
    Linear,
    Slerp,
    NuSlerp,
    Karcher,
    Sce,
    ModelStock,
}

const NAMED: [(&str, Method); 14] = [
    ("task_arithmetic", Method::TaskArithmetic),
    ("ties", Method::Ties),
    ("dare_ties", Method::DareTies),
    ("dare_linear", Method::DareLinear),
    ("breadcrumbs", Method::Breadcrumbs),
    ("breadcrumbs_ties", Method::BreadcrumbsTies),
    ("della", Method::Della),
    ("della_linear", Method::DellaLinear),
    ("linear", Method::Linear),
    ("slerp", Method::Slerp),
    ("nuslerp", Method::NuSlerp),
    ("karcher", Method::Karcher),
    ("sce", Method::Sce),
    ("model_stock", Method::ModelStock),
];

/// Methods of mergekit that have none.
const WITHOUT: [&str; 7] =
    ["multislerp", "nearswap", "arcee_fusion", "ram", "ramplus_tl", "passthrough", "task_adapter"];

impl Method {
    pub(super) fn named(name: &str) -> Result<Self, Refused> {
        if let Some((_, method)) = NAMED.iter().find(|(known, _)| *known == name) {
            return Ok(*method);
        }
        let why = if WITHOUT.contains(&name) { "which has no counterpart here" } else { "which is not known" };
        let known = super::names(NAMED.iter().map(|(name, _)| *name));
        Err(format!("merges by `{name}`, {why}; {known} are translated"))
    }

    /// Whether the weights of models count.
    pub(super) fn has_weights(self) -> bool {
        match self {
            Self::TaskArithmetic
            | Self::Ties
            | Self::DareTies
            | Self::DareLinear
            | Self::Breadcrumbs
            | Self::BreadcrumbsTies
            | Self::Della
            | Self::DellaLinear
            | Self::Linear
            | Self::NuSlerp => true,
            Self::Slerp | Self::Karcher | Self::Sce | Self::ModelStock => false,
        }
    }

    pub(super) fn check_count(self, models: usize) -> Result<(), Refused> {
        let is_of_two = self == Self::Slerp || self == Self::NuSlerp;
        if is_of_two && models != 2 {
            return Err(format!(
                "interpolates two models, and names {models}; slerp with the base itself is λ of a single adapter (`scaling`)"
            ));
        }
        Ok(())
    }

    /// The keys of the recipe, except weights.
    pub(super) fn recipe(self, settings: &mut Settings<'_>) -> Result<Map<String, Value>, Refused> {
        let mut recipe = Map::new();
        match self {
            Self::TaskArithmetic => {
                set(&mut recipe, "preset", "task_arithmetic");
                sum(&mut recipe, settings, false);
                scaling(&mut recipe, settings);
            }
            Self::Ties => ties(&mut recipe, settings),
            Self::DareTies => {
                set(&mut recipe, "preset", "dare_ties");
                drop_rate(&mut recipe, settings);
                elected(&mut recipe, settings, false);
                scaling(&mut recipe, settings);
            }
            Self::DareLinear => {
                drop_rate(&mut recipe, settings);
                sum(&mut recipe, settings, true);
                scaling(&mut recipe, settings);
            }
            Self::Breadcrumbs | Self::BreadcrumbsTies => breadcrumbs(self, &mut recipe, settings),
            Self::Della | Self::DellaLinear => della(self, &mut recipe, settings)?,
            Self::Linear => {
                set(&mut recipe, "combine", "average");
                if settings.boolean("normalize") == Some(false) {
                    unnormalised(settings)?;
                }
            }
            Self::Slerp => {
                set(&mut recipe, "preset", "slerp");
                set(&mut recipe, "position", settings.number("t").unwrap_or(0.5));
                whole_models(settings, "slerp");
            }
            Self::NuSlerp => nuslerp(&mut recipe, settings),
            Self::Karcher => {
                set(&mut recipe, "preset", "karcher");
                set(&mut recipe, "tolerance", settings.number("tol").unwrap_or(1e-5));
                recipe.insert("max_iterations".to_owned(), json!(settings.number("max_iter").unwrap_or(10.0) as u64));
                whole_models(settings, "karcher");
            }
            Self::Sce => {
                set(&mut recipe, "preset", "sce");
                set(&mut recipe, "select", settings.number("select_topk").unwrap_or(1.0));
            }
            Self::ModelStock => model_stock(&mut recipe, settings),
        }
        Ok(recipe)
    }
}

fn set(recipe: &mut Map<String, Value>, key: &str, value: impl Into<Value>) {
    recipe.insert(key.to_owned(), value.into());
}

/// mergekit's `lambda`, 1 if nothing is said.
fn scaling(recipe: &mut Map<String, Value>, settings: &mut Settings<'_>) {
    if let Some(lambda) = settings.number("lambda") {
        set(recipe, "scaling", lambda);
    }
}

fn density(settings: &mut Settings<'_>) -> f64 {
    settings.number("density").unwrap_or(1.0)
}

/// A sum, or with `normalize` the weighted mean of all tasks.
fn sum(recipe: &mut Map<String, Value>, settings: &mut Settings<'_>, is_written: bool) {
    if settings.boolean("normalize") == Some(true) {
        set(recipe, "combine", "average");
    } else if is_written {
        set(recipe, "combine", "sum");
    }
}

/// With an election of signs: the mean of the tasks that agree, or their sum.
fn elected(recipe: &mut Map<String, Value>, settings: &mut Settings<'_>, usual: bool) {
    let is_mean = settings.boolean("normalize").unwrap_or(usual);
    set(recipe, "combine", if is_mean { "mean" } else { "sum" });
}

fn trim_rescale(recipe: &mut Map<String, Value>, settings: &mut Settings<'_>) {
    if settings.boolean("rescale") == Some(true) {
        set(recipe, "trim_rescale", "sum");
    }
}

/// DARE's drop: mergekit keeps the sum of magnitudes, if `rescale` does not say otherwise.
fn drop_rate(recipe: &mut Map<String, Value>, settings: &mut Settings<'_>) {
    let rate = 1.0 - density(settings);
    let is_rescaled = settings.boolean("rescale").unwrap_or(true);
    recipe.insert("drop_rate".to_owned(), rounded(rate));
    if rate > 0.0 {
        set(recipe, "drop_rescale", if is_rescaled { "sum" } else { "none" });
        settings
            .remarks
            .differences
            .push("which entries are dropped is drawn by another generator than mergekit's".to_owned());
    }
}

fn ties(recipe: &mut Map<String, Value>, settings: &mut Settings<'_>) {
    set(recipe, "preset", "ties");
    set(recipe, "trim_scope", "matrix");
    set(recipe, "trim_count", "floor");
    set(recipe, "density", density(settings));
    trim_rescale(recipe, settings);
    elected(recipe, settings, true);
    scaling(recipe, settings);
}

fn breadcrumbs(method: Method, recipe: &mut Map<String, Value>, settings: &mut Settings<'_>) {
    set(recipe, "preset", "breadcrumbs");
    let density = density(settings);
    let gamma = settings.number("gamma").unwrap_or(0.01);
    set(recipe, "density", density);
    // Where both do not fit into 1, mergekit leaves fewer outliers out; at density 1 none.
    recipe.insert("outliers".to_owned(), rounded(gamma.min(1.0 - density)));
    trim_rescale(recipe, settings);
    if method == Method::BreadcrumbsTies {
        set(recipe, "elect", "sum_of_values");
        elected(recipe, settings, false);
    } else {
        sum(recipe, settings, false);
    }
    scaling(recipe, settings);
}

fn model_stock(recipe: &mut Map<String, Value>, settings: &mut Settings<'_>) {
    set(recipe, "preset", "model_stock");
    if settings.boolean("filter_wise") == Some(true) {
        settings.remarks.left_out.push("`filter_wise: true`: there is one factor for each matrix here".to_owned());
    }
    settings.remarks.differences.push(
        "where the cosine of two updates is negative, mergekit lets the factor be negative, and here it is 0"
            .to_owned(),
    );
}

fn della(method: Method, recipe: &mut Map<String, Value>, settings: &mut Settings<'_>) -> Result<(), Refused> {
    let density = density(settings);
    let epsilon = settings.number("epsilon").unwrap_or(0.15);
    if density < 1.0 && (density + epsilon >= 1.0 || density - epsilon <= 0.0) {
        return Err(format!(
            "has `density: {density}` and `epsilon: {epsilon}`, which mergekit refuses as well: both density + epsilon and density − epsilon have to lie in (0, 1)"
        ));
    }
    set(recipe, "preset", "della");
    // At density 1 mergekit drops nothing.
    set(recipe, "drop_spread", if density < 1.0 { epsilon } else { 0.0 });
    drop_rate(recipe, settings);
    if density >= 1.0 {
        set(recipe, "drop_rescale", "probability");
    }
    if method == Method::Della {
        elected(recipe, settings, true);
    } else {
        set(recipe, "elect", "none");
        sum(recipe, settings, true);
    }
    scaling(recipe, settings);
    Ok(())
}

/// A sum of whole models with weights that do not add up to 1 scales the base as well.
fn unnormalised(settings: &mut Settings<'_>) -> Result<(), Refused> {
    let weights = settings.weights();
    let count = settings.models.list.len() as f64;
    let total: f64 = if weights.is_empty() { count } else { weights.iter().sum() };
    if (total - 1.0).abs() > 1e-9 {
        return Err(format!(
            "adds up whole models by weights with the sum {total}, which scales the base as well; only `normalize: true`, or weights with the sum 1, are a merge of adapters"
        ));
    }
    Ok(())
}

fn nuslerp(recipe: &mut Map<String, Value>, settings: &mut Settings<'_>) {
    set(recipe, "preset", "nuslerp");
    let is_flat = settings.boolean("nuslerp_flatten").unwrap_or(true);
    let is_row_wise = settings.boolean("nuslerp_row_wise").unwrap_or(false);
    if !is_flat {
        set(recipe, "space", "full");
        set(recipe, "arc_over", if is_row_wise { "columns" } else { "rows" });
    }
    if settings.models.base.is_none() {
        whole_models(settings, "nuslerp");
    }
}

fn whole_models(settings: &mut Settings<'_>, method: &str) {
    settings.remarks.differences.push(format!(
        "mergekit's `{method}` goes along an arc between whole models, and this recipe between the updates of the adapters"
    ));
}
