use super::{KNOTS, Preset};
use crate::recipe::Space;

/// An old name of a preset, from when the space was a part of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::recipe) struct Alias {
    pub(in crate::recipe) name: &'static str,
    pub(in crate::recipe) preset: Preset,
    /// The space that the name says.
    pub(in crate::recipe) space: Space,
}

impl Alias {
    /// Every old name.
    pub(super) const ALL: [Self; 6] = [
        Self { name: "core_tsv", preset: Preset::Tsv, space: Space::Core },
        Self { name: "core_iso_c", preset: Preset::IsoC, space: Space::Core },
        Self { name: "core_iso_cts", preset: Preset::IsoCts, space: Space::Core },
        Self { name: "knots_tsv", preset: Preset::Tsv, space: KNOTS },
        Self { name: "knots_iso_c", preset: Preset::IsoC, space: KNOTS },
        Self { name: "knots_iso_cts", preset: Preset::IsoCts, space: KNOTS },
    ];

    /// The alias of that name.
    pub(in crate::recipe) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|alias| alias.name == name)
    }
}
