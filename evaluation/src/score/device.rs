//! Scores of features that lie on a device: only answers come back, one number for each example, in one copy.

use super::ScoreError;
use crate::{Head, ModelError, device::Accelerator, head::PlacedHead, model::features::DeviceFeatures};
use candle_core::{D, DType, Result, Tensor};

/// What happens to a feature vector before it is multiplied by a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Length {
    /// It is scaled to length 1.
    Unit,
    /// Nothing.
    AsItIs,
}

/// The first class with the largest score of each example, masked classes aside.
///
/// # Errors
/// The widths differ, features or scores are not finite, or the device fails.
pub(super) fn answers(
    features: &DeviceFeatures,
    head: &Head,
    length: Length,
    masked: &[u32],
) -> std::result::Result<Vec<usize>, ScoreError> {
    let Some(scored) = Scored::of(features, head, length)? else { return Ok(Vec::new()) };
    let first = || {
        let scores = if masked.is_empty() {
            scored.scores.clone()
        } else {
            let mask = |class: usize| masked.iter().any(|masked| *masked as usize == class);
            let mask = (0..head.classes()).map(|class| if mask(class) { f32::NEG_INFINITY } else { 0.0 });
            scored.scores.broadcast_add(&features.on.put(mask.collect::<Vec<_>>(), head.classes())?)?
        };
        // A device may name any of several equal scores, so that each gets a number by its place first.
        let is_largest = scores.broadcast_eq(&scores.max_keepdim(D::Minus1)?)?.to_dtype(DType::F32)?;
        is_largest.broadcast_mul(&scored.descending)?.argmax(D::Minus1)?.to_dtype(DType::F32)
    };
    scored.bring_back(first(), &features.on)
}

/// The number of classes with a strictly higher score than the example's own one.
///
/// # Errors
/// As [`answers`].
pub(super) fn ranks(
    features: &DeviceFeatures,
    head: &Head,
    own: &[usize],
) -> std::result::Result<Vec<usize>, ScoreError> {
    let Some(scored) = Scored::of(features, head, Length::Unit)? else { return Ok(Vec::new()) };
    let above = || {
        let own: Vec<u32> = own.iter().map(|class| *class as u32).collect();
        let own = features.on.put(own, (scored.examples, 1))?;
        let own = scored.scores.gather(&own, D::Minus1)?;
        scored.scores.broadcast_gt(&own)?.to_dtype(DType::F32)?.sum(D::Minus1)
    };
    scored.bring_back(above(), &features.on)
}

/// Scores on a device.
struct Scored {
    examples: usize,
    /// `[examples, classes]`
    scores: Tensor,
    /// `[examples]`: 1 where all scores are finite.
    is_finite: Tensor,
    /// `[classes]`, different numbers that fall from class to class.
    descending: Tensor,
}

impl Scored {
    /// `None` without examples.
    fn of(features: &DeviceFeatures, head: &Head, length: Length) -> std::result::Result<Option<Self>, ScoreError> {
        let (examples, width) = features.rows.dims2().map_err(ModelError::from)?;
        if width != head.width() {
            return Err(ScoreError::Width { head: head.width(), features: width });
        }
        if examples == 0 {
            return Ok(None);
        }
        let scored = || {
            let rows = match length {
                Length::Unit => unit_rows(&features.rows)?,
                Length::AsItIs => features.rows.clone(),
            };
            let PlacedHead { turned, descending } = head.placed(&features.on)?;
            let scores = features.on.product(&rows, &turned)?;
            // 0 where all are finite, NaN otherwise.
            let is_finite = (&scores * 0.0)?.sum(D::Minus1)?.eq(0.0f32)?;
            Ok::<_, candle_core::Error>(Self { examples, scores, is_finite, descending })
        };
        Ok(Some(scored().map_err(ModelError::from)?))
    }

    /// Copies one number of each example back.
    fn bring_back(&self, numbers: Result<Tensor>, on: &Accelerator) -> std::result::Result<Vec<usize>, ScoreError> {
        let marked = || {
            let numbers = numbers?;
            let refused = (numbers.zeros_like()? - 1.0)?;
            on.take_back(&self.is_finite.where_cond(&numbers, &refused)?)
        };
        let numbers = marked().map_err(ModelError::from)?;
        match numbers.iter().filter(|number| **number < 0.0).count() {
            // Whole numbers below 2²⁴ are exact in `f32`.
            0 => Ok(numbers.into_iter().map(|number| number as usize).collect()),
            examples => Err(ScoreError::NotFinite { examples, n: self.examples }),
        }
    }
}

/// Scales rows to length 1; zeros stay zeros, and numbers that are not finite stay so.
///
/// Divided by the largest number first, so that no square overflows.
fn unit_rows(rows: &Tensor) -> Result<Tensor> {
    let or_one = |x: Tensor| &x + x.eq(0.0f32)?.to_dtype(DType::F32)?;
    let largest = or_one(rows.abs()?.max_keepdim(D::Minus1)?)?;
    let rows = rows.broadcast_div(&largest)?;
    let length = or_one(rows.sqr()?.sum_keepdim(D::Minus1)?.sqrt()?)?;
    rows.broadcast_div(&length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Features, accuracy, classify, joint_hits, model::features::FeatureValues};
    use candle_core::Device;
    use jobs::Precision;
    use proptest::{collection::vec, prelude::*};

    const WIDTH: usize = 3;
    const CLASSES: usize = 4;

    /// The same features on the processor and on a device.
    fn both(values: &[f32], labels: &[u32]) -> [Features; 2] {
        let on = Accelerator::new(&Device::Cpu, Precision::F32);
        let rows = on.put(values.to_vec(), (labels.len(), WIDTH)).unwrap();
        let host = FeatureValues::Host(values.to_vec());
        [host, FeatureValues::Device(DeviceFeatures::new(rows, &on))].map(|at| Features::of_texts(at, WIDTH, labels))
    }

    /// Small whole numbers: their products are exact, and equal scores are common.
    fn whole() -> impl Strategy<Value = f32> {
        prop_oneof![9 => (-2i8..=2).prop_map(f32::from), 1 => Just(f32::NAN), 1 => Just(f32::INFINITY)]
    }

    fn small() -> impl Strategy<Value = f32> {
        (-2i8..=2).prop_map(f32::from)
    }

    proptest! {
        #[test]
        fn a_device_answers_as_the_processor_does(
            examples in vec((vec(whole(), WIDTH), 0u32..CLASSES as u32), 0..12),
            head in vec(small(), WIDTH * CLASSES),
            masked in vec(0u32..CLASSES as u32, 0..2),
        ) {
            let values: Vec<f32> = examples.iter().flat_map(|(row, _)| row).copied().collect();
            let labels: Vec<u32> = examples.iter().map(|(_, label)| *label).collect();
            let head = Head::new(head, CLASSES, WIDTH).unwrap();
            let [host, device] = both(&values, &labels).map(|features| {
                classify(&features, &head, &masked).map_err(|error| error.to_string())
            });
            // Of several faults, a device names one of labels first.
            if !matches!((&host, &device), (Err(_), Err(_))) {
                prop_assert_eq!(host, device);
            }
        }

        #[test]
        fn ranks_and_answers_of_unit_vectors_agree_where_scores_differ_clearly(
            examples in vec((vec(-8i8..=8, WIDTH), 0u32..CLASSES as u32), 0..12),
        ) {
            let values: Vec<f32> = examples.iter().flat_map(|(row, _)| row).map(|x| f32::from(*x)).collect();
            let labels: Vec<u32> = examples.iter().map(|(_, label)| *label).collect();
            // The last class is the negative of the first: equal only for scores of zero, which are exact.
            let head = vec![1.0, 0.25, 0.0, 0.0, 1.0, 0.3, 0.7, 0.0, 1.0, -1.0, -0.25, 0.0];
            let head = Head::new(head, CLASSES, WIDTH).unwrap();
            let [host, device] = both(&values, &labels).map(|features| accuracy(&features, &head).unwrap());
            let clear = |row: &[f32]| {
                let score = |class: &[f32]| class.iter().zip(row).map(|(w, x)| w * x).sum::<f32>();
                let scores: Vec<f32> = head.weight().chunks(WIDTH).map(score).collect();
                (0..CLASSES).all(|a| (0..a).all(|b| (scores[a] - scores[b]).abs() > 1e-3))
            };
            for (n, row) in values.chunks(WIDTH).enumerate().filter(|(_, row)| clear(row)) {
                prop_assert_eq!(host.right[n], device.right[n], "{:?}", row);
            }
            let map: Vec<usize> = (0..CLASSES).collect();
            let [host, device] = both(&values, &labels).map(|features| joint_hits(&features, &head, &map).unwrap());
            for (n, row) in values.chunks(WIDTH).enumerate().filter(|(_, row)| clear(row)) {
                prop_assert_eq!(host.ranks[n], device.ranks[n], "{:?}", row);
            }
        }
    }

    #[test]
    fn a_vector_whose_squares_overflow_is_scaled_like_any_other() {
        let head = Head::new([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]].as_flattened().to_vec(), 2, WIDTH).unwrap();
        let values = [[1e30f32, 2e30, 0.0], [0.0, 0.0, 0.0], [3e-30, 1e-30, 0.0]];
        for features in both(values.as_flattened(), &[1, 0, 0]) {
            assert_eq!(accuracy(&features, &head).unwrap().right, [true; 3]);
        }
    }

    #[test]
    fn examples_that_are_not_finite_are_counted_wherever_they_lie() {
        let head = Head::new([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]].as_flattened().to_vec(), 2, WIDTH).unwrap();
        let values = [[f32::NAN, 2.0, 0.0], [0.0, 0.0, 0.0], [f32::NEG_INFINITY, 1.0, 0.0]];
        for features in both(values.as_flattened(), &[1, 0, 0]) {
            let refused = accuracy(&features, &head).unwrap_err().to_string();
            assert!(refused.starts_with("2 of 3 examples have features that are not finite"), "{refused}");
        }
    }
}
