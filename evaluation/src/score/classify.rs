use super::{
    PerTaskScore, ScoreError, Vectors,
    device::{self, Length},
    each_row, first_largest, place,
};
use crate::{Features, Head};

/// Counts the texts whose largest score is that of their class, masked classes aside; of equal scores the first class
/// counts.
///
/// score = features · headᵀ
///
/// # Shapes
/// Features `[texts, width]`, head `[classes, width]`; `masked` are classes of the head that the data set does not
/// have.
///
/// # Numerics
/// `f32`, and no vector is scaled: a head was trained on the features as they are. A score that is not finite is an
/// error.
///
/// # Errors
/// The widths differ, a masked class or a label lies beyond the head, a label is masked, or features are not finite.
pub fn classify(features: &Features, head: &Head, masked: &[u32]) -> Result<PerTaskScore, ScoreError> {
    let Some(on_device) = features.on_device() else {
        return classify_vectors(Vectors::of(features)?, head, masked);
    };
    check_mask(head, masked)?;
    let own = |(example, label): (usize, &u32)| own_class(example, *label, head, masked);
    let own = features.labels().iter().enumerate().map(own).collect::<Result<Vec<_>, _>>()?;
    Ok(PerTaskScore::of(&device::answers(on_device, head, Length::AsItIs, masked)?, &own))
}

fn check_mask(head: &Head, masked: &[u32]) -> Result<(), ScoreError> {
    let classes = head.classes();
    match masked.iter().find(|class| usize::try_from(**class).is_ok_and(|class| class >= classes)) {
        Some(&class) => Err(ScoreError::Mask { class, classes }),
        None => Ok(()),
    }
}

fn own_class(example: usize, label: u32, head: &Head, masked: &[u32]) -> Result<usize, ScoreError> {
    let own = place(example, label, head.classes())?;
    if masked.contains(&label) { Err(ScoreError::Masked { example, label }) } else { Ok(own) }
}

fn classify_vectors(vectors: Vectors<'_>, head: &Head, masked: &[u32]) -> Result<PerTaskScore, ScoreError> {
    check_mask(head, masked)?;
    let mut right = Vec::with_capacity(vectors.labels.len());
    each_row(
        vectors,
        head,
        |_, _| (),
        |example, label, scores| {
            let own = own_class(example, label, head, masked)?;
            masked.iter().for_each(|class| scores[*class as usize] = f32::NAN);
            right.push(first_largest(scores) == Some(own));
            Ok(())
        },
    )?;
    let correct = right.iter().filter(|right| **right).count();
    Ok(PerTaskScore { correct, n: right.len(), right })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head() -> Head {
        Head::new(vec![1.0, 0.0, 0.0, 1.0, 2.0, 2.0], 3, 2).unwrap()
    }

    fn right(vectors: &[[f32; 2]], labels: &[u32], masked: &[u32]) -> Result<Vec<bool>, String> {
        let vectors = Vectors { values: vectors.as_flattened(), width: 2, labels };
        classify_vectors(vectors, &head(), masked).map(|score| score.right).map_err(|error| error.to_string())
    }

    #[test]
    fn the_class_with_the_largest_score_is_the_answer() {
        // Scores: x, y and 2x + 2y.
        let answers = right(&[[3.0, 1.0], [-1.0, -2.0], [-2.0, -1.0], [0.0, 0.0]], &[2, 0, 1, 0], &[]);
        assert_eq!(answers, Ok(vec![true; 4]), "the last is a tie, and goes to the first class");
    }

    #[test]
    fn a_masked_class_is_never_the_answer() {
        assert_eq!(right(&[[3.0, 1.0], [1.0, 3.0]], &[0, 1], &[2]), Ok(vec![true, true]));
        assert_eq!(right(&[[3.0, 1.0], [1.0, 3.0]], &[0, 1], &[]), Ok(vec![false, false]));
        assert_eq!(right(&[[f32::MIN / 4.0, -1.0]], &[0], &[1, 2]), Ok(vec![true]), "the only class that is left");
    }

    #[test]
    fn a_text_whose_features_are_not_finite_is_not_a_wrong_answer() {
        let words = |count: &str| {
            format!(
                "{count} examples have features that are not finite: a `scaling` may be too large, numbers may overflow in `f16` \
                 (`bf16` and `f32` hold larger ones), or the base or a head may hold such numbers"
            )
        };
        let vectors = [[1.0, 0.0], [f32::NAN, 0.0], [0.0, f32::INFINITY], [f32::NEG_INFINITY, 0.0]];
        assert_eq!(right(&vectors, &[0; 4], &[]), Err(words("3 of 4")));
        assert_eq!(right(&vectors, &[0; 4], &[1, 2]), Err(words("3 of 4")), "whatever is masked");
        assert_eq!(right(&[[f32::MAX, f32::MAX]], &[0], &[]), Err(words("1 of 1")), "a score may overflow as well");
    }

    #[test]
    fn what_does_not_fit_is_named() {
        assert_eq!(right(&[[1.0, 1.0]; 2], &[0, 1], &[1]).unwrap_err(), "example 1 has label 1, but class 1 is masked");
        let beyond = right(&[[1.0, 1.0]], &[3], &[]).unwrap_err();
        assert_eq!(beyond, "example 0 has label 3, but only 3 classes are known");
        assert_eq!(right(&[], &[], &[3]).unwrap_err(), "class 3 is masked, but the head has 3 classes");
        let narrow = Vectors { values: &[1.0], width: 1, labels: &[0] };
        let error = classify_vectors(narrow, &head(), &[]).unwrap_err().to_string();
        assert_eq!(error, "the head has vectors of 2 numbers, the features have 1");
    }
}
