//! The loops of the host models: safe slices in, vector instructions picked at run time.

use super::{activation::exp, real::Real};
use crate::instructions::arch;

/// Independent sums per row, so that the compiler may use whole vector registers without reordering a sum.
const LANES: usize = 16;

/// A matrix inside a slice: element (r, c) lies at `start + r · row_stride + c · column_stride`.
#[derive(Clone, Copy)]
pub(crate) struct View {
    pub(crate) start: usize,
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    pub(crate) row_stride: usize,
    pub(crate) column_stride: usize,
}

impl View {
    /// A row-major matrix that fills its slice.
    pub(crate) fn dense(rows: usize, columns: usize) -> Self {
        Self { start: 0, rows, columns, row_stride: columns, column_stride: 1 }
    }

    /// Columns `start..start + columns` of a row-major matrix `width` wide.
    pub(crate) fn columns(rows: usize, width: usize, start: usize, columns: usize) -> Self {
        Self { start, rows, columns, row_stride: width, column_stride: 1 }
    }

    pub(crate) fn transposed(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }

    /// The place after the last element; `None` if it is beyond what a place can be.
    ///
    /// A product without bounds relies on it, so a sum that wraps must not pass for a small one.
    fn end(&self) -> Option<usize> {
        let (Some(last_row), Some(last_column)) = (self.rows.checked_sub(1), self.columns.checked_sub(1)) else {
            return Some(self.start);
        };
        let row = last_row.checked_mul(self.row_stride)?;
        let column = last_column.checked_mul(self.column_stride)?;
        self.start.checked_add(row)?.checked_add(column)?.checked_add(1)
    }

    fn is_inside<T>(&self, slice: &[T]) -> bool {
        self.end().is_some_and(|end| end <= slice.len())
    }
}

/// Computes `c = keep · c + scale · a · b` on one thread.
pub(crate) fn matmul<T: Real>(c: (&mut [T], View), keep: bool, scale: T, a: (&[T], View), b: (&[T], View)) {
    let ((c, cv), (a, av), (b, bv)) = (c, a, b);
    assert!(av.rows == cv.rows && bv.columns == cv.columns && av.columns == bv.rows, "shapes of a product agree");
    assert!(cv.is_inside(c) && av.is_inside(a) && bv.is_inside(b), "a view stays inside its slice");
    let stride = |n: usize| isize::try_from(n).expect("a stride inside a slice fits isize");
    #[expect(unsafe_code, reason = "gemm takes pointers; the asserts above hold its conditions")]
    // SAFETY: every element the views reach lies inside its slice, and `c` is borrowed mutably, so it overlaps nothing.
    unsafe {
        gemm::gemm(
            cv.rows,
            cv.columns,
            av.columns,
            c.as_mut_ptr().add(cv.start),
            stride(cv.column_stride),
            stride(cv.row_stride),
            keep,
            a.as_ptr().add(av.start),
            stride(av.column_stride),
            stride(av.row_stride),
            b.as_ptr().add(bv.start),
            stride(bv.column_stride),
            stride(bv.row_stride),
            T::ONE,
            scale,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

/// Computes `target = base + scale · delta`.
pub(crate) fn axpy(base: &[f32], scale: f32, delta: &[f32]) -> Vec<f32> {
    let mut target = base.to_vec();
    arch().dispatch(|| target.iter_mut().zip(delta).for_each(|(t, d)| *t += scale * d));
    target
}

/// `1 / √square`, or NaN where the square overflowed: the norm of such a row would be zeros, as if it held nothing.
#[inline(always)]
fn inverse_root(square: f32) -> f32 {
    if square.is_finite() { 1.0 / square.sqrt() } else { f32::NAN }
}

/// Normalises each row to mean 0 and variance 1, then scales and shifts it: `to` becomes the layer norm of `from`. A
/// row whose squares overflow becomes NaN.
pub(crate) fn layer_norm(to: &mut [f32], from: &[f32], weight: &[f32], bias: &[f32], eps: f32) {
    let width = weight.len();
    arch().dispatch(|| {
        for (to, from) in to.chunks_exact_mut(width).zip(from.chunks_exact(width)) {
            let mean = sum(from, |x| x) / width as f32;
            let variance = sum(from, |x| (x - mean) * (x - mean)) / width as f32;
            let inverse = inverse_root(variance + eps);
            for (((t, x), w), b) in to.iter_mut().zip(from).zip(weight).zip(bias) {
                *t = (x - mean) * inverse * w + b;
            }
        }
    });
}

/// Scales each row to mean square 1, then by the weight: `to` becomes the RMS norm of `from`. A row whose squares
/// overflow becomes NaN.
pub(crate) fn rms_norm(to: &mut [f32], from: &[f32], weight: &[f32], eps: f32) {
    let width = weight.len();
    arch().dispatch(|| {
        for (to, from) in to.chunks_exact_mut(width).zip(from.chunks_exact(width)) {
            let inverse = inverse_root(sum(from, |x| x * x) / width as f32 + eps);
            to.iter_mut().zip(from).zip(weight).for_each(|((t, x), w)| *t = x * inverse * w);
        }
    });
}

/// The same [norm](rms_norm), in place.
pub(crate) fn rms_norm_in_place(rows: &mut [f32], weight: &[f32], eps: f32) {
    let width = weight.len();
    arch().dispatch(|| {
        for row in rows.chunks_exact_mut(width) {
            let inverse = inverse_root(sum(row, |x| x * x) / width as f32 + eps);
            row.iter_mut().zip(weight).for_each(|(x, w)| *x = *x * inverse * w);
        }
    });
}

/// Turns each row of a `[rows, columns]` matrix into its softmax. With `seen`, row `r` sees only the first `seen + r`
/// columns and the others become zero.
pub(crate) fn softmax(scores: &mut [f32], columns: usize, seen: Option<usize>) {
    arch().dispatch(|| {
        for (r, row) in scores.chunks_exact_mut(columns).enumerate() {
            let (row, hidden) = row.split_at_mut(seen.map_or(columns, |seen| (seen + r).min(columns)));
            hidden.fill(0.0);
            let top = max(row);
            row.iter_mut().for_each(|x| *x = exp(*x - top));
            let inverse = 1.0 / sum(row, |x| x);
            row.iter_mut().for_each(|x| *x *= inverse);
        }
    });
}

/// Scales each row to length 1; a row of zeros stays.
pub(crate) fn unit_rows(rows: &mut [f32], width: usize) {
    for row in rows.chunks_exact_mut(width) {
        let length = row.iter().map(|x| f64::from(*x) * f64::from(*x)).sum::<f64>().sqrt();
        if length > 0.0 {
            row.iter_mut().for_each(|x| *x = (f64::from(*x) / length) as f32);
        }
    }
}

#[inline(always)]
fn sum(values: &[f32], f: impl Fn(f32) -> f32) -> f32 {
    let mut lanes = [0.0f32; LANES];
    let chunks = values.chunks_exact(LANES);
    let rest: f32 = chunks.remainder().iter().map(|x| f(*x)).sum();
    for chunk in chunks {
        for (lane, x) in lanes.iter_mut().zip(chunk) {
            *lane += f(*x);
        }
    }
    lanes.iter().sum::<f32>() + rest
}

#[inline(always)]
fn max(values: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let larger = |a: f32, b: f32| if b > a { b } else { a };
    let chunks = values.chunks_exact(LANES);
    let rest = chunks.remainder().iter().fold(f32::NEG_INFINITY, |a, x| larger(a, *x));
    for chunk in chunks {
        for (lane, x) in lanes.iter_mut().zip(chunk) {
            *lane = larger(*lane, *x);
        }
    }
    lanes.iter().fold(rest, |a, x| larger(a, *x))
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "these values are exact")]
mod tests {
    use super::*;

    #[test]
    fn a_causal_row_sees_no_later_column() {
        let mut scores = vec![1.0, 9.0, 9.0, 1.0, 1.0, 9.0, 1.0, 1.0, 1.0];
        softmax(&mut scores, 3, Some(1));
        assert_eq!(&scores[..6], &[1.0, 0.0, 0.0, 0.5, 0.5, 0.0]);
        assert!((scores[6..].iter().sum::<f32>() - 1.0).abs() < 1e-6);
    }

    #[test]
    fn a_product_honours_strides_and_what_was_there() {
        let a = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        let mut c = [10.0; 4];
        let view = View::dense(2, 3);
        matmul((&mut c, View::dense(2, 2)), true, 1.0, (&a, view), (&a, view.transposed()));
        assert_eq!(c, [24.0, 42.0, 42.0, 87.0]);
    }

    #[test]
    fn a_view_whose_end_wraps_is_inside_of_nothing() {
        // 2^63 columns of width 2 end at 2^64 + 1, which wraps to 1.
        let half = 1 << (usize::BITS - 1);
        let wrapping = View { start: 0, rows: 2, columns: 1, row_stride: usize::MAX, column_stride: 1 };
        for view in
            [wrapping, View::dense(half, 2), View::dense(2, half), View { start: usize::MAX, ..View::dense(1, 1) }]
        {
            assert!(!view.is_inside(&[0.0f32; 4]), "{} × {}", view.rows, view.columns);
        }
        assert_eq!(View::dense(0, half).end(), Some(0));
        assert!(View::dense(2, 2).is_inside(&[0.0f32; 4]) && !View::dense(2, 2).is_inside(&[0.0f32; 3]));
    }

    #[test]
    fn a_layer_norm_has_mean_zero_and_variance_one() {
        let from: Vec<f32> = (0..19).map(|n| (n * n) as f32).collect();
        let mut to = vec![0.0; 19];
        layer_norm(&mut to, &from, &[1.0; 19], &[0.0; 19], 0.0);
        assert!(to.iter().sum::<f32>().abs() < 1e-4);
        assert!((to.iter().map(|x| x * x).sum::<f32>() / 19.0 - 1.0).abs() < 1e-5);
    }
}
