use crate::{DataSpec, InputRef, ShuffleLike, SplitRule, TextSpec};
use std::collections::{BTreeMap, BTreeSet};

/// The data of one of the six language tasks as the KnOTS paper's code reads them: columns, labels, masks, splits.
///
/// The head has three classes: 0 entailment, 1 neutral, 2 contradiction. Data sets that only tell entailment from its
/// absence have one of them masked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Convention {
    Snli,
    Mnli,
    Sick,
    Qnli,
    Rte,
    Scitail,
}

/// The data at `source` as the convention of this name reads them, if there is such a convention: `convention` of a sweep file.
pub fn convention_data(name: &str, source: InputRef) -> Option<DataSpec> {
    let convention = Convention::named(name)?;
    Some(DataSpec {
        source,
        image_column: "image".to_owned(),
        label_column: "label".to_owned(),
        text: Some(convention.text()),
        splits: convention.splits(),
    })
}

impl Convention {
    const NAMES: [(&str, Self); 6] = [
        ("snli", Self::Snli),
        ("mnli", Self::Mnli),
        ("sick", Self::Sick),
        ("qnli", Self::Qnli),
        ("rte", Self::Rte),
        ("scitail", Self::Scitail),
    ];

    pub(super) fn named(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(known, _)| *known == name).map(|(_, convention)| *convention)
    }

    pub(super) fn names() -> [&'static str; 6] {
        Self::NAMES.map(|(name, _)| name)
    }

    pub(super) fn text(self) -> TextSpec {
        let columns = match self {
            Self::Snli | Self::Scitail => ["premise", "hypothesis"],
            Self::Mnli | Self::Qnli | Self::Rte => ["text1", "text2"],
            Self::Sick => ["sentence_A", "sentence_B"],
        };
        let (labels, masked): (&[_], _) = match self {
            Self::Snli | Self::Mnli | Self::Sick => (&[], None),
            Self::Qnli | Self::Rte => (&[("0", 0), ("1", 2)], Some(1)),
            Self::Scitail => (&[("entails", 0), ("neutral", 1)], Some(2)),
        };
        TextSpec {
            columns: columns.map(str::to_owned).to_vec(),
            labels: labels.iter().map(|(raw, class)| ((*raw).to_owned(), *class)).collect(),
            // Pairs on which the annotators did not agree.
            drop_labels: if self == Self::Snli { BTreeSet::from(["-1".to_owned()]) } else { BTreeSet::new() },
            mask_classes: masked.into_iter().collect(),
            max_length: Some(if self == Self::Scitail { 1000 } else { 2000 }),
        }
    }

    /// The test labels of the GLUE tasks are secret: their validation split is cut in two.
    pub(super) fn splits(self) -> BTreeMap<String, SplitRule> {
        let rules = |validation: [f64; 2], test: [f64; 2], shuffle_seed: Option<u64>| {
            let rule = |share| SplitRule {
                from: Some("validation".to_owned()),
                share: Some(share),
                shuffle_seed,
                shuffle_like: shuffle_seed.map(|_| ShuffleLike::Datasets),
                indices: None,
            };
            BTreeMap::from([("validation".to_owned(), rule(validation)), ("test".to_owned(), rule(test))])
        };
        match self {
            Self::Mnli => rules([0.8, 1.0], [0.0, 0.8], None),
            Self::Qnli => rules([0.0, 0.2], [0.2, 1.0], Some(42)),
            Self::Rte => rules([0.0, 0.5], [0.5, 1.0], Some(42)),
            Self::Snli | Self::Sick | Self::Scitail => BTreeMap::new(),
        }
    }
}
