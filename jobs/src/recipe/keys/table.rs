use super::{
    BelongsTo, Range, RecipeKey, Stage,
    access::{Access, Field, Place, WordPlace},
};
use crate::recipe::{
    ArcOver, Axis, Calibrate, Combine, DropRescale, Elect, FisherNorm, FlattenOver, Gram, Mask, Normalise, Recipe,
    Sigma, SigmaCut, SmoothingRule, Space, TrimCount, TrimRescale, TrimScope,
};

/// The field of `RecipeSpec` with this name.
macro_rules! field {
    ($name:ident) => {
        Field { read: |spec| &spec.$name, write: |spec| &mut spec.$name }
    };
}

const SPACE: &dyn WordPlace = &Place::<Space>(|recipe| Some(&mut recipe.space));
const AXIS: &dyn WordPlace =
    &Place::<Axis>(|recipe| if let Space::Knots { axis, .. } = &mut recipe.space { Some(axis) } else { None });
const SIGMA: &dyn WordPlace =
    &Place::<Sigma>(|recipe| if let Space::Knots { sigma, .. } = &mut recipe.space { Some(sigma) } else { None });
const SMOOTHING_RULE: &dyn WordPlace =
    &Place::<SmoothingRule>(|recipe| if let Space::Dc { rule, .. } = &mut recipe.space { Some(rule) } else { None });
const MASK: &dyn WordPlace =
    &Place::<Mask>(|recipe| if let Space::Dc { mask, .. } = &mut recipe.space { Some(mask) } else { None });
const TRIM_COUNT: &dyn WordPlace = &Place::<TrimCount>(|recipe| recipe.trim.as_mut().map(|trim| &mut trim.count));
const GRAM: &dyn WordPlace =
    &Place::<Gram>(|recipe| if let Combine::GramMerge { gram, .. } = &mut recipe.combine { Some(gram) } else { None });
const ARC_OVER: &dyn WordPlace =
    &Place::<ArcOver>(|recipe| if let Combine::Nuslerp { over } = &mut recipe.combine { Some(over) } else { None });
const FISHER_NORM: &dyn WordPlace =
    &Place::<FisherNorm>(
        |recipe| if let Combine::Fisher { norm, .. } = &mut recipe.combine { Some(norm) } else { None },
    );
const CALIBRATE: &dyn WordPlace = &Place::<Option<Calibrate>>(|recipe| Some(&mut recipe.calibrate));
const DROP_RESCALE: &dyn WordPlace = &Place::<DropRescale>(|recipe| recipe.drop.as_mut().map(|drop| &mut drop.rescale));
const FLATTEN_OVER: &dyn WordPlace =
    &Place::<FlattenOver>(|recipe| recipe.post.flatten.as_mut().map(|flatten| &mut flatten.over));
const NORMALISE: &dyn WordPlace = &Place::<Option<Normalise>>(|recipe| Some(&mut recipe.post.normalise));
const TRIM_RESCALE: &dyn WordPlace = &Place::<TrimRescale>(|recipe| recipe.trim.as_mut().map(|trim| &mut trim.rescale));
const TRIM_SCOPE: &dyn WordPlace = &Place::<TrimScope>(|recipe| recipe.trim.as_mut().map(|trim| &mut trim.scope));
const ELECT: &dyn WordPlace = &Place::<Option<Elect>>(|recipe| Some(&mut recipe.elect));
const COMBINE: &dyn WordPlace = &Place::<Combine>(|recipe| Some(&mut recipe.combine));

fn cut(recipe: &mut Recipe) -> Option<&mut SigmaCut> {
    if let Space::Knots { cut, .. } = &mut recipe.space { Some(cut) } else { None }
}

fn rank(recipe: &mut Recipe) -> Option<&mut u64> {
    if let Space::Compressed { rank, .. } = &mut recipe.space { Some(rank) } else { None }
}

fn balance(recipe: &mut Recipe) -> Option<&mut f64> {
    if let Space::Compressed { balance, .. } = &mut recipe.space { Some(balance) } else { None }
}

fn smoothing(recipe: &mut Recipe) -> Option<&mut f64> {
    if let Space::Dc { smoothing, .. } = &mut recipe.space { Some(smoothing) } else { None }
}

fn cover_rank(recipe: &mut Recipe) -> Option<&mut u64> {
    if let Space::Dc { cover_rank, .. } = &mut recipe.space { Some(cover_rank) } else { None }
}

fn common_share(recipe: &mut Recipe) -> Option<&mut f64> {
    if let Combine::IsoCts { common_share } = &mut recipe.combine { Some(common_share) } else { None }
}

fn examples(recipe: &mut Recipe) -> Option<&mut u64> {
    let (Combine::Fisher { examples, .. }
    | Combine::GramMerge { gram: Gram::Inputs { examples, .. } | Gram::MergedInputs { examples, .. }, .. }) =
        &mut recipe.combine
    else {
        return None;
    };
    Some(examples)
}

fn off_diagonal(recipe: &mut Recipe) -> Option<&mut f64> {
    let Combine::GramMerge { gram, .. } = &mut recipe.combine else { return None };
    let (Gram::Inputs { off_diagonal, .. } | Gram::MergedInputs { off_diagonal, .. }) = gram else { return None };
    Some(off_diagonal)
}

fn ridge(recipe: &mut Recipe) -> Option<&mut f64> {
    if let Combine::GramMerge { ridge, .. } = &mut recipe.combine { Some(ridge) } else { None }
}

fn rank_share(recipe: &mut Recipe) -> Option<&mut f64> {
    if let Combine::Cart { rank_share, .. } = &mut recipe.combine { Some(rank_share) } else { None }
}

fn residual_scale(recipe: &mut Recipe) -> Option<&mut f64> {
    if let Combine::Cart { residual_scale, .. } = &mut recipe.combine { Some(residual_scale) } else { None }
}

fn position(recipe: &mut Recipe) -> Option<&mut f64> {
    if let Combine::Slerp { position } = &mut recipe.combine { Some(position) } else { None }
}

fn tolerance(recipe: &mut Recipe) -> Option<&mut f64> {
    if let Combine::Karcher { tolerance, .. } = &mut recipe.combine { Some(tolerance) } else { None }
}

fn max_iterations(recipe: &mut Recipe) -> Option<&mut u64> {
    if let Combine::Karcher { max_iterations, .. } = &mut recipe.combine { Some(max_iterations) } else { None }
}

fn clamp(recipe: &mut Recipe) -> Option<&mut f64> {
    if let Combine::Pcb { clamp, .. } = &mut recipe.combine { Some(clamp) } else { None }
}

fn clamp_high(recipe: &mut Recipe) -> Option<&mut Option<f64>> {
    if let Combine::Pcb { clamp_high, .. } = &mut recipe.combine { Some(clamp_high) } else { None }
}

fn top_share(recipe: &mut Recipe) -> Option<&mut f64> {
    if let Combine::Pcb { top_share, .. } = &mut recipe.combine { Some(top_share) } else { None }
}

fn select(recipe: &mut Recipe) -> Option<&mut f64> {
    if let Combine::Sce { select } = &mut recipe.combine { Some(select) } else { None }
}

fn group_rank(recipe: &mut Recipe) -> Option<&mut u64> {
    if let Combine::Lego { rank, .. } = &mut recipe.combine { Some(rank) } else { None }
}

fn group_seed(recipe: &mut Recipe) -> Option<&mut u64> {
    if let Combine::Lego { seed, .. } = &mut recipe.combine { Some(seed) } else { None }
}

fn factor_density(recipe: &mut Recipe) -> Option<&mut f64> {
    if let Combine::RobustMerge { factor_density, .. } = &mut recipe.combine { Some(factor_density) } else { None }
}

fn distinct_share(recipe: &mut Recipe) -> Option<&mut f64> {
    if let Combine::RobustMerge { distinct_share, .. } = &mut recipe.combine { Some(distinct_share) } else { None }
}

fn fisher_floor(recipe: &mut Recipe) -> Option<&mut f64> {
    if let Combine::Fisher { floor, .. } = &mut recipe.combine { Some(floor) } else { None }
}

impl RecipeKey {
    /// Every key, in the order in which recipes are written.
    pub const ALL: &'static [Self] = &[
        Self {
            name: "preset",
            access: Access::Preset(field!(preset)),
            belongs_to: BelongsTo::Every,
            stage: Stage::Whole,
            order: 0,
            hint: None,
        },
        Self {
            name: "space",
            access: Access::Word { field: field!(space), place: SPACE, neutral: None },
            belongs_to: BelongsTo::Every,
            stage: Stage::Alignment,
            order: 0,
            hint: None,
        },
        Self {
            name: "axis",
            access: Access::Word { field: field!(axis), place: AXIS, neutral: None },
            belongs_to: BelongsTo::Space("knots"),
            stage: Stage::Alignment,
            order: 1,
            hint: None,
        },
        Self {
            name: "sigma_cut",
            access: Access::Number {
                field: field!(sigma_cut),
                place: Place(|recipe| cut(recipe).map(|cut| &mut cut.absolute)),
                range: Range::NOT_NEGATIVE,
                neutral: None,
            },
            belongs_to: BelongsTo::Space("knots"),
            stage: Stage::Alignment,
            order: 2,
            hint: None,
        },
        Self {
            name: "sigma_cut_relative",
            access: Access::Number {
                field: field!(sigma_cut_relative),
                place: Place(|recipe| cut(recipe).map(|cut| &mut cut.relative)),
                range: Range::SHARE_BELOW_ONE,
                neutral: None,
            },
            belongs_to: BelongsTo::Space("knots"),
            stage: Stage::Alignment,
            order: 2,
            hint: None,
        },
        Self {
            name: "sigma",
            access: Access::Word { field: field!(sigma), place: SIGMA, neutral: None },
            belongs_to: BelongsTo::Space("knots"),
            stage: Stage::Alignment,
            order: 3,
            hint: None,
        },
        Self {
            name: "rank",
            access: Access::Count {
                field: field!(rank),
                place: Place(rank),
                range: Range::POSITIVE_COUNT,
                neutral: None,
            },
            belongs_to: BelongsTo::Space("compressed"),
            stage: Stage::Alignment,
            order: 4,
            hint: None,
        },
        Self {
            name: "balance",
            access: Access::Number {
                field: field!(balance),
                place: Place(balance),
                range: Range::SHARE,
                neutral: None,
            },
            belongs_to: BelongsTo::Space("compressed"),
            stage: Stage::Alignment,
            order: 5,
            hint: None,
        },
        Self {
            name: "smoothing",
            access: Access::Number {
                field: field!(smoothing),
                place: Place(smoothing),
                range: Range::SHARE,
                neutral: None,
            },
            belongs_to: BelongsTo::Space("dc"),
            stage: Stage::Alignment,
            order: 6,
            hint: None,
        },
        Self {
            name: "smoothing_rule",
            access: Access::Word { field: field!(smoothing_rule), place: SMOOTHING_RULE, neutral: None },
            belongs_to: BelongsTo::Space("dc"),
            stage: Stage::Alignment,
            order: 7,
            hint: None,
        },
        Self {
            name: "mask",
            access: Access::Word { field: field!(mask), place: MASK, neutral: None },
            belongs_to: BelongsTo::Space("dc"),
            stage: Stage::Alignment,
            order: 8,
            hint: None,
        },
        Self {
            name: "cover_rank",
            access: Access::Count {
                field: field!(cover_rank),
                place: Place(cover_rank),
                range: Range::COUNT,
                neutral: None,
            },
            belongs_to: BelongsTo::Space("dc"),
            stage: Stage::Alignment,
            order: 9,
            hint: Some("cover_rank is the most directions that are taken of a task; 0 takes as many as have room"),
        },
        Self {
            name: "calibrate",
            access: Access::Word { field: field!(calibrate), place: CALIBRATE, neutral: Some("none") },
            belongs_to: BelongsTo::Every,
            stage: Stage::Calibrate,
            order: 0,
            hint: None,
        },
        Self {
            name: "drop_rate",
            access: Access::Number {
                field: field!(drop_rate),
                place: Place(|recipe| recipe.drop.as_mut().map(|drop| &mut drop.rate)),
                range: Range::SHARE_BELOW_ONE,
                neutral: Some(0.0),
            },
            belongs_to: BelongsTo::Every,
            stage: Stage::Drop,
            order: 1,
            hint: Some("the drop rate is the share of entries dropped; 0 drops none"),
        },
        Self {
            name: "seed",
            access: Access::Seed {
                field: field!(seed),
                place: Place(|recipe| recipe.drop.as_mut().map(|drop| &mut drop.seed)),
            },
            belongs_to: BelongsTo::Every,
            stage: Stage::Drop,
            order: 0,
            hint: None,
        },
        Self {
            name: "drop_spread",
            access: Access::Number {
                field: field!(drop_spread),
                place: Place(|recipe| recipe.drop.as_mut().map(|drop| &mut drop.spread)),
                range: Range::SHARE_BELOW_ONE,
                neutral: Some(0.0),
            },
            belongs_to: BelongsTo::Every,
            stage: Stage::Drop,
            order: 2,
            hint: Some(
                "drop_spread is how much more often than drop_rate the smallest entry of a row is dropped; 0 treats all alike",
            ),
        },
        Self {
            name: "drop_rescale",
            access: Access::Word { field: field!(drop_rescale), place: DROP_RESCALE, neutral: None },
            belongs_to: BelongsTo::Every,
            stage: Stage::Drop,
            order: 3,
            hint: None,
        },
        Self {
            name: "density",
            access: Access::Number {
                field: field!(density),
                place: Place(|recipe| recipe.trim.as_mut().map(|trim| &mut trim.density)),
                range: Range::SHARE_ABOVE_ZERO,
                neutral: Some(1.0),
            },
            belongs_to: BelongsTo::Every,
            stage: Stage::Trim,
            order: 1,
            hint: Some("density is the share of entries kept; 1.0 keeps them all"),
        },
        Self {
            name: "trim_scope",
            access: Access::Word { field: field!(trim_scope), place: TRIM_SCOPE, neutral: None },
            belongs_to: BelongsTo::Every,
            stage: Stage::Trim,
            order: 0,
            hint: None,
        },
        Self {
            name: "trim_count",
            access: Access::Word { field: field!(trim_count), place: TRIM_COUNT, neutral: None },
            belongs_to: BelongsTo::Every,
            stage: Stage::Trim,
            order: 2,
            hint: None,
        },
        Self {
            name: "outliers",
            access: Access::Number {
                field: field!(outliers),
                place: Place(|recipe| recipe.trim.as_mut().map(|trim| &mut trim.outliers)),
                range: Range::SHARE_BELOW_ONE,
                neutral: Some(0.0),
            },
            belongs_to: BelongsTo::Every,
            stage: Stage::Trim,
            order: 3,
            hint: Some(
                "outliers is the share of entries, the largest, that the trim leaves out as well; 0 leaves none out",
            ),
        },
        Self {
            name: "trim_rescale",
            access: Access::Word { field: field!(trim_rescale), place: TRIM_RESCALE, neutral: Some("none") },
            belongs_to: BelongsTo::Every,
            stage: Stage::Trim,
            order: 4,
            hint: None,
        },
        Self {
            name: "elect",
            access: Access::Word { field: field!(elect), place: ELECT, neutral: Some("none") },
            belongs_to: BelongsTo::Every,
            stage: Stage::Combine,
            order: 0,
            hint: None,
        },
        Self {
            name: "combine",
            access: Access::Word { field: field!(combine), place: COMBINE, neutral: None },
            belongs_to: BelongsTo::Every,
            stage: Stage::Combine,
            order: 0,
            hint: None,
        },
        Self {
            name: "common_share",
            access: Access::Number {
                field: field!(common_share),
                place: Place(common_share),
                range: Range::SHARE_ABOVE_ZERO,
                neutral: None,
            },
            belongs_to: BelongsTo::Combine("iso_cts"),
            stage: Stage::Combine,
            order: 1,
            hint: None,
        },
        Self {
            name: "gram",
            access: Access::Word { field: field!(gram), place: GRAM, neutral: None },
            belongs_to: BelongsTo::Combine("gram_merge"),
            stage: Stage::Combine,
            order: 2,
            hint: None,
        },
        Self {
            name: "examples",
            access: Access::Count {
                field: field!(examples),
                place: Place(examples),
                range: Range::POSITIVE_COUNT,
                neutral: None,
            },
            belongs_to: BelongsTo::Statistics,
            stage: Stage::Combine,
            order: 2,
            hint: Some(
                "examples is the number of the first examples of the split `evaluation.statistics`; 256 is usual",
            ),
        },
        Self {
            name: "off_diagonal",
            access: Access::Number {
                field: field!(off_diagonal),
                place: Place(off_diagonal),
                range: Range::SHARE,
                neutral: None,
            },
            belongs_to: BelongsTo::Inputs,
            stage: Stage::Combine,
            order: 2,
            hint: None,
        },
        Self {
            name: "ridge",
            access: Access::Number {
                field: field!(ridge),
                place: Place(ridge),
                range: Range::NOT_NEGATIVE,
                neutral: None,
            },
            belongs_to: BelongsTo::Combine("gram_merge"),
            stage: Stage::Combine,
            order: 3,
            hint: None,
        },
        Self {
            name: "rank_share",
            access: Access::Number {
                field: field!(rank_share),
                place: Place(rank_share),
                range: Range::SHARE_ABOVE_ZERO,
                neutral: None,
            },
            belongs_to: BelongsTo::Combine("cart"),
            stage: Stage::Combine,
            order: 4,
            hint: None,
        },
        Self {
            name: "residual_scale",
            access: Access::Number {
                field: field!(residual_scale),
                place: Place(residual_scale),
                range: Range::FINITE_F32,
                neutral: None,
            },
            belongs_to: BelongsTo::Combine("cart"),
            stage: Stage::Combine,
            order: 5,
            hint: None,
        },
        Self {
            name: "position",
            access: Access::Number {
                field: field!(position),
                place: Place(position),
                range: Range::SHARE,
                neutral: None,
            },
            belongs_to: BelongsTo::Combine("slerp"),
            stage: Stage::Combine,
            order: 6,
            hint: None,
        },
        Self {
            name: "arc_over",
            access: Access::Word { field: field!(arc_over), place: ARC_OVER, neutral: None },
            belongs_to: BelongsTo::Combine("nuslerp"),
            stage: Stage::Combine,
            order: 7,
            hint: None,
        },
        Self {
            name: "tolerance",
            access: Access::Number {
                field: field!(tolerance),
                place: Place(tolerance),
                range: Range::POSITIVE,
                neutral: None,
            },
            belongs_to: BelongsTo::Combine("karcher"),
            stage: Stage::Combine,
            order: 8,
            hint: None,
        },
        Self {
            name: "max_iterations",
            access: Access::Count {
                field: field!(max_iterations),
                place: Place(max_iterations),
                range: Range::POSITIVE_COUNT,
                neutral: None,
            },
            belongs_to: BelongsTo::Combine("karcher"),
            stage: Stage::Combine,
            order: 8,
            hint: None,
        },
        Self {
            name: "clamp",
            access: Access::Number {
                field: field!(clamp),
                place: Place(clamp),
                range: Range::BELOW_HALF,
                neutral: None,
            },
            belongs_to: BelongsTo::Combine("pcb"),
            stage: Stage::Combine,
            order: 9,
            hint: None,
        },
        Self {
            name: "clamp_high",
            access: Access::Override { field: field!(clamp_high), place: Place(clamp_high), range: Range::BELOW_HALF },
            belongs_to: BelongsTo::Combine("pcb"),
            stage: Stage::Combine,
            order: 9,
            hint: None,
        },
        Self {
            name: "top_share",
            access: Access::Number {
                field: field!(top_share),
                place: Place(top_share),
                range: Range::SHARE_ABOVE_ZERO,
                neutral: None,
            },
            belongs_to: BelongsTo::Combine("pcb"),
            stage: Stage::Combine,
            order: 10,
            hint: None,
        },
        Self {
            name: "select",
            access: Access::Number {
                field: field!(select),
                place: Place(select),
                range: Range::SHARE_ABOVE_ZERO,
                neutral: None,
            },
            belongs_to: BelongsTo::Combine("sce"),
            stage: Stage::Combine,
            order: 11,
            hint: None,
        },
        Self {
            name: "group_rank",
            access: Access::Count {
                field: field!(group_rank),
                place: Place(group_rank),
                range: Range::POSITIVE_COUNT,
                neutral: None,
            },
            belongs_to: BelongsTo::Combine("lego"),
            stage: Stage::Combine,
            order: 12,
            hint: None,
        },
        Self {
            name: "group_seed",
            access: Access::Seed { field: field!(group_seed), place: Place(group_seed) },
            belongs_to: BelongsTo::Combine("lego"),
            stage: Stage::Combine,
            order: 13,
            hint: None,
        },
        Self {
            name: "factor_density",
            access: Access::Number {
                field: field!(factor_density),
                place: Place(factor_density),
                range: Range::SHARE_ABOVE_ZERO,
                neutral: None,
            },
            belongs_to: BelongsTo::Combine("robust_merge"),
            stage: Stage::Combine,
            order: 14,
            hint: None,
        },
        Self {
            name: "distinct_share",
            access: Access::Number {
                field: field!(distinct_share),
                place: Place(distinct_share),
                range: Range::SHARE_ABOVE_ZERO,
                neutral: None,
            },
            belongs_to: BelongsTo::Combine("robust_merge"),
            stage: Stage::Combine,
            order: 15,
            hint: None,
        },
        Self {
            name: "fisher_floor",
            access: Access::Number {
                field: field!(fisher_floor),
                place: Place(fisher_floor),
                range: Range::POSITIVE,
                neutral: None,
            },
            belongs_to: BelongsTo::Combine("fisher"),
            stage: Stage::Combine,
            order: 16,
            hint: Some(
                "fisher_floor is added to the information of every entry, so that an entry which no task depends on becomes the \
                 mean; 0.000001 is usual",
            ),
        },
        Self {
            name: "fisher_norm",
            access: Access::Word { field: field!(fisher_norm), place: FISHER_NORM, neutral: None },
            belongs_to: BelongsTo::Combine("fisher"),
            stage: Stage::Combine,
            order: 17,
            hint: None,
        },
        Self {
            name: "calibrate_spectrum",
            access: Access::Number {
                field: field!(calibrate_spectrum),
                place: Place(|recipe| recipe.post.calibrate_spectrum.as_mut()),
                range: Range::NOT_NEGATIVE,
                neutral: Some(0.0),
            },
            belongs_to: BelongsTo::Every,
            stage: Stage::Post,
            order: 0,
            hint: None,
        },
        Self {
            name: "flatten",
            access: Access::Number {
                field: field!(flatten),
                place: Place(|recipe| recipe.post.flatten.as_mut().map(|flatten| &mut flatten.share)),
                range: Range::SHARE,
                neutral: Some(0.0),
            },
            belongs_to: BelongsTo::Every,
            stage: Stage::Post,
            order: 1,
            hint: Some(
                "flatten is the way to the mean singular value: 0 changes nothing, and 1 makes all of them equal",
            ),
        },
        Self {
            name: "flatten_over",
            access: Access::Word { field: field!(flatten_over), place: FLATTEN_OVER, neutral: None },
            belongs_to: BelongsTo::Every,
            stage: Stage::Post,
            order: 2,
            hint: None,
        },
        Self {
            name: "output_rank",
            access: Access::Count {
                field: field!(output_rank),
                place: Place(|recipe| recipe.post.output_rank.as_mut()),
                range: Range::COUNT,
                neutral: Some(0.0),
            },
            belongs_to: BelongsTo::Every,
            stage: Stage::Post,
            order: 3,
            hint: Some("output_rank is the largest rank of a merged matrix; 0 truncates nothing"),
        },
        Self {
            name: "normalise",
            access: Access::Word { field: field!(normalise), place: NORMALISE, neutral: Some("none") },
            belongs_to: BelongsTo::Every,
            stage: Stage::Post,
            order: 4,
            hint: None,
        },
        Self {
            name: "scaling",
            access: Access::Number {
                field: field!(scaling),
                place: Place(|recipe| Some(&mut recipe.scaling)),
                range: Range::NOT_NEGATIVE,
                neutral: None,
            },
            belongs_to: BelongsTo::Every,
            stage: Stage::Scaling,
            order: 0,
            hint: Some("to take a task away, give it a negative weight: `weights: {task: -1}`"),
        },
        Self {
            name: "weights",
            access: Access::PerTask { range: Range::FINITE_F32 },
            belongs_to: BelongsTo::Every,
            stage: Stage::Weights,
            order: 0,
            hint: None,
        },
        Self {
            name: "layer_weights",
            access: Access::PerLayer { range: Range::FINITE_F32 },
            belongs_to: BelongsTo::Every,
            stage: Stage::Weights,
            order: 1,
            hint: None,
        },
    ];
}
