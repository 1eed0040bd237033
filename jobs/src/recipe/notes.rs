use super::{RecipeSpec, Space, choice::Choice, preset::Alias};

impl RecipeSpec {
    /// What a person should know of the way in which the recipe is written; nothing where it does not resolve.
    pub fn notes(&self) -> Vec<String> {
        let Ok(written) = self.as_written() else { return Vec::new() };
        let Ok(recipe) = self.resolve() else { return Vec::new() };
        let is_moved = written.space != recipe.space;
        let mut notes = Vec::new();
        if let Some(alias) = self.preset.as_deref().and_then(Alias::named) {
            notes.push(old_name(alias, recipe.space));
        } else if is_moved && self.space.is_some() {
            let method = recipe.combine.word();
            let space = written.space.word();
            notes.push(format!("`{method}` is the same merge in `{space}` and in `core`; it is computed in `core`"));
        }
        notes
    }
}

fn old_name(Alias { name, preset, space }: Alias, computed: Space) -> String {
    match space {
        Space::Core
        | Space::CoreQr
        | Space::CoreGeodesic
        | Space::Compressed { .. }
        | Space::Dc { .. }
        | Space::Full => format!("`{name}` is an old name of the preset `{preset}`"),
        Space::Knots { .. } if computed == Space::Core => format!(
            "`{name}` is an old name of the preset `{preset}`: in `knots` and in `core` it is the same merge, which is \
             computed in `core`"
        ),
        Space::Knots { .. } => format!("`{name}` is an old name of the preset `{preset}` with `space: knots`"),
    }
}

/// Adds the notes that are not there yet.
pub(crate) fn push_new(notes: &mut Vec<String>, more: impl IntoIterator<Item = String>) {
    for note in more {
        if !notes.contains(&note) {
            notes.push(note);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn notes(spec: Value) -> Vec<String> {
        serde_json::from_value::<RecipeSpec>(spec).unwrap().notes()
    }

    #[test]
    fn an_old_name_is_said_to_be_one() {
        assert_eq!(notes(json!({"preset": "core_tsv"})), ["`core_tsv` is an old name of the preset `tsv`"]);
        let knots = "`knots_iso_c` is an old name of the preset `iso_c`: in `knots` and in `core` it is the same merge, \
                     which is computed in `core`";
        assert_eq!(notes(json!({"preset": "knots_iso_c"})), [knots]);
        let trimmed = "`knots_tsv` is an old name of the preset `tsv` with `space: knots`";
        assert_eq!(notes(json!({"preset": "knots_tsv", "density": 0.5})), [trimmed]);
    }

    #[test]
    fn another_space_than_the_written_one_is_said() {
        let moved = "`tsv` is the same merge in `knots` and in `core`; it is computed in `core`";
        assert_eq!(notes(json!({"space": "knots", "combine": "tsv"})), [moved]);
        assert_eq!(notes(json!({"preset": "tsv", "space": "knots", "axis": "rows"})), [moved]);
    }

    #[test]
    fn there_is_nothing_to_say_of_what_is_done_as_written() {
        for spec in [
            json!({"preset": "tsv"}),
            json!({"preset": "knots_ties"}),
            json!({"preset": "tsv", "space": "knots", "drop_rate": 0.1}),
            json!({"preset": "nothing"}),
        ] {
            assert_eq!(notes(spec.clone()), [""; 0], "{spec}");
        }
    }
}
