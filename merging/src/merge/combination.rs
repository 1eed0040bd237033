use jobs::{Combine, Gram};

/// How the values of all tasks are combined, by the unit of work.
///
/// Each unit has a type of its own, so that its code never meets a combination of the other one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Combination {
    EntryWise(EntryRule),
    MatrixWise(MatrixMethod),
}

/// What an entry becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EntryRule {
    Mean,
    Sum,
    Max,
}

/// What a matrix becomes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum MatrixMethod {
    Tsv,
    IsoC,
    IsoCts { common_share: f64 },
    GramMerge { gram: Gram, ridge: f64 },
    Cart { rank_share: f64, residual_scale: f64 },
}

impl From<Combine> for Combination {
    fn from(combine: Combine) -> Self {
        match combine {
            Combine::Mean => Self::EntryWise(EntryRule::Mean),
            Combine::Sum => Self::EntryWise(EntryRule::Sum),
            Combine::Max => Self::EntryWise(EntryRule::Max),
            Combine::Tsv => Self::MatrixWise(MatrixMethod::Tsv),
            Combine::IsoC => Self::MatrixWise(MatrixMethod::IsoC),
            Combine::IsoCts { common_share } => Self::MatrixWise(MatrixMethod::IsoCts { common_share }),
            Combine::GramMerge { gram, ridge } => Self::MatrixWise(MatrixMethod::GramMerge { gram, ridge }),
            Combine::Cart { rank_share, residual_scale } => {
                Self::MatrixWise(MatrixMethod::Cart { rank_share, residual_scale })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_combination_is_matrix_wise_here_as_it_is_for_recipes() {
        let combines = [
            Combine::Mean,
            Combine::Sum,
            Combine::Max,
            Combine::Tsv,
            Combine::IsoC,
            Combine::IsoCts { common_share: 0.8 },
            Combine::GramMerge { gram: Gram::Update, ridge: 0.0 },
            Combine::Cart { rank_share: 0.2, residual_scale: 1.0 },
        ];
        for combine in combines {
            assert_eq!(
                matches!(Combination::from(combine), Combination::MatrixWise(_)),
                combine.is_matrix_wise(),
                "{combine:?}"
            );
        }
    }
}
