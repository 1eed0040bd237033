use super::{Axis, Combine, DareDrop, Elect, Recipe, SEMANTICS, SigmaCut, Space, Trim, TrimScope};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt, str::FromStr};

/// A named recipe, in the meaning of the publication that introduced it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Preset {
    /// Task arithmetic (arXiv:2212.04089): the scaled sum of the updates.
    TaskArithmetic,
    /// TIES (arXiv:2306.01708): trim, elect, disjoint mean on the updates themselves.
    Ties,
    /// DARE before TIES (arXiv:2311.03099), without a trim.
    DareTies,
    /// TIES in the KnOTS space (arXiv:2410.19735), with Σ folded into V and a trim over the model.
    KnotsTies,
    /// DARE and TIES in the KnOTS space, without a trim.
    KnotsDareTies,
    /// TIES in the core space (arXiv:2509.17786), with a trim per matrix.
    CoreTies,
    /// TSV-Merge (arXiv:2412.00081), computed in the core space.
    Tsv,
    /// Iso-C (arXiv:2502.04959), computed in the core space.
    IsoC,
    /// Iso-CTS (arXiv:2502.04959), computed in the core space.
    IsoCts,
}

/// The share of common directions that the Iso-CTS authors use.
pub(super) const COMMON_SHARE: f64 = 0.8;

pub(super) const KNOTS: Space = Space::Knots { axis: Axis::Columns, cut: SigmaCut { absolute: 1e-5, relative: 0.0 } };
const TRIM_MODEL: Option<Trim> = Some(Trim { density: 0.2, scope: TrimScope::Model });
const TRIM_MATRIX: Option<Trim> = Some(Trim { density: 0.2, scope: TrimScope::Matrix });
const DARE: Option<DareDrop> = Some(DareDrop { rate: 0.1, seed: 0 });
const VALUES: Option<Elect> = Some(Elect::SumOfValues);
const ISO_CTS: Combine = Combine::IsoCts { common_share: COMMON_SHARE };

impl Preset {
    /// Every preset, in the order in which they are listed to people.
    pub const ALL: [Self; 9] = [
        Self::TaskArithmetic,
        Self::Ties,
        Self::DareTies,
        Self::KnotsTies,
        Self::KnotsDareTies,
        Self::CoreTies,
        Self::Tsv,
        Self::IsoC,
        Self::IsoCts,
    ];

    /// The name used in recipes.
    pub fn name(self) -> &'static str {
        match self {
            Self::TaskArithmetic => "task_arithmetic",
            Self::Ties => "ties",
            Self::DareTies => "dare_ties",
            Self::KnotsTies => "knots_ties",
            Self::KnotsDareTies => "knots_dare_ties",
            Self::CoreTies => "core_ties",
            Self::Tsv => "tsv",
            Self::IsoC => "iso_c",
            Self::IsoCts => "iso_cts",
        }
    }

    /// The preset's steps with its default values and λ = 1.
    pub fn recipe(self) -> Recipe {
        let (space, drop, trim, elect, combine) = match self {
            Self::TaskArithmetic => (Space::Full, None, None, None, Combine::Sum),
            Self::Ties => (Space::Full, None, TRIM_MODEL, VALUES, Combine::Mean),
            Self::DareTies => (Space::Full, DARE, None, VALUES, Combine::Mean),
            Self::KnotsTies => (KNOTS, None, TRIM_MODEL, VALUES, Combine::Mean),
            Self::KnotsDareTies => (KNOTS, DARE, None, VALUES, Combine::Mean),
            Self::CoreTies => (Space::Core, None, TRIM_MATRIX, VALUES, Combine::Mean),
            Self::Tsv => (Space::Core, None, None, None, Combine::Tsv),
            Self::IsoC => (Space::Core, None, None, None, Combine::IsoC),
            Self::IsoCts => (Space::Core, None, None, None, ISO_CTS),
        };
        let weights = BTreeMap::new();
        Recipe { semantics: SEMANTICS, space, drop, trim, elect, combine, scaling: 1.0, weights }.at_current_semantics()
    }
}

impl fmt::Display for Preset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Preset {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|preset| preset.name() == name).ok_or(())
    }
}

/// An old name of a preset, from when the space was a part of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Alias {
    pub(super) name: &'static str,
    pub(super) preset: Preset,
    /// The space that the name says.
    pub(super) space: Space,
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
    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|alias| alias.name == name)
    }
}
