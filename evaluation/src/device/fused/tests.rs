//! The passes on the processor against candle's own operations, one after the other, as `fused/kernels.cu` would be compared.

use super::{add, finish, norm, shares, steps};
use crate::Activation;
use candle_core::{D, DType, Device, Result, Tensor};

pub(super) const ROWS: usize = 7;
pub(super) const COLUMNS: usize = 50;

/// How far two numbers of a format near 1 may lie apart: a unit in the last place, or what sums in another order differ by.
pub(super) const FORMATS: [(DType, f32); 3] =
    [(DType::F32, 2e-6), (DType::BF16, 1.0 / 128.0), (DType::F16, 1.0 / 1024.0)];

pub(super) fn numbers(shape: (usize, usize), seed: f32) -> Tensor {
    let values: Vec<f32> = (0..shape.0 * shape.1).map(|n| 2.0 * (n as f32 * 0.7 + seed).sin()).collect();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

pub(super) fn vector(seed: f32) -> Tensor {
    numbers((1, COLUMNS), seed).squeeze(0).unwrap()
}

pub(super) fn is_near(found: &Tensor, expected: &Tensor, within: f32) {
    assert_eq!(found.dims(), expected.dims());
    assert_eq!(found.dtype(), expected.dtype());
    let found = found.to_dtype(DType::F32).unwrap();
    let expected = expected.to_dtype(DType::F32).unwrap();
    let size = (expected.abs().unwrap() + 1.0).unwrap();
    let apart = ((found - expected).unwrap().abs().unwrap() / size).unwrap();
    let most = apart.flatten_all().unwrap().max(D::Minus1).unwrap().to_scalar::<f32>().unwrap();
    assert!(most <= within, "{most} apart, {within} may be");
}

#[test]
fn a_finished_product_is_what_its_steps_make() {
    for (format, within) in FORMATS {
        let product = numbers((ROWS, COLUMNS), 0.3).to_dtype(format).unwrap();
        for activation in [None, Some(Activation::QuickGelu), Some(Activation::Gelu)] {
            let expected = steps::finish(&product, &vector(1.0), activation).unwrap();
            is_near(&finish(&product, &vector(1.0), activation).unwrap(), &expected, within);
        }
    }
}

#[test]
fn an_added_product_is_what_its_steps_make() {
    for (format, _) in FORMATS {
        let product = numbers((ROWS, COLUMNS), 0.3).to_dtype(format).unwrap();
        let stream = numbers((ROWS, COLUMNS), 2.0);
        let expected = steps::add(&product, &vector(1.0), &stream).unwrap();
        is_near(&add(&product, &vector(1.0), &stream).unwrap(), &expected, 0.0);
    }
}

#[test]
fn a_norm_is_what_its_steps_make() {
    let rows = (numbers((ROWS, COLUMNS), 0.3) + 3.0).unwrap();
    for (format, within) in FORMATS {
        let expected = steps::norm(&rows, &vector(1.0), &vector(2.0), 1e-5, format).unwrap();
        is_near(&norm(&rows, &vector(1.0), &vector(2.0), 1e-5, format).unwrap(), &expected, within.max(1e-5));
    }
}

#[test]
fn shares_are_what_their_steps_make() {
    let logits = (numbers((ROWS, COLUMNS), 0.3) * 20.0).unwrap().reshape((1, ROWS, COLUMNS)).unwrap();
    for (format, within) in FORMATS {
        let expected = steps::shares(&logits, 0.125, format).unwrap();
        is_near(&shares(&logits, 0.125, format).unwrap(), &expected, within);
    }
}

#[test]
fn what_is_no_number_stays_none() {
    let nan = Tensor::new(&[[f32::NAN, 1.0]], &Device::Cpu).unwrap();
    let one = Tensor::new(&[1.0f32, 1.0], &Device::Cpu).unwrap();
    for (format, _) in FORMATS {
        let is_lost = |made: Tensor| {
            made.to_dtype(DType::F32).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap()[0].is_nan()
        };
        assert!(is_lost(norm(&nan, &one, &one, 1e-5, format).unwrap()));
        assert!(is_lost(shares(&nan, 1.0, format).unwrap()));
        let product = nan.to_dtype(format).unwrap();
        assert!(is_lost(finish(&product, &one, None).unwrap()));
        assert!(is_lost(add(&product, &one, &nan).unwrap()));
    }
}

#[test]
fn tensors_of_other_shapes_are_refused() {
    let rows = numbers((ROWS, COLUMNS), 0.3);
    let short = Tensor::new(&[1.0f32; 3], &Device::Cpu).unwrap();
    let refused = |made: Result<Tensor>| made.unwrap_err().to_string();
    assert!(refused(finish(&rows, &short, None)).contains("rows of 50 numbers meet a vector of 3"));
    assert!(refused(norm(&rows, &short, &vector(1.0), 1e-5, DType::F32)).contains("a vector of 3"));
    assert!(refused(add(&rows, &vector(1.0), &numbers((2, COLUMNS), 0.0))).contains("a stream of [2, 50]"));
    assert!(refused(shares(&rows.t().unwrap(), 1.0, DType::F32)).contains("lie in their order"));
    assert!(refused(shares(&rows, 1.0, DType::U8)).contains("no numbers of the format U8"));
}
