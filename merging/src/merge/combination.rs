use super::coefficients::Coefficients;
use crate::methods::{Lego, Pcb, RobustMerge, Stop};
use jobs::{ArcOver, Combine, Gram};

/// The most steps of an iteration: the number in a recipe of a message was not checked.
const MOST_STEPS: u64 = 1 << 20;

/// How the values of all tasks are combined, by the unit of work.
///
/// Each unit has a type of its own, so that its code never meets a combination of the other one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Combination {
    EntryWise(EntryRule),
    MatrixWise(MatrixMethod),
    /// With all entries of a matrix in view.
    Entries(EntriesMethod),
    /// On the factors of the adapters, in the `full` space.
    FactorWise(FactorMethod),
    /// By statistics of the tasks' own models, see [`Aligned::merge_by_statistics`](crate::Aligned::merge_by_statistics).
    ByStatistics,
}

/// What an entry becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EntryRule {
    Mean,
    Sum,
    /// The sum, with weights that add up to 1.
    Average,
    Max,
}

/// What a matrix becomes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum MatrixMethod {
    Tsv,
    IsoC,
    IsoCts {
        common_share: f64,
    },
    GramMerge {
        gram: Gram,
        ridge: f64,
    },
    Cart {
        rank_share: f64,
        residual_scale: f64,
    },
    /// A sum with coefficients that follow from inner products.
    Coefficients(Coefficients),
}

/// What the entries of a matrix become.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum EntriesMethod {
    Pcb(Pcb),
    Sce { selected: f64 },
}

/// What factors become.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum FactorMethod {
    Lego(Lego),
    RobustMerge(RobustMerge),
    Nuslerp(ArcVectors),
}

/// The vectors that `nuslerp` interpolates one by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ArcVectors {
    Rows,
    Columns,
}

impl From<Combine> for Combination {
    fn from(combine: Combine) -> Self {
        match combine {
            Combine::Mean => Self::EntryWise(EntryRule::Mean),
            Combine::Sum => Self::EntryWise(EntryRule::Sum),
            Combine::Average => Self::EntryWise(EntryRule::Average),
            Combine::Max => Self::EntryWise(EntryRule::Max),
            Combine::Tsv => Self::MatrixWise(MatrixMethod::Tsv),
            Combine::IsoC => Self::MatrixWise(MatrixMethod::IsoC),
            Combine::IsoCts { common_share } => Self::MatrixWise(MatrixMethod::IsoCts { common_share }),
            Combine::GramMerge { gram, ridge } => Self::MatrixWise(MatrixMethod::GramMerge { gram, ridge }),
            Combine::Cart { rank_share, residual_scale } => {
                Self::MatrixWise(MatrixMethod::Cart { rank_share, residual_scale })
            }
            Combine::Slerp { position } => coefficients(Coefficients::Slerp { position }),
            Combine::Nuslerp { over: ArcOver::Matrix } => coefficients(Coefficients::Nuslerp),
            Combine::Nuslerp { over: ArcOver::Rows } => Self::FactorWise(FactorMethod::Nuslerp(ArcVectors::Rows)),
            Combine::Nuslerp { over: ArcOver::Columns } => Self::FactorWise(FactorMethod::Nuslerp(ArcVectors::Columns)),
            Combine::Karcher { tolerance, max_iterations } => {
                let steps = max_iterations.min(MOST_STEPS) as usize;
                coefficients(Coefficients::Karcher(Stop { tolerance, steps }))
            }
            Combine::ModelStock => coefficients(Coefficients::ModelStock),
            Combine::Pcb { clamp, clamp_high, top_share } => {
                let clamp_high = clamp_high.unwrap_or(clamp);
                Self::Entries(EntriesMethod::Pcb(Pcb { clamp_low: clamp, clamp_high, density: top_share }))
            }
            Combine::Sce { select } => Self::Entries(EntriesMethod::Sce { selected: select }),
            Combine::Lego { rank, seed } => Self::FactorWise(FactorMethod::Lego(Lego { rank: rank as usize, seed })),
            Combine::RobustMerge { factor_density, distinct_share } => {
                let settings = RobustMerge { density: factor_density, distinct: distinct_share };
                Self::FactorWise(FactorMethod::RobustMerge(settings))
            }
            Combine::Fisher { .. } => Self::ByStatistics,
        }
    }
}

fn coefficients(rule: Coefficients) -> Combination {
    Combination::MatrixWise(MatrixMethod::Coefficients(rule))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_combination_is_matrix_wise_here_as_it_is_for_recipes() {
        let combines = [
            Combine::Mean,
            Combine::Sum,
            Combine::Average,
            Combine::Max,
            Combine::Tsv,
            Combine::IsoC,
            Combine::IsoCts { common_share: 0.8 },
            Combine::GramMerge { gram: Gram::Update, ridge: 0.0 },
            Combine::Cart { rank_share: 0.2, residual_scale: 1.0 },
            Combine::Slerp { position: 0.5 },
            Combine::Nuslerp { over: ArcOver::Matrix },
            Combine::Nuslerp { over: ArcOver::Rows },
            Combine::Nuslerp { over: ArcOver::Columns },
            Combine::Karcher { tolerance: 1e-9, max_iterations: 10 },
            Combine::ModelStock,
            Combine::Pcb { clamp: 0.01, clamp_high: None, top_share: 0.05 },
            Combine::Sce { select: 0.1 },
            Combine::Lego { rank: 16, seed: 0 },
            Combine::RobustMerge { factor_density: 0.2, distinct_share: 0.2 },
            Combine::Fisher { examples: 1, floor: 1e-6, norm: jobs::FisherNorm::None },
        ];
        for combine in combines {
            assert_eq!(
                matches!(Combination::from(combine), Combination::MatrixWise(_)),
                combine.is_matrix_wise(),
                "{combine:?}"
            );
            assert_eq!(
                matches!(Combination::from(combine), Combination::FactorWise(_)),
                combine.is_factor_wise(),
                "{combine:?}"
            );
        }
    }
}
