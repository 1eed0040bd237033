use super::{
    ArcOver, Axis, Calibrate, Combine, DropRescale, Elect, FisherNorm, FlattenOver, Gram, Mask, Normalise, RecipeError,
    Sigma, SmoothingRule, Space, TrimCount, TrimRescale, TrimScope,
    preset::{CART, COMMON_SHARE, COMPRESSED, DC, FISHER, KARCHER, KNOTS, LEGO, PCB, ROBUST_MERGE},
};
use crate::nearest::nearest;

/// A step of a recipe that people choose with a word.
pub(super) trait Choice: Copy + 'static {
    /// Every choice, in the order in which people see them. A choice with numbers of its own has their defaults.
    const ALL: &'static [Self];

    /// How a recipe writes it.
    fn word(self) -> &'static str;
}

/// The words of a kind of choice.
pub(super) fn words_of<T: Choice>() -> Vec<&'static str> {
    T::ALL.iter().map(|choice| choice.word()).collect()
}

/// The choice that `key` gives with `word`.
pub(super) fn read<T: Choice>(key: &str, word: &str) -> Result<T, RecipeError> {
    T::ALL.iter().copied().find(|choice| choice.word() == word).ok_or_else(|| unknown(key, word, words_of::<T>()))
}

/// The error of a word that `key` does not know.
pub(super) fn unknown(key: &str, word: &str, valid: Vec<&'static str>) -> RecipeError {
    let nearest = nearest(word, valid.iter().copied());
    RecipeError::UnknownWord { key: key.to_owned(), value: word.to_owned(), valid, nearest }
}

impl Choice for Space {
    const ALL: &'static [Self] = &[Self::Full, KNOTS, Self::Core, Self::CoreQr, Self::CoreGeodesic, COMPRESSED, DC];

    fn word(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Knots { .. } => "knots",
            Self::Core => "core",
            Self::CoreQr => "core_qr",
            Self::CoreGeodesic => "core_geodesic",
            Self::Compressed { .. } => "compressed",
            Self::Dc { .. } => "dc",
        }
    }
}

impl Choice for Axis {
    const ALL: &'static [Self] = &[Self::Columns, Self::Rows];

    fn word(self) -> &'static str {
        match self {
            Self::Columns => "columns",
            Self::Rows => "rows",
        }
    }
}

impl Choice for TrimScope {
    const ALL: &'static [Self] = &[Self::Model, Self::Matrix];

    fn word(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Matrix => "matrix",
        }
    }
}

impl Choice for Sigma {
    const ALL: &'static [Self] = &[Self::Folded, Self::After];

    fn word(self) -> &'static str {
        match self {
            Self::Folded => "folded",
            Self::After => "after",
        }
    }
}

impl Choice for SmoothingRule {
    const ALL: &'static [Self] = &[Self::Average, Self::Linear, Self::None];

    fn word(self) -> &'static str {
        match self {
            Self::Average => "average",
            Self::Linear => "linear",
            Self::None => "none",
        }
    }
}

impl Choice for Mask {
    const ALL: &'static [Self] = &[Self::Block, Self::None];

    fn word(self) -> &'static str {
        match self {
            Self::Block => "block",
            Self::None => "none",
        }
    }
}

impl Choice for TrimCount {
    const ALL: &'static [Self] = &[Self::FloorPlusOne, Self::Floor];

    fn word(self) -> &'static str {
        match self {
            Self::FloorPlusOne => "floor_plus_one",
            Self::Floor => "floor",
        }
    }
}

impl Choice for Gram {
    const ALL: &'static [Self] = &[Self::Update, Self::UpdateNormalised, Self::INPUTS, Self::MERGED_INPUTS];

    fn word(self) -> &'static str {
        match self {
            Self::Update => "update",
            Self::UpdateNormalised => "update_normalised",
            Self::Inputs { .. } => "inputs",
            Self::MergedInputs { .. } => "merged_inputs",
        }
    }
}

impl Choice for ArcOver {
    const ALL: &'static [Self] = &[Self::Matrix, Self::Rows, Self::Columns];

    fn word(self) -> &'static str {
        match self {
            Self::Matrix => "matrix",
            Self::Rows => "rows",
            Self::Columns => "columns",
        }
    }
}

impl Choice for FisherNorm {
    const ALL: &'static [Self] = &[Self::None, Self::Model];

    fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Model => "model",
        }
    }
}

impl Choice for DropRescale {
    const ALL: &'static [Self] = &[Self::Probability, Self::Sum, Self::Norm, Self::None];

    fn word(self) -> &'static str {
        match self {
            Self::Probability => "probability",
            Self::Sum => "sum",
            Self::Norm => "norm",
            Self::None => "none",
        }
    }
}

impl Choice for TrimRescale {
    const ALL: &'static [Self] = &[Self::Sum, Self::Norm, Self::None];

    fn word(self) -> &'static str {
        match self {
            Self::Sum => "sum",
            Self::Norm => "norm",
            Self::None => "none",
        }
    }
}

impl Choice for Option<Calibrate> {
    const ALL: &'static [Self] = &[Some(Calibrate::Pico), None];

    fn word(self) -> &'static str {
        match self {
            Some(Calibrate::Pico) => "pico",
            None => "none",
        }
    }
}

impl Choice for FlattenOver {
    const ALL: &'static [Self] = &[Self::Kept, Self::All];

    fn word(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::All => "all",
        }
    }
}

impl Choice for Option<Normalise> {
    const ALL: &'static [Self] = &[Some(Normalise::MeanNorm), None];

    fn word(self) -> &'static str {
        match self {
            Some(Normalise::MeanNorm) => "mean_norm",
            None => "none",
        }
    }
}

impl Choice for Option<Elect> {
    const ALL: &'static [Self] = &[Some(Elect::SumOfValues), Some(Elect::SumOfSigns), None];

    fn word(self) -> &'static str {
        match self {
            Some(Elect::SumOfValues) => "sum_of_values",
            Some(Elect::SumOfSigns) => "sum_of_signs",
            None => "none",
        }
    }
}

impl Choice for Combine {
    const ALL: &'static [Self] = &[
        Self::Mean,
        Self::Sum,
        Self::Average,
        Self::Max,
        Self::Tsv,
        Self::IsoC,
        Self::IsoCts { common_share: COMMON_SHARE },
        Self::GramMerge { gram: Gram::Update, ridge: 0.0 },
        CART,
        Self::Slerp { position: 0.5 },
        Self::Nuslerp { over: ArcOver::Matrix },
        KARCHER,
        Self::ModelStock,
        PCB,
        Self::Sce { select: 0.1 },
        LEGO,
        ROBUST_MERGE,
        FISHER,
    ];

    fn word(self) -> &'static str {
        match self {
            Self::Mean => "mean",
            Self::Sum => "sum",
            Self::Average => "average",
            Self::Max => "max",
            Self::Tsv => "tsv",
            Self::IsoC => "iso_c",
            Self::IsoCts { .. } => "iso_cts",
            Self::GramMerge { .. } => "gram_merge",
            Self::Cart { .. } => "cart",
            Self::Slerp { .. } => "slerp",
            Self::Nuslerp { .. } => "nuslerp",
            Self::Karcher { .. } => "karcher",
            Self::ModelStock => "model_stock",
            Self::Pcb { .. } => "pcb",
            Self::Sce { .. } => "sce",
            Self::Lego { .. } => "lego",
            Self::RobustMerge { .. } => "robust_merge",
            Self::Fisher { .. } => "fisher",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::de::DeserializeOwned;
    use serde_json::{Value, json};

    /// The words that serde knows of an enum: those that its error lists.
    fn known_to_serde<T: DeserializeOwned>(unknown: Value) -> Vec<String> {
        let Err(error) = serde_json::from_value::<T>(unknown) else { unreachable!("`?` is no variant") };
        let error = error.to_string();
        let (_, expected) = error.split_once("expected ").unwrap();
        expected.split('`').skip(1).step_by(2).map(str::to_owned).collect()
    }

    /// The words of a step that may be left out.
    fn with_none<T: DeserializeOwned>() -> Vec<String> {
        [known_to_serde::<T>(json!("?")), vec!["none".to_owned()]].concat()
    }

    #[test]
    fn every_variant_that_can_be_stored_can_be_written_in_a_recipe() {
        assert_eq!(known_to_serde::<Space>(json!({"kind": "?"})), words_of::<Space>());
        assert_eq!(known_to_serde::<Axis>(json!("?")), words_of::<Axis>());
        assert_eq!(known_to_serde::<TrimScope>(json!("?")), words_of::<TrimScope>());
        assert_eq!(known_to_serde::<Combine>(json!({"kind": "?"})), words_of::<Combine>());
        assert_eq!(known_to_serde::<Sigma>(json!("?")), words_of::<Sigma>());
        assert_eq!(known_to_serde::<TrimCount>(json!("?")), words_of::<TrimCount>());
        assert_eq!(known_to_serde::<SmoothingRule>(json!("?")), words_of::<SmoothingRule>());
        assert_eq!(known_to_serde::<Mask>(json!("?")), words_of::<Mask>());
        assert_eq!(known_to_serde::<Gram>(json!("?")), words_of::<Gram>());
        assert_eq!(known_to_serde::<FlattenOver>(json!("?")), words_of::<FlattenOver>());
        assert_eq!(known_to_serde::<ArcOver>(json!("?")), words_of::<ArcOver>());
        assert_eq!(known_to_serde::<FisherNorm>(json!("?")), words_of::<FisherNorm>());
        assert_eq!(known_to_serde::<DropRescale>(json!("?")), words_of::<DropRescale>());
        assert_eq!(known_to_serde::<TrimRescale>(json!("?")), words_of::<TrimRescale>());
        assert_eq!(with_none::<Calibrate>(), words_of::<Option<Calibrate>>());
        assert_eq!(with_none::<Elect>(), words_of::<Option<Elect>>());
        assert_eq!(with_none::<Normalise>(), words_of::<Option<Normalise>>());
    }

    #[test]
    fn a_word_reads_as_the_choice_that_is_written_with_it() {
        for combine in Combine::ALL {
            assert_eq!(read::<Combine>("combine", combine.word()), Ok(*combine));
        }
        for space in Space::ALL {
            assert_eq!(read::<Space>("space", space.word()), Ok(*space));
        }
    }
}
