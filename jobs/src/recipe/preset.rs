use super::{Axis, Combine, Drop, Elect, Recipe, SEMANTICS, SigmaCut, Space, Trim, TrimScope};
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
    /// TSV-Merge (arXiv:2412.00081) in the core space.
    CoreTsv,
    /// Iso-C (arXiv:2502.04959) in the core space.
    CoreIsoC,
    /// Iso-CTS (arXiv:2502.04959) in the core space.
    CoreIsoCts,
    /// TSV-Merge in the KnOTS space.
    KnotsTsv,
    /// Iso-C in the KnOTS space.
    KnotsIsoC,
    /// Iso-CTS in the KnOTS space.
    KnotsIsoCts,
}

/// The share of common directions that the Iso-CTS authors use.
pub(super) const COMMON_SHARE: f64 = 0.8;

const KNOTS: Space = Space::Knots { axis: Axis::Columns, cut: SigmaCut { absolute: 1e-5, relative: 0.0 } };
const TRIM_MODEL: Option<Trim> = Some(Trim { density: 0.2, scope: TrimScope::Model });
const TRIM_MATRIX: Option<Trim> = Some(Trim { density: 0.2, scope: TrimScope::Matrix });
const DARE: Option<Drop> = Some(Drop { rate: 0.1, seed: 0 });
const VALUES: Option<Elect> = Some(Elect::SumOfValues);
const ISO_CTS: Combine = Combine::IsoCts { common_share: COMMON_SHARE };

impl Preset {
    /// Every preset, in the order in which they are listed to people.
    pub const ALL: [Self; 12] = [
        Self::TaskArithmetic,
        Self::Ties,
        Self::DareTies,
        Self::KnotsTies,
        Self::KnotsDareTies,
        Self::CoreTies,
        Self::CoreTsv,
        Self::CoreIsoC,
        Self::CoreIsoCts,
        Self::KnotsTsv,
        Self::KnotsIsoC,
        Self::KnotsIsoCts,
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
            Self::CoreTsv => "core_tsv",
            Self::CoreIsoC => "core_iso_c",
            Self::CoreIsoCts => "core_iso_cts",
            Self::KnotsTsv => "knots_tsv",
            Self::KnotsIsoC => "knots_iso_c",
            Self::KnotsIsoCts => "knots_iso_cts",
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
            Self::CoreTsv => (Space::Core, None, None, None, Combine::Tsv),
            Self::CoreIsoC => (Space::Core, None, None, None, Combine::IsoC),
            Self::CoreIsoCts => (Space::Core, None, None, None, ISO_CTS),
            Self::KnotsTsv => (KNOTS, None, None, None, Combine::Tsv),
            Self::KnotsIsoC => (KNOTS, None, None, None, Combine::IsoC),
            Self::KnotsIsoCts => (KNOTS, None, None, None, ISO_CTS),
        };
        Recipe { semantics: SEMANTICS, space, drop, trim, elect, combine, scaling: 1.0, weights: BTreeMap::new() }
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
