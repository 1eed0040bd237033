mod alias;
mod steps;
mod tuning;

pub(super) use alias::Alias;
pub(crate) use steps::KNOTS;
pub(super) use steps::{CART, COMMON_SHARE, COMPRESSED, DC, FISHER, KARCHER, LEGO, PCB, ROBUST_MERGE};

use super::Recipe;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

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
    /// TIES on V without Σ, trimmed by matrix: what the code of Core Space and of CtM calls KnOTS.
    KnotsTiesUnscaled,
    /// TIES in the core space of QR bases, as merge-and-rebase has it.
    CoreQrTies,
    /// TSV-Merge with a flat spectrum, as Core Space (arXiv:2509.17786) recommends.
    TsvIso,
    /// Iso-C with the mean of its authors, over all directions of the weight.
    IsoCFull,
    /// Model Breadcrumbs (arXiv:2312.06795): a sum without the smallest and the largest entries.
    Breadcrumbs,
    /// PEFT's `magnitude_prune`: a sum of trimmed updates.
    MagnitudePrune,
    /// WUDI-Merging (arXiv:2503.08099), in closed form.
    WudiClosed,
    /// ActMerge: RegMean with Gram matrices of the updates themselves.
    Actmerge,
    /// RegMean (arXiv:2212.09849): least squares of the outputs on the inputs of each task.
    Regmean,
    /// RegMean++ (arXiv:2508.03121): the same, layer by layer on the inputs that the merged layers before make.
    RegmeanPlusPlus,
    /// CART (arXiv:2412.12153): the mean and the leading directions of each difference to it.
    Cart,
    /// Task arithmetic with a calibrated spectrum (arXiv:2602.05536).
    Svc,
    /// Compress-then-Merge: a sum in bases of rank 16.
    Ctm,
    /// Compress-then-Merge with TIES in bases of rank 16.
    CtmTies,
    /// DC-Merge: a sum of updates with flat spectra in whitened bases.
    DcMerge,
    /// DELLA (arXiv:2406.11617): a drop by magnitude, elect, disjoint mean, with mergekit's rescaling.
    Della,
    /// PCB-Merging (arXiv:2410.02396), by matrix.
    Pcb,
    /// SCE of FuseChat (arXiv:2408.07990), by matrix.
    Sce,
    /// SLERP of two updates.
    Slerp,
    /// SLERP of two updates whose weights say where on the arc, as in mergekit.
    Nuslerp,
    /// The Karcher mean of the updates, as in mergekit.
    Karcher,
    /// Model Stock (arXiv:2403.19522) of the updates, by matrix.
    ModelStock,
    /// Task arithmetic of updates that Pico (arXiv:2604.16826) calibrates, with the mean norm of the tasks.
    Pico,
    /// LoRA-LEGO (arXiv:2409.16167).
    Lego,
    /// RobustMerge (arXiv:2502.17159).
    RobustMerge,
    /// Fisher merging (arXiv:2111.09832).
    Fisher,
}

impl Preset {
    /// Every preset, in the order in which they are listed to people.
    pub const ALL: [Self; 35] = [
        Self::TaskArithmetic,
        Self::Ties,
        Self::DareTies,
        Self::KnotsTies,
        Self::KnotsDareTies,
        Self::CoreTies,
        Self::Tsv,
        Self::IsoC,
        Self::IsoCts,
        Self::KnotsTiesUnscaled,
        Self::CoreQrTies,
        Self::TsvIso,
        Self::IsoCFull,
        Self::Breadcrumbs,
        Self::MagnitudePrune,
        Self::WudiClosed,
        Self::Actmerge,
        Self::Regmean,
        Self::RegmeanPlusPlus,
        Self::Cart,
        Self::Svc,
        Self::Ctm,
        Self::CtmTies,
        Self::DcMerge,
        Self::Della,
        Self::Pcb,
        Self::Sce,
        Self::Slerp,
        Self::Nuslerp,
        Self::Karcher,
        Self::ModelStock,
        Self::Pico,
        Self::Lego,
        Self::RobustMerge,
        Self::Fisher,
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
            Self::KnotsTiesUnscaled => "knots_ties_unscaled",
            Self::CoreQrTies => "core_qr_ties",
            Self::TsvIso => "tsv_iso",
            Self::IsoCFull => "iso_c_full",
            Self::Breadcrumbs => "breadcrumbs",
            Self::MagnitudePrune => "magnitude_prune",
            Self::WudiClosed => "wudi_closed",
            Self::Actmerge => "actmerge",
            Self::Regmean => "regmean",
            Self::RegmeanPlusPlus => "regmean_plus_plus",
            Self::Cart => "cart",
            Self::Svc => "svc",
            Self::Ctm => "ctm",
            Self::CtmTies => "ctm_ties",
            Self::DcMerge => "dc_merge",
            Self::Della => "della",
            Self::Pcb => "pcb",
            Self::Sce => "sce",
            Self::Slerp => "slerp",
            Self::Nuslerp => "nuslerp",
            Self::Karcher => "karcher",
            Self::ModelStock => "model_stock",
            Self::Pico => "pico",
            Self::Lego => "lego",
            Self::RobustMerge => "robust_merge",
            Self::Fisher => "fisher",
        }
    }

    /// Old names of presets, which recipes may still use.
    pub(crate) fn old_names() -> impl Iterator<Item = &'static str> {
        Alias::ALL.into_iter().map(|alias| alias.name)
    }

    /// The preset whose steps `recipe` takes, whatever its numbers.
    ///
    /// A trim is one of the numbers: at density 1 a preset that trims has none. The norm and the rank of the result
    /// make no other method either.
    pub fn of(recipe: &Recipe) -> Option<Self> {
        Self::ALL.into_iter().find(|preset| steps::are_alike(&preset.recipe(), recipe))
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
