use super::{
    BelongsTo, Range, RecipeKey, Stage,
    access::{Access, Field, Place, WordPlace},
};
use crate::recipe::{Axis, Combine, Elect, Recipe, SigmaCut, Space, TrimScope};

/// The field of `RecipeSpec` with this name.
macro_rules! field {
    ($name:ident) => {
        Field { read: |spec| &spec.$name, write: |spec| &mut spec.$name }
    };
}

const SPACE: &dyn WordPlace = &Place::<Space>(|recipe| Some(&mut recipe.space));
const AXIS: &dyn WordPlace = &Place::<Axis>(|recipe| match &mut recipe.space {
    Space::Knots { axis, .. } => Some(axis),
    Space::Full | Space::Core => None,
});
const TRIM_SCOPE: &dyn WordPlace = &Place::<TrimScope>(|recipe| recipe.trim.as_mut().map(|trim| &mut trim.scope));
const ELECT: &dyn WordPlace = &Place::<Option<Elect>>(|recipe| Some(&mut recipe.elect));
const COMBINE: &dyn WordPlace = &Place::<Combine>(|recipe| Some(&mut recipe.combine));

fn cut(recipe: &mut Recipe) -> Option<&mut SigmaCut> {
    match &mut recipe.space {
        Space::Knots { cut, .. } => Some(cut),
        Space::Full | Space::Core => None,
    }
}

fn common_share(recipe: &mut Recipe) -> Option<&mut f64> {
    match &mut recipe.combine {
        Combine::IsoCts { common_share } => Some(common_share),
        Combine::Mean | Combine::Sum | Combine::Max | Combine::Tsv | Combine::IsoC => None,
    }
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
    ];
}
