use super::{
    Axis, Combine, DareDrop, DropRescale, Flatten, FlattenOver, PartWeight, Preset, Recipe, RecipeError, RecipeKey,
    RecipeSpec, SEMANTICS, Sigma, SigmaCut, SmoothingRule, Space, Trim, TrimScope, choice, layer_of, preset::Alias,
};
use std::collections::{BTreeMap, BTreeSet};

impl RecipeSpec {
    /// The canonical [`Recipe`] that this describes.
    ///
    /// # Errors
    /// A number out of range, an unknown word, a key without effect, steps that contradict each other.
    pub fn resolve(&self) -> Result<Recipe, RecipeError> {
        Ok(self.as_written()?.canonical().at_current_semantics())
    }

    /// The recipe in the space that is written.
    pub(super) fn as_written(&self) -> Result<Recipe, RecipeError> {
        let recipe = without_idle_steps(self.with_idle_steps()?);
        consistent(&recipe)?;
        Ok(recipe)
    }

    /// The recipe in the space that is written, with every step: those that do nothing have their usual values.
    pub(super) fn with_idle_steps(&self) -> Result<Recipe, RecipeError> {
        let start = self.start()?;
        let presets_scope = start.trim.map(|trim| trim.scope);
        let presets_drop = start.drop;
        let mut recipe = with_every_step(start);
        for key in RecipeKey::ALL {
            key.apply(self, &mut recipe)?;
        }
        if self.trim_scope.is_none()
            && let Some(trim) = &mut recipe.trim
        {
            trim.scope = presets_scope.unwrap_or_else(|| usual_scope(recipe.space));
        }
        if self.elect.is_none() && !recipe.combine.elects() {
            // A preset's election belongs to its own entry-wise step, not to one that replaces it.
            recipe.elect = None;
        }
        self.check_drop(presets_drop, &recipe)?;
        Ok(recipe)
    }

    /// Refuses keys of a drop where nothing asks for one. A `drop_rate` of 0 that is written may be a point of a search.
    fn check_drop(&self, presets: Option<DareDrop>, recipe: &Recipe) -> Result<(), RecipeError> {
        let Some(DareDrop { spread, rescale, .. }) = recipe.drop else { return Ok(()) };
        let key = match () {
            () if self.drop_rate.is_some() || presets.is_some() => return Ok(()),
            () if spread > 0.0 => "drop_spread",
            () if rescale != DropRescale::Probability => "drop_rescale",
            () => return Ok(()),
        };
        Err(RecipeError::NoEffect { key: key.to_owned(), because: "without `drop_rate`".to_owned() })
    }

    fn start(&self) -> Result<Recipe, RecipeError> {
        let Some(name) = &self.preset else { return Ok(Preset::TaskArithmetic.recipe()) };
        if let Some(Alias { preset, space, .. }) = Alias::named(name) {
            return Ok(Recipe { space, ..preset.recipe() });
        }
        let unknown = || choice::unknown("preset", name, Preset::ALL.map(Preset::name).to_vec());
        name.parse::<Preset>().map(Preset::recipe).map_err(|()| unknown())
    }
}

/// The same recipe with steps that do nothing where it has none, so that keys find their places.
fn with_every_step(mut recipe: Recipe) -> Recipe {
    recipe.drop.get_or_insert(DareDrop::new(0.0, 0));
    recipe.trim.get_or_insert(Trim::new(1.0, TrimScope::Model));
    recipe.post.calibrate_spectrum.get_or_insert(0.0);
    recipe.post.flatten.get_or_insert(Flatten { share: 0.0, over: FlattenOver::Kept });
    recipe.post.output_rank.get_or_insert(0);
    Recipe { semantics: SEMANTICS, ..recipe }
}

/// The same recipe without what does nothing, so that two ways to say the same have one id.
fn without_idle_steps(mut recipe: Recipe) -> Recipe {
    recipe.drop = recipe.drop.filter(|drop| drop.rate > 0.0);
    recipe.trim = recipe.trim.filter(|trim| !trim.is_idle());
    if let Combine::Pcb { clamp, clamp_high, .. } = &mut recipe.combine {
        *clamp_high = clamp_high.filter(|high| high.to_bits() != clamp.to_bits());
    }
    if let Space::Dc { smoothing, rule, .. } = &mut recipe.space
        && *rule == SmoothingRule::None
    {
        *smoothing = 0.0;
        *rule = SmoothingRule::Average;
    }
    recipe.post.calibrate_spectrum = recipe.post.calibrate_spectrum.filter(|alpha| *alpha > 0.0);
    recipe.post.flatten = recipe.post.flatten.filter(|flatten| flatten.share > 0.0);
    recipe.post.output_rank = recipe.post.output_rank.filter(|rank| *rank > 0);
    recipe.weights.retain(|_, weight| weight.to_bits() != 1.0f64.to_bits());
    recipe.layer_weights.retain(|_, parts| {
        drop_idle_parts(parts);
        !parts.is_empty()
    });
    recipe
}

/// Removes the weights of parts that change nothing. The entry of a module takes the place of its layer's entry: a module
/// with 1 in a layer with another number stays.
fn drop_idle_parts(parts: &mut BTreeMap<String, PartWeight>) {
    let layers: BTreeSet<String> = parts
        .iter()
        .filter(|(part, weight)| part.parse::<u32>().is_ok() && !weight.is_idle())
        .map(|(layer, _)| layer.clone())
        .collect();
    let is_in_weighted_layer = |module: &str| layer_of(module).is_some_and(|layer| layers.contains(&layer.to_string()));
    parts.retain(|part, weight| !weight.is_idle() || is_in_weighted_layer(part));
    // A list of ones and the number 1 say the same.
    for weight in parts.values_mut().filter(|weight| weight.is_idle()) {
        *weight = PartWeight::Whole(1.0);
    }
}

fn usual_scope(space: Space) -> TrimScope {
    match space {
        Space::Core
        | Space::CoreQr
        | Space::CoreGeodesic
        | Space::Knots { sigma: Sigma::After, .. }
        | Space::Compressed { .. }
        | Space::Dc { .. } => TrimScope::Matrix,
        Space::Full | Space::Knots { sigma: Sigma::Folded, .. } => TrimScope::Model,
    }
}

impl Recipe {
    /// The same merge in the one space that recipes which mean it share.
    ///
    /// Steps on whole matrices use singular directions, products and norms alone, and the bases of the spaces are
    /// orthonormal, so all spaces give one merge, which is computed in `core`. Not so
    /// - after a drop or a trim, which look at entries,
    /// - where a larger cut than the usual one leaves directions out, or V is merged without its σ,
    /// - where a step counts the directions that the space has room for,
    /// - for `iso_cts` on transposes, which takes residuals on the other side.
    ///
    /// `tsv`, `iso_c` and `iso_cts` are not offered in `full` at all, see [`consistent`].
    pub(super) fn canonical(self) -> Self {
        if !self.is_equivariant() || self.counts_directions() {
            return self;
        }
        let is_same_in_core = match self.space {
            Space::Full | Space::Core | Space::CoreQr => true,
            // Their bases leave out a part of the updates.
            Space::CoreGeodesic | Space::Compressed { .. } | Space::Dc { .. } => false,
            Space::Knots { axis, cut, sigma } => {
                let is_same_on_transposes = !matches!(self.combine, Combine::IsoCts { .. });
                sigma == Sigma::Folded && cut.is_usual() && (axis == Axis::Columns || is_same_on_transposes)
            }
        };
        if is_same_in_core { Self { space: Space::Core, ..self } } else { self }
    }
}

impl SigmaCut {
    /// Whether it leaves out no more than the cut that one gets without asking.
    fn is_usual(self) -> bool {
        self.absolute <= Self::default().absolute && self.relative <= Self::default().relative
    }
}

/// What a recipe with `combine: fisher` may say.
fn consistent_by_fisher(recipe: &Recipe) -> Result<(), RecipeError> {
    if recipe.space == Space::Full && recipe.calibrate.is_none() && !recipe.looks_at_entries() && recipe.elect.is_none()
    {
        return Ok(());
    }
    Err(RecipeError::Contradiction(
        "`fisher` weighs the entries of the updates as they are, in `space: full`: it takes no drop, no trim, no `elect` and \
         no `calibrate`",
    ))
}

/// What a recipe with `gram: inputs` or `merged_inputs` may say.
fn consistent_by_inputs(recipe: &Recipe) -> Result<(), RecipeError> {
    let is_plain = recipe.calibrate.is_none() && !recipe.looks_at_entries() && recipe.elect.is_none();
    if recipe.space == Space::Full && is_plain && recipe.post.is_empty() {
        return Ok(());
    }
    Err(RecipeError::Contradiction(
        "`gram: inputs` and `merged_inputs` merge the updates as they are, in `space: full`: they take no drop, no trim, no `elect` and no step \
         after the combination",
    ))
}

/// Numbers that contradict each other, or the combination.
fn consistent_numbers(recipe: &Recipe) -> Result<(), RecipeError> {
    if matches!(recipe.combine, Combine::GramMerge { .. }) && recipe.weights.values().any(|weight| *weight < 0.0) {
        return Err(RecipeError::Contradiction(
            "`gram_merge` multiplies the squared errors of the tasks by their `weights`, which have to be 0 or more: with a \
             negative weight there is no smallest sum",
        ));
    }
    if recipe.combine.weights_are_places() && recipe.weights.values().any(|weight| *weight < 0.0) {
        return Err(RecipeError::Contradiction(
            "`weights` of `nuslerp`, `karcher`, `average` and `fisher` say where between the updates the merge lies: they have to be 0 or \
             more",
        ));
    }
    if let Some(Trim { density, outliers, .. }) = recipe.trim
        && density + outliers > 1.0
    {
        return Err(RecipeError::Contradiction(
            "`density` and `outliers` add up to more than 1: the trim keeps one share of the entries, and leaves out \
             the other, which are the largest",
        ));
    }
    let parts = recipe.layer_weights.values().flatten();
    for (part, weight) in parts {
        let PartWeight::Directions(weights) = weight else { continue };
        if weights.is_empty() || part.parse::<usize>().is_ok() {
            return Err(RecipeError::Contradiction(
                "a list in `layer_weights` has a number for each direction of a module: it is not empty, and stands under the \
                 name of a module, not under the number of a layer",
            ));
        }
    }
    if !(recipe.layer_weights.is_empty() || recipe.takes_part_weights()) {
        return Err(RecipeError::Contradiction(
            "`layer_weights` are for task arithmetic: `combine: sum` in `space: full` or `space: knots` (with `axis: columns` and \
             `sigma: folded`), without drop, trim, `elect` and steps after the combination",
        ));
    }
    if let Some(DareDrop { rate, spread, .. }) = recipe.drop
        && (rate - spread <= 0.0 || rate + spread >= 1.0)
        && spread > 0.0
    {
        return Err(RecipeError::Contradiction(
            "`drop_rate` minus `drop_spread` is not above 0, or their sum is not below 1: every entry needs a rate of \
             its own between 0 and 1",
        ));
    }
    Ok(())
}

fn consistent(recipe: &Recipe) -> Result<(), RecipeError> {
    consistent_numbers(recipe)?;
    let is_partial = matches!(recipe.space, Space::CoreGeodesic | Space::Compressed { .. } | Space::Dc { .. });
    if recipe.post.calibrate_spectrum.is_some() && is_partial {
        return Err(RecipeError::Contradiction(
            "`calibrate_spectrum` compares the merge with the tasks' whole updates, and the bases of `space: core_geodesic`, \
             `compressed` and `dc` leave out or change a part of them: use another space",
        ));
    }
    let is_computed_in_core = recipe.space == Space::Core || recipe.alignment() == Space::Core;
    if recipe.calibrate.is_some() && !is_computed_in_core {
        return Err(RecipeError::Contradiction(
            "`calibrate` scales singular directions of the stacked factors, which are the basis of `space: core` alone",
        ));
    }
    if recipe.combine.is_factor_wise() && (recipe.space != Space::Full || recipe.looks_at_entries()) {
        return Err(RecipeError::Contradiction(
            "`lego`, `robust_merge` and `nuslerp` with `arc_over: rows` or `columns` work on the factors of the adapters: they need \
             `space: full`, without `density` and `drop_rate`",
        ));
    }
    if matches!(recipe.combine, Combine::Fisher { .. }) {
        return consistent_by_fisher(recipe);
    }
    if recipe.elect.is_some() && !recipe.combine.elects() && !recipe.combine.is_matrix_wise() {
        return Err(RecipeError::Contradiction(
            "`elect` chooses signs before `mean`, `sum` and `max` alone: the combination has a rule of its own for them",
        ));
    }
    if !recipe.combine.is_matrix_wise() {
        return Ok(());
    }
    if recipe.merges_by_data() {
        return consistent_by_inputs(recipe);
    }
    if recipe.space == Space::Full {
        if matches!(recipe.combine, Combine::Tsv | Combine::IsoC | Combine::IsoCts { .. }) {
            return Err(RecipeError::Contradiction(
                "`tsv`, `iso_c` and `iso_cts` need `space: core` or `space: knots`: in the full space most singular \
                 directions of a low-rank update are arbitrary",
            ));
        }
        if recipe.looks_at_entries() {
            return Err(RecipeError::Contradiction(
                "a combination of whole matrices after `density` or `drop_rate` needs `space: core` or `space: \
                 knots`: in the full space the trimmed updates have no low rank",
            ));
        }
    }
    if recipe.elect.is_some() {
        return Err(RecipeError::Contradiction(
            "`elect` chooses signs entry by entry, and the combination works on whole matrices",
        ));
    }
    Ok(())
}
