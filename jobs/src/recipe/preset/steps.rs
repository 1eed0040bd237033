//! The steps of every preset, with their default values.

use super::Preset;
use crate::recipe::{
    ArcOver, Axis, Calibrate, Combine, DareDrop, DropRescale, Elect, FisherNorm, Flatten, FlattenOver, Gram, Mask,
    Normalise, PostSteps, Recipe, SEMANTICS, Sigma, SigmaCut, SmoothingRule, Space, Trim, TrimCount, TrimScope,
    choice::Choice, combine::USUAL_ITERATIONS,
};
use std::collections::BTreeMap;

/// The share of common directions that the Iso-CTS authors use.
pub(in crate::recipe) const COMMON_SHARE: f64 = 0.8;

pub(crate) const KNOTS: Space = knots(Sigma::Folded);
pub(in crate::recipe) const CART: Combine = Combine::Cart { rank_share: 0.16, residual_scale: 1.0 };

pub(in crate::recipe) const COMPRESSED: Space = Space::Compressed { rank: 16, balance: 0.25 };
pub(in crate::recipe) const DC: Space =
    Space::Dc { smoothing: 1.0, rule: SmoothingRule::Average, mask: Mask::Block, cover_rank: 0 };
pub(in crate::recipe) const PCB: Combine = Combine::Pcb { clamp: 0.01, clamp_high: None, top_share: 0.05 };
pub(in crate::recipe) const KARCHER: Combine = Combine::Karcher { tolerance: 1e-9, max_iterations: USUAL_ITERATIONS };
pub(in crate::recipe) const LEGO: Combine = Combine::Lego { rank: 16, seed: 0 };
pub(in crate::recipe) const ROBUST_MERGE: Combine = Combine::RobustMerge { factor_density: 0.2, distinct_share: 0.2 };

pub(in crate::recipe) const FISHER: Combine = Combine::Fisher { examples: 256, floor: 1e-6, norm: FisherNorm::None };

const KNOTS_UNSCALED: Space = knots(Sigma::After);
const TRIM_MODEL: Trim = Trim::new(0.2, TrimScope::Model);
const TRIM_MATRIX: Trim = Trim::new(0.2, TrimScope::Matrix);
const TRIM_FLOOR: Trim = Trim { count: TrimCount::Floor, ..TRIM_MATRIX };
const BREADCRUMBS: Trim = Trim { density: 0.9, outliers: 0.01, ..TRIM_FLOOR };
const DARE: DareDrop = DareDrop::new(0.1, 0);
const DELLA: DareDrop = DareDrop { rate: 0.5, seed: 0, spread: 0.15, rescale: DropRescale::Sum };
const ISO_CTS: Combine = Combine::IsoCts { common_share: COMMON_SHARE };
const FLAT_OVER_ALL: Flatten = Flatten { share: 1.0, over: FlattenOver::All };

const fn knots(sigma: Sigma) -> Space {
    Space::Knots { axis: Axis::Columns, cut: SigmaCut { absolute: 1e-5, relative: 0.0 }, sigma }
}

impl Preset {
    /// The preset's steps with its default values and λ = 1.
    pub fn recipe(self) -> Recipe {
        let sum = |space| of(space, Combine::Sum);
        let recipe = match self {
            Self::TaskArithmetic => sum(Space::Full),
            Self::Ties => ties(Space::Full, Some(TRIM_MODEL)),
            Self::DareTies => Recipe { drop: Some(DARE), ..ties(Space::Full, None) },
            Self::KnotsTies => ties(KNOTS, Some(TRIM_MODEL)),
            Self::KnotsDareTies => Recipe { drop: Some(DARE), ..ties(KNOTS, None) },
            Self::CoreTies => ties(Space::Core, Some(TRIM_MATRIX)),
            Self::Tsv => of(Space::Core, Combine::Tsv),
            Self::IsoC => of(Space::Core, Combine::IsoC),
            Self::IsoCts => of(Space::Core, ISO_CTS),
            Self::KnotsTiesUnscaled => ties(KNOTS_UNSCALED, Some(Trim::new(0.9, TrimScope::Matrix))),
            Self::CoreQrTies => ties(Space::CoreQr, Some(TRIM_FLOOR)),
            Self::TsvIso => flat(of(Space::Core, Combine::Tsv)),
            Self::IsoCFull => flat(sum(Space::Full)),
            Self::Breadcrumbs => Recipe { trim: Some(BREADCRUMBS), ..sum(Space::Full) },
            Self::MagnitudePrune => Recipe { trim: Some(TRIM_FLOOR), ..sum(Space::Full) },
            Self::WudiClosed => gram_merge(Gram::UpdateNormalised, 1e-8),
            Self::Actmerge => gram_merge(Gram::Update, 0.0),
            Self::Regmean => Recipe { space: Space::Full, ..gram_merge(Gram::INPUTS, 0.0) },
            Self::RegmeanPlusPlus => Recipe { space: Space::Full, ..gram_merge(Gram::MERGED_INPUTS, 0.0) },
            Self::Cart => of(Space::Core, CART),
            Self::Svc => calibrated(sum(Space::Core), 0.1),
            Self::Ctm => sum(COMPRESSED),
            Self::CtmTies => ties(COMPRESSED, Some(Trim::new(0.25, TrimScope::Matrix))),
            Self::DcMerge => sum(DC),
            Self::Della => Recipe { drop: Some(DELLA), ..ties(Space::Full, None) },
            Self::Pcb => of(Space::Full, PCB),
            Self::Sce => of(Space::Full, Combine::Sce { select: 0.1 }),
            Self::Slerp => of(Space::Core, Combine::Slerp { position: 0.5 }),
            Self::Nuslerp => of(Space::Core, Combine::Nuslerp { over: ArcOver::Matrix }),
            Self::Karcher => of(Space::Core, KARCHER),
            Self::ModelStock => of(Space::Core, Combine::ModelStock),
            Self::Pico => pico(sum(Space::Core)),
            Self::Lego => of(Space::Full, LEGO),
            Self::RobustMerge => of(Space::Full, ROBUST_MERGE),
            Self::Fisher => of(Space::Full, FISHER),
        };
        recipe.at_current_semantics()
    }
}

fn of(space: Space, combine: Combine) -> Recipe {
    Recipe {
        semantics: SEMANTICS,
        space,
        calibrate: None,
        drop: None,
        trim: None,
        elect: None,
        combine,
        post: PostSteps::default(),
        scaling: 1.0,
        weights: BTreeMap::new(),
        layer_weights: BTreeMap::new(),
    }
}

fn ties(space: Space, trim: Option<Trim>) -> Recipe {
    Recipe { trim, elect: Some(Elect::SumOfValues), ..of(space, Combine::Mean) }
}

fn gram_merge(gram: Gram, ridge: f64) -> Recipe {
    of(Space::Core, Combine::GramMerge { gram, ridge })
}

fn flat(recipe: Recipe) -> Recipe {
    Recipe { post: PostSteps { flatten: Some(FLAT_OVER_ALL), ..recipe.post }, ..recipe }
}

fn calibrated(recipe: Recipe, alpha: f64) -> Recipe {
    Recipe { post: PostSteps { calibrate_spectrum: Some(alpha), ..recipe.post }, ..recipe }
}

fn pico(recipe: Recipe) -> Recipe {
    let post = PostSteps { normalise: Some(Normalise::MeanNorm), ..recipe.post };
    Recipe { calibrate: Some(Calibrate::Pico), post, ..recipe }
}

/// Whether `recipe` takes the steps of `preset`, whatever their numbers.
pub(super) fn are_alike(preset: &Recipe, recipe: &Recipe) -> bool {
    is_space_alike(preset, recipe)
        && kind_of_combination(preset.combine) == kind_of_combination(recipe.combine)
        && preset.elect.is_some() == recipe.elect.is_some()
        && preset.drop.is_some() == recipe.drop.is_some()
        && is_drop_alike(preset.drop, recipe.drop)
        && preset.calibrate.is_some() == recipe.calibrate.is_some()
        && (preset.trim.is_some() || preset.drop.is_some() || recipe.trim.is_none())
        && is_trim_alike(preset.trim, recipe.trim)
        && preset.post.calibrate_spectrum.is_some() == recipe.post.calibrate_spectrum.is_some()
        && preset.post.flatten.is_some() == recipe.post.flatten.is_some()
}

/// Whether both merge in one space, or in spaces that give the same merge.
fn is_space_alike(preset: &Recipe, recipe: &Recipe) -> bool {
    if kind_of_space(preset.clone().canonical().space) == kind_of_space(recipe.clone().canonical().space) {
        return true;
    }
    // Whole matrices give the same merge in the spaces that span all updates; results of older programs name `knots`.
    let is_free = recipe.combine.is_matrix_wise() && spans_all(preset.space) && spans_all(recipe.space);
    // A sum in `full` with a step after it is computed in `core`.
    let is_sum = recipe.is_sum() && !recipe.counts_directions() && preset.space == Space::Full;
    is_free || is_sum && recipe.space == Space::Core
}

/// Whether the bases of a space hold the whole updates.
fn spans_all(space: Space) -> bool {
    match space {
        Space::Full | Space::Core | Space::CoreQr | Space::Knots { sigma: Sigma::Folded, .. } => true,
        Space::Knots { sigma: Sigma::After, .. }
        | Space::CoreGeodesic
        | Space::Compressed { .. }
        | Space::Dc { .. } => false,
    }
}

fn kind_of_space(space: Space) -> (&'static str, Option<Sigma>) {
    let sigma = match space {
        Space::Knots { sigma, .. } => Some(sigma),
        Space::Full
        | Space::Core
        | Space::CoreQr
        | Space::CoreGeodesic
        | Space::Compressed { .. }
        | Space::Dc { .. } => None,
    };
    (space.word(), sigma)
}

fn kind_of_combination(combine: Combine) -> (&'static str, Option<Gram>) {
    let gram = if let Combine::GramMerge { gram, .. } = combine { Some(gram.with_usual_numbers()) } else { None };
    (combine.word(), gram)
}

/// Whether both drop smaller entries more often, or neither does, where both drop.
fn is_drop_alike(preset: Option<DareDrop>, recipe: Option<DareDrop>) -> bool {
    let (Some(preset), Some(recipe)) = (preset, recipe) else { return true };
    (preset.spread > 0.0) == (recipe.spread > 0.0)
}

/// Whether both leave out the largest entries, or neither does, where both trim.
fn is_trim_alike(preset: Option<Trim>, recipe: Option<Trim>) -> bool {
    let (Some(preset), Some(recipe)) = (preset, recipe) else { return true };
    (preset.outliers > 0.0) == (recipe.outliers > 0.0)
}
