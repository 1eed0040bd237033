use super::{
    Axis, Combine, DareDrop, Preset, Recipe, RecipeError, RecipeKey, RecipeSpec, SEMANTICS, SigmaCut, Space, Trim,
    TrimScope, choice, preset::Alias,
};

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
        let start = self.start()?;
        let presets_scope = start.trim.map(|trim| trim.scope);
        let mut recipe = with_every_step(start);
        for key in RecipeKey::ALL {
            key.apply(self, &mut recipe)?;
        }
        if self.trim_scope.is_none()
            && let Some(trim) = &mut recipe.trim
        {
            trim.scope = presets_scope.unwrap_or_else(|| usual_scope(recipe.space));
        }
        if self.elect.is_none() && recipe.combine.is_matrix_wise() {
            // A preset's election belongs to its own entry-wise step, not to one that replaces it.
            recipe.elect = None;
        }
        let recipe = without_idle_steps(recipe);
        consistent(&recipe)?;
        Ok(recipe)
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

/// The same recipe with a drop and a trim that do nothing where it has none, so that keys find their places.
fn with_every_step(recipe: Recipe) -> Recipe {
    let drop = recipe.drop.unwrap_or(DareDrop { rate: 0.0, seed: 0 });
    let trim = recipe.trim.unwrap_or(Trim { density: 1.0, scope: TrimScope::Model });
    Recipe { semantics: SEMANTICS, drop: Some(drop), trim: Some(trim), ..recipe }
}

/// The same recipe without what does nothing, so that two ways to say the same have one id.
fn without_idle_steps(mut recipe: Recipe) -> Recipe {
    recipe.drop = recipe.drop.filter(|drop| drop.rate > 0.0);
    recipe.trim = recipe.trim.filter(|trim| trim.density < 1.0);
    recipe.weights.retain(|_, weight| weight.to_bits() != 1.0f64.to_bits());
    recipe
}

fn usual_scope(space: Space) -> TrimScope {
    match space {
        Space::Core => TrimScope::Matrix,
        Space::Full | Space::Knots { .. } => TrimScope::Model,
    }
}

impl Recipe {
    /// The same merge in the one space that recipes which mean it share.
    ///
    /// `tsv`, `iso_c` and `iso_cts` use singular directions alone, and the bases of `knots` and `core` are orthonormal, so
    /// both spaces give one merge. Not so after a drop or a trim, which look at entries, and not where a larger cut than
    /// the usual one leaves directions out. On transposes `iso_cts` takes residuals on the other side, which is another merge.
    fn canonical(self) -> Self {
        let Space::Knots { axis, cut } = self.space else { return self };
        let uses_directions_alone = match self.combine {
            Combine::Mean | Combine::Sum | Combine::Max => false,
            Combine::Tsv | Combine::IsoC => true,
            Combine::IsoCts { .. } => axis == Axis::Columns,
        };
        let looks_at_entries = self.drop.is_some() || self.trim.is_some();
        let is_same_in_core = uses_directions_alone && !looks_at_entries && cut.is_usual();
        if is_same_in_core { Self { space: Space::Core, ..self } } else { self }
    }
}

impl SigmaCut {
    /// Whether it leaves out no more than the cut that one gets without asking.
    fn is_usual(self) -> bool {
        self.absolute <= Self::default().absolute && self.relative <= Self::default().relative
    }
}

fn consistent(recipe: &Recipe) -> Result<(), RecipeError> {
    if !recipe.combine.is_matrix_wise() {
        return Ok(());
    }
    if recipe.space == Space::Full {
        return Err(RecipeError::Contradiction(
            "`tsv`, `iso_c` and `iso_cts` need `space: core` or `space: knots`: in the full space most singular \
             directions of a low-rank update are arbitrary",
        ));
    }
    if recipe.elect.is_some() {
        return Err(RecipeError::Contradiction(
            "`elect` chooses signs entry by entry, and `tsv`, `iso_c` and `iso_cts` work on whole matrices",
        ));
    }
    Ok(())
}
