//! From features to logits and back.

use crate::{
    Head, Real,
    model::host::kernels::{View, matmul},
};

/// How the features of a task's examples become logits: its head, and what happens to features before it.
#[derive(Clone)]
pub struct Readout {
    /// `[classes, width]`
    head: Vec<f32>,
    classes: usize,
    width: usize,
    /// True if features are scaled to length 1 first.
    is_unit: bool,
    /// Classes that are never the answer.
    masked: Vec<usize>,
}

impl Readout {
    /// Takes a head for features that are scaled to length 1 first, as those of images.
    pub fn of_units(head: &Head) -> Self {
        Self::new(head, true, &[])
    }

    /// Takes a head for features as they are, as those of texts; classes that are masked are never the answer.
    pub fn of_states(head: &Head, masked: &[u32]) -> Self {
        Self::new(head, false, masked)
    }

    fn new(head: &Head, is_unit: bool, masked: &[u32]) -> Self {
        let masked = masked.iter().map(|class| *class as usize).filter(|class| *class < head.classes()).collect();
        Self { head: head.weight().to_vec(), classes: head.classes(), width: head.width(), is_unit, masked }
    }

    /// Numbers that features have.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Number of classes, masked ones included.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// The numbers of the head, `[classes, width]`.
    pub fn weight(&self) -> &[f32] {
        &self.head
    }

    /// Puts other numbers in the place of the head's.
    pub(crate) fn set_weight(&mut self, weight: &[f32]) {
        self.head.copy_from_slice(weight);
    }

    /// Classes that are never the answer.
    pub(crate) fn masked(&self) -> &[usize] {
        &self.masked
    }

    /// The logits of every example; minus infinity for a masked class.
    pub(crate) fn logits<T: Real>(&self, features: &[T]) -> Vec<Vec<f64>> {
        let rows = features.len() / self.width;
        let units = self.units(features);
        let head: Vec<T> = self.head.iter().map(|x| T::of(f64::from(*x))).collect();
        let mut logits = vec![T::ZERO; rows * self.classes];
        let to = View::dense(rows, self.classes);
        let from = View::dense(rows, self.width);
        let head = (&*head, View::dense(self.classes, self.width).transposed());
        matmul((&mut logits, to), false, T::ONE, (&units, from), head);
        let rows = logits.chunks_exact(self.classes);
        rows.map(|row| {
            let mut row: Vec<f64> = row.iter().map(|x| x.wide()).collect();
            self.masked.iter().for_each(|class| row[*class] = f64::NEG_INFINITY);
            row
        })
        .collect()
    }

    /// The gradient by one example's features, given that by its logits.
    ///
    /// Of u = f / |f| with the gradient g by u, it is (g − u (u · g)) / |f|.
    pub(crate) fn backward<T: Real>(&self, features: &[T], by_logits: &[f64]) -> Vec<T> {
        let mut by_units = vec![0.0; self.width];
        for (row, delta) in self.head.chunks_exact(self.width).zip(by_logits) {
            by_units.iter_mut().zip(row).for_each(|(to, weight)| *to += f64::from(*weight) * delta);
        }
        self.by_features(features, &mut by_units);
        by_units.into_iter().map(T::of).collect()
    }

    /// The gradients by the features of several examples, given those by their logits, `[examples, classes]`.
    pub(crate) fn backward_all<T: Real>(&self, features: &[T], by_logits: &[f64]) -> Vec<T> {
        let rows = features.len() / self.width;
        let by_logits: Vec<T> = by_logits.iter().map(|x| T::of(*x)).collect();
        let head: Vec<T> = self.head.iter().map(|x| T::of(f64::from(*x))).collect();
        let mut by_units = vec![T::ZERO; features.len()];
        let to = (by_units.as_mut_slice(), View::dense(rows, self.width));
        let from = (&*by_logits, View::dense(rows, self.classes));
        matmul(to, false, T::ONE, from, (&head, View::dense(self.classes, self.width)));
        if self.is_unit {
            for (row, features) in by_units.chunks_exact_mut(self.width).zip(features.chunks_exact(self.width)) {
                let mut wide: Vec<f64> = row.iter().map(|x| x.wide()).collect();
                self.by_features(features, &mut wide);
                row.iter_mut().zip(wide).for_each(|(to, x)| *to = T::of(x));
            }
        }
        by_units
    }

    /// The gradient by the head, `[classes, width]`.
    pub(crate) fn by_head<T: Real>(&self, features: &[T], by_logits: &[f64]) -> Vec<T> {
        let rows = features.len() / self.width;
        let by_logits: Vec<T> = by_logits.iter().map(|x| T::of(*x)).collect();
        let mut by_head = vec![T::ZERO; self.head.len()];
        let to = (by_head.as_mut_slice(), View::dense(self.classes, self.width));
        let from = (&*by_logits, View::dense(rows, self.classes).transposed());
        matmul(to, false, T::ONE, from, (&self.units(features), View::dense(rows, self.width)));
        by_head
    }

    /// The features as the head takes them.
    fn units<T: Real>(&self, features: &[T]) -> Vec<T> {
        let mut units = features.to_vec();
        if self.is_unit {
            units.chunks_exact_mut(self.width).for_each(scale_to_unit);
        }
        units
    }

    /// Turns the gradient by what the head takes into that by the features.
    fn by_features<T: Real>(&self, features: &[T], by_units: &mut [f64]) {
        let length = features.iter().map(|x| x.wide() * x.wide()).sum::<f64>().sqrt();
        // The features of a zero row stay zeros, as in scoring: they have no direction to turn.
        if self.is_unit && length > 0.0 {
            let along = by_units.iter().zip(features).map(|(g, f)| g * f.wide() / length).sum::<f64>();
            by_units.iter_mut().zip(features).for_each(|(g, f)| *g = (*g - along * f.wide() / length) / length);
        }
    }
}

fn scale_to_unit<T: Real>(row: &mut [T]) {
    let length = row.iter().map(|x| x.wide() * x.wide()).sum::<f64>().sqrt();
    if length > 0.0 {
        row.iter_mut().for_each(|x| *x = T::of(x.wide() / length));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gradients_by_features_are_the_finite_differences() {
        let head = Head::new(vec![1.0, 0.5, -0.5, 1.0, 2.0, 2.0], 3, 2).unwrap();
        let features = [0.7, -1.1];
        let by_logits = [0.3, -0.2, 0.9];
        for readout in [Readout::of_units(&head), Readout::of_states(&head, &[])] {
            let total = |features: &[f64]| -> f64 {
                readout.logits(features)[0].iter().zip(by_logits).map(|(logit, delta)| logit * delta).sum()
            };
            let exact = readout.backward(&features, &by_logits);
            let all = readout.backward_all(&[features, features].concat(), &[by_logits, by_logits].concat());
            assert!(exact.iter().cycle().zip(&all).all(|(one, all)| (one - all).abs() < 1e-12));
            for n in 0..2 {
                let moved = |by: f64| {
                    let mut features = features;
                    features[n] += by;
                    total(&features)
                };
                let difference = (moved(1e-5) - moved(-1e-5)) / 2e-5;
                assert!((difference - exact[n]).abs() < 1e-8, "{difference} against {}", exact[n]);
            }
        }
    }

    #[test]
    fn the_gradient_by_the_head_is_the_sum_over_examples() {
        let head = Head::new(vec![1.0, 0.5, -0.5, 1.0], 2, 2).unwrap();
        let readout = Readout::of_states(&head, &[]);
        let by_head = readout.by_head(&[1.0, 2.0, 3.0, 4.0], &[1.0, -1.0, 0.5, 0.0]);
        assert_eq!(by_head, [2.5, 4.0, -1.0, -2.0]);
    }

    #[test]
    fn a_masked_class_is_never_the_answer() {
        let head = Head::new(vec![1.0, 0.0, 0.0, 1.0], 2, 2).unwrap();
        let logits = Readout::of_states(&head, &[0]).logits(&[5.0f32, 1.0]);
        assert_eq!(logits, [[f64::NEG_INFINITY, 1.0]]);
    }
}
