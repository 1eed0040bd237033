use super::{
    TextError,
    raw::{Cell, RawRow},
};
use jobs::TextSpec;

/// What the labels of a data set mean.
pub(super) struct Labels<'a> {
    pub(super) spec: &'a TextSpec,
    pub(super) column: &'a str,
    /// The names of the classes, if the label column states them.
    pub(super) names: Option<&'a [String]>,
}

impl Labels<'_> {
    /// Whether rows with this label are left out.
    pub(super) fn is_dropped(&self, label: &Cell) -> bool {
        self.spellings(label).iter().any(|label| self.spec.drop_labels.contains(label))
    }

    /// The class in the head that a row's label stands for.
    pub(super) fn class(&self, row: &RawRow) -> Result<u32, TextError> {
        let at = || row.at.clone();
        let column = || self.column.to_owned();
        let spellings = self.spellings(&row.label);
        let label = match (&row.label, spellings.first()) {
            (Cell::Nothing, _) => return Err(TextError::Missing { at: at(), column: column(), what: "label" }),
            (_, Some(label)) => label.clone(),
            (other, None) => {
                let found = other.kind();
                let expected = "a whole number or a text";
                return Err(TextError::Wrong { at: at(), column: column(), found, expected });
            }
        };
        let class = if self.spec.labels.is_empty() {
            label.parse().map_err(|_| TextError::NoClass { at: at(), column: column(), label: label.clone() })?
        } else {
            *spellings.iter().find_map(|label| self.spec.labels.get(label)).ok_or_else(|| {
                let known = self.spec.labels.keys().cloned().collect();
                TextError::Unknown { at: at(), column: column(), label: label.clone(), known }
            })?
        };
        if self.spec.mask_classes.contains(&class) {
            Err(TextError::Masked { at: at(), column: column(), label, class })
        } else {
            Ok(class)
        }
    }

    /// The texts under which a label may be known: its own, and the name of a numbered class.
    fn spellings(&self, label: &Cell) -> Vec<String> {
        match label {
            Cell::Text(text) => vec![text.to_string()],
            Cell::Number(number) => {
                let name = usize::try_from(*number).ok().and_then(|number| self.names?.get(number)).cloned();
                [number.to_string()].into_iter().chain(name).collect()
            }
            Cell::Nothing | Cell::Other(_) => Vec::new(),
        }
    }
}
